//! Whether the API, and what it stands on, answers.

use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use fandom_services::postgres::PostgresSettings;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslConnector, SslMethod, SslVerifyMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::progress::say;
use super::supervisor::Supervisor;

/// How often it is looked at, and said if it has changed, what is being waited for.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// When the dataflow was last heard of; `None` if never, or if Postgres does not say.
pub async fn heartbeat(postgres: &PostgresSettings) -> Option<SystemTime> {
    let ask = async {
        let client = postgres.connect().await.ok()?;
        client.query_opt("select heartbeat_at from views.status", &[]).await.ok()??.get(0)
    };
    tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten()
}

/// Waits until every part runs and the API says that it is ready, telling now and then how far that is. A heartbeat of
/// `before` is that of an earlier run: a dataflow that was killed just now still looks alive.
pub async fn wait(
    (port, over_tls): (u16, bool),
    postgres: &PostgresSettings,
    parts: &[Supervisor],
    before: Option<SystemTime>,
) {
    say("parts", "waiting until every part answers".into());
    let (mut looked, mut said, mut beats) = (Instant::now(), String::new(), false);
    loop {
        let missing: Vec<_> = parts.iter().filter(|part| part.pid().is_none()).map(Supervisor::name).collect();
        beats = beats || heartbeat(postgres).await > before;
        if missing.is_empty() && beats && answers_ok(port, "/api/v1/ready", over_tls).await {
            return;
        }
        if looked.elapsed() > LOOK_EVERY {
            looked = Instant::now();
            let state = match missing.first() {
                Some(name) => format!("{name} is not running"),
                None => hydration(postgres).await,
            };
            if state != said {
                say("parts", state.clone());
                said = state;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether a GET request to a port on loopback is answered with 200, over TLS or not.
pub async fn answers_ok(port: u16, path: &str, over_tls: bool) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        if !over_tls {
            return is_ok(&mut stream, port, path).await;
        }
        let mut stream = SslStream::new(unverified().ok()?, stream).ok()?;
        Pin::new(&mut stream).connect().await.ok()?;
        is_ok(&mut stream, port, path).await
    };
    tokio::time::timeout(Duration::from_secs(2), ask).await.is_ok_and(|answer| answer.is_some())
}

async fn is_ok(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), port: u16, path: &str) -> Option<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.ok()?;
    (&head == b"HTTP/1.1 200").then_some(())
}

/// TLS with whatever certificate there is: it is of another name than that of loopback, and nothing secret is said.
fn unverified() -> Result<Ssl, ErrorStack> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.set_verify(SslVerifyMode::NONE);
    connector.build().configure()?.verify_hostname(false).use_server_name_indication(false).into_ssl("127.0.0.1")
}

/// How far the dataflow has read the log.
async fn hydration(postgres: &PostgresSettings) -> String {
    let ask = async {
        let client = postgres.connect().await.ok()?;
        client.query_opt("select state, records_done, records_due from views.status", &[]).await.ok()?
    };
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Some(row)) => {
            let (state, done, due): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            format!("the dataflow is {state}, {done} of {due} records read")
        }
        _ => "waiting for the API".into(),
    }
}
