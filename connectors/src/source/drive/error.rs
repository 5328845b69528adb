//! What Drive, or the way to it, refuses: whether it passes by itself, and what to do where it does not.
//!
//! Reasons are those of <https://developers.google.com/workspace/drive/api/guides/handle-errors>.

use std::io;
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

/// Why Drive did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// It could not be reached, or did not answer in time, or broke off.
    #[error("Google could not be reached: {0}")]
    Transport(String),
    /// Too much was asked of it.
    #[error("Drive's quota was exceeded ({reason})")]
    Quota {
        /// Drive's word for it.
        reason: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// It failed.
    #[error("Drive failed with status {0}")]
    Server(u16),
    /// The token endpoint refuses the service account.
    #[error("Google refuses the service account ({reason})")]
    Grant {
        /// Google's words.
        reason: String,
    },
    /// A new access token is refused.
    #[error("Drive does not accept the service account's access token ({0})")]
    Unauthorized(String),
    /// The account may not.
    #[error("Drive refuses ({reason}: {message})")]
    Forbidden {
        /// Drive's word for it.
        reason: String,
        /// Drive's words.
        message: String,
    },
    /// It is not there, or not shared.
    #[error("Drive does not find it")]
    NotFound,
    /// The page token of a feed or list is not known any more.
    #[error("Drive does not know the page token any more")]
    StaleToken,
    /// The answer is not of the kind that was expected.
    #[error("Drive answered with something unexpected: {0}")]
    Unexpected(String),
    /// The local disk.
    #[error("the download could not be written: {0}")]
    Io(#[from] io::Error),
    /// The process is stopping.
    #[error("stopped")]
    Stopped,
}

impl DriveError {
    /// The kind, as metrics tell it.
    pub fn outcome(&self) -> &'static str {
        match self {
            DriveError::Quota { .. } => "quota",
            DriveError::Transport(_) => "transport",
            DriveError::Server(_) => "server",
            DriveError::Grant { .. }
            | DriveError::Unauthorized(_)
            | DriveError::Forbidden { .. }
            | DriveError::NotFound
            | DriveError::StaleToken => "refused",
            DriveError::Unexpected(_) | DriveError::Io(_) | DriveError::Stopped => "other",
        }
    }
}

impl DriveError {
    /// Whether the same may succeed later although nobody does anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            DriveError::Transport(_)
                | DriveError::Quota { .. }
                | DriveError::Server(_)
                | DriveError::Unexpected(_)
                | DriveError::StaleToken
                | DriveError::Io(_)
                | DriveError::Stopped
        )
    }

    /// How long the answer asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            DriveError::Quota { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What to do about it; `account` is the service account's address.
    pub fn remedy(&self, account: &str) -> String {
        match self {
            DriveError::Transport(_) => "nothing, if it passes; else check this machine's way to www.googleapis.com".into(),
            DriveError::Quota { .. } => {
                "nothing, it is tried again more and more slowly; if it stays, raise the project's Drive quota in Google Cloud, \
                 or FANDOM_DRIVE_POLL_MS"
                    .into()
            }
            DriveError::Server(_) | DriveError::Unexpected(_) | DriveError::StaleToken => "nothing, it is tried again".into(),
            DriveError::Grant { reason } if reason.contains("unauthorized_client") => {
                "allow the service account's client id the scope drive.readonly in the Admin console under domain-wide \
                 delegation, or unset FANDOM_DRIVE_SUBJECT"
                    .into()
            }
            DriveError::Grant { .. } | DriveError::Unauthorized(_) => format!(
                "see in Google Cloud whether {account} is enabled and its key still exists, and set this machine's clock; or \
                 make a new key and name it in FANDOM_DRIVE_CREDENTIALS"
            ),
            DriveError::Forbidden { reason, .. } => match reason.as_str() {
                "accessNotConfigured" | "SERVICE_DISABLED" => {
                    "enable the Google Drive API for the service account's project in Google Cloud".into()
                }
                "cannotDownloadFile" => "let viewers download it: in Drive under Share, Settings".into(),
                "exportSizeLimitExceeded" => {
                    "it is larger than what Drive exports (10 MB): split it, or download it as .xlsx and upload that".into()
                }
                "domainPolicy" => format!("let the domain's policy share files with {account}, or move them to a shared drive"),
                _ => format!("share it with {account} as a viewer"),
            },
            DriveError::NotFound => {
                format!("share it with {account} as a viewer if it exists; else take it out of FANDOM_DRIVE_FOLDERS")
            }
            DriveError::Io(_) => "make room on the disk of FANDOM_DRIVE_DOWNLOADS".into(),
            DriveError::Stopped => String::new(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Detail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    message: String,
    errors: Vec<Item>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    reason: String,
    location: String,
}

/// What an answer with that status and body means. `retry_after` is the header of that name.
pub(super) fn classify(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> DriveError {
    let detail = serde_json::from_slice::<Body>(body).unwrap_or_default().error;
    let first = detail.errors.into_iter().next().unwrap_or_default();
    let of_page_token = first.location == "pageToken";
    match (status.as_u16(), first.reason.as_str()) {
        (410, _) => DriveError::StaleToken,
        (400, _) if of_page_token => DriveError::StaleToken,
        (401, reason) => DriveError::Unauthorized(if reason.is_empty() { "401".into() } else { reason.into() }),
        (
            403,
            "rateLimitExceeded"
            | "userRateLimitExceeded"
            | "dailyLimitExceeded"
            | "sharingRateLimitExceeded"
            | "downloadQuotaExceeded",
        )
        | (429, _) => {
            let reason = if first.reason.is_empty() { "429".into() } else { first.reason };
            DriveError::Quota { reason, retry_after }
        }
        (404, _) => DriveError::NotFound,
        (status @ (408 | 500..), _) => DriveError::Server(status),
        (403, _) => DriveError::Forbidden { reason: first.reason, message: clipped(detail.message) },
        (status, reason) => DriveError::Unexpected(format!("status {status} {reason}")),
    }
}

fn clipped(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(300));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, reason: &str, location: &str) -> DriveError {
        let body = serde_json::json!({"error": {
            "errors": [{"domain": "global", "reason": reason, "message": "m", "location": location}],
            "code": status, "message": "m",
        }});
        classify(StatusCode::from_u16(status).expect("a status"), body.to_string().as_bytes(), None)
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for (status, reason) in [
            (403, "rateLimitExceeded"),
            (403, "userRateLimitExceeded"),
            (429, "rateLimitExceeded"),
            (500, "internalError"),
            (503, "backendError"),
        ] {
            assert!(of(status, reason, "").is_transient(), "{status} {reason}");
        }
        for (status, reason) in
            [(401, "authError"), (403, "insufficientFilePermissions"), (403, "accessNotConfigured"), (404, "notFound")]
        {
            let error = of(status, reason, "");
            assert!(!error.is_transient() && !error.remedy("a@b").is_empty(), "{status} {reason}");
        }
        assert!(matches!(of(410, "", ""), DriveError::StaleToken));
        assert!(matches!(of(400, "invalid", "pageToken"), DriveError::StaleToken));
        assert!(matches!(of(400, "invalid", "q"), DriveError::Unexpected(_)));
        assert!(matches!(classify(StatusCode::BAD_GATEWAY, b"<html>", None), DriveError::Server(502)));
    }
}
