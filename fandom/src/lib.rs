//! The one command of Fandom Intelligence Suite.
//!
//! - [`local`]: servers for a machine that has none.

pub mod local;
