//! Facts: rows in the form that the dataflow computes with, each once, however many files hold it.
//!
//! ```text
//!  release ──changes──▶ dedup (a kind each) ──winning facts (±1)──▶ views
//!                             └──────────────duplicates (±n)─────▶ views::files
//! ```
//!
//! A fact is small: names are ids, texts are absent. What the same row of two exports can differ in (METRICS.md §2)
//! is in the fact, what makes it the same row is in its key.

pub mod dedup;
pub mod key;

use std::sync::Arc;

use differential_dataflow::ExchangeData;
use fandom_schemas::identity::Id;
use fandom_schemas::rows::{Basis, Granularity};
use serde::{Deserialize, Serialize};

/// Where a row stands among the files: the greatest holder of a key wins. Ordered by METRICS.md §2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileVersion {
    /// When the file was exported.
    pub exported_at: i64,
    /// When it was last changed.
    pub modified_at: i64,
    /// The file's id as its source gives it.
    pub file: Box<str>,
    /// Its version.
    pub version: u64,
    /// The file's id in the views.
    pub id: Id,
}

/// What holds a row: a sheet of a file's version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The file's version.
    pub file: Arc<FileVersion>,
    /// The sheet's position.
    pub sheet: u16,
}

/// A row that a file begins or ceases to hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change<F> {
    /// The natural key with its occurrence number, hashed.
    pub key: key::Key,
    /// What holds it.
    pub holder: Holder,
    /// The row, or nothing when the holder ceases to hold it.
    pub fact: Option<F>,
}

/// A kind of fact.
pub trait Fact: ExchangeData + Eq {
    /// Logs an error when two facts of one key cannot be of the same thing.
    fn check_same(&self, _: &Self) {}
}

impl Fact for Message {}
impl Fact for Sale {}
impl Fact for Period {}
impl Fact for CreatorReport {}
impl Fact for TemplateDay {}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message {
    /// The creator.
    pub creator: Id,
    /// The chatter; [`fandom_schemas::identity::UNATTRIBUTED`] is nobody.
    pub chatter: Id,
    /// The fan.
    pub fan: Id,
    /// When it was sent, in seconds since the Unix epoch.
    pub sent_at: i64,
    /// Its price in cents.
    pub price_cents: i64,
    /// Code points of its text.
    pub characters: u32,
    /// Seconds that the fan waited for it; [`Message::NO_REPLY`] when it answers nothing.
    pub reply_seconds: u32,
    /// Whether it is a mass message.
    pub mass: bool,
    /// Whether the fan bought it.
    pub purchased: bool,
    /// Whether the row carries a message of the fan.
    pub fan_replied: bool,
}

impl Message {
    /// The reply time of a message that answers nothing.
    pub const NO_REPLY: u32 = u32::MAX;

    /// Whether it is a direct message with a price.
    pub fn is_ppv(&self) -> bool {
        !self.mass && self.price_cents > 0
    }

    /// Whether it is a direct message with a price that the fan bought.
    pub fn is_unlocked(&self) -> bool {
        self.is_ppv() && self.purchased
    }

    /// The reply time of a direct message that answers.
    pub fn reply(&self) -> Option<u32> {
        (!self.mass && self.reply_seconds != Message::NO_REPLY).then_some(self.reply_seconds)
    }
}

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sale {
    /// The creator.
    pub creator: Id,
    /// The chatter; [`fandom_schemas::identity::UNATTRIBUTED`] is nobody.
    pub chatter: Id,
    /// The fan, where the row names one.
    pub fan: Option<Id>,
    /// When it was made, in seconds since the Unix epoch.
    pub sold_at: i64,
    /// Gross revenue in cents.
    pub gross_cents: i64,
    /// Net revenue in cents.
    pub net_cents: i64,
    /// Its type.
    pub sale_type: Box<str>,
    /// Whether it was taken back.
    pub reversed: bool,
}

/// What a platform reported of an employee over a period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    /// How finely the sheet is cut.
    pub granularity: Granularity,
    /// The chatter; [`fandom_schemas::identity::UNATTRIBUTED`] is nobody.
    pub chatter: Id,
    /// The creators, each once, in the sheet's order.
    pub creators: Box<[Id]>,
    /// First day of the period.
    pub first_day: i32,
    /// Last day of the period.
    pub last_day: i32,
    /// First second of the period, since the Unix epoch.
    pub start_at: i64,
    /// Last second of the period.
    pub end_at: i64,
    /// Both as the sheet writes them.
    pub written: Arc<(Box<str>, Box<str>)>,
    /// Worked minutes.
    pub clocked_minutes: Option<i64>,
    /// Planned minutes.
    pub scheduled_minutes: Option<i64>,
    /// Direct messages, PPVs sent, PPVs unlocked, fans chatted, PPV sales and net sales in cents.
    pub reported: [Option<i64>; 6],
    /// The sheet that holds the row.
    pub sheet: Arc<SheetName>,
    /// 1-based row of the sheet.
    pub row: u32,
}

/// A sheet of a file, with its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SheetName {
    /// The file's id in the views.
    pub file_id: Id,
    /// The sheet's position in the workbook.
    pub position: u16,
    /// The file's name or path.
    pub file: Box<str>,
    /// The sheet's name; none of a text file.
    pub sheet: Option<Box<str>>,
}

/// What a platform reported of a creator's day or period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CreatorReport {
    /// The creator.
    pub creator: Id,
    /// First day of the period.
    pub first_day: i32,
    /// Last day of the period.
    pub last_day: i32,
    /// The basis of the money.
    pub basis: Basis,
    /// Cents by figure.
    pub figures: Box<[(Box<str>, Option<i64>)]>,
}

/// A chatter's day in the agency's own template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TemplateDay {
    /// The chatter.
    pub chatter: Id,
    /// The day.
    pub day: i32,
    /// Messages, PPVs sent, PPVs unlocked, fans chatted.
    pub counts: [Option<i64>; 4],
    /// Mean response time in minutes, as the bits of an `f64`.
    pub avg_response_minutes: Option<u64>,
}
