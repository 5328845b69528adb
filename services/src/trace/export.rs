//! Spans to a collector, by OTLP over HTTP in protobuf.
//!
//! A thread of its own takes them from a bounded queue and sends them in batches. While the collector is away they are thrown away,
//! which is told once; nothing else waits for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;

use super::settings::{Destination, TraceSettings};
use super::{PROVIDER, SPANS};

/// The most bytes of an answer: a collector says little.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Why spans cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The exporter refuses its settings.
    #[error("spans cannot be sent: {0}; check the OTEL_ settings")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// OpenSSL cannot be set up.
    #[error("spans cannot be sent: no TLS client can be made: {0}")]
    Tls(#[from] openssl::error::ErrorStack),
    /// Nobody can be trusted.
    #[error(
        "spans cannot be sent over TLS: this system has no certificates; install them (Debian: apt-get install ca-certificates)"
    )]
    Certificates,
    /// The system gives no thread.
    #[error("spans cannot be sent: {0}")]
    Runtime(#[from] std::io::Error),
}

impl TraceSettings {
    /// Begins to send the spans of this part, if they are to be sent: what has to be put among the layers of its log.
    ///
    /// # Errors
    /// When the settings or the system do not allow it.
    pub fn start(&self, part: &str) -> Result<Option<Box<dyn Layer<Registry> + Send + Sync>>, ExportError> {
        let Some(to) = &self.to else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Http::new(to)?)
            .with_endpoint(to.address.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(to.timeout)
            .with_headers(to.headers.clone())
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        let service = to.service.clone().unwrap_or_else(|| format!("fandom-{part}"));
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(service).with_attribute(version).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(to.sampler.clone())
            .with_resource(resource)
            .build();
        let provider = PROVIDER.get_or_init(|| provider);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("fandom"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Lines of the log are not sent: they may tell names of files.
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS));
        Ok(Some(Box::new(layer)))
    }
}

/// The client. It works on the thread that asks it, which is the one that sends spans.
#[derive(Debug)]
struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Runtime,
    timeout: Duration,
    host: String,
    is_away: AtomicBool,
}

impl Http {
    fn new(to: &Destination) -> Result<Http, ExportError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let mut tls = openssl::ssl::SslConnector::builder(openssl::ssl::SslMethod::tls_client())?;
        if to.address.scheme_str() == Some("https") {
            crate::postgres::trust_system(&mut tls).map_err(|_| ExportError::Certificates)?;
        }
        let https = HttpsConnector::with_connector(connector, tls)?;
        // Between two batches nobody would look after a connection that is kept.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let host = to.address.authority().map(|authority| {
            authority.port_u16().map_or(authority.host().to_owned(), |port| format!("{}:{port}", authority.host()))
        });
        Ok(Http {
            client,
            runtime,
            timeout: to.timeout,
            host: host.unwrap_or_default(),
            is_away: AtomicBool::new(false),
        })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sending = async {
            let (head, body) = self.client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let timely = async { tokio::time::timeout(self.timeout, sending).await };
        self.runtime.block_on(timely).unwrap_or_else(|_| Err("no answer in time".into()))
    }

    /// Tells once that the collector is away, and that it is back.
    fn tell(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let reason = match outcome {
            Ok(answer) if answer.status().is_success() => {
                if self.is_away.swap(false, Ordering::AcqRel) {
                    tracing::info!(collector = self.host, "spans are sent again");
                }
                return;
            }
            Ok(answer) => format!("it answered {}", answer.status()),
            Err(error) => crate::postgres::cause(&**error),
        };
        if !self.is_away.swap(true, Ordering::AcqRel) {
            let collector = &self.host;
            tracing::warn!(collector, reason, "the collector does not take spans; they are thrown away until it does");
        }
    }
}

impl HttpClient for Http {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let outcome = self.send(request);
            self.tell(&outcome);
            outcome
        })
    }
}
