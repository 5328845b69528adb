//! Trace context as the W3C has it: <https://www.w3.org/TR/trace-context/>.
//!
//! The suite sends no spans anywhere. It takes in the trace that a request belongs to, tells it in its log, and hands a trace of its
//! own on with what it publishes, so that logs of several parts can be read together.

use std::hash::{BuildHasher, RandomState};

/// The header, of HTTP and of Kafka.
pub const HEADER: &str = "traceparent";

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

/// A header of a new trace. It is unlike any other, and no secret.
pub fn new_header() -> String {
    let [high, low, span] = std::array::from_fn(|_| RandomState::new().hash_one(std::time::SystemTime::now()) | 1);
    format!("00-{high:016x}{low:016x}-{span:016x}-01")
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
    fn every_new_trace_is_another() {
        let (one, other) = (new_header(), new_header());
        assert!(id(&one).is_some() && id(&one) != id(&other), "{one} {other}");
    }
}
