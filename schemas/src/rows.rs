//! What one spreadsheet row becomes on the topic `fandom.rows`.
//!
//! A row is immutable. Instants are seconds since the Unix epoch (UTC), money is integer cents, durations are
//! integer seconds (minutes for worked hours). A figure that the sheet does not give is `null`, never zero.

mod usual;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of these schemas, sent in the record header `schema`.
pub const SCHEMA_VERSION: &str = "1";

/// The kind of a sheet, and of the rows read from it; sent in the record header `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message that a chatter sent to a fan.
    Message,
    /// A sale.
    Sale,
    /// What a platform reported of an employee over a period.
    EmployeePeriod,
    /// What a platform reported of a creator's day or period.
    CreatorDay,
    /// A chatter's day in the agency's own template.
    ChatterDay,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [Kind::Message, Kind::Sale, Kind::EmployeePeriod, Kind::CreatorDay, Kind::ChatterDay];

    /// The name in headers and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Sale => "sale",
            Kind::EmployeePeriod => "employee_period",
            Kind::CreatorDay => "creator_day",
            Kind::ChatterDay => "chatter_day",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A row of any kind. Serializes as the row itself, whose `kind` tells which it is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "rows are streamed one at a time, and most are the largest")]
pub enum Row<'a> {
    /// See [`Message`].
    Message(Message<'a>),
    /// See [`Sale`].
    Sale(Sale<'a>),
    /// See [`EmployeePeriod`].
    EmployeePeriod(EmployeePeriod),
    /// See [`CreatorDay`].
    CreatorDay(CreatorDay),
    /// See [`ChatterDay`].
    ChatterDay(ChatterDay),
}

impl<'a> Row<'a> {
    /// The kind of the row.
    pub fn kind(&self) -> Kind {
        match self {
            Row::Message(_) => Kind::Message,
            Row::Sale(_) => Kind::Sale,
            Row::EmployeePeriod(_) => Kind::EmployeePeriod,
            Row::CreatorDay(_) => Kind::CreatorDay,
            Row::ChatterDay(_) => Kind::ChatterDay,
        }
    }

    /// Reads the JSON of a row of a known kind.
    ///
    /// # Errors
    /// When the bytes are not the JSON of such a row.
    pub fn from_json(kind: Kind, json: &'a [u8]) -> Result<Row<'a>, serde_json::Error> {
        Ok(match kind {
            Kind::Message => Row::Message(Message::from_json(json)?),
            Kind::Sale => Row::Sale(serde_json::from_slice(json)?),
            Kind::EmployeePeriod => Row::EmployeePeriod(serde_json::from_slice(json)?),
            Kind::CreatorDay => Row::CreatorDay(serde_json::from_slice(json)?),
            Kind::ChatterDay => Row::ChatterDay(serde_json::from_slice(json)?),
        })
    }

    /// The JSON of the row.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a row has only string keys")
    }
}

/// Columns that no rule reads, by their header: kept, never interpreted.
pub type Extra = BTreeMap<String, String>;

/// A message that a chatter sent to a fan on behalf of a creator. Its texts are on `fandom.texts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message<'a> {
    /// Always `message`.
    pub kind: Kind,
    /// 0-based position of the sheet in the workbook.
    pub sheet: u16,
    /// 1-based row of the sheet, as a spreadsheet program numbers it.
    pub row: u32,
    /// The creator's name without its platform.
    #[serde(borrow)]
    pub creator: Cow<'a, str>,
    /// The platform of creator and fan: `OF`, `Fansly`, `Fanvue` or another.
    #[serde(borrow)]
    pub platform: Cow<'a, str>,
    /// Who sent it; `null` is unattributed.
    #[serde(borrow)]
    pub chatter: Option<Cow<'a, str>>,
    /// The fan's username.
    #[serde(borrow)]
    pub fan: Cow<'a, str>,
    /// The fan's nickname in this export.
    #[serde(borrow)]
    pub nickname: Option<Cow<'a, str>>,
    /// When it was sent.
    pub sent_at: i64,
    /// Its price in cents; no price is 0.
    pub price_cents: i64,
    /// Whether the fan bought it.
    pub purchased: bool,
    /// The way it was sent (`Chat`, `OF mass message`, …); empty where the sheet does not say.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// Its status, as the sheet has it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Cow<'a, str>>,
    /// Seconds that the fan waited for this reply; `null` when it answers nothing.
    pub reply_seconds: Option<u32>,
    /// Whether the row carries a message of the fan.
    pub fan_replied: bool,
    /// Unicode code points of the creator's text, tags stripped and entities decoded.
    pub characters: u32,
    /// 128 bits of XXH3 over that text, in 32 hexadecimal digits.
    #[serde(borrow)]
    pub text_hash: Cow<'a, str>,
    /// Columns that no rule reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<Extra>>,
}

impl<'a> Message<'a> {
    /// Reads the JSON of a message.
    ///
    /// # Errors
    /// When the bytes are not the JSON of one.
    pub fn from_json(json: &'a [u8]) -> Result<Message<'a>, serde_json::Error> {
        usual::message(json).map_or_else(|| serde_json::from_slice(json), Ok)
    }
}

/// A sale, or its reversal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sale<'a> {
    /// Always `sale`.
    pub kind: Kind,
    /// 0-based position of the sheet in the workbook.
    pub sheet: u16,
    /// 1-based row of the sheet, as a spreadsheet program numbers it.
    pub row: u32,
    /// When it was made.
    pub sold_at: i64,
    /// To whom it is attributed; `null` is unattributed.
    #[serde(borrow)]
    pub chatter: Option<Cow<'a, str>>,
    /// The creator's name without its platform.
    #[serde(borrow)]
    pub creator: Cow<'a, str>,
    /// The platform of creator and fan.
    #[serde(borrow)]
    pub platform: Cow<'a, str>,
    /// The fan's username, where the sheet has one.
    #[serde(borrow)]
    pub fan: Option<Cow<'a, str>>,
    /// The fan's nickname in this export.
    #[serde(borrow)]
    pub nickname: Option<Cow<'a, str>>,
    /// Gross revenue.
    pub gross_cents: i64,
    /// Net revenue.
    pub net_cents: i64,
    /// The column `Earnings`, where the sheet has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earnings_cents: Option<i64>,
    /// `Messages`, `Tips`, `Subscription`, … as the sheet has it.
    #[serde(borrow, rename = "type")]
    pub sale_type: Cow<'a, str>,
    /// The rule of attribution, as the sheet has it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'a, str>>,
    /// Whether its status is `Reverse`.
    pub reversed: bool,
    /// Columns that no rule reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<Extra>>,
}

/// A creator, by name and platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Creator {
    /// The name without its platform.
    pub name: String,
    /// `OF`, `Fansly`, `Fanvue` or another.
    pub platform: String,
}

/// How finely a sheet of employee figures is cut; part of the natural key of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// One row an employee: the sheet `By employee`.
    ByEmployee,
    /// One row an employee and period: the sheet `By time and employee`.
    ByTimeAndEmployee,
    /// One row an employee, creator and day: the sheet `Detailed breakdown`.
    DetailedBreakdown,
}

/// What a platform reported of an employee over a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmployeePeriod {
    /// Always `employee_period`.
    pub kind: Kind,
    /// 0-based position of the sheet in the workbook.
    pub sheet: u16,
    /// 1-based row of the sheet, as a spreadsheet program numbers it.
    pub row: u32,
    /// How finely the sheet is cut.
    pub granularity: Granularity,
    /// The employee; `null` is unattributed.
    pub chatter: Option<String>,
    /// The creators that the row covers, in the sheet's order.
    pub creators: Vec<Creator>,
    /// First day of the period, in the sheet's zone.
    pub first_day: Date,
    /// Last day of the period, in the sheet's zone.
    pub last_day: Date,
    /// First second of the period.
    pub start_at: i64,
    /// Last second of the period (inclusive).
    pub end_at: i64,
    /// Local start as the sheet writes it: `2026-05-19 00:00:00`.
    pub start: String,
    /// Local end (inclusive) as the sheet writes it.
    pub end: String,
    /// The employee's group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The employee's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The reported figures.
    pub figures: EmployeeFigures,
    /// Columns that no rule reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<Extra>>,
}

/// The figures of an [`EmployeePeriod`]. Ratios are kept as reported and never summed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EmployeeFigures {
    /// `Sales`.
    pub sales_cents: Option<i64>,
    /// `PPV sales`.
    pub ppv_sales_cents: Option<i64>,
    /// `Tips`.
    pub tips_cents: Option<i64>,
    /// `Direct message sales`.
    pub direct_message_sales_cents: Option<i64>,
    /// `Direct messages sent`, formerly `Messages sent`.
    pub messages_sent: Option<i64>,
    /// `Direct PPVs sent`, formerly `PPVs sent`.
    pub ppvs_sent: Option<i64>,
    /// `PPVs unlocked`.
    pub ppvs_unlocked: Option<i64>,
    /// `Priority mass messages sales`.
    pub priority_mass_sales_cents: Option<i64>,
    /// `OF mass message sales`.
    pub of_mass_sales_cents: Option<i64>,
    /// `Fans chatted`.
    pub fans_chatted: Option<i64>,
    /// `Fans who spent money`.
    pub fans_spent: Option<i64>,
    /// `Character count`.
    pub characters: Option<i64>,
    /// `Keystrokes (words)` of older exports.
    pub keystrokes: Option<i64>,
    /// `Response time (based on scheduled hours)`, formerly `Reply time`.
    pub response_seconds_scheduled: Option<i64>,
    /// `Response time (based on clocked hours)`.
    pub response_seconds_clocked: Option<i64>,
    /// `Scheduled hours`.
    pub scheduled_minutes: Option<i64>,
    /// `Clocked hours`.
    pub clocked_minutes: Option<i64>,
    /// `Golden ratio`.
    pub golden_ratio: Option<f64>,
    /// `Unlock rate`, formerly `Unlock ratio`.
    pub unlock_rate: Option<f64>,
    /// `Fan CVR`.
    pub fan_cvr: Option<f64>,
    /// `Avg earnings per fan who spent money`.
    pub avg_earnings_per_spender_cents: Option<i64>,
    /// `Sales per hour`.
    pub sales_per_hour_cents: Option<i64>,
    /// `Messages sent per hour`.
    pub messages_per_hour: Option<f64>,
    /// `Fans chatted per hour`.
    pub fans_per_hour: Option<f64>,
}

/// Whether money is before or after the platform's share. The two are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// After the platform's share.
    Net,
    /// Before the platform's share.
    Gross,
}

impl Basis {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Basis::Net => "net",
            Basis::Gross => "gross",
        }
    }
}

/// What a platform reported of a creator's day or period, on one basis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreatorDay {
    /// Always `creator_day`.
    pub kind: Kind,
    /// 0-based position of the sheet in the workbook.
    pub sheet: u16,
    /// 1-based row of the sheet, as a spreadsheet program numbers it.
    pub row: u32,
    /// The creator.
    pub creator: Creator,
    /// First day of the period, in the sheet's zone.
    pub first_day: Date,
    /// Last day of the period, in the sheet's zone; a day's row has it equal to the first.
    pub last_day: Date,
    /// The basis of the money.
    pub basis: Basis,
    /// Money in cents by figure (`subscription`, `new_subscriptions`, `recurring_subscriptions`, `tips`, `message`,
    /// `posts`, `streams`, `refund`, `total_earnings`, `avg_spend_per_spender`, and others by their header in snake
    /// case); `null` where the sheet has the column and no figure.
    pub figures: BTreeMap<String, Option<i64>>,
    /// The columns that are no money, by header, as the sheet shows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: Extra,
}

/// A chatter's day in the agency's own template. It names no creator and enters no other figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatterDay {
    /// Always `chatter_day`.
    pub kind: Kind,
    /// 0-based position of the sheet in the workbook.
    pub sheet: u16,
    /// 1-based row of the sheet, as a spreadsheet program numbers it.
    pub row: u32,
    /// The chatter; `null` is unattributed.
    pub chatter: Option<String>,
    /// The day.
    pub day: Date,
    /// `Messages Sent`.
    pub messages_sent: Option<i64>,
    /// `PPVs Sent`.
    pub ppvs_sent: Option<i64>,
    /// `PPVs Unlocked`.
    pub ppvs_unlocked: Option<i64>,
    /// `Fans Chatted`.
    pub fans_chatted: Option<i64>,
    /// `Avg Response Time(minutes)`.
    pub avg_response_minutes: Option<f64>,
    /// Columns that no rule reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<Extra>>,
}

/// The private texts of a message, on `fandom.texts` under the key of its row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Text<'a> {
    /// The creator's text, tags stripped and entities decoded.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// The fan's message that stands in the same row.
    #[serde(borrow)]
    pub fan_message: Option<Cow<'a, str>>,
}
