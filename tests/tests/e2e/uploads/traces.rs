//! The trace of an upload, as a collector has it: from the request to the commit.

use std::collections::BTreeSet;
use std::time::Instant;

use fandom_schemas::topics::{ROWS, header};
use fandom_tests::collector::Span;
use fandom_tests::suite::KEY;
use fandom_tests::topic;

use super::{PATIENCE, Stage};

/// What the asker's own span is.
pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub const ASKER: &str = "00f067aa0ba902b7";
/// A fan that stands in what is uploaded and is searched for.
pub const FAN: &str = "marigold_reader";

/// All that is ever told of a span. What is added here must hold no value of a query, no text and no name.
const TOLD: [&str; 16] = [
    "db.query.text",
    "db.system.name",
    "fandom.epoch",
    "fandom.file_id",
    "fandom.rejected",
    "fandom.request_id",
    "fandom.rows",
    "fandom.version",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "messaging.destination.name",
    "messaging.system",
    "status",
    // Those of the SDK.
    "busy_ns",
    "idle_ns",
];

/// The spans of the upload: one trace, each span within the one that set it going.
pub async fn follow_the_upload(stage: &Stage) {
    stage.get(&format!("fans?q={FAN}")).await;
    let begun = Instant::now();
    let spans = loop {
        let spans = stage.collector.spans();
        let came = |service: &str, name: &str| spans.iter().any(|span| span.service == service && span.name == name);
        if came("fandom-dataflow", "commit") && came("fandom-api", "GET /api/v1/fans") {
            break spans;
        }
        assert!(begun.elapsed() < PATIENCE, "no commit and no question for fans\n{}", stage.suite.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let of_trace =
        |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.trace == TRACE && span.name == name).collect() };
    let ids = |spans: &[&Span]| -> BTreeSet<String> { spans.iter().map(|span| span.id.clone()).collect() };
    let within = |inner: &[&Span], outer: &[&Span], at_least: usize| {
        assert!(inner.len() >= at_least, "{inner:?} in {spans:#?}");
        let outer = ids(outer);
        assert!(inner.iter().all(|span| outer.contains(&span.parent)), "{inner:?} not within {outer:?}");
    };
    let requests = of_trace("POST /api/v1/ingest/uploads");
    assert_eq!(requests.len(), 1, "{spans:#?}");
    assert_eq!((requests[0].parent.as_str(), requests[0].service.as_str()), (ASKER, "fandom-api"));
    assert!(requests[0].attributes.contains(&("http.route".into(), "/api/v1/ingest/uploads".into())), "{requests:?}");
    within(&of_trace("statement"), &requests, 2);
    let published = of_trace("publish");
    within(&published, &requests, 2);
    assert!(published.iter().all(|span| span.service == "fandom-connect"), "{published:?}");
    within(&of_trace("read"), &published, 2);
    let committed = of_trace("commit");
    within(&committed, &published, 2);
    assert!(committed.iter().all(|span| span.service == "fandom-dataflow"), "{committed:?}");

    // The log says the same, for whoever reads it.
    let on_the_log = topic::with_header(&stage.suite, ROWS, header::TRACE);
    let handed_on: BTreeSet<String> = on_the_log
        .iter()
        .filter_map(|(_, said)| said.strip_prefix(&format!("00-{TRACE}-"))?.strip_suffix("-01").map(str::to_owned))
        .collect();
    assert_eq!(handed_on, ids(&published), "{on_the_log:?}");

    for span in &spans {
        assert_eq!(span.events, 0, "lines of the log are not sent: {span:?}");
        for (name, value) in &span.attributes {
            assert!(TOLD.contains(&name.as_str()), "{name} is told of {span:?}");
            for secret in [KEY, FAN, "Tania", "Iva", "good.xlsx", "odd.xlsx", "much", "a key of the collector"] {
                assert!(!value.contains(secret), "{name} tells `{secret}`: {span:?}");
            }
        }
    }
}
