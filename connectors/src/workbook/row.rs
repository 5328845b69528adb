//! One row of a sheet, in buffers that are used again for the next.

use std::fmt::Write as _;

use super::value::dates::{self, Epoch};

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Nothing, or white space.
    Blank,
    /// Text, as it stands.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// A number that is shown as a date or time: days since the workbook's epoch.
    Serial(f64),
    /// A truth value.
    Bool(bool),
    /// An error such as `#N/A`, by its name.
    Error(&'a str),
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Blank,
    Text(u32, u32),
    Number(f64),
    Serial(f64),
    Bool(bool),
    Error(u32, u32),
}

/// The cells of one row by their column. Its memory is that of the widest row and the longest texts so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    number: u32,
    epoch: Epoch,
    slots: Vec<Slot>,
    text: String,
    filled: u32,
}

impl Row {
    /// An empty row of a workbook that counts its days so.
    pub(crate) fn new(epoch: Epoch) -> Row {
        Row { epoch, ..Row::default() }
    }

    /// Empties the row; `number` is 1-based.
    pub(crate) fn begin(&mut self, number: u32) {
        self.number = number;
        self.slots.clear();
        self.text.clear();
        self.filled = 0;
    }

    /// Empties the row, to hold what another one holds.
    pub(crate) fn begin_like(&mut self, other: &Row) {
        self.epoch = other.epoch;
        self.begin(other.number);
    }

    /// Gives the row another number.
    pub(crate) fn renumber(&mut self, number: u32) {
        self.number = number;
    }

    /// Puts a cell in its place. What stood there is lost.
    pub(crate) fn set(&mut self, column: u32, cell: Cell<'_>) {
        let slot = match cell {
            Cell::Blank => return,
            Cell::Text(text) if text.trim_ascii().is_empty() => return,
            Cell::Text(text) => {
                let (start, end) = self.keep(text);
                Slot::Text(start, end)
            }
            Cell::Error(text) => {
                let (start, end) = self.keep(text);
                Slot::Error(start, end)
            }
            Cell::Number(number) => Slot::Number(number),
            Cell::Serial(serial) => Slot::Serial(serial),
            Cell::Bool(value) => Slot::Bool(value),
        };
        let column = column as usize;
        if column >= self.slots.len() {
            self.slots.resize(column + 1, Slot::Blank);
        }
        if matches!(self.slots[column], Slot::Blank) {
            self.filled += 1;
        }
        self.slots[column] = slot;
    }

    /// Postgres holds no NUL in a text, and no one means one.
    fn keep(&mut self, text: &str) -> (u32, u32) {
        let start = self.text.len();
        text.split('\0').for_each(|part| self.text.push_str(part));
        let place = |at: usize| u32::try_from(at).expect("a row's text is bounded far below 4 GiB");
        (place(start), place(self.text.len()))
    }

    /// The 1-based number of the row.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// From which day the workbook counts.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many cells are not blank.
    pub(crate) fn filled(&self) -> u32 {
        self.filled
    }

    /// Bytes of text in the row.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// One more than the last column with a cell.
    pub(crate) fn width(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// The cell in a column.
    pub(crate) fn get(&self, column: u32) -> Cell<'_> {
        match self.slots.get(column as usize).copied().unwrap_or(Slot::Blank) {
            Slot::Blank => Cell::Blank,
            Slot::Text(start, end) => Cell::Text(&self.text[start as usize..end as usize]),
            Slot::Number(number) => Cell::Number(number),
            Slot::Serial(serial) => Cell::Serial(serial),
            Slot::Bool(value) => Cell::Bool(value),
            Slot::Error(start, end) => Cell::Error(&self.text[start as usize..end as usize]),
        }
    }

    /// A cell as text, near to how a spreadsheet program shows it.
    pub(crate) fn shown(&self, column: u32) -> String {
        shown(self.get(column), self.epoch)
    }

    /// Every cell as text, for the record of a row that could not be read. Long rows are cut, so that one bad row stays small.
    pub(crate) fn all_shown(&self) -> Vec<String> {
        const MOST_CELLS: u32 = 100;
        const MOST_CHARS: usize = 2_000;
        (0..self.width().min(MOST_CELLS))
            .map(|column| {
                let mut text = self.shown(column);
                if let Some((end, _)) = text.char_indices().nth(MOST_CHARS) {
                    text.truncate(end);
                    text.push('…');
                }
                text
            })
            .collect()
    }
}

/// A cell as text, near to how a spreadsheet program shows it.
pub(crate) fn shown(cell: Cell<'_>, epoch: Epoch) -> String {
    match cell {
        Cell::Blank => String::new(),
        Cell::Text(text) | Cell::Error(text) => text.to_owned(),
        Cell::Number(number) => number.to_string(),
        Cell::Bool(true) => "TRUE".to_owned(),
        Cell::Bool(false) => "FALSE".to_owned(),
        Cell::Serial(serial) => match dates::from_serial(serial, epoch) {
            Ok(at) if serial.fract() == 0.0 => at.date().to_string(),
            Ok(at) => dates::written(at),
            Err(_) => match dates::time(cell) {
                Ok(at) if serial < 1.0 => {
                    let mut text = String::new();
                    write!(text, "{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()).expect("a string takes all");
                    text
                }
                _ => serial.to_string(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_in_their_columns() {
        let mut row = Row::new(Epoch::Y1900);
        row.begin(7);
        row.set(2, Cell::Text("b"));
        row.set(0, Cell::Number(1.5));
        row.set(1, Cell::Text(" \t"));
        assert_eq!(
            (row.get(0), row.get(1), row.get(2), row.get(9)),
            (Cell::Number(1.5), Cell::Blank, Cell::Text("b"), Cell::Blank)
        );
        assert_eq!((row.filled(), row.width(), row.number()), (2, 3, 7));
        row.begin(8);
        assert_eq!((row.get(2), row.filled()), (Cell::Blank, 0));
    }

    #[test]
    fn cells_are_shown_as_people_know_them() {
        let shown = |cell| super::shown(cell, Epoch::Y1900);
        assert_eq!(shown(Cell::Number(1290.0)), "1290");
        assert_eq!(shown(Cell::Number(0.5)), "0.5");
        assert_eq!(shown(Cell::Serial(46_191.0)), "2026-06-18");
        assert_eq!(shown(Cell::Serial(46_191.5)), "2026-06-18 12:00:00");
        assert_eq!(shown(Cell::Serial(0.25)), "06:00:00");
        assert_eq!(shown(Cell::Bool(true)), "TRUE");
    }

    #[test]
    fn a_bad_row_stays_small() {
        let mut row = Row::new(Epoch::Y1900);
        row.begin(1);
        let long = "é".repeat(5000);
        for column in 0..500 {
            row.set(column, Cell::Text(&long));
        }
        let cells = row.all_shown();
        assert_eq!(cells.len(), 100);
        assert_eq!(cells[0].chars().count(), 2001);
    }
}
