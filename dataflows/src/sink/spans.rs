//! What is told of a commit to a collector of traces.

use std::collections::VecDeque;

use fandom_services::trace;
use tracing::Span;

use crate::runtime::Epoch;

/// A span of each trace whose file counts with this commit. The commit is the same one, so the others link to the first.
pub(super) fn of_commit(traces: &VecDeque<String>, epoch: Epoch, rows: usize) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(traces.len());
    for header in traces {
        let span = tracing::info_span!(
            target: trace::SPANS,
            "commit",
            otel.kind = "consumer",
            db.system.name = "postgresql",
            fandom.epoch = epoch,
            fandom.rows = rows,
        );
        trace::follow(&span, Some(header));
        if let Some(first) = spans.first() {
            trace::link(&span, first);
        }
        spans.push(span);
    }
    spans
}
