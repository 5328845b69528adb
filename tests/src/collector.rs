//! A collector of OpenTelemetry that keeps what it is sent: OTLP over HTTP, in protobuf.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message;

/// The header without which it takes nothing, as `OTEL_EXPORTER_OTLP_HEADERS` has it.
pub const HEADERS: &str = "api-key=a%20key%20of%20the%20collector";

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The service that sent it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The id of its trace, in hexadecimal digits.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of the span around it; empty for none.
    pub parent: String,
    /// The spans that it links to.
    pub links: Vec<String>,
    /// Its attributes, those of its events and links too, with values as text.
    pub attributes: Vec<(String, String)>,
    /// How many events it holds.
    pub events: usize,
}

/// The collector.
pub struct Collector {
    /// Where it is.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Begins to listen.
    ///
    /// # Panics
    /// When the system refuses.
    pub async fn start() -> Collector {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Collector { url, spans }
    }

    /// What has come.
    ///
    /// # Panics
    /// When a request could not be kept.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no request panicked").clone()
    }
}

async fn take(State(spans): State<Arc<Mutex<Vec<Span>>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("api-key") != "a key of the collector" || header("content-type") != "application/x-protobuf" {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut spans = spans.lock().expect("no request panicked");
    for of_service in request.resource_spans {
        let said = texts(of_service.resource.map_or(Vec::new(), |resource| resource.attributes));
        let service = said.iter().find(|(name, _)| name == "service.name").map_or("", |(_, value)| value.as_str());
        for span in of_service.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let (mut attributes, events) = (texts(span.attributes), span.events.len());
            attributes.extend(span.events.into_iter().flat_map(|event| texts(event.attributes)));
            attributes.extend(span.status.map(|status| ("status".to_owned(), status.message)));
            spans.push(Span {
                service: service.to_owned(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                attributes,
                events,
            });
        }
    }
    StatusCode::OK
}

fn texts(attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
