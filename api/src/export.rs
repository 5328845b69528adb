//! A list in the form that was asked for: a page of JSON, or all of its rows as CSV, JSON Lines or a workbook, streamed.
//!
//! ```text
//!  Postgres ── some rows at a time ──▶ lines ──▶ chunks (bounded) ──▶ body
//!                                └──▶ sheet (a file on disk) ── when it is whole ──▶ body
//! ```
//!
//! 1. Neither the rows nor the answer stand in memory as a whole. A reader who is slow holds Postgres
//!    back, and one who stops reading is left after [`PATIENCE`].
//! 2. All rows are of one commit of the dataflow.
//! 3. An export that fails half-way ends without the end of its body, so that no part is taken for the whole.

pub mod lines;
pub mod workbook;

use std::future::Future;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::database::{self, Database, Snapshot, records};
use crate::listing::Listing;
use crate::problem::Problem;
use crate::values::Record;

/// How long whoever reads may take over a chunk.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a chunk, and chunks on the way.
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 4;
/// Rows that are read at a time.
const ROWS: i32 = 1000;

/// The form of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A page: an object with `items`.
    #[default]
    Json,
    /// All rows, RFC 4180.
    Csv,
    /// All rows, an object a line.
    JsonLines,
    /// All rows, a workbook.
    Xlsx,
}

impl Format {
    /// As `format` calls them.
    pub const NAMES: [&str; 4] = ["json", "csv", "jsonl", "xlsx"];

    /// The format of this name.
    pub fn named(name: &str) -> Option<Format> {
        match name {
            "json" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            "jsonl" => Some(Format::JsonLines),
            "xlsx" => Some(Format::Xlsx),
            _ => None,
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::JsonLines => "application/x-ndjson",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
            Format::Xlsx => "xlsx",
        }
    }

    /// What the headers `Accept` like best; JSON where they like nothing that there is.
    pub fn accepted<'h>(accept: impl Iterator<Item = &'h str>) -> Format {
        let mut best = (0.0, Format::Json);
        for range in accept.flat_map(|header| header.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/json" | "*/*" | "application/*" => Format::Json,
                "text/csv" => Format::Csv,
                "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => Format::JsonLines,
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Format::Xlsx,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if quality > best.0 {
                best = (quality, format);
            }
        }
        best.1
    }
}

/// What makes the items of a list out of rows. A function that makes an item of a row is one.
pub trait Shape<R>: Send + Sync + 'static {
    /// An item.
    type Item: Serialize + Send;

    /// Makes the items of some rows, in their order; what else they need is read from the same snapshot.
    fn items(
        &self,
        snapshot: &Snapshot<'_>,
        rows: Vec<R>,
    ) -> impl Future<Output = Result<Vec<Self::Item>, Problem>> + Send;
}

impl<R: Send, T: Serialize + Send, F: Fn(R) -> Result<T, Problem> + Send + Sync + 'static> Shape<R> for F {
    type Item = T;

    async fn items(&self, _: &Snapshot<'_>, rows: Vec<R>) -> Result<Vec<T>, Problem> {
        rows.into_iter().map(self).collect()
    }
}

/// The members of an item that were asked for, in their order.
pub fn chosen(item: &impl Serialize, fields: &[&'static str]) -> Result<Map<String, Value>, serde_json::Error> {
    let Value::Object(mut members) = serde_json::to_value(item)? else { return Ok(Map::new()) };
    members.retain(|name, _| fields.contains(&name.as_str()));
    Ok(members)
}

/// What a row goes into.
pub trait Sink: Send {
    /// Takes a row.
    ///
    /// # Errors
    /// What could not be done.
    fn row(&mut self, members: Map<String, Value>) -> Result<(), String>;

    /// Notes that there are no more rows. May take a while.
    ///
    /// # Errors
    /// What could not be done.
    fn end(&mut self) -> Result<(), String>;

    /// The next chunk, if there is enough for one.
    ///
    /// # Errors
    /// What could not be done.
    fn next(&mut self) -> Result<Option<Bytes>, String>;
}

fn sink(format: Format, fields: &[&'static str]) -> Result<Box<dyn Sink>, String> {
    Ok(match format {
        Format::Csv => Box::new(lines::Csv::new(fields)),
        Format::Xlsx => Box::new(workbook::Sheets::new(fields)?),
        Format::Json | Format::JsonLines => Box::new(lines::JsonLines::default()),
    })
}

/// All rows of a list, streamed, and the epoch that they are of.
///
/// # Errors
/// When there is no room for another export, or Postgres does not answer.
pub async fn stream<R: Record + Send + 'static>(
    database: &Database,
    mut listing: Listing,
    shape: impl Shape<R>,
) -> Result<(i64, Response), Problem> {
    let seat = database.export_seat()?;
    let (format, fields) = (listing.format, listing.fields.clone());
    let (begun, beginning) = oneshot::channel();
    let (chunks, body) = mpsc::channel::<Result<Bytes, std::io::Error>>(CHUNKS);
    let database = database.clone();
    let writing = async move {
        let _seat = seat;
        let mut connection = match database.connection().await {
            Ok(connection) => connection,
            Err(problem) => return drop(begun.send(Err(problem))),
        };
        let snapshot = match connection.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(problem) => return drop(begun.send(Err(problem))),
        };
        let mut writer = match Writer::begin(&snapshot, format, fields, chunks).await {
            Ok(writer) => writer,
            Err(problem) => return drop(begun.send(Err(problem))),
        };
        if begun.send(Ok(snapshot.epoch)).is_err() {
            return;
        }
        let written = writer.write(&snapshot, &mut listing, &shape).await;
        if let Err(stopped) = written {
            writer.abort(stopped).await;
        }
    };
    database::beside(writing);
    let epoch = beginning.await.map_err(|_| Problem::internal())??;
    Ok((epoch, attachment(format, epoch, streamed(body))))
}

fn streamed(body: mpsc::Receiver<Result<Bytes, std::io::Error>>) -> Body {
    Body::from_stream(stream::unfold(body, |mut body| async move { body.recv().await.map(|chunk| (chunk, body)) }))
}

fn attachment(format: Format, epoch: i64, body: Body) -> Response {
    let name = format!("attachment; filename=\"fandom-{epoch}.{}\"", format.extension());
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert("fandom-epoch", HeaderValue::from(epoch));
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// Why an export stopped before its end.
enum Stopped {
    /// Whoever asked is gone, or too slow.
    Left,
    /// Postgres or a row, whose fault is logged already.
    Database(Problem),
    /// The sheet or a line could not be written.
    Unwritten(String),
}

struct Writer {
    sink: Box<dyn Sink>,
    fields: Vec<&'static str>,
    chunks: mpsc::Sender<Result<Bytes, std::io::Error>>,
}

impl Writer {
    async fn begin(
        snapshot: &Snapshot<'_>,
        format: Format,
        fields: Vec<&'static str>,
        chunks: mpsc::Sender<Result<Bytes, std::io::Error>>,
    ) -> Result<Writer, Problem> {
        snapshot.take_time().await?;
        let sink = sink(format, &fields).map_err(|error| {
            tracing::error!(error, "an export could not be begun");
            Problem::internal()
        })?;
        Ok(Writer { sink, fields, chunks })
    }

    /// Writes the parts of the list one after another, each in the order of an index, so that nothing is sorted as a whole.
    async fn write<R: Record + Send>(
        &mut self,
        snapshot: &Snapshot<'_>,
        listing: &mut Listing,
        shape: &impl Shape<R>,
    ) -> Result<(), Stopped> {
        let mut left = listing.limit.unwrap_or(usize::MAX);
        for statement in listing.parts(&R::columns()) {
            let portal = snapshot.portal(&statement, &listing.binds.values()).await.map_err(Stopped::Database)?;
            while left > 0 {
                let mut rows = snapshot.fetch(&portal, ROWS).await.map_err(Stopped::Database)?;
                if rows.is_empty() {
                    break;
                }
                // A workbook is sent when it is whole: before, nothing else tells that nobody waits for it.
                if self.chunks.is_closed() {
                    return Err(Stopped::Left);
                }
                rows.truncate(left);
                left -= rows.len();
                let records: Vec<R> = records(&rows).map_err(Stopped::Database)?;
                drop(rows);
                for item in shape.items(snapshot, records).await.map_err(Stopped::Database)? {
                    let members = chosen(&item, &self.fields).map_err(|error| Stopped::Unwritten(error.to_string()))?;
                    self.sink.row(members).map_err(Stopped::Unwritten)?;
                    self.send().await?;
                }
            }
        }
        tokio::task::block_in_place(|| self.sink.end()).map_err(Stopped::Unwritten)?;
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Stopped> {
        while let Some(chunk) = self.sink.next().map_err(Stopped::Unwritten)? {
            let sent = tokio::time::timeout(PATIENCE, self.chunks.send(Ok(chunk))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return Err(Stopped::Left);
            }
        }
        Ok(())
    }

    /// Ends the body as one that is not whole.
    async fn abort(self, why: Stopped) {
        match why {
            Stopped::Left => tracing::info!("an export was left by whoever asked for it"),
            Stopped::Database(problem) => {
                tracing::warn!(status = %problem.status(), "an export ended before it was whole")
            }
            Stopped::Unwritten(error) => tracing::error!(error, "an export could not be written"),
        }
        let broken = std::io::Error::other("the export ended before it was whole");
        let _ = tokio::time::timeout(PATIENCE, self.chunks.send(Err(broken))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_best_is_sent() {
        for (accept, format) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/html, image/png", Format::Json),
            ("text/csv", Format::Csv),
            ("text/csv;q=0.5, application/json", Format::Json),
            ("application/json;q=0.5, application/x-ndjson;q=0.9", Format::JsonLines),
            ("TEXT/CSV; charset=utf-8; q=1, */*;q=0.1", Format::Csv),
            ("text/csv;q=0", Format::Json),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Format::Xlsx),
        ] {
            assert_eq!(Format::accepted([accept].into_iter()), format, "{accept}");
        }
    }
}
