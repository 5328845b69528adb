//! From the log to changes of facts.
//!
//! ```text
//!  Kafka fandom.rows ──reader──▶ records ──decode──▶ events ──release──▶ changes ──▶ inputs of the dataflow
//! ```
//!
//! - [`reader`]: the partitions of a worker, read in order, with the offsets read so far.
//! - [`decode`]: a record's JSON to a fact with its natural key.
//! - [`plausible`]: whether what a record says can be believed.
//! - [`storable`]: texts as Postgres can hold them.
//! - [`feed`]: the inputs of a worker.
//! - [`release`]: which rows count: a pure function of (state, event).

pub mod decode;
pub mod feed;
pub mod plausible;
pub mod reader;
pub mod release;
pub mod storable;
