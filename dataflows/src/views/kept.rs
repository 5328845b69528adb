//! Which views are kept.
//!
//! A view that is not kept costs nothing, and its table is empty. Names and files are always kept: the others take their labels from
//! names, and `files` tells what counts.

use std::collections::BTreeSet;

use super::{TABLES, chatter, creator_day, files, hours_day, names};
use crate::calendar::{Local, Window};
use crate::sink::table::Table;

/// The views that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept(BTreeSet<&'static str>);

const ALWAYS: [&Table; 4] = [&names::CREATORS, &names::CHATTERS, &names::FAN_NAMES, &files::TABLE];

impl Kept {
    /// All of them.
    pub fn all() -> Kept {
        Kept(TABLES.iter().map(|table| table.name).collect())
    }

    /// Those of this list: names of tables, separated by commas, or `all`. None when a name is not that of a view.
    pub fn named(list: &str) -> Option<Kept> {
        if list.trim() == "all" {
            return Some(Kept::all());
        }
        let named = |name: &str| TABLES.iter().map(|table| table.name).find(|known| *known == name.trim());
        let mut kept: BTreeSet<&'static str> = list.split(',').map(named).collect::<Option<_>>()?;
        kept.extend(ALWAYS.map(|table| table.name));
        Some(Kept(kept))
    }

    /// Whether a view is kept.
    pub fn keeps(&self, table: &Table) -> bool {
        self.0.contains(table.name)
    }

    /// Whether any of these is.
    pub fn keeps_any(&self, tables: &[&Table]) -> bool {
        tables.iter().any(|table| self.keeps(table))
    }

    /// The windows for which there is a view.
    pub fn windows(&self) -> Windows {
        let of_chatters = [&chatter::HOUR, &chatter::DAY, &chatter::WEEK, &chatter::MONTH, &chatter::ALL];
        let [hour, day, week, month, all] = of_chatters.map(|table| self.keeps(table));
        Windows {
            of_chatters: [hour, day || self.keeps(&hours_day::TABLE), week, month, all],
            days_of_creators: self.keeps(&creator_day::TABLE),
        }
    }
}

/// The windows for which there is a view.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Hour, day, week, month, all time.
    of_chatters: [bool; 5],
    /// Whether days of creators are.
    pub days_of_creators: bool,
}

impl Windows {
    /// Those around an hour in which chatters are measured.
    pub fn around(self, local: Local) -> impl Iterator<Item = Window> {
        local.windows().into_iter().zip(self.of_chatters).filter_map(|(window, kept)| kept.then_some(window))
    }

    /// Those around a day.
    pub fn around_day(self, day: i32) -> impl Iterator<Item = Window> {
        let [_, of_days @ ..] = self.of_chatters;
        Window::around_day(day).into_iter().zip(of_days).filter_map(|(window, kept)| kept.then_some(window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_kept_with_names_and_files() {
        let kept = Kept::named("chatter_day, sales_day").expect("two views");
        let names: Vec<&str> = TABLES.iter().filter(|table| kept.keeps(table)).map(|table| table.name).collect();
        assert_eq!(names, ["creators", "chatters", "fan_names", "chatter_day", "sales_day", "files"]);
        let windows: Vec<Window> = kept.windows().around(Local { day: 20_000, hour: 0 }).collect();
        assert_eq!(windows, [Window::Day(20_000)]);
        assert_eq!((Kept::named("all"), Kept::named("chatter_days")), (Some(Kept::all()), None));
    }
}
