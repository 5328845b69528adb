//! How a sheet that no built-in kind recognises is read as one: which column gives which field, and how dates and numbers are
//! written. Stored in `app.mappings`, exchanged as JSON.
//!
//! ```json
//! {"name": "crm chats", "source": "uploads", "folder": "crm", "kind": "message", "zone": "UTC", "dates": "year_first",
//!  "columns": {"sender": "chatterName", "sent_date": "timestamp", "sent_time": "timestamp", "sent_to": "customerId",
//!              "creator": {"value": "Tania (OF)"}, "creator_message": "content", "source": "messageType"}}
//! ```

mod fields;
mod table;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::folders::{is_folder, is_source};
use crate::rows::{Basis, Kind};
pub use fields::{Field, Holds, fields};
pub use table::{Stored, all, remove, save};

/// The source of files that are uploaded through the API.
pub const UPLOADS: &str = "uploads";

/// A mapping profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Tells it from the others.
    pub name: String,
    /// It applies to files of this source.
    #[serde(default = "uploads")]
    pub source: String,
    /// It applies to files in and below this folder of the source, such as `crm/2026`; empty for all of them.
    #[serde(default)]
    pub folder: String,
    /// What the sheet is read as.
    pub kind: Kind,
    /// By field of the kind ([`fields`]): where its value comes from. For `creator_day` also `net.<figure>` and
    /// `gross.<figure>`, such as `net.tips`. The columns that are named here make the shape: a sheet that has all of them,
    /// and is of no built-in kind, is read by this mapping.
    pub columns: BTreeMap<String, Take>,
    /// How dates are written.
    #[serde(default)]
    pub dates: Dates,
    /// How numbers are written.
    #[serde(default)]
    pub numbers: Numbers,
    /// The IANA zone of dates and times; that of the file's folder where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

fn uploads() -> String {
    UPLOADS.to_owned()
}

/// Where the value of a field comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Take {
    /// The column with this header.
    Column(String),
    /// These columns, joined by a space: such as a date and a time.
    Columns(Vec<String>),
    /// The same for every row.
    Value {
        /// The value.
        value: String,
    },
}

/// How dates are written. A time of day may follow each; so may an offset from UTC, where the zone is `UTC`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dates {
    /// Year, month, day, or with the month's English name: `2026-10-21`, `21 Oct 2026`.
    #[default]
    YearFirst,
    /// Also day, month, year: `21.10.2026`, `21/10/26`.
    DayFirst,
    /// Also month, day, year: `10/21/2026`.
    MonthFirst,
    /// Seconds since the Unix epoch. The zone is `UTC`.
    UnixSeconds,
    /// Milliseconds since the Unix epoch. The zone is `UTC`.
    UnixMillis,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// `1,290.50`
    #[default]
    Point,
    /// `1.290,50`, `1 290,50`
    Comma,
}

/// Names that stand for something else where mappings are asked for by name.
const RESERVED: [&str; 4] = ["suggest", "preview", "export", "import"];

/// The most columns that make one value.
const MOST_JOINED: usize = 4;

impl Mapping {
    /// Whether it applies to files of that source with that path.
    pub fn covers(&self, source: &str, path: &str) -> bool {
        let below = |rest: &str| rest.starts_with('/');
        self.source == source && (self.folder.is_empty() || path.strip_prefix(&self.folder).is_some_and(below))
    }

    /// The headers of the columns that it reads.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.columns
            .values()
            .flat_map(|take| match take {
                Take::Column(header) => std::slice::from_ref(header).iter(),
                Take::Columns(headers) => headers.iter(),
                Take::Value { .. } => [].iter(),
            })
            .map(String::as_str)
    }

    /// Everything for which it cannot be used, as `field: what is wrong`.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let known = fields(self.kind);
        let name_is_plain = !self.name.trim().is_empty() && self.name.trim() == self.name;
        if !name_is_plain
            || self.name.chars().count() > 100
            || self.name.contains(['/', '\\'])
            || has_control(&self.name)
        {
            problems.push("name: give it 1 to 100 characters without a slash or spaces around".to_owned());
        }
        if RESERVED.contains(&self.name.as_str()) {
            problems.push(format!("name: `{}` means something else in the API; give it another", self.name));
        }
        if !is_source(&self.source) {
            problems.push("source: give the name of a source, such as uploads or inbox".to_owned());
        }
        if !is_folder(&self.folder) {
            problems.push("folder: give a path such as crm/2026, or nothing for the whole source".to_owned());
        }
        for (name, take) in &self.columns {
            if !known.iter().any(|field| field.name == name) && self.figure(name).is_none() {
                let names: Vec<&str> = known.iter().map(|field| field.name).collect();
                problems.push(format!(
                    "columns.{name}: {} has no such field; it has {}",
                    self.kind.name(),
                    names.join(", ")
                ));
            }
            let blank = |text: &String| text.trim().is_empty() || text.len() > 1000 || text.contains('\0');
            let wrong = match take {
                Take::Column(header) => blank(header),
                Take::Columns(headers) => !(1..=MOST_JOINED).contains(&headers.len()) || headers.iter().any(blank),
                Take::Value { value } => blank(value),
            };
            if wrong {
                problems.push(format!(
                    "columns.{name}: give a header, a list of 1 to {MOST_JOINED} headers, or {{\"value\": \"a text\"}}"
                ));
            }
        }
        let has = |field: &Field| self.columns.contains_key(field.name);
        for field in known.iter().filter(|field| field.needed && !has(field)) {
            problems.push(format!("columns.{}: is needed for {}", field.name, self.kind.name()));
        }
        let lacks_figure = match self.kind {
            Kind::CreatorDay => !self.columns.keys().any(|name| self.figure(name).is_some()),
            Kind::ChatterDay => !known.iter().any(|field| !field.needed && has(field)),
            _ => false,
        };
        if lacks_figure {
            let example = if self.kind == Kind::CreatorDay { "net.tips" } else { "messages_sent" };
            problems.push(format!("columns: give at least one figure, such as {example}"));
        }
        if self.headers().next().is_none() {
            problems.push("columns: at least one field must come from a column".to_owned());
        }
        if self.zone.as_ref().is_some_and(|zone| TimeZone::get(zone).is_err()) {
            problems.push("zone: give an IANA zone such as Europe/Riga".to_owned());
        }
        if matches!(self.dates, Dates::UnixSeconds | Dates::UnixMillis) && self.zone.as_deref() != Some("UTC") {
            problems.push("zone: seconds and milliseconds since 1970 are instants; give UTC".to_owned());
        }
        problems
    }

    /// The basis and name of the figure that a field of a creator's day is: of `net.tips`, net and `tips`.
    pub fn figure<'f>(&self, field: &'f str) -> Option<(Basis, &'f str)> {
        let (basis, figure) = field.split_once('.').filter(|_| self.kind == Kind::CreatorDay)?;
        let basis = [Basis::Net, Basis::Gross].into_iter().find(|known| known.name() == basis)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (!figure.is_empty() && figure.len() <= 100 && figure.chars().all(plain)).then_some((basis, figure))
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(json: &str) -> Mapping {
        serde_json::from_str(json).expect("a mapping")
    }

    const CRM: &str = r#"{"name": "crm", "kind": "message", "folder": "crm", "columns": {"sender": "chatterName",
        "sent_date": "timestamp", "sent_time": "timestamp", "sent_to": "customerId", "creator": {"value": "Tania (OF)"}}}"#;

    #[test]
    fn a_mapping_is_read_and_written_as_json() {
        let crm = mapping(CRM);
        assert_eq!(crm.problems(), Vec::<String>::new());
        assert_eq!((crm.source.as_str(), crm.dates, crm.numbers), ("uploads", Dates::YearFirst, Numbers::Point));
        let again = mapping(&serde_json::to_string(&crm).expect("JSON"));
        assert_eq!(again, crm);
        assert!(serde_json::from_str::<Mapping>(&CRM.replace("folder", "folded")).is_err(), "a misspelled member");
    }

    #[test]
    fn it_covers_its_folder_alone() {
        let crm = mapping(CRM);
        for (source, path, covered) in [
            ("uploads", "crm/a.csv", true),
            ("uploads", "crm/x/a.csv", true),
            ("uploads", "crm2/a.csv", false),
            ("uploads", "crm", false),
            ("inbox", "crm/a.csv", false),
        ] {
            assert_eq!(crm.covers(source, path), covered, "{source} {path}");
        }
        assert!(Mapping { folder: String::new(), ..crm }.covers("uploads", "a.csv"));
    }

    #[test]
    fn every_problem_is_named() {
        let wrong = mapping(
            r#"{"name": " ", "source": "a:b", "folder": "../x", "kind": "sale", "zone": "Mars/Base", "dates": "unix_seconds",
                "columns": {"gross": "", "colour": "c", "net": []}}"#,
        );
        let problems = wrong.problems().join("\n");
        for part in [
            "name:",
            "source:",
            "folder:",
            "columns.gross:",
            "columns.colour:",
            "columns.net:",
            "columns.date_and_time: is needed",
            "columns.creator: is needed",
            "zone: give an IANA",
            "zone: seconds",
        ] {
            assert!(problems.contains(part), "{part} in\n{problems}");
        }
    }

    #[test]
    fn no_header_has_what_postgres_cannot_keep() {
        let nul = CRM.replace("chatterName", r"chatter\u0000Name");
        assert!(mapping(&nul).problems().iter().any(|problem| problem.starts_with("columns.sender:")));
    }

    #[test]
    fn a_creators_day_needs_a_figure() {
        let day = mapping(r#"{"name": "d", "kind": "creator_day", "columns": {"day": "d", "creator": "c"}}"#);
        assert!(day.problems().join("").contains("net.tips"));
        let with = mapping(
            r#"{"name": "d", "kind": "creator_day", "columns": {"day": "d", "creator": "c", "net.tips": "t"}}"#,
        );
        assert_eq!(with.problems(), Vec::<String>::new());
    }
}
