//! Accepts connections, speaks TLS where there is a certificate, and hands each request to the router.
//!
//! There are at most so many connections; further ones wait in the system's queue. A TLS handshake, and the headers of a request,
//! arrive in bounded time or the connection is closed; one that is idle between two requests, or that takes nothing of an answer,
//! for as long is closed, too.

mod patience;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use openssl::ssl::Ssl;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_openssl::SslStream;
use tower_service::Service;

use crate::certificates::Certificates;
use crate::protection::client::OverTls;
use patience::Patient;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be accepted, such as without file descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// What connections are bound by.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// For how long the headers of a request may be awaited, and the other side may take nothing of an answer.
    pub silence: Duration,
}

/// Serves until `stop`; then waits for requests under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificates: Option<Arc<Certificates>>,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) {
    let seats = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepting = async {
            let seat = seats.clone().acquire_owned().await;
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            accepted = accepting => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // One that was closed again before it was accepted is nobody's fault.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                tracing::error!(%error, "connections cannot be accepted for now");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // What live streams tell is small, and waits for nothing.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection may wait before it sends little");
        }
        let connection =
            Connection { peer, router: router.clone(), silence: bounds.silence, watcher: graceful.watcher() };
        let certificates = certificates.clone();
        tokio::spawn(async move {
            let _seat = seat;
            let stream = Patient::new(stream, bounds.silence);
            match certificates {
                Some(certificates) => connection.encrypted(stream, &certificates).await,
                None => connection.answer(stream, false).await,
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    silence: Duration,
    watcher: Watcher,
}

impl Connection {
    async fn encrypted(self, stream: Patient<TcpStream>, certificates: &Certificates) {
        let stream = Ssl::new(&certificates.context()).and_then(|ssl| SslStream::new(ssl, stream));
        let Ok(mut stream) = stream else {
            return tracing::error!("a TLS connection could not be begun");
        };
        match tokio::time::timeout(HANDSHAKE, Pin::new(&mut stream).accept()).await {
            Ok(Ok(())) => self.answer(stream, true).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn answer<S>(self, stream: S, over_tls: bool)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Connection { peer, router, silence, watcher } = self;
        let connection = connection(TokioIo::new(stream), peer, router, silence, over_tls);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke");
        }
    }
}

/// A connection that answers requests.
fn connection<I: Read + Write + Unpin + Send + 'static>(
    io: I,
    peer: SocketAddr,
    router: Router,
    silence: Duration,
    over_tls: bool,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        if over_tls {
            request.extensions_mut().insert(OverTls);
        }
        let mut router = router.clone();
        async move { Ok::<Response, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
    });
    http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(silence).serve_connection(io, answer)
}
