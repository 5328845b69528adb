//! Which kind of sheet a header row belongs to, and where its columns are.
//!
//! Headers are compared after trimming and folding of case and white space. A unit in parentheses at the end may be there or not,
//! unless the parentheses are part of the header that METRICS.md gives: `Response time (based on clocked hours)` is no
//! `Response time`. A date's or time's header may end with a zone. A row belongs to the kind of which it has all needed columns
//! and, among those, the most.

mod header;
mod zone;

use std::collections::HashSet;

use fandom_schemas::rows::{Basis, Kind};

use super::columns::{self, Role};
use super::row::{Cell, Row};
use super::value::dates::DayMonth;
use header::{Header, Match, closeness, is_date_form};
pub(crate) use zone::HeaderZone;

/// Where a column is that the sheet has not.
const NOWHERE: u32 = u32::MAX;

/// Texts longer than this are no headers.
const LONGEST_HEADER: usize = 200;

/// Headers further to the right than this are not looked for.
const WIDEST: u32 = 1_000;

/// A money column of a creator's day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MoneyColumn {
    /// Where it is.
    pub(crate) at: u32,
    /// Before or after the platform's share.
    pub(crate) basis: Basis,
    /// The name of its figure.
    pub(crate) figure: String,
}

/// A recognised sheet: where its columns are, decided once from the header row.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What the sheet is.
    pub(crate) kind: Kind,
    /// The zone of its naive times.
    pub(crate) zone: HeaderZone,
    /// The order of day and month in its dates.
    pub(crate) order: DayMonth,
    /// Its money columns, if it is of creators' days.
    pub(crate) money: Vec<MoneyColumn>,
    /// Columns that no rule reads, with their headers.
    pub(crate) extra: Vec<(u32, String)>,
    /// What is odd about the headers.
    pub(crate) warnings: Vec<String>,
    places: Vec<u32>,
    units: Vec<Option<String>>,
    shown: Vec<Option<String>>,
}

impl Layout {
    /// The layout of rows whose columns are put where this says: `places` and `shown` by column of the kind.
    pub(crate) fn mapped(
        kind: Kind,
        zone: HeaderZone,
        places: &[Option<u32>],
        shown: Vec<Option<String>>,
        money: Vec<MoneyColumn>,
        extra: Vec<(u32, String)>,
        warnings: Vec<String>,
    ) -> Layout {
        Layout {
            kind,
            zone,
            order: DayMonth::MonthFirst,
            money,
            extra,
            warnings,
            places: places.iter().map(|place| place.unwrap_or(NOWHERE)).collect(),
            units: vec![None; places.len()],
            shown,
        }
    }

    /// Where a column of the kind is; `None` if the sheet has it not.
    #[cfg(test)]
    pub(crate) fn place(&self, column: usize) -> Option<u32> {
        Some(self.places[column]).filter(|place| *place != NOWHERE)
    }

    /// The cell of a column of the kind; blank if the sheet has it not.
    pub(crate) fn cell<'r>(&self, row: &'r Row, column: usize) -> Cell<'r> {
        row.get(self.places[column])
    }

    /// The unit in a column's header, folded: of `Avg Response Time(minutes)`, `minutes`.
    pub(crate) fn unit(&self, column: usize) -> Option<&str> {
        self.units[column].as_deref()
    }

    /// A column's header as the sheet has it.
    pub(crate) fn header(&self, column: usize) -> Option<&str> {
        self.shown[column].as_deref()
    }
}

/// What a row is to the search for the header row.
pub(crate) enum Verdict {
    /// The header row.
    Header(Box<Layout>),
    /// Much like one of this kind, without a needed column.
    Nearly(Kind, &'static str),
    /// No header row.
    Other,
}

/// Looks whether a row is a header row.
pub(crate) fn examine(row: &Row) -> Verdict {
    let headers: Vec<Header> = (0..row.width().min(WIDEST))
        .filter_map(|at| match row.get(at) {
            Cell::Text(text) if text.len() <= LONGEST_HEADER => Some(Header::new(at, text)),
            _ => None,
        })
        .filter(|header| !header.folded.is_empty())
        .collect();
    if headers.len() < 2 {
        return Verdict::Other;
    }
    let mut best: Option<(usize, Layout)> = None;
    let mut nearly: Option<(usize, Kind, &'static str)> = None;
    for kind in Kind::ALL {
        let (layout, matched) = lay_out(kind, &headers);
        match lacking(&layout) {
            None if best.as_ref().is_none_or(|(most, _)| matched > *most) => best = Some((matched, layout)),
            Some(column)
                if matched >= 3 && matched * 2 >= headers.len() && nearly.is_none_or(|(most, ..)| matched > most) =>
            {
                nearly = Some((matched, kind, column));
            }
            _ => {}
        }
    }
    match (best, nearly) {
        (Some((_, layout)), _) => Verdict::Header(Box::new(layout)),
        (None, Some((_, kind, column))) => Verdict::Nearly(kind, column),
        (None, None) => Verdict::Other,
    }
}

/// The needed column that a sheet has not.
fn lacking(layout: &Layout) -> Option<&'static str> {
    let columns = columns::of(layout.kind);
    let absent =
        columns.iter().zip(&layout.places).find(|(column, place)| column.role != Role::Optional && **place == NOWHERE);
    let figures =
        layout.places.iter().zip(columns).filter(|(place, column)| **place != NOWHERE && column.role == Role::Optional);
    match layout.kind {
        _ if absent.is_some() => absent.map(|(column, _)| column.name),
        Kind::CreatorDay if layout.money.is_empty() => Some("Total earnings Net"),
        Kind::ChatterDay if figures.count() == 0 => Some("Messages Sent"),
        _ => None,
    }
}

/// Finds the columns of a kind; how many headers it knows.
fn lay_out(kind: Kind, headers: &[Header]) -> (Layout, usize) {
    let columns = columns::of(kind);
    let mut layout = Layout {
        kind,
        zone: HeaderZone::Unnamed,
        order: DayMonth::MonthFirst,
        money: Vec::new(),
        extra: Vec::new(),
        warnings: Vec::new(),
        places: vec![NOWHERE; columns.len()],
        units: vec![None; columns.len()],
        shown: vec![None; columns.len()],
    };
    let mut taken = HashSet::new();
    for (index, (column, folded)) in columns.iter().zip(columns::folded(kind)).enumerate() {
        let mut closest: Option<(usize, &Header, Match)> = None;
        for header in headers {
            if taken.contains(&header.at) {
                continue;
            }
            let Some((rank, how)) = closeness(column, folded, header) else { continue };
            match &closest {
                Some((least, ..)) if rank == *least => {
                    layout.warnings.push(format!("two columns `{}`: the first is read", column.name));
                    taken.insert(header.at);
                }
                Some((least, ..)) if rank > *least => {}
                _ => closest = Some((rank, header, how)),
            }
        }
        let Some((_, header, how)) = closest else { continue };
        taken.insert(header.at);
        layout.places[index] = header.at;
        layout.shown[index] = Some(header.shown.clone());
        match how {
            Match::Plain => {}
            Match::Zone(name) => layout.zone = layout.zone.and(&name),
            Match::Unit(unit) => {
                if is_date_form(&unit) && unit.starts_with('d') {
                    layout.order = DayMonth::DayFirst;
                }
                layout.units[index] = Some(unit);
            }
        }
    }
    if kind == Kind::CreatorDay {
        money_columns(&mut layout, headers, &mut taken);
    }
    let matched = layout.places.iter().filter(|place| **place != NOWHERE).count() + layout.money.len();
    let mut names = HashSet::new();
    for header in headers.iter().filter(|header| !taken.contains(&header.at)) {
        if names.insert(header.shown.as_str()) {
            layout.extra.push((header.at, header.shown.clone()));
        } else {
            layout.warnings.push(format!("two columns `{}`: the first is read", header.shown));
        }
    }
    (layout, matched)
}

fn money_columns(layout: &mut Layout, headers: &[Header], taken: &mut HashSet<u32>) {
    for header in headers {
        let name = header.without_unit.as_ref().map_or(header.folded.as_str(), |(name, _)| name.as_str());
        let (name, basis) = match (name.strip_suffix(" net"), name.strip_suffix(" gross")) {
            (Some(name), _) => (name, Basis::Net),
            (_, Some(name)) => (name, Basis::Gross),
            _ => continue,
        };
        if !taken.insert(header.at) {
            continue;
        }
        let figure = columns::creator_day::figure(name);
        if layout.money.iter().any(|column| column.basis == basis && column.figure == figure) {
            layout.warnings.push(format!("two columns `{}`: the first is read", header.shown));
        } else {
            layout.money.push(MoneyColumn { at: header.at, basis, figure });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::value::dates::Epoch;
    use super::*;

    fn row(headers: &[&str]) -> Row {
        let mut row = Row::new(Epoch::Y1900);
        row.begin(1);
        for (at, text) in headers.iter().enumerate() {
            row.set(u32::try_from(at).expect("few"), Cell::Text(text));
        }
        row
    }

    fn layout(headers: &[&str]) -> Layout {
        match examine(&row(headers)) {
            Verdict::Header(layout) => *layout,
            Verdict::Nearly(kind, column) => panic!("nearly {kind:?}, without {column}"),
            Verdict::Other => panic!("no header row: {headers:?}"),
        }
    }

    #[test]
    fn headers_may_be_careless_and_in_any_order() {
        let layout = layout(&[" Sent  to", "CREATOR", "Sent date", "sent  TIME", "Mood of the day", "Fans message "]);
        assert_eq!(layout.kind, Kind::Message);
        assert_eq!(layout.place(columns::message::SENT_TO), Some(0));
        assert_eq!(layout.place(columns::message::FANS_MESSAGE), Some(5));
        assert_eq!(layout.place(columns::message::PRICE), None);
        assert_eq!(layout.extra, vec![(4, "Mood of the day".to_owned())]);
    }

    #[test]
    fn parentheses_are_a_unit_only_where_they_are_no_part_of_the_header() {
        use columns::employee_period as p;
        let layout = layout(&[
            "Date/Time Europe/Belgrade",
            "Employees",
            "Creators",
            "Response time (based on clocked hours)",
            "Response time (based on scheduled hours)",
            "Response time (based on hope)",
            "Sales ($)",
            "Keystrokes (words)",
        ]);
        assert_eq!(layout.place(p::RESPONSE_CLOCKED), Some(3));
        assert_eq!(layout.place(p::RESPONSE_SCHEDULED), Some(4));
        assert_eq!(layout.place(p::SALES), Some(6));
        assert_eq!(layout.place(p::KEYSTROKES), Some(7));
        assert_eq!(layout.extra, vec![(5, "Response time (based on hope)".to_owned())]);
    }

    #[test]
    fn the_template_has_units_in_its_headers() {
        let layout =
            super::tests::layout(&["Chatter Name", "Date(MM/DD/YYYY)", "Messages Sent", "Avg Response Time(minutes)"]);
        assert_eq!((layout.kind, layout.order), (Kind::ChatterDay, DayMonth::MonthFirst));
        assert_eq!(layout.unit(columns::chatter_day::AVG_RESPONSE), Some("minutes"));
        let layout = super::tests::layout(&["Chatter Name", "Date (DD/MM/YYYY)", "PPVs sent"]);
        assert_eq!(layout.order, DayMonth::DayFirst);
        let layout = super::tests::layout(&["Chatter Name", "Date (D/M/Y)", "PPVs sent"]);
        assert_eq!(layout.order, DayMonth::DayFirst);
    }

    #[test]
    fn older_exports_have_other_names() {
        use columns::employee_period as p;
        let older = layout(&[
            "Date/Time UTC",
            "Employees",
            "Creators",
            "Messages sent",
            "PPVs sent",
            "Unlock ratio",
            "Reply time",
        ]);
        for (column, place) in
            [(p::MESSAGES_SENT, 3), (p::PPVS_SENT, 4), (p::UNLOCK_RATE, 5), (p::RESPONSE_SCHEDULED, 6)]
        {
            assert_eq!(older.place(column), Some(place));
        }
        let both = layout(&["Date/Time", "Employees", "Creators", "Messages sent", "Direct messages sent"]);
        assert_eq!(both.place(p::MESSAGES_SENT), Some(4), "the newer name is the closer one");
        assert_eq!(both.extra, vec![(3, "Messages sent".to_owned())]);
    }

    #[test]
    fn money_columns_carry_their_basis() {
        let layout = layout(&[
            "Date/Time",
            "Creator",
            "Total subscription earnings Gross",
            "Refunds Net",
            "Fan gifts (new) Net",
            "OF ranking",
        ]);
        let money: Vec<_> = layout.money.iter().map(|m| (m.figure.as_str(), m.basis)).collect();
        assert_eq!(money, [("subscription", Basis::Gross), ("refund", Basis::Net), ("fan_gifts_new", Basis::Net)]);
        assert_eq!(layout.extra, vec![(5, "OF ranking".to_owned())]);
    }

    #[test]
    fn of_two_equal_headers_the_first_is_read() {
        let layout = layout(&["Creator", "Sent to", "Sent date", "Sent time", "Price", "price ", "X", "X"]);
        assert_eq!(layout.place(columns::message::PRICE), Some(4));
        assert_eq!(layout.warnings, ["two columns `Price`: the first is read", "two columns `X`: the first is read"]);
    }

    #[test]
    fn what_lacks_a_needed_column_is_not_recognised() {
        assert!(matches!(
            examine(&row(&["Sender", "Creator", "Sent time", "Sent date", "Price"])),
            Verdict::Nearly(Kind::Message, "Sent to")
        ));
        assert!(matches!(examine(&row(&["To do", "Who"])), Verdict::Other));
        assert!(matches!(examine(&row(&["Date/Time", "Creator", "Following"])), Verdict::Other));
    }

    proptest! {
        #[test]
        fn any_header_row_is_recognised_or_not(headers in proptest::collection::vec("[A-Za-z ()/&+:é]{0,20}", 0..8)) {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            examine(&row(&headers));
        }

        #[test]
        fn spelling_never_matters(upper: bool, spaces in 1usize..4, unit: bool) {
            let spell = |name: &str| {
                let name = name.replace(' ', &" ".repeat(spaces));
                let name = if unit { format!("{name} (x)") } else { name };
                format!(" {} ", if upper { name.to_uppercase() } else { name.to_lowercase() })
            };
            let headers: Vec<String> = columns::message::COLUMNS.iter().map(|column| spell(column.name)).collect();
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            let layout = layout(&headers);
            prop_assert_eq!(layout.kind, Kind::Message);
            prop_assert!(layout.extra.is_empty() && layout.places.iter().all(|place| *place != NOWHERE));
        }
    }
}
