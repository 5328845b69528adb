//! The columns that each kind of sheet has, by the headers of METRICS.md.

use std::sync::LazyLock;

use fandom_schemas::identity;
use fandom_schemas::rows::Kind;

/// A column that a rule reads.
pub(crate) struct Column {
    /// Its header as METRICS.md has it.
    pub(crate) name: &'static str,
    /// Other headers of it, folded: of older exports, or spelled otherwise.
    pub(crate) also: &'static [&'static str],
    /// What it holds, as a reason names it: `unreadable price`.
    pub(crate) holds: &'static str,
    /// What it is to the sheet.
    pub(crate) role: Role,
}

/// What a column is to its sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Without it the sheet is not of the kind.
    Needed,
    /// Needed, and a zone may follow its header.
    NeededWithZone,
    /// May be absent.
    Optional,
}

const fn needed(name: &'static str, holds: &'static str) -> Column {
    Column { name, also: &[], holds, role: Role::Needed }
}

const fn zoned(name: &'static str, also: &'static [&'static str], holds: &'static str) -> Column {
    Column { name, also, holds, role: Role::NeededWithZone }
}

const fn optional(name: &'static str, also: &'static [&'static str], holds: &'static str) -> Column {
    Column { name, also, holds, role: Role::Optional }
}

/// The columns of a message; needed are those that say to whom, from whom and when.
pub(crate) mod message {
    use super::{Column, needed, optional, zoned};

    pub(crate) const SENDER: usize = 0;
    pub(crate) const CREATOR: usize = 1;
    pub(crate) const FANS_MESSAGE: usize = 2;
    pub(crate) const CREATOR_MESSAGE: usize = 3;
    pub(crate) const SENT_TIME: usize = 4;
    pub(crate) const SENT_DATE: usize = 5;
    pub(crate) const REPLY_TIME: usize = 6;
    pub(crate) const PRICE: usize = 7;
    pub(crate) const PURCHASED: usize = 8;
    pub(crate) const SOURCE: usize = 9;
    pub(crate) const STATUS: usize = 10;
    pub(crate) const SENT_TO: usize = 11;

    pub(crate) const COLUMNS: [Column; 12] = [
        optional("Sender", &[], "sender"),
        needed("Creator", "creator"),
        optional("Fans Message", &[], "fan's message"),
        optional("Creator Message", &[], "creator's message"),
        zoned("Sent time", &[], "sent time"),
        zoned("Sent date", &[], "sent date"),
        optional("Replay time", &["reply time"], "reply time"),
        optional("Price", &[], "price"),
        optional("Purchased", &[], "purchased"),
        optional("Source", &[], "source"),
        optional("Status", &[], "status"),
        needed("Sent to", "fan"),
    ];
}

/// The columns of a sale; needed are the instant, the creator and both revenues.
pub(crate) mod sale {
    use super::{Column, needed, optional, zoned};

    pub(crate) const DATE_AND_TIME: usize = 0;
    pub(crate) const EMPLOYEE: usize = 1;
    pub(crate) const CREATOR: usize = 2;
    pub(crate) const FAN: usize = 3;
    pub(crate) const EARNINGS: usize = 4;
    pub(crate) const GROSS: usize = 5;
    pub(crate) const NET: usize = 6;
    pub(crate) const TYPE: usize = 7;
    pub(crate) const RULE: usize = 8;
    pub(crate) const STATUS: usize = 9;

    pub(crate) const COLUMNS: [Column; 10] = [
        zoned("Date & time", &["date/time"], "date and time"),
        optional("Employee", &[], "employee"),
        needed("Creator", "creator"),
        optional("Fan", &[], "fan"),
        optional("Earnings", &[], "earnings"),
        needed("Gross revenue", "gross revenue"),
        needed("Net revenue", "net revenue"),
        optional("Type", &[], "type"),
        optional("Rule", &[], "rule"),
        optional("Status", &[], "status"),
    ];
}

/// The columns of an employee's period; needed are the period, the employee and the creators.
pub(crate) mod employee_period {
    use super::{Column, needed, optional, zoned};

    pub(crate) const PERIOD: usize = 0;
    pub(crate) const GROUP: usize = 1;
    pub(crate) const EMPLOYEES: usize = 2;
    pub(crate) const EMAIL: usize = 3;
    pub(crate) const CREATORS: usize = 4;
    pub(crate) const SALES: usize = 5;
    pub(crate) const PPV_SALES: usize = 6;
    pub(crate) const TIPS: usize = 7;
    pub(crate) const DIRECT_MESSAGE_SALES: usize = 8;
    pub(crate) const MESSAGES_SENT: usize = 9;
    pub(crate) const PPVS_SENT: usize = 10;
    pub(crate) const GOLDEN_RATIO: usize = 11;
    pub(crate) const PPVS_UNLOCKED: usize = 12;
    pub(crate) const UNLOCK_RATE: usize = 13;
    pub(crate) const PRIORITY_MASS_SALES: usize = 14;
    pub(crate) const OF_MASS_SALES: usize = 15;
    pub(crate) const FANS_CHATTED: usize = 16;
    pub(crate) const FANS_SPENT: usize = 17;
    pub(crate) const FAN_CVR: usize = 18;
    pub(crate) const AVG_EARNINGS: usize = 19;
    pub(crate) const CHARACTERS: usize = 20;
    pub(crate) const KEYSTROKES: usize = 21;
    pub(crate) const RESPONSE_SCHEDULED: usize = 22;
    pub(crate) const RESPONSE_CLOCKED: usize = 23;
    pub(crate) const SCHEDULED_HOURS: usize = 24;
    pub(crate) const CLOCKED_HOURS: usize = 25;
    pub(crate) const SALES_PER_HOUR: usize = 26;
    pub(crate) const MESSAGES_PER_HOUR: usize = 27;
    pub(crate) const FANS_PER_HOUR: usize = 28;

    pub(crate) const COLUMNS: [Column; 29] = [
        zoned("Date/Time", &["date & time"], "period"),
        optional("Group", &[], "group"),
        needed("Employees", "employee"),
        optional("Email", &[], "email"),
        needed("Creators", "creators"),
        optional("Sales", &[], "sales"),
        optional("PPV sales", &[], "PPV sales"),
        optional("Tips", &[], "tips"),
        optional("Direct message sales", &[], "direct message sales"),
        optional("Direct messages sent", &["messages sent"], "direct messages sent"),
        optional("Direct PPVs sent", &["ppvs sent"], "direct PPVs sent"),
        optional("Golden ratio", &[], "golden ratio"),
        optional("PPVs unlocked", &[], "PPVs unlocked"),
        optional("Unlock rate", &["unlock ratio"], "unlock rate"),
        optional("Priority mass messages sales", &[], "priority mass messages sales"),
        optional("OF mass message sales", &[], "OF mass message sales"),
        optional("Fans chatted", &[], "fans chatted"),
        optional("Fans who spent money", &[], "fans who spent money"),
        optional("Fan CVR", &[], "fan CVR"),
        optional("Avg earnings per fan who spent money", &[], "average earnings per fan who spent money"),
        optional("Character count", &[], "character count"),
        optional("Keystrokes (words)", &["keystrokes"], "keystrokes"),
        optional("Response time (based on scheduled hours)", &["reply time"], "response time (scheduled hours)"),
        optional("Response time (based on clocked hours)", &[], "response time (clocked hours)"),
        optional("Scheduled hours", &[], "scheduled hours"),
        optional("Clocked hours", &[], "clocked hours"),
        optional("Sales per hour", &[], "sales per hour"),
        optional("Messages sent per hour", &[], "messages sent per hour"),
        optional("Fans chatted per hour", &[], "fans chatted per hour"),
    ];
}

/// The columns of a creator's day; needed are the day, the creator, and a money column that ends in `Net` or `Gross`. All others
/// are kept as the sheet shows them.
pub(crate) mod creator_day {
    use super::{Column, needed, zoned};

    pub(crate) const DAY: usize = 0;
    pub(crate) const CREATOR: usize = 1;

    pub(crate) const COLUMNS: [Column; 2] = [zoned("Date/Time", &["date & time"], "day"), needed("Creator", "creator")];

    /// The name of the figure of a money column, by its folded header without basis.
    pub(crate) fn figure(header: &str) -> String {
        let known = match header {
            "subscription" | "total subscription earnings" => "subscription",
            "new subscriptions" | "subscription earnings" => "new_subscriptions",
            "recurring subscriptions" | "recurring subscription earnings" => "recurring_subscriptions",
            "refund" | "refunds" => "refund",
            _ => return snake_case(header),
        };
        known.to_owned()
    }

    fn snake_case(header: &str) -> String {
        let words: Vec<&str> = header.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        words.join("_")
    }
}

/// The columns of a chatter's day; needed are the chatter, the day and the messages sent.
pub(crate) mod chatter_day {
    use super::{Column, needed, optional};

    pub(crate) const CHATTER: usize = 0;
    pub(crate) const DAY: usize = 1;
    pub(crate) const MESSAGES_SENT: usize = 2;
    pub(crate) const PPVS_SENT: usize = 3;
    pub(crate) const PPVS_UNLOCKED: usize = 4;
    pub(crate) const FANS_CHATTED: usize = 5;
    pub(crate) const AVG_RESPONSE: usize = 6;

    pub(crate) const COLUMNS: [Column; 7] = [
        needed("Chatter Name", "chatter"),
        needed("Date", "date"),
        optional("Messages Sent", &[], "messages sent"),
        optional("PPVs Sent", &[], "PPVs sent"),
        optional("PPVs Unlocked", &[], "PPVs unlocked"),
        optional("Fans Chatted", &[], "fans chatted"),
        optional("Avg Response Time", &[], "average response time"),
    ];
}

/// The columns of a kind.
pub(crate) fn of(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Message => &message::COLUMNS,
        Kind::Sale => &sale::COLUMNS,
        Kind::EmployeePeriod => &employee_period::COLUMNS,
        Kind::CreatorDay => &creator_day::COLUMNS,
        Kind::ChatterDay => &chatter_day::COLUMNS,
    }
}

/// The headers of a kind's columns, folded, in the columns' order.
pub(crate) fn folded(kind: Kind) -> &'static [String] {
    static FOLDED: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        let names = |kind| of(kind).iter().map(|column| identity::fold(column.name).into_owned()).collect();
        Kind::ALL.into_iter().map(names).collect()
    });
    let place = Kind::ALL.iter().position(|other| *other == kind).expect("every kind is in ALL");
    &FOLDED[place]
}
