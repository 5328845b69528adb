//! The content of a file, laid into a temporary file.
//!
//! A download that breaks off goes on where it ended. What arrives is held against size and checksum of what Drive showed;
//! memory is that of a few network buffers, whatever the size.

use std::io::{self, Read};
use std::path::Path;

use fandom_services::failpoints;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::CONTENT_RANGE;
use hyper::{HeaderMap, Response};
use openssl::hash::{Hasher, MessageDigest};
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};
use tokio_util::sync::CancellationToken;

use super::api::{Api, LONGEST_WAIT};
use super::error::DriveError;
use super::item::{Item, Kind};
use crate::source::hex;

/// How often a download may break off without a byte more, and how often whole content may differ from its checksum.
const FRUITLESS: u32 = 5;
const WRONG: u32 = 3;

/// How many bytes of an export are checked, inflated: Drive exports at most 10 MB.
const LARGEST_INFLATED: u64 = 1 << 30;

/// What the names of temporary files begin with.
pub(super) const PREFIX: &str = "fandom-drive-";

/// A downloaded file, deleted when it is dropped.
pub(super) struct Downloaded {
    pub path: TempPath,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// Why a file was not downloaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// What came is not what Drive showed, which shows something else now.
    #[error("the file changed while it was downloaded")]
    Changed,
    #[error("what came is not what Drive holds: its {what} differs, {WRONG} times in a row")]
    Wrong { what: &'static str },
    #[error("it holds more than {most} bytes (FANDOM_MAX_FILE_BYTES)")]
    TooLarge { most: u64 },
}

impl From<io::Error> for DownloadError {
    fn from(error: io::Error) -> DownloadError {
        DownloadError::Drive(error.into())
    }
}

/// Downloads a file, or exports a native spreadsheet, into the directory.
pub(super) async fn download(
    api: &Api,
    item: &Item,
    dir: &Path,
    most: u64,
    stop: &CancellationToken,
) -> Result<Downloaded, DownloadError> {
    let mut wrong = 0;
    loop {
        let mut partial = Partial::new(dir, most)?;
        let what = if item.kind() == Kind::Sheet {
            partial.export(api, item, stop).await?;
            partial.damage().await?
        } else {
            partial.fill(api, item, stop).await?;
            partial.difference(item)?
        };
        let Some(what) = what else { return partial.finish().await };
        if item.kind() != Kind::Sheet {
            still_shown(api, item).await?;
        }
        wrong += 1;
        tracing::debug!(item = item.id, what, wrong, "download is not what Drive shows");
        if wrong == WRONG {
            return Err(DownloadError::Wrong { what });
        }
    }
}

/// Whether Drive shows the same content as before.
async fn still_shown(api: &Api, item: &Item) -> Result<(), DownloadError> {
    let now = api.item(&item.id).await?;
    let is_same = !now.trashed && now.fingerprint() == item.fingerprint() && now.size == item.size;
    if is_same { Ok(()) } else { Err(DownloadError::Changed) }
}

/// A file on its way.
struct Partial {
    path: TempPath,
    file: BufWriter<File>,
    written: u64,
    most: u64,
    sha256: Sha256,
    md5: Hasher,
}

impl Partial {
    fn new(dir: &Path, most: u64) -> io::Result<Partial> {
        let (file, path) = tempfile::Builder::new().prefix(PREFIX).tempfile_in(dir)?.into_parts();
        let file = BufWriter::with_capacity(256 * 1024, File::from_std(file));
        Ok(Partial { path, file, written: 0, most, sha256: Sha256::new(), md5: md5()? })
    }

    /// Downloads until as many bytes are there as Drive showed.
    async fn fill(&mut self, api: &Api, item: &Item, stop: &CancellationToken) -> Result<(), DownloadError> {
        let (mut fruitless, mut furthest, mut backoff) = (0, 0, api.backoff(LONGEST_WAIT));
        loop {
            let broke_off = match self.piece_by_piece(api, item, stop).await {
                Ok(()) if item.size.is_none_or(|size| self.written >= size) => return Ok(()),
                Ok(()) => {
                    // An end that nothing broke may be that of other content.
                    still_shown(api, item).await?;
                    DriveError::Transport(format!("{} of {} bytes came", self.written, item.size.unwrap_or(0)))
                }
                Err(DownloadError::Drive(error @ (DriveError::Transport(_) | DriveError::Unexpected(_)))) => error,
                Err(error) => return Err(error),
            };
            fruitless = if self.written > furthest { 0 } else { fruitless + 1 };
            furthest = furthest.max(self.written);
            if fruitless == FRUITLESS {
                return Err(broke_off.into());
            }
            tracing::debug!(item = item.id, bytes = self.written, "download broke off and goes on");
            api.wait(&mut backoff, &broke_off).await?;
        }
    }

    /// One request for what is still missing.
    async fn piece_by_piece(&mut self, api: &Api, item: &Item, stop: &CancellationToken) -> Result<(), DownloadError> {
        let answer = api.media(&item.id, self.written).await?;
        let goes_on =
            answer.status() == StatusCode::PARTIAL_CONTENT && begins_at(answer.headers()) == Some(self.written);
        if self.written > 0 && !goes_on {
            self.start_over().await?;
            if answer.status() != StatusCode::OK {
                return Err(DriveError::Unexpected("another range than was asked for".into()).into());
            }
        }
        self.take(api, answer, stop).await
    }

    async fn export(&mut self, api: &Api, item: &Item, stop: &CancellationToken) -> Result<(), DownloadError> {
        let (mut attempt, mut backoff) = (1, api.backoff(LONGEST_WAIT));
        loop {
            let answer = api.export(&item.id).await?;
            match self.take(api, answer, stop).await {
                // An export has no ranges.
                Err(DownloadError::Drive(error @ DriveError::Transport(_))) if attempt < FRUITLESS => {
                    self.start_over().await?;
                    api.wait(&mut backoff, &error).await?;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn take(
        &mut self,
        api: &Api,
        answer: Response<Incoming>,
        stop: &CancellationToken,
    ) -> Result<(), DownloadError> {
        let mut body = answer.into_body();
        loop {
            let piece = tokio::select! {
                piece = api.http.piece(&mut body) => piece?,
                () = stop.cancelled() => return Err(DriveError::Stopped.into()),
            };
            let Some(piece) = piece else { return Ok(()) };
            failpoints::pass("drive.download");
            self.written += piece.len() as u64;
            if self.written > self.most {
                return Err(DownloadError::TooLarge { most: self.most });
            }
            self.sha256.update(&piece);
            self.md5.update(&piece).map_err(io::Error::from)?;
            self.file.write_all(&piece).await?;
        }
    }

    async fn start_over(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.seek(io::SeekFrom::Start(0)).await?;
        self.file.get_mut().set_len(0).await?;
        (self.written, self.sha256, self.md5) = (0, Sha256::new(), md5()?);
        Ok(())
    }

    /// What differs from what Drive showed.
    fn difference(&mut self, item: &Item) -> io::Result<Option<&'static str>> {
        if item.size.is_some_and(|size| size != self.written) {
            return Ok(Some("size"));
        }
        let md5 = hex(&self.md5.finish()?);
        let sha256 = hex(&self.sha256.clone().finalize());
        let differs = |shown: &Option<String>, found: &str| {
            shown.as_ref().is_some_and(|shown| !shown.eq_ignore_ascii_case(found))
        };
        if differs(&item.md5_checksum, &md5) || differs(&item.sha256_checksum, &sha256) {
            return Ok(Some("checksum"));
        }
        Ok(None)
    }

    /// What is wrong with an export, for which Drive shows neither size nor checksum: an .xlsx is a zip, each entry of which has a
    /// checksum of its own.
    async fn damage(&mut self) -> io::Result<Option<&'static str>> {
        self.file.flush().await?;
        let (path, most) = (self.path.to_path_buf(), LARGEST_INFLATED);
        let checked = tokio::task::spawn_blocking(move || {
            let mut archive = zip::ZipArchive::new(std::fs::File::open(path)?)?;
            let mut left = most;
            for index in 0..archive.len() {
                let mut entry = archive.by_index(index)?.take(left);
                left -= io::copy(&mut entry, &mut io::sink())?;
                if left == 0 {
                    // The reader has limits of its own, and says what is wrong.
                    break;
                }
            }
            Ok::<(), zip::result::ZipError>(())
        });
        match checked.await.map_err(io::Error::other)? {
            Ok(()) => Ok(None),
            Err(error) => {
                tracing::debug!(%error, "export is damaged");
                Ok(Some("checksum"))
            }
        }
    }

    async fn finish(mut self) -> Result<Downloaded, DownloadError> {
        self.file.flush().await?;
        Ok(Downloaded { path: self.path, sha256: hex(&self.sha256.finalize()) })
    }
}

fn md5() -> io::Result<Hasher> {
    Ok(Hasher::new(MessageDigest::md5())?)
}

/// Where the bytes of an answer begin, by its `Content-Range: bytes 5-9/10`.
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
