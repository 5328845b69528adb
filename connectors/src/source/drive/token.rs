//! The access token: asked for with an assertion, kept, and renewed before it ends.

use std::time::{Duration, Instant, SystemTime};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::credentials::Credentials;
use super::error::DriveError;
use super::http::{Http, retry_after};

/// A token is renewed this long before it ends, or a fifth of its life before where that is less.
const EARLY: Duration = Duration::from_secs(300);

/// The access token of a service account.
pub(super) struct AccessToken {
    credentials: Credentials,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

/// An error of the token endpoint (RFC 6749, section 5.2).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

impl AccessToken {
    pub fn new(credentials: Credentials) -> AccessToken {
        AccessToken { credentials, kept: Mutex::default() }
    }

    /// The account's address.
    pub fn account(&self) -> &str {
        &self.credentials.client_email
    }

    /// A token that holds for a while; several callers wait for one request.
    pub async fn get(&self, http: &Http) -> Result<String, DriveError> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.renew_at) {
            return Ok(kept.token.clone());
        }
        let asked = Instant::now();
        let Granted { access_token, expires_in } = self.ask(http).await?;
        let life = Duration::from_secs(expires_in);
        let renew_at = asked + life.saturating_sub(EARLY.min(life / 5));
        tracing::debug!(expires_in_s = expires_in, "access token renewed");
        *kept = Some(Kept { token: access_token.clone(), renew_at });
        Ok(access_token)
    }

    /// Throws a token away that was not accepted, unless it was renewed meanwhile.
    pub async fn refused(&self, token: &str) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.token == token) {
            *kept = None;
        }
    }

    async fn ask(&self, http: &Http) -> Result<Granted, DriveError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let assertion = self
            .credentials
            .assertion(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
            .map_err(|error| DriveError::Grant { reason: format!("the key cannot sign: {error}") })?;
        // An assertion holds only characters that a form takes as they are.
        let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let request = Request::post(&self.credentials.token_uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .map_err(|_| DriveError::Grant { reason: "the key file's token_uri is no address".into() })?;
        let (head, body) = http.send(request).await?.into_parts();
        let body = http.whole(body).await?;
        if head.status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| DriveError::Unexpected("a token of another form".into()));
        }
        match head.status.as_u16() {
            429 => Err(DriveError::Quota { reason: "token endpoint".into(), retry_after: retry_after(&head.headers) }),
            status @ 500.. => Err(DriveError::Server(status)),
            status => {
                let Refused { error, error_description } = serde_json::from_slice(&body).unwrap_or_default();
                Err(DriveError::Grant { reason: format!("status {status} {error}: {error_description}") })
            }
        }
    }
}
