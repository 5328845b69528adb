//! Spreadsheets in, rows on Kafka out.
//!
//! - [`source`]: where files come from.
//! - [`workbook`]: bytes to typed rows.
//! - [`uploads`]: every file's state, in Postgres.
//! - `publish`: a version of a file onto the log, exactly once in effect.
//! - [`mod@run`]: the loop that ties them together.
//! - [`reading`]: how files are read.
//! - [`isolation`]: files read in a process of their own.
//! - [`settings`]: what the environment says.

pub mod isolation;
mod meters;
mod publish;
pub mod reading;
pub mod run;
pub mod settings;
pub mod source;
pub mod uploads;
pub mod workbook;

pub use meters::METRICS;
pub use run::{ConnectorError, run};
pub use settings::ConnectorSettings;
