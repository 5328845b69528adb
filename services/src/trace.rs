//! Trace context as the W3C has it, <https://www.w3.org/TR/trace-context/>, and spans.
//!
//! ```text
//!  API: request ──app.received──▶ connectors: publish ──header of the manifest──▶ dataflow: commit
//! ```
//!
//! The trace that a request belongs to is handed on with the file that it brings, whether spans are sent or not. A span is one whose target is
//! [`SPANS`]: it goes to the collector and not into the log, where the level of the log has no say in it. It holds ids, numbers, routes
//! and statements with placeholders; never a value of a query, a text, a name or the name of a file. Nothing else is sent.
//!
//! - [`settings`]: where spans are sent.
//! - [`export`]: how they get there.

pub mod export;
pub mod settings;

use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use settings::TraceSettings;

/// The header, of HTTP and of Kafka.
pub const HEADER: &str = "traceparent";

/// The target of spans that are sent.
pub const SPANS: &str = "fandom_spans";

/// Where spans are sent from, once that has begun.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The id of the trace that a header names, if it is a right one.
pub fn id(header: &str) -> Option<&str> {
    let mut parts = header.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_nothing = |text: &str| text.bytes().all(|b| b == b'0');
    let right = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && !is_nothing(trace)
        && !is_nothing(span);
    right.then_some(trace)
}

/// Whether spans are sent.
pub fn is_sent() -> bool {
    PROVIDER.get().is_some()
}

/// Makes a span, which nobody has entered yet, one of the trace that a header names. A header that is not right is none.
pub fn follow(span: &Span, header: Option<&str>) {
    if let Some(context) = header.and_then(context) {
        // It fails where spans are not sent.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
}

/// Says of a span that it did the same as another.
pub fn link(span: &Span, other: &Span) {
    let context = other.context().span().span_context().clone();
    if context.is_valid() {
        span.add_link(context);
    }
}

/// The header to hand on from within a span: its own, or where spans are not sent the one that `came`, if it is right.
pub fn header(span: &Span, came: Option<&str>) -> Option<String> {
    let context = span.context().span().span_context().clone();
    if context.is_valid() {
        let flags = context.trace_flags() & TraceFlags::SAMPLED;
        return Some(format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags.to_u8()));
    }
    came.map(str::trim).filter(|came| came.len() <= LONGEST && id(came).is_some()).map(str::to_owned)
}

/// Sends what is not sent yet. Takes half a second at most, since processes that end are not waited for long.
pub fn end() {
    if let Some(provider) = PROVIDER.get() {
        // What could not be sent was told.
        let _ = provider.shutdown_with_timeout(std::time::Duration::from_millis(500));
    }
}

/// A header of version 00 has 55 characters. Later ones may have more, but nobody's memo is carried along.
const LONGEST: usize = 128;

fn context(header: &str) -> Option<SpanContext> {
    let trace = id(header)?;
    let mut rest = header.trim().split('-').skip(2);
    let span = SpanId::from_hex(rest.next()?).ok()?;
    let flags = u8::from_str_radix(rest.next()?, 16).ok()?;
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    Some(SpanContext::new(TraceId::from_hex(trace).ok()?, span, flags, true, TraceState::NONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_right_headers_are_believed() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(id(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        assert_eq!(id(&format!("cc-{trace}-00f067aa0ba902b7-01-what-comes-later")), Some(trace));
        for wrong in [
            "".to_owned(),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            "00-x\n-00f067aa0ba902b7-01".to_owned(),
        ] {
            assert_eq!(id(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn where_spans_are_not_sent_the_header_that_came_is_handed_on() {
        let came = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        assert_eq!(header(&Span::none(), Some(came)).as_deref(), Some(came));
        assert_eq!(header(&Span::none(), None), None);
        assert_eq!(header(&Span::none(), Some("00-x-y-01")), None);
        let long = format!("01{}-{}", &came[2..], "x".repeat(200));
        assert_eq!((id(&long).is_some(), header(&Span::none(), Some(&long))), (true, None), "it is right and too long");
    }

    #[test]
    fn what_a_header_says_is_kept() {
        let read = context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").expect("a right one");
        assert_eq!(read.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((read.span_id().to_string().as_str(), read.is_sampled()), ("00f067aa0ba902b7", true));
        let unsampled = context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").expect("a right one");
        assert!(!unsampled.is_sampled());
    }
}
