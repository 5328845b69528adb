//! A header cell, and how closely it names a column.

use fandom_schemas::identity;

use super::super::columns::{Column, Role};
use super::super::value::names;
use super::zone::{is_like_a_zone, zone};

/// A header cell in the forms in which it is compared.
pub(super) struct Header {
    /// Its column.
    pub(super) at: u32,
    /// As the sheet has it, squeezed.
    pub(super) shown: String,
    /// Folded.
    pub(super) folded: String,
    /// Without the parentheses at its end, and what is in them; both folded.
    pub(super) without_unit: Option<(String, String)>,
    /// Without the zone at its end, folded, and the zone as it is written.
    without_zone: Option<(String, String)>,
}

impl Header {
    /// The text of a cell as a header.
    pub(super) fn new(at: u32, text: &str) -> Header {
        let shown = names::squeezed(text).into_owned();
        let folded = identity::fold(&shown).into_owned();
        let without_unit = names::last_parentheses(&folded)
            .map(|(name, unit)| (name.trim().to_owned(), unit.trim().to_owned()))
            .filter(|(name, _)| !name.is_empty());
        let without_zone = match names::last_parentheses(&shown) {
            Some((name, unit)) => Some((name, unit.trim()))
                .filter(|(_, unit)| unit.contains('/') && !is_date_form(unit) || zone(unit).is_some()),
            None => shown.rsplit_once(' ').filter(|(_, tail)| is_like_a_zone(tail)),
        };
        let without_zone = without_zone.map(|(name, zone)| (identity::fold(name.trim()).into_owned(), zone.to_owned()));
        Header { at, shown, folded, without_unit, without_zone }
    }
}

/// How closely a header names a column; the least is the closest.
pub(super) fn closeness(column: &Column, folded: &str, header: &Header) -> Option<(usize, Match)> {
    let is = |text: &str| {
        if text == folded { Some(0) } else { column.also.iter().position(|other| *other == text).map(|at| at + 1) }
    };
    if let Some(rank) = is(&header.folded) {
        return Some((rank, Match::Plain));
    }
    if column.role == Role::NeededWithZone
        && let Some((name, zone)) = &header.without_zone
        && let Some(rank) = is(name)
    {
        return Some((rank, Match::Zone(zone.clone())));
    }
    let (name, unit) = header.without_unit.as_ref()?;
    Some((is(name)?, Match::Unit(unit.clone())))
}

/// How a header names its column.
pub(super) enum Match {
    /// By the name alone.
    Plain,
    /// With a zone behind it.
    Zone(String),
    /// With a unit in parentheses behind it, folded.
    Unit(String),
}

/// Whether a unit is the form of a date, such as `MM/DD/YYYY` or `D/M/Y`.
pub(super) fn is_date_form(unit: &str) -> bool {
    unit.chars().all(|c| matches!(c.to_ascii_lowercase(), 'd' | 'm' | 'y' | '/' | '-' | '.' | ' ')) && unit.len() >= 5
}
