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
use super::{NotTaken, RowSink};

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
    /// The receiver cannot take it, for this reason.
    NotTaken(String),
    /// The receiver wants no more.
    Stopped,
}

impl From<NotTaken> for Failure {
    fn from(why: NotTaken) -> Failure {
        match why {
            NotTaken::Row(reason) => Failure::NotTaken(reason),
            NotTaken::Stop => Failure::Stopped,
        }
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
    /// Bytes of the headers that went into rows, since this was last asked.
    pub(crate) header_bytes: u64,
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

    /// A name or another text that tells rows apart, where there is one. Without one that is too long the row would be another
    /// row, so it does not count.
    fn telling<'r>(&mut self, row: &'r Row, column: usize) -> Result<Option<Cow<'r, str>>, Failure> {
        match name(self.layout.cell(row, column), row) {
            Err(fault @ Fault::TooLong) => Err(Failure::Cell { column, fault }),
            other => Ok(self.optional(row, column, |_| other)),
        }
    }

    fn warn(&mut self, warning: String) {
        *self.warnings.entry(warning).or_default() += 1;
    }

    /// The columns that no rule reads, where the row has something in them. An error is nothing, with a warning.
    fn extra(&mut self, row: &Row) -> Option<Box<Extra>> {
        let mut extra = Extra::new();
        for (at, header) in &self.layout.extra {
            match row.get(*at) {
                Cell::Blank => {}
                Cell::Text(text) if is_missing(text) => {}
                Cell::Error(_) => {
                    *self.warnings.entry(reason(Fault::ErrorCell, "", header)).or_default() += 1;
                }
                cell => {
                    self.header_bytes += header.len() as u64;
                    extra.insert(header.clone(), row::shown(cell, row.epoch()));
                }
            }
        }
        (!extra.is_empty()).then(|| Box::new(extra))
    }

    /// The creator of a cell's text. `(OF)` alone names nobody.
    fn creator(&self, text: &str) -> Result<Creator, Fault> {
        let (name, platform) = names::creator(text).ok_or(Fault::Unreadable)?;
        if name.len() > names::LONGEST {
            return Err(Fault::TooLong);
        }
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
        Fault::TooLong => format!("{holds} longer than {} bytes", names::LONGEST),
    }
}

/// A name or another short text, squeezed. A number is taken as it is written.
fn name<'r>(cell: Cell<'r>, row: &Row) -> Result<Cow<'r, str>, Fault> {
    squeezed(cell, row).and_then(|text| if text.len() > names::LONGEST { Err(Fault::TooLong) } else { Ok(text) })
}

/// A text of any length, squeezed, such as a list of names.
fn squeezed<'r>(cell: Cell<'r>, row: &Row) -> Result<Cow<'r, str>, Fault> {
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
