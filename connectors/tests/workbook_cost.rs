//! What a read costs in memory: the bound that the documentation of `Limits` states.

#![cfg(target_os = "linux")]

#[path = "workbook/collected.rs"]
#[allow(dead_code, reason = "the functional tests use the rest")]
mod collected;
#[path = "workbook/made.rs"]
#[allow(dead_code, reason = "the functional tests use the rest")]
mod made;

use std::time::Instant;

use fandom_connectors::workbook::{self, RejectedRow, RowSink, Stop};
use fandom_schemas::rows::{Row, Text};

/// Counts, and keeps nothing.
#[derive(Default)]
struct Counted {
    rows: u64,
    rejects: u64,
}

impl RowSink for Counted {
    fn row(&mut self, _: &Row<'_>, _: Option<&Text<'_>>) -> Result<(), Stop> {
        self.rows += 1;
        Ok(())
    }

    fn reject(&mut self, _: RejectedRow) -> Result<(), Stop> {
        self.rejects += 1;
        Ok(())
    }
}

/// Resident memory in MiB: now and at most.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("kilobytes") / 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// Reads a file and returns how many MiB it took beyond what was taken before.
fn cost(path: &std::path::Path, sink: &mut Counted) -> (u64, Result<(), workbook::ReadError>) {
    // Forgets the highest mark so far.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux lets a process forget its own mark");
    let (before, _) = memory();
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let result = workbook::read(path, name, &collected::options("UTC"), sink).map(|_| ());
    (memory().1.saturating_sub(before), result)
}

const HEADERS: [&str; 12] = [
    "Sender",
    "Creator",
    "Fans Message",
    "Creator Message",
    "Sent time",
    "Sent date",
    "Replay time",
    "Price",
    "Purchased",
    "Source",
    "Status",
    "Sent to",
];

fn big_workbook(path: &std::path::Path, rows: u32) {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, header) in (0..).zip(HEADERS) {
        sheet.write(0, column, header).expect("a cell");
    }
    for row in 1..=rows {
        let cells = [
            format!("Chatter {}", row % 40),
            format!("Creator {} (OF)", row % 9),
            if row % 3 == 0 { "thinking of you".to_owned() } else { "-".to_owned() },
            format!("<p>hey you, message {row} of many &amp; all the same</p>"),
            format!("{:02}:{:02}:{:02}", row / 3600 % 24, row / 60 % 60, row % 60),
            format!("Oct {}, 2026", row % 28 + 1),
            format!("{}m {}s", row % 9, row % 60),
            "$12.50".to_owned(),
            if row % 5 == 0 { "yes".to_owned() } else { "no".to_owned() },
            "Chat".to_owned(),
            "Sent".to_owned(),
            format!("Nick {} (u{})", row % 5000, 177_000_000 + row % 5000),
        ];
        for (column, cell) in (0..).zip(cells) {
            sheet.write(row, column, cell).expect("a cell");
        }
    }
    workbook.save(path).expect("a workbook");
}

/// How many cells another reader finds, for comparison of the time.
fn calamine_cells(path: &std::path::Path) -> u64 {
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(path).expect("a workbook");
    let mut cells = workbook.worksheet_cells_reader("Sheet1").expect("a sheet");
    let mut count = 0;
    while let Some(cell) = cells.next_cell().expect("a cell") {
        count += u64::from(*cell.get_value() != calamine::DataRef::Empty);
    }
    count
}

/// One test, since the memory measured is that of the whole process.
#[test]
fn memory_stays_within_the_stated_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("big.xlsx");
    big_workbook(&path, 100_000);
    let mut counted = Counted::default();
    let started = Instant::now();
    let (taken, result) = cost(&path, &mut counted);
    let seconds = started.elapsed().as_secs_f64();
    result.expect("a sound workbook");
    assert_eq!(counted.rows, 100_000);
    let started = Instant::now();
    let cells = calamine_cells(&path);
    let calamine_seconds = started.elapsed().as_secs_f64();
    assert_eq!(cells, 12 * 100_001);
    eprintln!("calamine's cells alone: {calamine_seconds:.2} s");
    eprintln!("100000 rows of 12 columns: {seconds:.2} s, {:.0} rows/s, {taken} MiB", 100_000.0 / seconds);
    assert!(taken < 64, "{taken} MiB");

    let far = r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>"#;
    std::fs::write(folder.path().join("far.xlsx"), made::xlsx("S", far, "")).expect("a file");
    let (taken, _) = cost(&folder.path().join("far.xlsx"), &mut counted);
    assert!(taken < 16, "{taken} MiB for two far cells");

    let mut shared = String::from("<sst>");
    (0..1_000_000).for_each(|number| shared.push_str(&format!("<si><t>a name of some length, {number}</t></si>")));
    std::fs::write(folder.path().join("shared.xlsx"), made::xlsx("S", "", &(shared + "</sst>"))).expect("a file");
    let (taken, result) = cost(&folder.path().join("shared.xlsx"), &mut counted);
    result.expect("a million shared strings are no fault");
    eprintln!("a million shared strings: {taken} MiB");
    assert!(taken < 128, "{taken} MiB for a million shared strings");

    for piece in ["<c/>", "0", "<row/>", "<!---->", "<c t='str'><v>0</v></c>"] {
        let bomb = made::xlsx("S", &piece.repeat((200 << 20) / piece.len()), "");
        std::fs::write(folder.path().join("bomb.xlsx"), bomb).expect("a file");
        let (taken, result) = cost(&folder.path().join("bomb.xlsx"), &mut counted);
        assert!(taken < 64, "{taken} MiB for 200 MB of {piece:?}: {result:?}");
    }

    let rows = r#"<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="100"><text:p>x</text:p></table:table-cell></table:table-row>"#;
    std::fs::write(folder.path().join("repeated.ods"), made::ods(rows)).expect("a file");
    let (taken, _) = cost(&folder.path().join("repeated.ods"), &mut counted);
    assert!(taken < 16, "{taken} MiB for cells that repeat");
}
