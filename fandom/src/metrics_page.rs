//! The page of all metrics, `docs/metrics.md`: made of what the parts say where they measure, and checked in.

use fandom_services::kafka::statistics;
use fandom_services::metrics::Metric;
use fandom_services::metrics::page::{Chapter, render};
use fandom_services::metrics::process;

const ABOUT: &str = "Made from the code (`UPDATE_DOCS=1 cargo test --release -p fandom --lib metrics_page`). With \
`FANDOM_METRICS_PORT` each part serves them on `/metrics`: with `up` the API on that port, the connectors, the dataflow and the archive \
on the next three. `grafana/` holds dashboards of them and rules that alert, `docs/runbooks/` what to do then.

Histograms of seconds have buckets from a millisecond to a minute, of rows from 1 to a million. Gauges and counters of a worker \
carry its number as `worker`; sum over it.";

/// What each part measures.
pub const CHAPTERS: &[Chapter] = &[
    Chapter { title: "Connectors", about: "Of `fandom connect`.", metrics: fandom_connectors::METRICS },
    Chapter {
        title: "Dataflow, sink and changelogs",
        about: "Of `fandom dataflow`. Of several processes, the first alone has the sink, the lag and the hydration.",
        metrics: fandom_dataflows::METRICS,
    },
    Chapter { title: "API", about: "Of `fandom api`.", metrics: fandom_api::METRICS },
    Chapter { title: "Message archive", about: "Of `fandom archive`.", metrics: fandom_archive::METRICS },
    Chapter {
        title: "Kafka clients",
        about: "What librdkafka tells every five seconds, of all parts but the API. `client` is `connector`, `dataflow`, `changelog` \
                or `archive`; `member` is the source, or the worker.",
        metrics: statistics::METRICS,
    },
    Chapter {
        title: "Processes",
        about: "Of every part. Figures from `/proc` are there on Linux.",
        metrics: process::METRICS,
    },
];

/// Every metric of every part.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    CHAPTERS.iter().flat_map(|chapter| chapter.metrics)
}

/// The page.
pub fn page() -> String {
    render(ABOUT, CHAPTERS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use fandom_services::metrics::Kind;

    use super::*;

    /// With `UPDATE_DOCS=1` the test writes the page in place of comparing it.
    #[test]
    fn the_page_is_that_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let page = page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).expect("the page can be written");
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == page,
            "docs/metrics.md differs from the code: run UPDATE_DOCS=1 cargo test --release -p fandom --lib metrics_page"
        );
    }

    #[test]
    fn names_tell_unit_and_kind() {
        let mut names = BTreeSet::new();
        for Metric { name, kind, labels, help } in all() {
            assert!(names.insert(*name), "{name} is there twice");
            assert!(name.starts_with("fandom_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(
                *kind != Kind::Histogram || name.ends_with("_seconds") || name.ends_with("_rows"),
                "{name} has no buckets"
            );
            assert!(help.ends_with('.') && !help.contains('|') && labels.len() <= 4, "{name}: {help}");
        }
    }
}
