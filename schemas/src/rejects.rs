//! What could not be read: the dead-letter topic `fandom.rejects`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A row that was left out, or (without a row) a file or sheet that could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reject {
    /// The file's id.
    pub file: String,
    /// The file's version; 0 where it was refused before one was begun.
    pub version: u64,
    /// The file's name or path.
    pub name: String,
    /// The sheet's name.
    pub sheet: Option<String>,
    /// 1-based row of the sheet.
    pub row: Option<u32>,
    /// The header of the column at fault.
    pub column: Option<String>,
    /// Why, such as `unreadable price`.
    pub reason: String,
    /// The row's cells as text, in the sheet's order.
    pub cells: Vec<String>,
}
