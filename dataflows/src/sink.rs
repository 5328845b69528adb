//! The views to Postgres, all of them at one epoch in one transaction.
//!
//! ```text
//!  view rows (±1) ─┐            one at a time                   one transaction
//!                  ├─▶ collect ──────batch─────▶ writer thread ───────────────▶ views.*, views.progress, NOTIFY
//!  bindings ───────┘      ▲                          │
//!                         └──────── committed ───────┘  (the output frontier of `collect`)
//! ```
//!
//! - [`table`]: what a view's table looks like; [`row`]: a row of it.
//! - [`collect`]: the operator: deltas by epoch, consolidated; holds back its frontier until they are committed.
//! - [`writer`]: the thread that commits batches; alone (a generation number fences older ones off).
//! - [`hydrate`]: after a restart: what the log says against what is stored.
//! - [`statements`]: the SQL of a table; `spans`: what is told of a commit to a collector of traces.
//! - [`changelog`]: what was committed, to the topics `fandom.views.*`.

pub mod changelog;
pub mod collect;
mod heartbeat;
pub mod hydrate;
pub mod progress;
pub mod row;
mod spans;
pub mod statements;
pub mod table;
mod table_writer;
pub mod writer;
