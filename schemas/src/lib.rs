//! The words that the parts of the suite share.
//!
//! - [`rows`]: what one spreadsheet row becomes on the topic `fandom.rows`.
//! - [`manifest`]: what ends a version of a file and makes its rows count.
//! - [`rejects`]: what could not be read, on `fandom.rejects`.
//! - [`keys`]: the record keys of these topics.
//! - [`topics`]: names and settings of the topics.
//! - [`identity`]: when two names mean the same creator, chatter or fan.
//! - [`mappings`]: how sheets of other makes are read as kinds.
//! - [`folders`]: how files of a folder are read, where administrators have said so.
//! - [`bounds`]: the greatest values that are believed.
//! - [`migrations`]: the schemas of the Postgres database; [`rights`]: who may do what in it.
//!
//! This crate depends on none of the others.

pub mod bounds;
pub mod documents;
pub mod folders;
pub mod identity;
pub mod keys;
pub mod manifest;
pub mod mappings;
pub mod migrations;
pub mod rejects;
pub mod rights;
pub mod rows;
pub mod topics;
