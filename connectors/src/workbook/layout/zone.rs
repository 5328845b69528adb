//! The zone with which a header of dates or times ends.

use jiff::tz::{Offset, TimeZone};

use super::header::is_date_form;

/// The zone that a sheet's headers name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HeaderZone {
    /// None.
    Unnamed,
    /// This one.
    Known(TimeZone),
    /// One that does not exist, or two that differ: as written.
    Unknown(String),
}

impl HeaderZone {
    /// This zone and the one that another header names.
    pub(super) fn and(&self, name: &str) -> HeaderZone {
        match (self, zone(name)) {
            (HeaderZone::Unnamed, Some(zone)) => HeaderZone::Known(zone),
            (HeaderZone::Known(known), Some(zone)) if *known == zone => HeaderZone::Known(zone),
            (HeaderZone::Unknown(other), _) => HeaderZone::Unknown(other.clone()),
            _ => HeaderZone::Unknown(name.to_owned()),
        }
    }
}

/// Whether the end of a header can only be meant as a zone: `Europe/Belgrade`, `UTC`, `GMT+2`, and also what looks like one and is
/// none, since a zone that is passed over would make every instant wrong.
pub(super) fn is_like_a_zone(tail: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ':');
    let shaped = tail.contains('/')
        || tail.len() >= 3 && tail.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "+-:".contains(c));
    tail.chars().all(letters) && tail.starts_with(|c: char| c.is_ascii_alphabetic()) && shaped && !is_date_form(tail)
}

/// The zone of that name: IANA's, or an offset such as `UTC+2` or `GMT-05:30`.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    let offset = ["UTC", "GMT"].iter().find_map(|start| name.strip_prefix(start)).filter(|rest| !rest.is_empty());
    let Some(offset) = offset else {
        return TimeZone::get(name).ok();
    };
    let (sign, rest) = match offset.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, offset.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let number = |text: &str, most: i32| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<i32>().ok()).flatten().filter(|n| *n <= most)
    };
    let seconds = sign * (number(hours, 14)? * 3600 + number(minutes, 59)? * 60);
    Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::super::row::{Cell, Row};
    use super::super::super::value::dates::Epoch;
    use super::super::{Verdict, examine};
    use super::*;

    fn zone_of_row(headers: &[&str]) -> HeaderZone {
        let mut row = Row::new(Epoch::Y1900);
        row.begin(1);
        for (at, text) in (0..).zip(headers) {
            row.set(at, Cell::Text(text));
        }
        match examine(&row) {
            Verdict::Header(layout) => layout.zone,
            Verdict::Nearly(..) | Verdict::Other => panic!("no header row: {headers:?}"),
        }
    }

    #[test]
    fn a_zone_in_the_header_is_never_passed_over() {
        let zone_of = |header: &str| zone_of_row(&[header, "Creator", "Gross revenue", "Net revenue"]);
        for header in
            ["Date & time Africa/Monrovia", "date  &  time   Africa/Monrovia", "Date & time (Africa/Monrovia)"]
        {
            assert_eq!(
                zone_of(header),
                HeaderZone::Known(TimeZone::get("Africa/Monrovia").expect("bundled")),
                "{header}"
            );
        }
        assert_eq!(zone_of("Date & time"), HeaderZone::Unnamed);
        assert_eq!(zone_of("Date & time UTC+2"), HeaderZone::Known(TimeZone::fixed(jiff::tz::offset(2))));
        for header in ["Date & time Europe/Atlantis", "Date & time (Mars/Base)", "Date & time XYZT"] {
            assert!(matches!(zone_of(header), HeaderZone::Unknown(_)), "{header}");
        }
    }

    #[test]
    fn zones_that_differ_are_no_zone() {
        let zone = zone_of_row(&["Sent date Europe/Riga", "Sent time Asia/Tokyo", "Creator", "Sent to"]);
        assert!(matches!(zone, HeaderZone::Unknown(_)));
    }
}
