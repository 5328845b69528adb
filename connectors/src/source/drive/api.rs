//! The calls of the Drive API v3 that are made: <https://developers.google.com/workspace/drive/api/reference/rest/v3>.
//!
//! A call that meets a fault that may pass is made again, each time after a longer wait with some jitter, or after the time that
//! Drive asks for. After [`ATTEMPTS`] the fault is handed on, so that it can be shown.

use std::time::Duration;

use fandom_services::retry::Backoff;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, RANGE};
use hyper::{Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::error::{DriveError, classify};
use super::http::{Http, retry_after};
use super::item::{FIELDS, Item};
use super::token::AccessToken;
use crate::meters;

/// How often a call is made before its fault is handed on.
const ATTEMPTS: u32 = 6;

/// The longest wait between two attempts.
pub const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// The media type that native spreadsheets are exported to.
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Drive, on behalf of one account.
pub(super) struct Api {
    pub http: Http,
    pub token: AccessToken,
    /// Where the API is, without a `/` at its end.
    base: String,
    /// The first wait after a fault.
    backoff: Duration,
    stop: CancellationToken,
}

/// A page of a folder's children.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileList {
    #[serde(default)]
    pub files: Vec<Item>,
    pub next_page_token: Option<String>,
    #[serde(default)]
    pub incomplete_search: bool,
}

/// A page of a feed of changes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeList {
    #[serde(default)]
    pub changes: Vec<Change>,
    pub next_page_token: Option<String>,
    /// Where the feed goes on; on the last page alone.
    pub new_start_page_token: Option<String>,
}

/// That a file changed, and how it is now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    /// None where a shared drive itself changed.
    pub file_id: Option<String>,
    #[serde(default)]
    pub removed: bool,
    pub file: Option<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartPageToken {
    start_page_token: String,
}

impl Api {
    pub fn new(http: Http, token: AccessToken, base: &str, backoff: Duration, stop: CancellationToken) -> Api {
        Api { http, token, base: base.trim_end_matches('/').to_owned(), backoff, stop }
    }

    /// A file or folder.
    pub async fn item(&self, id: &str) -> Result<Item, DriveError> {
        let path = format!("/drive/v3/files/{}?supportsAllDrives=true&fields={FIELDS}", escaped(id));
        self.json(&path).await
    }

    /// A page of what stands directly in a folder of a shared drive (`""`: of none), trash left out.
    pub async fn children(&self, folder: &str, drive: &str, page: Option<&str>) -> Result<FileList, DriveError> {
        let query = escaped(&format!("'{}' in parents and trashed = false", folder.replace(['\'', '\\'], "")));
        let corpus = if drive.is_empty() {
            "corpora=user".to_owned()
        } else {
            format!("corpora=drive&driveId={}", escaped(drive))
        };
        let page = page.map(|page| format!("&pageToken={}", escaped(page))).unwrap_or_default();
        let path = format!(
            "/drive/v3/files?q={query}&{corpus}&spaces=drive&pageSize=1000&supportsAllDrives=true&includeItemsFromAllDrives=true\
             &fields=nextPageToken,incompleteSearch,files({FIELDS}){page}"
        );
        self.json(&path).await
    }

    /// Where the feed of a shared drive (`""`: of the user) stands now.
    pub async fn start_page_token(&self, drive: &str) -> Result<String, DriveError> {
        let path = format!("/drive/v3/changes/startPageToken?supportsAllDrives=true{}", of_drive(drive));
        self.json::<StartPageToken>(&path).await.map(|answer| answer.start_page_token)
    }

    /// A page of the changes since a token.
    pub async fn changes(&self, drive: &str, token: &str) -> Result<ChangeList, DriveError> {
        let path = format!(
            "/drive/v3/changes?pageToken={}&spaces=drive&pageSize=1000&includeRemoved=true&supportsAllDrives=true\
             &includeItemsFromAllDrives=true{}&fields=nextPageToken,newStartPageToken,changes(fileId,removed,file({FIELDS}))",
            escaped(token),
            of_drive(drive),
        );
        self.json(&path).await
    }

    /// The content of a file from that byte on.
    pub async fn media(&self, id: &str, from: u64) -> Result<Response<Incoming>, DriveError> {
        let path = format!("/drive/v3/files/{}?alt=media&supportsAllDrives=true", escaped(id));
        self.get(&path, (from > 0).then(|| format!("bytes={from}-"))).await
    }

    /// A native spreadsheet as .xlsx.
    pub async fn export(&self, id: &str) -> Result<Response<Incoming>, DriveError> {
        self.get(&format!("/drive/v3/files/{}/export?mimeType={}", escaped(id), escaped(XLSX)), None).await
    }

    /// Waits before the next attempt, unless the process stops.
    pub async fn wait(&self, backoff: &mut Backoff, error: &DriveError) -> Result<(), DriveError> {
        let wait = backoff.next_wait().max(error.retry_after().unwrap_or_default().min(LONGEST_WAIT));
        meters::drive_waits(error.outcome(), wait);
        tracing::debug!(%error, wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "call to Drive is made again");
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.stop.cancelled() => Err(DriveError::Stopped),
        }
    }

    /// Waiting times, at most `longest`.
    pub fn backoff(&self, longest: Duration) -> Backoff {
        Backoff::new(self.backoff, longest)
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, DriveError> {
        let (mut attempt, mut backoff) = (1, self.backoff(LONGEST_WAIT));
        loop {
            let answer = tokio::select! {
                answer = self.parsed(path) => answer,
                () = self.stop.cancelled() => Err(DriveError::Stopped),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => self.again(error, &mut attempt, &mut backoff).await?,
            }
        }
    }

    async fn parsed<T: DeserializeOwned>(&self, path: &str) -> Result<T, DriveError> {
        let answer = self.once(path, None).await?;
        let body = self.http.whole(answer.into_body()).await?;
        serde_json::from_slice(&body)
            .map_err(|error| DriveError::Unexpected(format!("an answer of another form: {error}")))
    }

    async fn get(&self, path: &str, range: Option<String>) -> Result<Response<Incoming>, DriveError> {
        let (mut attempt, mut backoff) = (1, self.backoff(LONGEST_WAIT));
        loop {
            let answer = tokio::select! {
                answer = self.once(path, range.as_deref()) => answer,
                () = self.stop.cancelled() => Err(DriveError::Stopped),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => self.again(error, &mut attempt, &mut backoff).await?,
            }
        }
    }

    /// Waits before the next attempt, or hands the fault on where there is to be none.
    async fn again(&self, error: DriveError, attempt: &mut u32, backoff: &mut Backoff) -> Result<(), DriveError> {
        // The same token stays unknown.
        let is_final = matches!(error, DriveError::Stopped | DriveError::StaleToken) || !error.is_transient();
        if is_final || *attempt >= ATTEMPTS {
            return Err(error);
        }
        *attempt += 1;
        self.wait(backoff, &error).await
    }

    /// One attempt, which is counted.
    async fn once(&self, path: &str, range: Option<&str>) -> Result<Response<Incoming>, DriveError> {
        let outcome = self.attempt(path, range).await;
        meters::drive_called(outcome.as_ref().map_or_else(DriveError::outcome, |_| "ok"));
        outcome
    }

    /// One attempt, and another with a new access token where the one that was kept is not accepted.
    async fn attempt(&self, path: &str, range: Option<&str>) -> Result<Response<Incoming>, DriveError> {
        let mut renewed = false;
        loop {
            let token = self.token.get(&self.http).await?;
            let mut request =
                Request::get(format!("{}{path}", self.base)).header(AUTHORIZATION, format!("Bearer {token}"));
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            let request = request
                .body(Full::new(Bytes::new()))
                .map_err(|error| DriveError::Unexpected(format!("no request can be made: {error}")))?;
            let answer = self.http.send(request).await?;
            let status = answer.status();
            if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
                return Ok(answer);
            }
            let (head, body) = answer.into_parts();
            let body = self.http.whole(body).await.unwrap_or_default();
            if status == StatusCode::UNAUTHORIZED && !renewed {
                self.token.refused(&token).await;
                renewed = true;
                continue;
            }
            return Err(classify(status, &body, retry_after(&head.headers)));
        }
    }
}

fn of_drive(drive: &str) -> String {
    if drive.is_empty() { String::new() } else { format!("&driveId={}", escaped(drive)) }
}

/// Text as a part of an address: everything but letters, digits and `-._~` percent-encoded.
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string can be written to");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_in_an_address_is_percent_encoded() {
        assert_eq!(escaped("'a-1_' in é"), "%27a-1_%27%20in%20%C3%A9");
    }
}
