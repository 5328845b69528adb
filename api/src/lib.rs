//! The HTTP API of the suite, its live stream and its page. It reads Postgres and nothing else.
//!
//! ```text
//!  request ─▶ request (id, time limit, panics, log, metrics) ─▶ resources/* ─▶ listing ─▶ database ─▶ views.*, app.uploads
//!                                                        └────▶ resources/live ◀─ commits ◀─ NOTIFY fandom_epoch
//! ```
//!
//! - [`ApiSettings`], [`Server`], [`run`]: how to start it.
//! - `resources`: a file a resource of `/api/v1`.
//! - `parameters`, `names`, `ranges`: what a query string may say.
//! - `listing`, `cursor`: a page of a list by keyset, and where the next one begins.
//! - `database`, `values`: reads in one snapshot, together with the epoch that they belong to.
//! - `commits`: learns of each commit of the dataflow.
//! - `problem`: every error as RFC 9457 problem details.
//! - `web`: the page, whose files are part of the program.

mod commits;
mod cursor;
mod database;
mod listing;
mod meters;
mod names;
mod parameters;
mod problem;
mod ranges;
mod request;
mod resources;
mod server;
mod settings;
mod values;
mod web;

pub use meters::METRICS;
pub use server::{ApiError, Server, run};
pub use settings::ApiSettings;
