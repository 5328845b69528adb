//! What is told of a file to a collector of traces: its id as the views have it, and counts; neither its name nor what it holds.

use fandom_schemas::identity::file_id;
use fandom_schemas::topics::ROWS;
use fandom_services::trace;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::{Outcome, PublishError, Publisher};
use crate::source::{Seen, Source};
use crate::uploads::Upload;

impl Publisher {
    /// Reads a file that is new, changed or half published, and publishes what it holds.
    pub async fn bring<S: Source>(
        &self,
        source: &S,
        seen: &Seen,
        known: Option<&Upload>,
    ) -> Result<Outcome, PublishError> {
        // What is read again later belongs to no request of long ago.
        let is_new = known.is_none_or(|known| known.live_version.is_none());
        let came = if is_new { self.uploads.trace(&seen.file).await? } else { None };
        let trace = Traced::publishing(&seen.file, came);
        let span = trace.span.clone();
        let outcome = self.bring_traced(source, seen, known, &trace).instrument(span).await;
        trace.end(&outcome);
        outcome
    }

    /// Takes the rows of a file back.
    pub async fn retract(&self, known: &Upload) -> Result<Outcome, PublishError> {
        let trace = Traced::retracting(&known.file);
        let span = trace.span.clone();
        let outcome = self.retract_traced(known, &trace).instrument(span).await;
        trace.end(&outcome);
        outcome
    }
}

/// The trace that a file belongs to while it is published.
pub(super) struct Traced {
    /// Its part of the trace.
    pub span: Span,
    /// The header that the file came with.
    came: Option<String>,
}

impl Traced {
    /// Of a file that is read and published, and came with this header.
    pub fn publishing(file: &str, came: Option<String>) -> Traced {
        let span = tracing::info_span!(
            target: trace::SPANS,
            "publish",
            otel.kind = "producer",
            otel.status_code = Empty,
            messaging.system = "kafka",
            messaging.destination.name = ROWS,
            fandom.file_id = file_id(file),
            fandom.version = Empty,
            fandom.rows = Empty,
            fandom.rejected = Empty,
        );
        trace::follow(&span, came.as_deref());
        Traced { span, came }
    }

    /// Of a file whose rows are taken back.
    pub fn retracting(file: &str) -> Traced {
        let span = tracing::info_span!(
            target: trace::SPANS,
            "retract",
            otel.kind = "producer",
            otel.status_code = Empty,
            messaging.system = "kafka",
            messaging.destination.name = ROWS,
            fandom.file_id = file_id(file),
        );
        Traced { span, came: None }
    }

    /// The header to hand on.
    pub fn header(&self) -> Option<String> {
        trace::header(&self.span, self.came.as_deref())
    }

    /// The id of the trace.
    pub fn id(&self) -> Option<String> {
        self.header().as_deref().and_then(trace::id).map(str::to_owned)
    }

    /// Tells what was read.
    pub fn read(&self, version: u64, rows: u64, rejects: u64) {
        self.span.record("fandom.version", version).record("fandom.rows", rows).record("fandom.rejected", rejects);
    }

    /// Tells how it ended. Why it failed is in the log, since it may name what stands in the file.
    pub fn end(&self, outcome: &Result<Outcome, PublishError>) {
        if !matches!(outcome, Ok(Outcome::Done)) {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

/// The part in which the file is read, and its rows are sent as they come.
pub(super) fn reading() -> Span {
    tracing::info_span!(target: trace::SPANS, "read")
}
