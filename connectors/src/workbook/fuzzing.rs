//! What the fuzz targets of `connectors/fuzz` drive beside whole files: the parsers of cells, and the recognition of headers.

use jiff::tz::TimeZone;

use super::layout;
use super::row::{Cell, Row, shown};
use super::value::dates::{self, DateForm, DayMonth, Epoch};
use super::value::{durations, money, names, numbers, text, yes_or_no};

/// One cell, to every parser of a cell.
pub(crate) fn cells(data: &[u8]) {
    let mut number = [0; 8];
    let length = data.len().min(8);
    number[..length].copy_from_slice(&data[..length]);
    let number = f64::from_le_bytes(number);
    let written = String::from_utf8_lossy(data);
    for cell in
        [Cell::Text(&written), Cell::Number(number), Cell::Serial(number), Cell::Error(&written), Cell::Bool(true)]
    {
        for order in [DayMonth::MonthFirst, DayMonth::DayFirst] {
            for epoch in [Epoch::Y1900, Epoch::Y1904] {
                let form = DateForm { epoch, order };
                let zone = TimeZone::get("Europe/Belgrade").expect("a zone");
                if let Ok(at) = dates::day_and_time(cell, form) {
                    dates::instant(at, &zone);
                    dates::written(at);
                }
                if let Ok(period) = dates::period(cell, form) {
                    dates::instants(period, &zone);
                }
                let _ = dates::day(cell, form);
            }
        }
        let _ = dates::time(cell);
        for cents in [money::Cents::Exact, money::Cents::Nearest] {
            let _ = money::money(cell, cents);
        }
        let _ = (durations::worked_minutes(cell), durations::reply_seconds(cell));
        let _ = (numbers::count(cell), numbers::share(cell), numbers::decimal(cell), yes_or_no(cell));
        shown(cell, Epoch::Y1900);
    }
    let plain = text::plain(&written);
    assert!(text::characters(&plain) as usize <= plain.len());
    text::TextHash::of(&plain);
    let _ = (names::creator(&written), names::fan(&written), names::platform(&written), names::squeezed(&written));
}

/// A row, to the recognition of headers: a line each cell.
pub(crate) fn headers(data: &[u8]) {
    let written = String::from_utf8_lossy(data);
    let mut row = Row::new(Epoch::Y1900);
    row.begin(1);
    for (column, cell) in (0u32..).zip(written.split('\n').take(2000)) {
        row.set(column, Cell::Text(cell));
    }
    let _ = layout::examine(&row);
}
