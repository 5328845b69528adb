//! The one command of Fandom Intelligence Suite.
//!
//! - [`command`]: what it understands.
//! - [`settings`]: every setting of every part, read and checked together.
//! - [`parts`]: each part alone in this process.
//! - [`up`]: all of them together, on local servers where none are named.
//! - [`database_accounts`]: the accounts of the database that the parts sign in with.
//! - [`health`]: whether a part answers.
//! - [`metrics_page`]: the page of all metrics.
//! - [`local`]: servers for a machine that has none.
//! - [`mapping`]: how sheets of other makes are read.
//! - [`sample`]: sample workbooks.
//! - [`drive_sim`]: a folder as Google Drive, without Google.

pub mod administration;
pub mod command;
pub mod database_accounts;
pub mod drive_sim;
pub mod health;
pub mod local;
pub mod mapping;
pub mod metrics_page;
pub mod parts;
pub mod sample;
pub mod settings;
pub mod up;
