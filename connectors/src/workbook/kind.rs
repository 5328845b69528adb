//! A sheet's rows to typed rows: one module for each kind.

mod chatter_day;
mod creator_day;
mod employee_period;
mod message;
mod sale;

use std::borrow::Cow;
use std::collections::BTreeMap;

use fandom_schemas::rows::{self, Creator, Extra, Granularity, Kind};
use jiff::tz::TimeZone;

use super::columns;
use super::layout::Layout;
use super::row::{self, Cell, Row};
use super::value::dates::DateForm;
use super::value::{Fault, is_missing, names};
use super::{RowSink, Stop};

/// Why a row gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A needed cell is missing, or cannot be read.
    Cell {
        /// Which column of the kind.
        column: usize,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The receiver wants no more.
    Stopped,
}

impl From<Stop> for Failure {
    fn from(_: Stop) -> Failure {
        Failure::Stopped
    }
}

/// What a recognised sheet's rows are read with.
pub(crate) struct SheetReader<'o> {
    /// 0-based position in the workbook.
    pub(crate) position: u16,
    /// Where its columns are.
    pub(crate) layout: Layout,
    /// The zone of its naive times.
    pub(crate) zone: TimeZone,
    /// How its dates are written.
    pub(crate) form: DateForm,
    /// How finely it is cut, if its name says so.
    pub(crate) granularity: Option<Granularity>,
    /// The platform of a creator whose name gives none.
    pub(crate) platform: &'o str,
    /// What was odd, and how often.
    pub(crate) warnings: BTreeMap<String, u64>,
}

impl SheetReader<'_> {
    /// Reads a row and hands it over; whether its local time was in doubt.
    pub(crate) fn read(&mut self, row: &Row, sink: &mut dyn RowSink) -> Result<bool, Failure> {
        match self.layout.kind {
            Kind::Message => message::read(self, row, sink),
            Kind::Sale => sale::read(self, row, sink),
            Kind::EmployeePeriod => employee_period::read(self, row, sink),
            Kind::CreatorDay => creator_day::read(self, row, sink),
            Kind::ChatterDay => chatter_day::read(self, row, sink),
        }
    }

    /// The value of a column without which the row does not count.
    fn needed<'r, T>(
        &self,
        row: &'r Row,
        column: usize,
        parse: impl FnOnce(Cell<'r>) -> Result<T, Fault>,
    ) -> Result<T, Failure> {
        parse(self.layout.cell(row, column)).map_err(|fault| Failure::Cell { column, fault })
    }

    /// The value of another column; one that cannot be read is missing, with a warning.
    fn optional<'r, T>(
        &mut self,
        row: &'r Row,
        column: usize,
        parse: impl FnOnce(Cell<'r>) -> Result<T, Fault>,
    ) -> Option<T> {
        match parse(self.layout.cell(row, column)) {
            Ok(value) => Some(value),
            Err(Fault::Missing) => None,
            Err(fault) => {
                let column = &columns::of(self.layout.kind)[column];
                self.warn(reason(fault, column.holds, column.name));
                None
            }
        }
    }

    fn warn(&mut self, warning: String) {
        *self.warnings.entry(warning).or_default() += 1;
    }

    /// The columns that no rule reads, where the row has something in them.
    fn extra(&self, row: &Row) -> Option<Box<Extra>> {
        let mut extra = Extra::new();
        for (at, header) in &self.layout.extra {
            let cell = row.get(*at);
            if cell == Cell::Blank || matches!(cell, Cell::Text(text) if is_missing(text)) {
                continue;
            }
            extra.insert(header.clone(), row::shown(cell, row.epoch()));
        }
        (!extra.is_empty()).then(|| Box::new(extra))
    }

    /// The creator of a cell's text. `(OF)` alone names nobody.
    fn creator(&self, text: &str) -> Result<Creator, Fault> {
        let (name, platform) = names::creator(text).ok_or(Fault::Unreadable)?;
        Ok(Creator { name: name.into_owned(), platform: platform.unwrap_or(self.platform).to_owned() })
    }
}

/// Why, such as `unreadable price`.
pub(crate) fn reason(fault: Fault, holds: &str, name: &str) -> String {
    match fault {
        Fault::Missing => format!("missing {holds}"),
        Fault::Unreadable => format!("unreadable {holds}"),
        Fault::NoSuchDate => "no such date".to_owned(),
        Fault::Negative => format!("negative {holds}"),
        Fault::ErrorCell => format!("error cell in {name}"),
    }
}

/// A name or another short text, squeezed. A number is taken as it is written.
fn name<'r>(cell: Cell<'r>, row: &Row) -> Result<Cow<'r, str>, Fault> {
    match cell {
        Cell::Text(text) if is_missing(text) => Err(Fault::Missing),
        Cell::Text(text) => Ok(names::squeezed(text)),
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Number(_) | Cell::Serial(_) | Cell::Bool(_) => Ok(Cow::Owned(row::shown(cell, row.epoch()))),
    }
}

/// Hands over a row without texts.
fn hand_over(sink: &mut dyn RowSink, row: &rows::Row<'_>) -> Result<(), Failure> {
    sink.row(row, None)?;
    Ok(())
}
