//! Which mapping would suit a file, from its headers and the forms of its cells.
//!
//! A suggestion is for a person to look at: what a header means is guessed from its words, and how dates and numbers are
//! written from the first rows. What could be read in two ways is said.

use std::collections::BTreeMap;
use std::path::Path;

use fandom_schemas::mappings::{Dates, Field, Holds, Mapping, Numbers, Take, UPLOADS, fields};
use fandom_schemas::rows::{Basis, Kind};
use serde::{Deserialize, Serialize};

use super::super::layout::{self, Verdict};
use super::super::row::{self, Cell, Row};
use super::super::value::{dates as native, durations, is_missing, yes_or_no};
use super::super::{ReadError, ReadOptions};
use super::sample::{Sheet, sample};
use super::{HeaderCell, forms, headers, words};

/// Among how many first rows a header row is looked for.
const HEADER_ROWS: u32 = 20;

/// Which mapping would suit a sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The sheet's name.
    pub sheet: Option<String>,
    /// The kind of which it is without a mapping, if it is of one.
    pub recognised: Option<Kind>,
    /// 1-based row of the headers.
    pub header_row: Option<u32>,
    /// The headers.
    pub headers: Vec<String>,
    /// A mapping to begin with; fields that nothing was found for are left out.
    pub mapping: Option<Mapping>,
    /// Needed fields that nothing was found for: name a column, or give a value.
    pub missing: Vec<String>,
    /// Headers that no field takes: their cells are kept beside the row.
    pub unused: Vec<String>,
    /// What could be read in two ways, and which way was taken.
    pub doubts: Vec<String>,
}

/// Looks at the first rows of each sheet of a file.
///
/// # Errors
/// When the file cannot be read.
pub fn suggest(path: &Path, name: &str, options: &ReadOptions) -> Result<Vec<Suggestion>, ReadError> {
    let named = Path::new(name).file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok(sample(path, name, options)?.iter().map(|sheet| of_sheet(sheet, &named)).collect())
}

fn of_sheet(sheet: &Sheet, file: &str) -> Suggestion {
    let first = || sheet.rows.iter().filter(|row| row.number() <= HEADER_ROWS);
    let mut suggestion = Suggestion {
        sheet: sheet.name.clone(),
        recognised: None,
        header_row: None,
        headers: Vec::new(),
        mapping: None,
        missing: Vec::new(),
        unused: Vec::new(),
        doubts: Vec::new(),
    };
    for row in first() {
        if let Verdict::Header(layout) = layout::examine(row) {
            suggestion.recognised = Some(layout.kind);
            suggestion.header_row = Some(row.number());
            return suggestion;
        }
    }
    let widest = sheet.rows.iter().map(Row::filled).max().unwrap_or(0);
    // The first row that is all text, and about as wide as the sheet.
    let header = first().find_map(|row| {
        let headers = headers(row).filter(|headers| headers.len() as u32 == row.filled())?;
        (row.filled() * 5 >= widest * 4 && headers.iter().all(|header| is_name(&header.shown)))
            .then_some((row, headers))
    });
    let Some((row, headers)) = header else { return suggestion };
    suggestion.header_row = Some(row.number());
    suggestion.headers = headers.iter().map(|header| header.shown.clone()).collect();
    let below: Vec<&Row> = sheet.rows.iter().filter(|below| below.number() > row.number()).collect();
    let columns: Vec<Column<'_>> = headers.iter().map(|header| Column::of(header, &below)).collect();
    let best = Kind::ALL.into_iter().filter_map(|kind| attempt(kind, &columns)).max_by_key(|attempt| attempt.score);
    if let Some(attempt) = best {
        attempt.into_suggestion(&columns, file, &mut suggestion);
    }
    suggestion
}

/// Whether a header is a name and no value.
fn is_name(header: &str) -> bool {
    header.len() <= 80 && header.chars().any(char::is_alphabetic) && forms::iso_day(header, Dates::MonthFirst).is_none()
}

/// A column, and what its cells look like.
struct Column<'h> {
    header: &'h HeaderCell,
    words: Vec<String>,
    looks: Vec<Holds>,
    dates: Vec<DateLook>,
    numbers: Option<Numbers>,
    instants: bool,
}

/// Which order of day and month a date can have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DateLook {
    Plain,
    DayFirst,
    MonthFirst,
    Either,
    Seconds,
    Millis,
}

impl Column<'_> {
    fn of<'h>(header: &'h HeaderCell, rows: &[&Row]) -> Column<'h> {
        let cells: Vec<(Cell<'_>, String)> = rows
            .iter()
            .map(|row| (row.get(header.at), row::shown(row.get(header.at), row.epoch())))
            .filter(|(cell, text)| *cell != Cell::Blank && !is_missing(text))
            .collect();
        let most = |is: &dyn Fn(Cell<'_>, &str) -> bool| {
            !cells.is_empty() && cells.iter().filter(|(cell, text)| is(*cell, text)).count() * 3 >= cells.len() * 2
        };
        let mut column = Column {
            header,
            words: words::of_header(&header.shown),
            looks: vec![Holds::Name, Holds::Text],
            dates: Vec::new(),
            numbers: None,
            instants: false,
        };
        let moment =
            |cell: Cell<'_>, text: &str| (day_look(cell, text).is_some(), !forms::split(text.trim()).1.is_empty());
        if most(&|cell, text| moment(cell, text).0) {
            column.looks.extend([Holds::Day, Holds::Period]);
            column.dates = cells.iter().filter_map(|(cell, text)| day_look(*cell, text)).collect();
            column.instants = most(&|_, text| forms::without_offset(forms::split(text.trim()).1).1.is_some());
        }
        let counted = matches!(column.dates.first(), Some(DateLook::Seconds | DateLook::Millis));
        if counted || most(&|cell, text| moment(cell, text) == (true, true) || is_instant(cell)) {
            column.looks.extend([Holds::DayAndTime, Holds::Time]);
        }
        if most(&|cell, text| native::time(cell).is_ok() && day_look(cell, text).is_none()) {
            column.looks.push(Holds::Time);
        }
        for numbers in [Numbers::Point, Numbers::Comma] {
            let is_number = |_: Cell<'_>, text: &str| {
                forms::number(text, numbers).as_deref().unwrap_or(text).chars().all(is_of_number)
            };
            let plain = most(&|cell, text| {
                matches!(cell, Cell::Number(_)) || is_number(cell, text) && text.contains(|c: char| c.is_ascii_digit())
            });
            if plain && column.numbers.is_none() {
                column.looks.extend([Holds::Money, Holds::Number, Holds::Duration]);
                let decimal_comma = |text: &str| {
                    text.rsplit_once(',').is_some_and(|(before, decimals)| {
                        let digits = decimals.chars().take_while(char::is_ascii_digit).count();
                        (1..=2).contains(&digits) && !before.contains(',')
                    })
                };
                let commas = cells.iter().any(|(cell, text)| matches!(cell, Cell::Text(_)) && decimal_comma(text));
                column.numbers = Some(if commas { Numbers::Comma } else { Numbers::Point });
            }
        }
        if most(&|cell, _| durations::reply_seconds(cell).is_ok()) {
            column.looks.push(Holds::Duration);
        }
        if most(&|cell, _| yes_or_no(cell).is_ok()) {
            column.looks.push(Holds::YesNo);
        }
        column
    }

    /// How well the column suits a field; 0 if it does not.
    fn suits(&self, kind: Kind, field: &Field) -> u32 {
        if !self.looks.contains(&field.holds) {
            return 0;
        }
        let known = words::words(kind, field.name);
        let rank = known.iter().position(|word| self.words.iter().any(|own| own == word));
        let alone = rank.is_some_and(|rank| self.words.len() == 1 && self.words[0] == known[rank]);
        rank.map_or(0, |rank| 20 - u32::try_from(rank).unwrap_or(19).min(15) + if alone { 4 } else { 0 })
    }
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '+' | '(' | ')' | '%' | '$' | '\u{2212}')
}

/// Whether a native cell holds a day and a time.
fn is_instant(cell: Cell<'_>) -> bool {
    matches!(cell, Cell::Serial(serial) if serial >= 1.0 && serial.fract() > 0.0)
}

fn day_look(cell: Cell<'_>, text: &str) -> Option<DateLook> {
    match cell {
        Cell::Serial(serial) if serial >= 1.0 => return Some(DateLook::Plain),
        Cell::Bool(_) | Cell::Error(_) | Cell::Blank => return None,
        _ => {}
    }
    let (day, _) = forms::split(text.trim());
    if day.len() == text.trim().len() && day.bytes().all(|b| b.is_ascii_digit()) {
        return match day.len() {
            10 if day.starts_with(['1', '2']) => Some(DateLook::Seconds),
            13 if day.starts_with(['1', '2']) => Some(DateLook::Millis),
            _ => None,
        };
    }
    if forms::iso_day(day, Dates::YearFirst).is_some() {
        return Some(DateLook::Plain);
    }
    let iso = forms::iso_day(day, Dates::DayFirst)?;
    let (month, of_month) = iso
        .rsplit_once('-')
        .and_then(|(rest, day)| Some((rest.rsplit_once('-')?.1.parse::<u8>().ok()?, day.parse::<u8>().ok()?)))?;
    Some(match (of_month > 12, month > 12) {
        (true, false) => DateLook::DayFirst,
        (false, true) => DateLook::MonthFirst,
        _ if day.contains('.') => DateLook::DayFirst,
        _ => DateLook::Either,
    })
}

/// A sheet as one kind.
struct Attempt {
    kind: Kind,
    score: i64,
    taken: BTreeMap<String, Vec<usize>>,
    missing: Vec<String>,
    /// Money columns of a creator's day that do not say whether they are net or gross.
    without_basis: Vec<usize>,
}

/// Fields that one value for all rows can fill in, since an export is often of one creator.
fn may_be_given(field: &Field) -> bool {
    matches!(field.name, "creator" | "creators")
}

/// Gives each field the column that suits it best; `None` if a needed one is left without, and cannot be given.
fn attempt(kind: Kind, columns: &[Column<'_>]) -> Option<Attempt> {
    let known = fields(kind);
    let mut pairs: Vec<(u32, usize, usize)> = Vec::new();
    for (field_at, field) in known.iter().enumerate() {
        for (column_at, column) in columns.iter().enumerate() {
            let suits = column.suits(kind, field);
            if suits > 0 {
                pairs.push((suits + if field.needed { 1 } else { 0 }, field_at, column_at));
            }
        }
    }
    pairs.sort_by_key(|(suits, field, column)| (std::cmp::Reverse(*suits), *field, *column));
    let mut taken: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut used = vec![0u32; columns.len()];
    let mut score = 0;
    // A date with a time of day in it gives both.
    let shared = |field: &Field| kind == Kind::Message && matches!(field.name, "sent_date" | "sent_time");
    for (suits, field_at, column_at) in pairs {
        let field = &known[field_at];
        let whole = columns[column_at].looks.contains(&Holds::DayAndTime);
        let shares = shared(field)
            && whole
            && taken
                .iter()
                .all(|(other, at)| !at.contains(&column_at) || matches!(other.as_str(), "sent_date" | "sent_time"));
        if taken.contains_key(field.name) || used[column_at] > 0 && !shares {
            continue;
        }
        used[column_at] += 1;
        taken.insert(field.name.to_owned(), vec![column_at]);
        score += i64::from(suits);
    }
    if kind == Kind::Sale && !taken.contains_key("date_and_time") {
        let free = |holds, without: &[usize]| {
            (0..columns.len()).find(|at| used[*at] == 0 && !without.contains(at) && columns[*at].looks.contains(&holds))
        };
        let day = free(Holds::Day, &[])?;
        let time = free(Holds::Time, &[day])?;
        taken.insert("date_and_time".to_owned(), vec![day, time]);
        used[day] += 1;
        used[time] += 1;
        score += 30;
    }
    let mut without_basis = Vec::new();
    if kind == Kind::CreatorDay {
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| column.looks.contains(&Holds::Money)) {
            let Some((figure, basis)) = words::figure(&column.words).filter(|_| used[at] == 0) else { continue };
            let field = format!("{}.{figure}", basis.unwrap_or(Basis::Net).name());
            if taken.contains_key(&field) {
                continue;
            }
            taken.insert(field, vec![at]);
            without_basis.extend(basis.is_none().then_some(at));
            used[at] += 1;
            score += 20;
        }
    }
    let mut missing = Vec::new();
    for field in known.iter().filter(|field| field.needed && !taken.contains_key(field.name)) {
        if !may_be_given(field) {
            return None;
        }
        score -= 10;
        missing.push(field.name.to_owned());
    }
    let lacks_figure = match kind {
        Kind::CreatorDay => !taken.keys().any(|field| field.contains('.')),
        Kind::ChatterDay => !known.iter().any(|field| !field.needed && taken.contains_key(field.name)),
        Kind::EmployeePeriod => !known.iter().any(|field| {
            !matches!(field.holds, Holds::Name | Holds::Text | Holds::Period) && taken.contains_key(field.name)
        }),
        _ => false,
    };
    if lacks_figure {
        return None;
    }
    score -= 12 * i64::try_from(used.iter().filter(|used| **used == 0).count()).unwrap_or(0);
    Some(Attempt { kind, score, taken, missing, without_basis })
}

impl Attempt {
    fn into_suggestion(self, columns: &[Column<'_>], file: &str, suggestion: &mut Suggestion) {
        let header = |at: &usize| columns[*at].header.shown.clone();
        let mut mapped = BTreeMap::new();
        for (field, at) in &self.taken {
            let take = match at.as_slice() {
                [at] => Take::Column(header(at)),
                several => Take::Columns(several.iter().map(header).collect()),
            };
            mapped.insert(field.clone(), take);
        }
        let used = |at: &usize| self.taken.values().any(|taken| taken.contains(at));
        suggestion.unused = (0..columns.len()).filter(|at| !used(at)).map(|at| header(&at)).collect();
        let dated =
            |field: &&Field| matches!(field.holds, Holds::Day | Holds::DayAndTime | Holds::Period | Holds::Time);
        let of = |is: &dyn Fn(&&Field) -> bool| -> Vec<&Column<'_>> {
            let fields = fields(self.kind).iter().filter(is);
            fields.filter_map(|field| self.taken.get(field.name)).flatten().map(|at| &columns[*at]).collect()
        };
        let figures: Vec<&Column<'_>> = self
            .taken
            .iter()
            .filter_map(|(field, at)| field.contains('.').then_some(at))
            .flatten()
            .map(|at| &columns[*at])
            .collect();
        let unsaid: Vec<String> = self.without_basis.iter().map(|at| format!("`{}`", header(at))).collect();
        if !unsaid.is_empty() {
            suggestion.doubts.push(format!("not said whether net or gross, so net was taken: {}", unsaid.join(", ")));
        }
        let looks: Vec<DateLook> = of(&dated).iter().flat_map(|column| column.dates.clone()).collect();
        let has = |look| looks.contains(&look);
        let dates = if has(DateLook::Seconds) {
            Dates::UnixSeconds
        } else if has(DateLook::Millis) {
            Dates::UnixMillis
        } else if has(DateLook::DayFirst) {
            Dates::DayFirst
        } else if has(DateLook::MonthFirst) || has(DateLook::Either) {
            Dates::MonthFirst
        } else {
            Dates::YearFirst
        };
        if has(DateLook::DayFirst) && has(DateLook::MonthFirst) {
            suggestion.doubts.push("some dates can only be day first and others only month first".to_owned());
        } else if has(DateLook::Either) && !has(DateLook::DayFirst) && !has(DateLook::MonthFirst) {
            suggestion.doubts.push("dates could be day first as well; month first was taken".to_owned());
        }
        let instants = of(&dated).iter().any(|column| column.instants);
        let utc = instants || matches!(dates, Dates::UnixSeconds | Dates::UnixMillis);
        if !utc && !looks.is_empty() {
            suggestion
                .doubts
                .push("no zone is named; that of the folder is taken unless the mapping names one".to_owned());
        }
        let numeric = |field: &&Field| matches!(field.holds, Holds::Money | Holds::Number | Holds::Duration);
        let commas = of(&numeric).iter().chain(&figures).any(|column| column.numbers == Some(Numbers::Comma));
        let name: String = file
            .chars()
            .filter(|c| !c.is_control())
            .map(|c| if matches!(c, '/' | '\\') { ' ' } else { c })
            .take(80)
            .collect();
        suggestion.mapping = Some(Mapping {
            name: name.trim().to_owned(),
            source: UPLOADS.to_owned(),
            folder: String::new(),
            kind: self.kind,
            columns: mapped,
            dates,
            numbers: if commas { Numbers::Comma } else { Numbers::Point },
            zone: utc.then(|| "UTC".to_owned()),
        });
        suggestion.missing = self.missing;
    }
}
