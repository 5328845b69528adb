//! What the fuzz targets call. The reader is compiled into this crate, so that its inner parts are reached, and nothing of Kafka
//! and Postgres has to be built with a fuzzer's instruments. A panic, an abort, a second of work or a gibibyte of memory is a finding.

#[allow(dead_code, unused_imports, reason = "some of it is for the connector alone")]
mod workbook;

#[path = "../../tests/workbook/made.rs"]
#[allow(dead_code, reason = "the tests of the reader use the rest")]
pub mod made;

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use fandom_schemas::rows::{Row, Text};
use jiff::tz::TimeZone;

use workbook::{Limits, NotTaken, ReadOptions, RejectedRow, RowSink, Stop};

/// Serializes what it gets, as the connector does, and keeps nothing.
struct Serialized;

impl RowSink for Serialized {
    fn row(&mut self, row: &Row<'_>, text: Option<&Text<'_>>) -> Result<(), NotTaken> {
        let json = row.to_json();
        Row::from_json(row.kind(), &json).expect("what is sent can be read");
        assert!(!json.windows(6).any(|window| window == b"\\u0000"), "Postgres holds no NUL");
        serde_json::to_vec(&text).expect("a text has only string keys");
        Ok(())
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        assert!(reject.cells.len() <= 100 && !reject.reason.is_empty());
        Ok(())
    }
}

thread_local! {
    static FILE: RefCell<(PathBuf, File)> = {
        let folder = if std::path::Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let path = folder.join(format!("fandom-fuzz-{}", std::process::id()));
        RefCell::new((path.clone(), File::create(path).expect("a temporary file can be made")))
    };
}

fn read(bytes: &[u8]) {
    let options = ReadOptions {
        zone: TimeZone::UTC,
        zone_name: "UTC".into(),
        default_platform: "OF".into(),
        // Small, so that what a limit holds back is held back within the time of a run.
        limits: Limits {
            max_inflated_bytes: 16 << 20,
            max_cells: 100_000,
            max_text_bytes: 16 << 20,
            max_row_bytes: 1 << 20,
            max_shared_string_bytes: 8 << 20,
            ..Limits::default()
        },
        mappings: Default::default(),
    };
    FILE.with_borrow_mut(|(path, file)| {
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(bytes)).expect("it can be written");
        let _ = workbook::read(path, "fuzz.xlsx", &options, &mut Serialized);
    });
}

/// A whole file.
pub fn workbook(data: &[u8]) {
    read(data);
}

/// What a container holds, in a container that is sound: the first byte says which, zero bytes part its pieces.
pub fn parts(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let mut pieces = rest.splitn(2, |byte| *byte == 0);
    let (first, second) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let file = match kind % 5 {
        0 => made::xlsx("Message Dashboard", &text(first), &text(second)),
        1 => made::ods(&text(first)),
        2 => made::ole("Workbook", rest),
        3 => made::stored(&[("xl/workbook.bin", first), ("xl/worksheets/sheet1.bin", second)]),
        _ => made::stored(&[("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", first), ("xl/styles.xml", second)]),
    };
    read(&file);
}

/// One cell, to every parser of a cell.
pub fn cells(data: &[u8]) {
    workbook::fuzzing::cells(data);
}

/// A row, to the recognition of headers: a line each cell.
pub fn headers(data: &[u8]) {
    workbook::fuzzing::headers(data);
}
