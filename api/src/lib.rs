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
//! - `pool`, `database`, `values`: reads in one snapshot, together with the epoch that they belong to.
//! - `present`, `answers`: the present epoch, and answers that are made once an epoch and shared.
//! - `export`: whole lists as CSV, JSON Lines and workbooks, streamed.
//! - `openapi`, `docs`: the document that describes the API, and its pages.
//! - `commits`: learns of each commit of the dataflow.
//! - `problem`: every error as RFC 9457 problem details.
//! - `protection`, `permissions`, `reader`: who may ask what, and which rows they see. `accounts`, `audit`: who they are, what they did.
//! - `command`: the same from a command line.
//! - `web`: the page, whose files are part of the program.

mod accounts;
mod answers;
mod audit;
mod certificates;
pub mod command;
mod commits;
mod connections;
mod cursor;
mod database;
mod docs;
mod export;
mod listing;
mod meters;
mod names;
mod openapi;
mod parameters;
pub mod permissions;
mod pool;
mod present;
mod problem;
mod protection;
mod ranges;
mod reader;
mod request;
mod resources;
mod server;
mod settings;
mod tags;
mod values;
mod web;

pub use meters::METRICS;
pub use openapi::document;
pub use server::{ApiError, Server, run};
pub use settings::ApiSettings;
