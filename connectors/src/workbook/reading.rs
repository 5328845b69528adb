//! A file being read: its sheets one after the other, each row to the reader of its kind, and the count of everything.
//!
//! The formats know nothing of kinds, the kinds nothing of formats; they meet here.
//!
//! ```text
//!     format::xlsx ─┐  begin(sheet)            ┌─▶ layout::examine   until a header row is found
//!     format::csv  ─┼─ row(&Row), row(&Row) … ─┤
//!     format::…    ─┘  end()                   └─▶ kind::SheetReader ─▶ RowSink
//! ```

use std::cell::Cell as Flag;

use fandom_schemas::identity;
use fandom_schemas::manifest::{REJECTS_LISTED, Sheet, SheetReject};
use fandom_schemas::rows::{self, Granularity, Kind, Text};

use super::columns;
use super::error::clipped;
use super::kind::{Failure, SheetReader, reason};
use super::layout::{self, HeaderZone, Layout, Verdict};
use super::mapping::{self, Survey, Translation};
use super::row::Row;
use super::value::dates::DateForm;
use super::value::names;
use super::{NotTaken, ReadError, ReadOptions, RejectedRow, RowSink, Stop};

/// The header row stands in one of the first rows.
const HEADER_ROWS: u32 = 20;

/// Whether a format goes on with a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next row, please.
    Continue,
    /// The sheet is none that is known: its other rows are not needed.
    SkipSheet,
}

/// The state of a read.
pub(crate) struct Reading<'o> {
    options: &'o ReadOptions,
    sink: WatchedSink<'o>,
    sheets: Vec<Sheet>,
    current: Option<Current<'o>>,
    cells: u64,
    text_bytes: u64,
    survey: Option<&'o mut Survey>,
}

/// The sheet that is being read.
struct Current<'o> {
    sheet: Sheet,
    reader: Option<SheetReader<'o>>,
    /// How its rows are brought into the reader's layout, if it is of another make.
    translation: Option<Translation>,
    bad_zone: Option<(String, Option<String>)>,
    nearly: Option<(Kind, &'static str)>,
}

/// The receiver, with a note of whether it is at work: a panic of its own is not the file's fault.
pub(crate) struct WatchedSink<'o> {
    sink: &'o mut dyn RowSink,
    at_work: &'o Flag<bool>,
}

impl RowSink for WatchedSink<'_> {
    fn row(&mut self, row: &rows::Row<'_>, text: Option<&Text<'_>>) -> Result<(), NotTaken> {
        self.at_work.set(true);
        let result = self.sink.row(row, text);
        self.at_work.set(false);
        result
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        self.at_work.set(true);
        let result = self.sink.reject(reject);
        self.at_work.set(false);
        result
    }
}

impl<'o> Reading<'o> {
    /// Begins a file. `at_work` tells whether the sink is at work.
    pub(crate) fn new(options: &'o ReadOptions, sink: &'o mut dyn RowSink, at_work: &'o Flag<bool>) -> Reading<'o> {
        let sink = WatchedSink { sink, at_work };
        Reading { options, sink, sheets: Vec::new(), current: None, cells: 0, text_bytes: 0, survey: None }
    }

    /// The same; where there is a survey, rows go to it and nowhere else.
    pub(crate) fn surveyed(self, survey: Option<&'o mut Survey>) -> Reading<'o> {
        Reading { survey, ..self }
    }

    /// Begins the next sheet.
    pub(crate) fn begin(&mut self, name: Option<&str>) -> Result<(), ReadError> {
        let most = self.options.limits.max_sheets;
        let position = u16::try_from(self.sheets.len()).ok().filter(|position| u64::from(*position) < most);
        let position = position.ok_or_else(|| ReadError::too_large("more sheets", "FANDOM_MAX_SHEETS", most))?;
        let sheet = Sheet {
            position,
            // A name goes into every record of a rejected row; spreadsheet programs allow 31 characters.
            name: name.map(|name| clipped(name.replace('\0', ""))),
            kind: None,
            rows_read: 0,
            accepted: 0,
            rejected: 0,
            rejects: Vec::new(),
            doubtful_times: 0,
            warnings: Default::default(),
        };
        if let Some(survey) = &mut self.survey {
            survey.begin(sheet.name.as_deref());
        }
        self.current = Some(Current { sheet, reader: None, translation: None, bad_zone: None, nearly: None });
        Ok(())
    }

    /// Takes a row of the sheet.
    pub(crate) fn row(&mut self, row: &Row) -> Result<Flow, ReadError> {
        if row.filled() == 0 {
            return Ok(Flow::Continue);
        }
        let limits = &self.options.limits;
        self.cells += u64::from(row.filled());
        if self.cells > limits.max_cells {
            return Err(ReadError::too_large("more cells", "FANDOM_MAX_CELLS", limits.max_cells));
        }
        self.text_bytes += row.text_bytes() as u64;
        let current = self.current.as_mut().expect("a format begins a sheet before its rows");
        self.text_bytes += current.reader.as_mut().map_or(0, |reader| std::mem::take(&mut reader.header_bytes));
        if self.text_bytes > limits.max_text_bytes {
            return Err(ReadError::too_large("more text", "FANDOM_MAX_TEXT_BYTES", limits.max_text_bytes));
        }
        if let Some(survey) = &mut self.survey {
            return Ok(survey.row(row));
        }
        let Some(reader) = &mut current.reader else {
            return Ok(self.look_for_header(row));
        };
        let sheet = &mut current.sheet;
        sheet.rows_read += 1;
        let (column, reason) = if let Some((reason, column)) = &current.bad_zone {
            (column.clone(), reason.clone())
        } else {
            let read = current.translation.as_mut().map_or(row, |translation| translation.translate(row));
            match reader.read(read, &mut self.sink) {
                Ok(doubtful) => {
                    sheet.accepted += 1;
                    sheet.doubtful_times += u64::from(doubtful);
                    return Ok(Flow::Continue);
                }
                Err(Failure::Stopped) => return Err(ReadError::Stopped),
                Err(Failure::NotTaken(reason)) => (None, reason),
                Err(Failure::Cell { column, fault }) => {
                    let known = &columns::of(reader.layout.kind)[column];
                    (reader.layout.header(column).map(str::to_owned), reason(fault, known.holds, known.name))
                }
            }
        };
        sheet.rejected += 1;
        if sheet.rejects.len() < REJECTS_LISTED {
            sheet.rejects.push(SheetReject { row: row.number(), reason: reason.clone() });
        }
        let rejected =
            RejectedRow { sheet: sheet.name.clone(), row: row.number(), column, reason, cells: row.all_shown() };
        self.sink.reject(rejected).map_err(|Stop| ReadError::Stopped)?;
        Ok(Flow::Continue)
    }

    fn look_for_header(&mut self, row: &Row) -> Flow {
        if row.number() > HEADER_ROWS {
            return Flow::SkipSheet;
        }
        let current = self.current.as_mut().expect("a format begins a sheet before its rows");
        match layout::examine(row) {
            Verdict::Header(layout) => current.recognise(*layout, row, self.options),
            other => {
                if let Some((layout, translation)) = mapping::recognise(&self.options.mappings, row) {
                    current.translation = Some(translation);
                    current.recognise(layout, row, self.options);
                } else if let Verdict::Nearly(kind, column) = other {
                    current.nearly = Some((kind, column));
                }
            }
        }
        Flow::Continue
    }

    /// Ends the sheet.
    pub(crate) fn end(&mut self) {
        let Some(mut current) = self.current.take() else { return };
        match (current.reader, current.nearly) {
            (Some(reader), _) => current.sheet.warnings = reader.warnings,
            (None, Some((kind, column))) => {
                let warning = format!("looks like a sheet of kind {} but has no column `{column}`", kind.name());
                current.sheet.warnings.insert(warning, 1);
            }
            (None, None) => {}
        }
        self.sheets.push(current.sheet);
    }

    /// Whether any sheet was recognised so far.
    pub(crate) fn recognised_any(&self) -> bool {
        self.sheets.iter().any(|sheet| sheet.kind.is_some())
    }

    /// The name of the sheet that is being read.
    pub(crate) fn sheet_name(&self) -> String {
        self.current.as_ref().and_then(|current| current.sheet.name.clone()).unwrap_or_default()
    }

    /// The sheets that were read.
    pub(crate) fn into_sheets(self) -> Vec<Sheet> {
        self.sheets
    }
}

impl<'o> Current<'o> {
    fn recognise(&mut self, layout: Layout, row: &Row, options: &'o ReadOptions) {
        self.sheet.kind = Some(layout.kind);
        let zone = match &layout.zone {
            HeaderZone::Known(zone) => zone.clone(),
            HeaderZone::Unnamed => options.zone.clone(),
            HeaderZone::Unknown(name) => {
                // To read these times in another zone would shift every figure of the sheet without a trace.
                let column = (0..columns::of(layout.kind).len())
                    .filter_map(|column| layout.header(column))
                    .find(|header| header.contains(name.as_str()));
                self.bad_zone = Some((format!("unknown time zone `{name}` in the header"), column.map(str::to_owned)));
                options.zone.clone()
            }
        };
        let granularity = self.sheet.name.as_deref().and_then(granularity);
        let warnings = layout.warnings.iter().map(|warning| (warning.clone(), 1)).collect();
        let form = DateForm { epoch: row.epoch(), order: layout.order };
        self.reader = Some(SheetReader {
            position: self.sheet.position,
            layout,
            zone,
            form,
            granularity,
            platform: names::platform(&options.default_platform).unwrap_or(&options.default_platform),
            warnings,
            header_bytes: 0,
        });
    }
}

/// How finely a sheet of that name is cut.
fn granularity(sheet: &str) -> Option<Granularity> {
    match &*identity::fold(sheet) {
        "by employee" => Some(Granularity::ByEmployee),
        "by time and employee" => Some(Granularity::ByTimeAndEmployee),
        "detailed breakdown" => Some(Granularity::DetailedBreakdown),
        _ => None,
    }
}
