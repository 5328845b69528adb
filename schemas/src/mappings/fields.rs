//! The fields of each kind, to which columns can be mapped.

use crate::rows::Kind;

/// A field of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in a mapping.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether a mapping must say where it comes from.
    pub needed: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A name, or another short text.
    Name,
    /// A text of any length.
    Text,
    /// A day.
    Day,
    /// A time of day.
    Time,
    /// A day and a time.
    DayAndTime,
    /// A day, or two with ` - ` between them.
    Period,
    /// An amount of dollars.
    Money,
    /// A number, count or share.
    Number,
    /// Worked hours or a reply time.
    Duration,
    /// Yes or no.
    YesNo,
}

const fn needed(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, needed: true }
}

const fn optional(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, needed: false }
}

const MESSAGE: [Field; 12] = [
    optional("sender", Holds::Name),
    needed("creator", Holds::Name),
    optional("fans_message", Holds::Text),
    optional("creator_message", Holds::Text),
    needed("sent_time", Holds::Time),
    needed("sent_date", Holds::Day),
    optional("reply_time", Holds::Duration),
    optional("price", Holds::Money),
    optional("purchased", Holds::YesNo),
    optional("source", Holds::Name),
    optional("status", Holds::Name),
    needed("sent_to", Holds::Name),
];

const SALE: [Field; 10] = [
    needed("date_and_time", Holds::DayAndTime),
    optional("employee", Holds::Name),
    needed("creator", Holds::Name),
    optional("fan", Holds::Name),
    optional("earnings", Holds::Money),
    needed("gross", Holds::Money),
    needed("net", Holds::Money),
    optional("type", Holds::Name),
    optional("rule", Holds::Name),
    optional("status", Holds::Name),
];

const EMPLOYEE_PERIOD: [Field; 29] = [
    needed("period", Holds::Period),
    optional("group", Holds::Name),
    needed("employees", Holds::Name),
    optional("email", Holds::Name),
    needed("creators", Holds::Text),
    optional("sales", Holds::Money),
    optional("ppv_sales", Holds::Money),
    optional("tips", Holds::Money),
    optional("direct_message_sales", Holds::Money),
    optional("messages_sent", Holds::Number),
    optional("ppvs_sent", Holds::Number),
    optional("golden_ratio", Holds::Number),
    optional("ppvs_unlocked", Holds::Number),
    optional("unlock_rate", Holds::Number),
    optional("priority_mass_sales", Holds::Money),
    optional("of_mass_sales", Holds::Money),
    optional("fans_chatted", Holds::Number),
    optional("fans_spent", Holds::Number),
    optional("fan_cvr", Holds::Number),
    optional("avg_earnings", Holds::Money),
    optional("characters", Holds::Number),
    optional("keystrokes", Holds::Number),
    optional("response_scheduled", Holds::Duration),
    optional("response_clocked", Holds::Duration),
    optional("scheduled_hours", Holds::Duration),
    optional("clocked_hours", Holds::Duration),
    optional("sales_per_hour", Holds::Money),
    optional("messages_per_hour", Holds::Number),
    optional("fans_per_hour", Holds::Number),
];

const CREATOR_DAY: [Field; 2] = [needed("day", Holds::Period), needed("creator", Holds::Name)];

const CHATTER_DAY: [Field; 7] = [
    needed("chatter", Holds::Name),
    needed("day", Holds::Day),
    optional("messages_sent", Holds::Number),
    optional("ppvs_sent", Holds::Number),
    optional("ppvs_unlocked", Holds::Number),
    optional("fans_chatted", Holds::Number),
    optional("avg_response", Holds::Number),
];

/// The fields of a kind, in the order of the columns that METRICS.md gives it.
pub fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Message => &MESSAGE,
        Kind::Sale => &SALE,
        Kind::EmployeePeriod => &EMPLOYEE_PERIOD,
        Kind::CreatorDay => &CREATOR_DAY,
        Kind::ChatterDay => &CHATTER_DAY,
    }
}
