//! HTTP to Google, over OpenSSL, with a limit on every wait.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use openssl::ssl::{SslConnector, SslMethod};

use super::error::DriveError;

/// The most bytes of an answer that is not a file: a page of a thousand files takes less than 1 MiB.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A client that keeps its connections.
#[derive(Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
}

impl Http {
    /// A client that waits that long for an answer to begin, and for each next piece of it.
    ///
    /// # Errors
    /// When OpenSSL cannot be set up.
    pub fn new(patience: Duration) -> Result<Http, openssl::error::ErrorStack> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(patience));
        let https = HttpsConnector::with_connector(connector, SslConnector::builder(SslMethod::tls_client())?)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(https);
        Ok(Http { client, patience })
    }

    /// Sends a request; returns when the head of the answer is there.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, DriveError> {
        match tokio::time::timeout(self.patience, self.client.request(request)).await {
            Ok(answer) => answer.map_err(|error| DriveError::Transport(fandom_services::postgres::cause(&error))),
            Err(_) => Err(self.silent()),
        }
    }

    /// The whole of an answer that is not a file.
    pub async fn whole(&self, body: Incoming) -> Result<Bytes, DriveError> {
        match tokio::time::timeout(self.patience, Limited::new(body, LARGEST_ANSWER).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) => Err(DriveError::Transport(format!("the answer broke off: {error}"))),
            Err(_) => Err(self.silent()),
        }
    }

    /// The next piece of an answer; `None` at its end.
    pub async fn piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, DriveError> {
        loop {
            match tokio::time::timeout(self.patience, body.frame()).await {
                Ok(None) => return Ok(None),
                // Trailers say nothing.
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Ok(Some(Err(error))) => {
                    let reason = fandom_services::postgres::cause(&error);
                    return Err(DriveError::Transport(format!("the answer broke off: {reason}")));
                }
                Err(_) => return Err(self.silent()),
            }
        }
    }

    fn silent(&self) -> DriveError {
        DriveError::Transport(format!("no answer within {} s", self.patience.as_secs_f64()))
    }
}

/// How long the headers of an answer ask to wait.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
