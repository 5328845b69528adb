//! The dataflow of Fandom Intelligence Suite: from rows on Kafka to views in Postgres, incrementally.
//!
//! ```text
//!  Kafka fandom.rows ──▶ ingest ──▶ facts ──▶ views ──▶ sink ──▶ Postgres views.*
//! ```
//!
//! - [`ingest`]: which rows count, and from when.
//! - [`facts`]: each row once, however many files hold it.
//! - [`views`]: a file a view.
//! - [`sink`]: all views at one epoch in one transaction.
//! - [`engine`]: what the views need beyond the operators of differential dataflow.
//! - [`runtime`]: workers, epochs, start and stop.

pub mod calendar;
pub mod engine;
pub mod facts;
pub mod ingest;
mod meters;
pub mod runtime;
pub mod settings;
pub mod sink;
pub mod status;
pub mod views;

pub use meters::METRICS;
pub use runtime::{DataflowError, run};
pub use settings::{AsOf, DataflowSettings};
