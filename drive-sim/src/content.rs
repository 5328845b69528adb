//! Bodies: the range that is asked for, and bodies that break off.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::State;
use crate::drive;

/// Bytes of a piece of a body.
const PIECE: usize = 64 * 1024;

/// Answers with content, from the first byte that `Range: bytes=N-` or `bytes=N-M` asks for.
pub(crate) async fn answer(state: &Arc<State>, content: drive::Content, media: &str, headers: &HeaderMap) -> Response {
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (from, status) = match range.map(|(from, to)| (from.parse::<u64>(), to.parse::<u64>())) {
        None | Some((Err(_), _)) => (0, StatusCode::OK),
        Some((Ok(from), _)) if from >= content.size => {
            let whole = format!("bytes */{}", content.size);
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, whole)]).into_response();
        }
        Some((Ok(from), _)) => (from, StatusCode::PARTIAL_CONTENT),
    };
    let last = match range.and_then(|(_, to)| to.parse::<u64>().ok()) {
        Some(to) if status == StatusCode::PARTIAL_CONTENT => to.min(content.size - 1),
        _ => content.size.saturating_sub(1),
    };
    let wanted = if content.size == 0 { 0 } else { last.saturating_sub(from) + 1 };
    let cut = state.faults.take(|faults| &mut faults.truncated);
    let wrong = state.faults.take(|faults| &mut faults.wrong_checksums).is_some();
    let sent = if cut.is_some() { wanted / 2 } else { wanted };
    // Every other one is cut by somebody who sets the length right for what is left.
    let breaks = cut.is_some_and(|left| left % 2 == 0);
    let told = if breaks { wanted } else { sent };
    let body = match body(content.bytes, from, sent, wrong, breaks).await {
        Ok(body) => body,
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let mut answer = (status, [(header::CONTENT_TYPE, media), (header::ACCEPT_RANGES, "bytes")], body).into_response();
    answer.headers_mut().insert(header::CONTENT_LENGTH, told.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{last}/{}", content.size);
        if let Ok(range) = range.parse() {
            answer.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    answer
}

async fn body(bytes: drive::Bytes, from: u64, length: u64, wrong: bool, breaks: bool) -> io::Result<Body> {
    let mut reader: Box<dyn tokio::io::AsyncRead + Send + Unpin> = match bytes {
        drive::Bytes::Held(bytes) => {
            let start = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
            Box::new(io::Cursor::new(bytes[start..].to_vec()))
        }
        drive::Bytes::File(path) => {
            let mut file = tokio::fs::File::open(path).await?;
            file.seek(SeekFrom::Start(from)).await?;
            Box::new(file)
        }
    };
    let mut buffer = vec![0; PIECE];
    let (mut left, mut first) = (length, true);
    let mut ended = false;
    let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(2);
    tokio::spawn(async move {
        while !ended {
            let most = usize::try_from(left.min(PIECE as u64)).unwrap_or(PIECE);
            let piece = match reader.read(&mut buffer[..most]).await {
                Ok(0) if breaks => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                Ok(0) => return,
                Ok(read) => {
                    if wrong && first {
                        buffer[0] ^= 1;
                    }
                    first = false;
                    left -= read as u64;
                    Ok(Bytes::copy_from_slice(&buffer[..read]))
                }
                Err(error) => Err(error),
            };
            ended = piece.is_err();
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    Ok(Body::from_stream(stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))))
}
