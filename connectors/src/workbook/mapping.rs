//! Mapping profiles at work: sheets of other makes, read as the kinds that are known.
//!
//! ```text
//!     header row ─▶ Profile::recognise ─▶ Layout        as the built-in headers give it
//!                                    └──▶ Translation   each row with its cells where that layout has them
//! ```
//!
//! - `forms`: dates and numbers of other makes, rewritten as the cell parsers know them. What cannot be rewritten becomes
//!   unreadable, never something else.
//! - `sample`, `suggest`: the first rows of a file, and which mapping would suit them.
//! - `preview`: what a mapping would make of a file.

mod forms;
mod preview;
mod sample;
mod suggest;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

use fandom_schemas::identity;
use fandom_schemas::manifest::Sheet;
use fandom_schemas::mappings::{Holds, Mapping, Take, fields};
use jiff::tz::TimeZone;

use super::columns;
use super::layout::{HeaderZone, Layout, MoneyColumn};
use super::row::{self, Cell, Row};
use super::value::names;
use forms::Forms;
pub use preview::{Preview, PreviewReject, preview};
pub(crate) use sample::Survey;
pub use suggest::{Suggestion, suggest};

/// Mappings that apply to a file, those of the deepest folder first.
pub type Profiles = Arc<[Arc<Profile>]>;

/// A mapping that can be used.
#[derive(Debug)]
pub struct Profile {
    mapping: Mapping,
    zone: HeaderZone,
}

impl Profile {
    /// A mapping, made ready.
    ///
    /// # Errors
    /// Everything for which it cannot be used.
    pub fn new(mapping: Mapping) -> Result<Profile, Vec<String>> {
        let problems = mapping.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let zone = match &mapping.zone {
            None => HeaderZone::Unnamed,
            Some(name) => TimeZone::get(name).map_or_else(|_| HeaderZone::Unknown(name.clone()), HeaderZone::Known),
        };
        Ok(Profile { mapping, zone })
    }

    /// The mapping.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Whether the row is the header row of a sheet of its shape: the layout of the sheet's kind, and how a row is brought into it.
    pub(crate) fn recognise(&self, headers: &[HeaderCell]) -> Option<(Layout, Translation)> {
        let place = |header: &str| {
            let folded = identity::fold(header);
            headers.iter().find(|cell| cell.folded == *folded)
        };
        let kind = self.mapping.kind;
        let known = fields(kind);
        let mut taken = Vec::new();
        let mut target = |holds: Holds, take: &Take| -> Option<(Target, Option<String>)> {
            let (from, shown) = match take {
                Take::Value { value } => (From::Value(value.clone()), None),
                Take::Column(header) => {
                    let cell = place(header)?;
                    (From::Columns(vec![cell.at]), Some(cell.shown.clone()))
                }
                Take::Columns(wanted) => {
                    let cells: Vec<&HeaderCell> = wanted.iter().map(|header| place(header)).collect::<Option<_>>()?;
                    let shown: Vec<&str> = cells.iter().map(|cell| cell.shown.as_str()).collect();
                    (From::Columns(cells.iter().map(|cell| cell.at).collect()), Some(shown.join(" + ")))
                }
            };
            if let From::Columns(columns) = &from {
                taken.extend(columns.iter().copied());
            }
            Some((Target { holds, from }, shown))
        };
        let mut targets = Vec::new();
        let mut places = vec![None; columns::of(kind).len()];
        let mut shown = vec![None; places.len()];
        for (index, field) in known.iter().enumerate() {
            let Some(take) = self.mapping.columns.get(field.name) else { continue };
            let (target, header) = target(field.holds, take)?;
            places[index] = u32::try_from(targets.len()).ok();
            shown[index] = header;
            targets.push(target);
        }
        let mut money = Vec::new();
        for (name, take) in &self.mapping.columns {
            let Some((basis, figure)) = self.mapping.figure(name) else { continue };
            let (target, _) = target(Holds::Money, take)?;
            money.push(MoneyColumn { at: u32::try_from(targets.len()).ok()?, basis, figure: figure.to_owned() });
            targets.push(target);
        }
        let mut extra: Vec<(u32, String)> = Vec::new();
        for header in headers.iter().filter(|header| !taken.contains(&header.at)) {
            if extra.iter().all(|(_, known)| *known != header.shown) {
                extra.push((u32::try_from(targets.len()).ok()?, header.shown.clone()));
                targets.push(Target { holds: Holds::Text, from: From::Columns(vec![header.at]) });
            }
        }
        let warnings = vec![format!("{READ_BY}`{}`", self.mapping.name)];
        let layout = Layout::mapped(kind, self.zone.clone(), &places, shown, money, extra, warnings);
        let utc = self.mapping.zone.as_deref() == Some("UTC");
        let forms = Forms { dates: self.mapping.dates, numbers: self.mapping.numbers, utc };
        Some((layout, Translation { targets, forms, row: Row::default(), text: String::new() }))
    }
}

/// Begins the warning that a sheet was read by a mapping.
const READ_BY: &str = "read by the mapping ";

/// Whether a sheet was read by a mapping.
pub(crate) fn is_mapped(sheet: &Sheet) -> bool {
    sheet.warnings.keys().any(|warning| warning.starts_with(READ_BY))
}

/// A header of a sheet.
#[derive(Debug)]
pub(crate) struct HeaderCell {
    at: u32,
    shown: String,
    folded: String,
}

/// The headers of a row, if it can be a header row: at least two texts.
pub(crate) fn headers(row: &Row) -> Option<Vec<HeaderCell>> {
    const WIDEST: u32 = 1000;
    const LONGEST: usize = 200;
    let header = |at: u32| match row.get(at) {
        Cell::Text(text) if text.len() <= LONGEST => {
            let shown = names::squeezed(text).into_owned();
            let folded = identity::fold(&shown).into_owned();
            Some(HeaderCell { at, shown, folded })
        }
        _ => None,
    };
    let headers: Vec<HeaderCell> = (0..row.width().min(WIDEST)).filter_map(header).collect();
    (headers.len() >= 2).then_some(headers)
}

/// The first of the profiles that knows the row as a header row.
pub(crate) fn recognise(profiles: &[Arc<Profile>], row: &Row) -> Option<(Layout, Translation)> {
    let headers = if profiles.is_empty() { None } else { headers(row) }?;
    profiles.iter().find_map(|profile| profile.recognise(&headers))
}

/// Puts profiles into the order in which they are tried: the deepest folder first, then the most columns.
pub fn in_order(mut profiles: Vec<Arc<Profile>>) -> Profiles {
    profiles.sort_by_cached_key(|profile| {
        let Mapping { folder, name, .. } = &profile.mapping;
        (std::cmp::Reverse((folder.len(), profile.mapping.headers().count())), name.clone())
    });
    profiles.into()
}

/// Brings the cells of a row to where a layout has them, in forms that the cell parsers know.
#[derive(Debug)]
pub(crate) struct Translation {
    targets: Vec<Target>,
    forms: Forms,
    row: Row,
    text: String,
}

/// A cell of the row that is made.
#[derive(Debug)]
struct Target {
    holds: Holds,
    from: From,
}

#[derive(Debug)]
enum From {
    Columns(Vec<u32>),
    Value(String),
}

impl Translation {
    /// The row as the layout has it.
    pub(crate) fn translate(&mut self, row: &Row) -> &Row {
        let Translation { targets, forms, row: made, text } = self;
        made.begin_like(row);
        for (at, target) in (0..).zip(targets.iter()) {
            let cell = match &target.from {
                From::Value(value) => Cell::Text(value),
                From::Columns(columns) => match columns.as_slice() {
                    [column] => row.get(*column),
                    columns => {
                        text.clear();
                        for column in columns {
                            let cell = row.get(*column);
                            if !text.is_empty() && cell != Cell::Blank {
                                text.push(' ');
                            }
                            text.push_str(&row::shown(cell, row.epoch()));
                        }
                        Cell::Text(text)
                    }
                },
            };
            match forms.rewritten(cell, target.holds) {
                None => made.set(at, cell),
                Some(Cow::Borrowed(rewritten)) => made.set(at, Cell::Text(rewritten)),
                Some(Cow::Owned(rewritten)) => made.set(at, Cell::Text(&rewritten)),
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use fandom_schemas::rows::Kind;

    use super::*;

    /// The fields of a mapping are the columns of the reader, one for one.
    #[test]
    fn fields_are_the_columns_of_the_kinds() {
        for kind in Kind::ALL {
            let (fields, columns) = (fields(kind), columns::of(kind));
            assert_eq!(fields.len(), columns.len(), "{kind:?}");
            for (field, column) in fields.iter().zip(columns) {
                assert!(field.needed || column.role == columns::Role::Optional, "{kind:?} {}", field.name);
                let word = |text: &str| text.to_lowercase().chars().next();
                let related = column.name.to_lowercase().contains(field.name.split('_').next().unwrap_or_default())
                    || column.holds.contains(field.name.split('_').next().unwrap_or_default())
                    || word(field.name) == word(column.name);
                assert!(related, "{kind:?}: {} is not {}", field.name, column.name);
            }
        }
    }
}
