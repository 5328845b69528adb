//! What a read costs in memory: the bound that the documentation of `Limits` states, asserted for files that are made to reach
//! it. Each file is read in a process of its own, since what a process has taken once hides what its next read takes; a
//! process that reads a tiny workbook says what the process itself takes.

#![cfg(target_os = "linux")]

#[path = "workbook/collected.rs"]
#[allow(dead_code, reason = "the functional tests use the rest")]
mod collected;
#[path = "workbook/made.rs"]
#[allow(dead_code, reason = "the functional tests use the rest")]
mod made;

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fandom_connectors::workbook::{self, Limits, NotTaken, RejectedRow, RowSink, Stop};
use fandom_schemas::rows::{Row, Text};

/// Tells the test program, run once more, which file to read.
const CHILD: &str = "FANDOM_TEST_COST_OF";

const MIB: u64 = 1 << 20;

/// Counts, and keeps nothing.
#[derive(Default)]
struct Counted {
    rows: u64,
    rejects: u64,
}

impl RowSink for Counted {
    fn row(&mut self, _: &Row<'_>, _: Option<&Text<'_>>) -> Result<(), NotTaken> {
        self.rows += 1;
        Ok(())
    }

    fn reject(&mut self, _: RejectedRow) -> Result<(), Stop> {
        self.rejects += 1;
        Ok(())
    }
}

/// Not a test of its own: what the other tests run as a child. It reads the file that it is told and says what that took.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let path = Path::new(&path);
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let mut counted = Counted::default();
    let started = Instant::now();
    let result = workbook::read(path, name, &collected::options("UTC"), &mut counted);
    let milliseconds = started.elapsed().as_millis();
    let error = result.err().map(|error| error.to_string()).unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line of that name");
    let most = most.trim().trim_end_matches(" kB").trim();
    eprintln!("\nCOST {most}\t{}\t{}\t{milliseconds}\t{error}", counted.rows, counted.rejects);
}

/// What a read took.
#[derive(Debug)]
struct Cost {
    /// The most memory that the process ever held, in KiB.
    most_kib: u64,
    rows: u64,
    rejects: u64,
    milliseconds: u64,
    /// Why the file was refused; empty if it was read.
    error: String,
}

/// Reads files, each in a process of its own, and knows what such a process takes to read next to nothing.
struct Scale {
    folder: tempfile::TempDir,
    tiny: u64,
}

impl Scale {
    fn new() -> Scale {
        let mut scale = Scale { folder: tempfile::tempdir().expect("a folder"), tiny: 0 };
        let tiny = made::xlsx("S", "<row><c><v>1</v></c></row>", "");
        scale.tiny = scale.read("tiny.xlsx", &tiny).most_kib;
        scale
    }

    fn read(&self, name: &str, content: &[u8]) -> Cost {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        self.read_file(&path)
    }

    fn read_file(&self, path: &Path) -> Cost {
        let mut child = Command::new(std::env::current_exe().expect("a test knows its own path"));
        child.args(["--exact", "child", "--nocapture"]).env(CHILD, path);
        let output = child.output().expect("the test program can be run once more");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix("COST ")).unwrap_or_else(|| panic!("{said}"));
        let mut fields = line.split('\t');
        let mut number = || fields.next().and_then(|field| field.parse().ok()).expect("a number");
        let (most_kib, rows, rejects, milliseconds) = (number(), number(), number(), number());
        Cost { most_kib, rows, rejects, milliseconds, error: fields.next().unwrap_or_default().to_owned() }
    }

    /// The bytes that a read took beyond those of the process itself.
    fn taken(&self, cost: &Cost) -> u64 {
        cost.most_kib.saturating_sub(self.tiny) * 1024
    }

    /// Reads a file and asserts that it took no more than `most` bytes.
    fn within(&self, what: &str, most: u64, name: &str, content: &[u8]) -> Cost {
        let cost = self.read(name, content);
        let taken = self.taken(&cost);
        eprintln!("{what}: {} KiB of {} MiB; {cost:?}", taken / 1024, most / MIB);
        assert!(taken <= most, "{what}: {taken} bytes of at most {most}: {cost:?}");
        assert!(cost.error.len() < 500, "{what}: the reason is too long to be shown: {}", cost.error);
        cost
    }
}

/// A workbook whose entries are not compressed, so that the ratio of inflation does not get in the way.
#[derive(Default)]
struct Parts {
    /// Further sheets in the list, as XML.
    sheets: String,
    /// Further relations, as XML.
    relations: String,
    rows: String,
    shared: String,
    styles: String,
}

impl Parts {
    fn file(self) -> Vec<u8> {
        let Parts { sheets, relations, rows, shared, styles } = self;
        let workbook = format!(r#"<workbook><sheets><sheet name="S" id="r1"/>{sheets}</sheets></workbook>"#);
        let relations = format!(
            r#"<R><Relationship Id="r1" Type="x/worksheet" Target="s.xml"/><Relationship Id="r2" Type="x/sharedStrings" Target="t.xml"/>
            <Relationship Id="r3" Type="x/styles" Target="y.xml"/>{relations}</R>"#
        );
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        made::stored(&[
            ("[Content_Types].xml", b"<Types/>"),
            ("xl/workbook.xml", workbook.as_bytes()),
            ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
            ("xl/s.xml", sheet.as_bytes()),
            ("xl/t.xml", shared.as_bytes()),
            ("xl/y.xml", styles.as_bytes()),
        ])
    }
}

/// The pieces one after the other, up to `most` bytes.
fn up_to(most: u64, mut piece: impl FnMut(u64, &mut String)) -> String {
    let mut text = String::new();
    for number in 0.. {
        piece(number, &mut text);
        if text.len() as u64 > most - 1024 {
            break;
        }
    }
    text
}

#[test]
fn a_sheet_costs_the_same_however_long_it_is_and_however_far_its_cells_lie_apart() {
    let scale = Scale::new();
    let rows = |count: u32| {
        let mut xml = String::new();
        for row in 1..=count {
            write!(xml, r#"<row r="{row}"><c><v>{row}</v></c><c t="str"><v>text {row}</v></c></row>"#)
                .expect("a string");
        }
        Parts { rows: xml, ..Parts::default() }.file()
    };
    let (few, many) = (scale.read("few.xlsx", &rows(10)), scale.read("many.xlsx", &rows(1_000_000)));
    assert_eq!((few.error.as_str(), many.error.as_str()), ("", ""));
    assert!(many.most_kib < few.most_kib + 4096, "{few:?} {many:?}: as XML the rows are 70 MB longer");

    let far = r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>"#;
    scale.within("two far cells", 2 * MIB, "far.xlsx", &made::xlsx("S", far, ""));
    let repeated = r#"<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="100"><text:p>x</text:p></table:table-cell></table:table-row>"#;
    scale.within("cells that repeat", 2 * MIB, "repeated.ods", &made::ods(repeated));
    for piece in ["<c/>", "0", "<row/>", "<!---->", "<c t='str'><v>0</v></c>"] {
        let rows = piece.repeat((200 << 20) / piece.len());
        let cost = scale.within("200 MB of one piece", 24 * MIB, "bomb.xlsx", &made::xlsx("S", &rows, ""));
        assert!(cost.error.contains("FANDOM_MAX_"), "{piece}: {}", cost.error);
        // The same without compression, which is read as far as it goes.
        scale.within("as it is", 24 * MIB, "bomb.xlsx", &Parts { rows, ..Parts::default() }.file());
    }
}

#[test]
fn a_usual_export_costs_a_tenth_of_the_bound() {
    let scale = Scale::new();
    let path = scale.folder.path().join("usual.xlsx");
    usual_export(&path, 100_000);
    let cost = scale.read_file(&path);
    assert_eq!((cost.rows, cost.rejects, cost.error.as_str()), (100_000, 0, ""));
    let started = Instant::now();
    assert_eq!(calamine_cells(&path), 12 * 100_001);
    let calamine = started.elapsed().as_millis();
    let taken = scale.taken(&cost);
    let milliseconds = cost.milliseconds;
    eprintln!("100,000 rows: {} KiB, {milliseconds} ms; calamine's cells alone: {calamine} ms", taken / 1024);
    let bound = Limits::default().most_memory().xlsx / 10;
    assert!(taken <= bound, "{taken} bytes of at most {bound}: {cost:?}");
}

#[test]
fn shared_strings_up_to_their_limits_stay_within_the_bound() {
    let scale = Scale::new();
    let limits = Limits::default();
    let bound = limits.most_memory().xlsx;
    // As many as there may be, and almost as long together.
    let shared = |strings: u64, length: usize| {
        let mut xml = String::from("<sst>");
        for number in 0..strings {
            write!(xml, "<si><t>{number:0length$}</t></si>").expect("a string");
        }
        Parts { shared: xml + "</sst>", ..Parts::default() }.file()
    };
    let length = usize::try_from(limits.max_shared_string_bytes / limits.max_shared_strings).expect("small");
    let cost = scale.within("as many as may be", bound, "many.xlsx", &shared(limits.max_shared_strings, length));
    assert_eq!(cost.error, "");
    let held = limits.max_shared_strings * (length as u64 + 4);
    assert!(scale.taken(&cost) > held / 10 * 9, "{cost:?}: the texts alone are {held} bytes, so this measures nothing");
    let strings = limits.max_shared_string_bytes / 30_000;
    let cost = scale.within("as long as may be", bound, "long.xlsx", &shared(strings, 30_000));
    assert_eq!(cost.error, "");
    let cost = scale.within("one too long", bound, "too-long.xlsx", &shared(strings + 2, 30_000));
    assert!(cost.error.contains("FANDOM_MAX_SHARED_STRING_BYTES"), "{}", cost.error);
}

#[test]
fn what_says_how_a_workbook_is_built_stays_within_the_bound() {
    let scale = Scale::new();
    let limits = Limits::default();
    // Without shared strings there is much less to be had.
    let bound = Limits { max_shared_string_bytes: 0, max_shared_strings: 0, ..limits.clone() }.most_memory().xlsx;
    let structure = 60 * MIB;
    let sheets = up_to(structure, |_, xml| xml.push_str("<sheet/>"));
    let cost = scale.within("sheets", bound, "a.xlsx", &Parts { sheets, ..Parts::default() }.file());
    assert!(cost.error.contains("FANDOM_MAX_SHEETS"), "{}", cost.error);
    let name = "n".repeat(200_000);
    let sheets = format!(r#"<sheet name="{name}" id="{name}"/>"#).repeat(150);
    scale.within("names of sheets", bound, "a.xlsx", &Parts { sheets, ..Parts::default() }.file());
    let relations = up_to(8 * MIB, |number, xml| write!(xml, "<Relationship Id='{number}'/>").expect("a string"));
    let cost = scale.within("relations", bound, "a.xlsx", &Parts { relations, ..Parts::default() }.file());
    assert!(cost.error.contains("FANDOM_MAX_ZIP_ENTRIES"), "{}", cost.error);
    let formats = up_to(structure, |number, xml| {
        write!(xml, "<numFmt numFmtId='{number}' formatCode=''/>").expect("a string");
    });
    let cells = format!("<cellXfs>{}", up_to(structure, |_, xml| xml.push_str("<xf/>")));
    for styles in [formats, cells] {
        let cost = scale.within("styles", bound, "a.xlsx", &Parts { styles, ..Parts::default() }.file());
        assert!(cost.error.contains("more styles"), "{}", cost.error);
    }
    for length in [1_000, 60_000] {
        let names: Vec<String> = (2..limits.max_zip_entries).map(|number| format!("{number:0length$}")).collect();
        let entries = names.iter().map(|name| (name.as_str(), &b""[..])).chain([("[Content_Types].xml", &b"<a/>"[..])]);
        let zip = made::stored(&entries.collect::<Vec<_>>());
        assert_ne!(scale.within("names in the zip", bound, "a.xlsx", &zip).error, "");
    }
}

#[test]
fn a_row_up_to_its_limits_stays_within_the_bound() {
    let scale = Scale::new();
    let limits = Limits::default();
    let shared_free = Limits { max_shared_string_bytes: 0, max_shared_strings: 0, ..limits.clone() }.most_memory();
    let longest = usize::try_from(limits.max_row_bytes - (200 << 10)).expect("it fits into memory");
    let long = "x".repeat(longest);
    let texts = |length: usize| format!("<c t='str'><v>{}</v></c>", "x".repeat(length)).repeat(longest / length);
    for rows in [
        format!("<row><c t='str'><v>{long}</v></c></row>"),
        format!("<row><c r='{long}'/></row>"),
        format!("<row r='{long}'/>"),
        format!("<!--{long}-->"),
        format!("<row>{}</row>", texts(190_000)).repeat(3),
        format!("<row>{}</row>", texts(600)).repeat(3),
    ] {
        scale.within("a row of .xlsx", shared_free.xlsx, "a.xlsx", &Parts { rows, ..Parts::default() }.file());
    }
    let header = "Chatter Name,Date,Messages Sent\n";
    for row in [
        ",".repeat(longest),
        format!("\"{}", "Mila,06/18/2026,7\n".repeat(1_000_000)),
        "\"\"".repeat(longest / 2),
        format!("{},", "x".repeat(500)).repeat(longest / 501),
    ] {
        let csv = format!("{header}{row}\n{row}\n");
        scale.within("a row of .csv", shared_free.csv, "a.csv", csv.as_bytes());
    }
    let cell = format!("<table:table-cell><text:p>{}</text:p></table:table-cell>", "x".repeat(190_000));
    let row = format!("<table:table-row>{}</table:table-row>", cell.repeat(longest / 190_000));
    let content =
        format!("<x><spreadsheet><table:table table:name='S'>{}</table:table></spreadsheet></x>", row.repeat(3));
    let ods = made::stored(&[("content.xml", content.as_bytes())]);
    scale.within("a row of .ods", shared_free.ods, "a.ods", &ods);
}

#[test]
fn an_xls_made_to_hurt_stays_within_the_bound() {
    let scale = Scale::new();
    let limits = Limits::default();
    let bound = limits.most_memory().xls;
    let book = |before: &[(u16, &[u8])], cells: &[(u16, Vec<u8>)]| {
        let cells: Vec<(u16, &[u8])> = cells.iter().map(|(number, data)| (*number, data.as_slice())).collect();
        made::ole("Workbook", &made::biff(before, &cells))
    };
    // Cells that all name one long text: 3 GB, were it read for each. The file itself is held, and the kernel counts a process's
    // pages in batches, so the bound leaves room.
    let long = [&[0; 8][..], &60_000u16.to_le_bytes(), &[0], &[b'x'; 60_000]].concat();
    let named = |row: u16| (0x00fd, [&row.to_le_bytes()[..], &[0; 8]].concat());
    let cells: Vec<_> = (0..50_000).map(named).collect();
    let file = book(&[(0x00fc, &long)], &cells);
    assert_eq!(scale.within("one text in many cells", 8 * MIB, "a.xls", &file).error, "");

    // As many cells as fit into the file, the last row first.
    let row = |row: u16| {
        let numbers = [0, 0, 6, 0, 0, 0].repeat(256);
        (0x00bd, [&row.to_le_bytes()[..], &[0, 0], &numbers, &255u16.to_le_bytes()].concat())
    };
    let count = (limits.max_xls_bytes - 2 * MIB) / 1546;
    let cells: Vec<_> = (0..count).map(|number| row(u16::MAX - (number % 60_000) as u16)).collect();
    let file = book(&[], &cells);
    let cost = scale.within("cells in no order", bound, "a.xls", &file);
    assert_eq!(cost.error, "");
    assert!(scale.taken(&cost) > limits.max_xls_bytes, "{cost:?}: the file alone is longer, so this measures nothing");

    // A container whose chains are all the same: the directory, the small sectors and their table.
    let mut knotted = file;
    // The directory is the first sector; its second entry says where the stream begins.
    let stream = &knotted[4096 + 128 + 116..][..4];
    let stream: [u8; 4] = stream.try_into().expect("four bytes");
    for at in [48, 60] {
        knotted[at..at + 4].copy_from_slice(&stream);
    }
    knotted[64] = 1;
    assert_ne!(scale.within("a knotted container", bound, "a.xls", &knotted).error, "");

    // As many shared texts as there may be, and one more, each of no character.
    for (count, refused) in [(limits.max_shared_strings, false), (limits.max_shared_strings + 1, true)] {
        let texts = vec![0u8; usize::try_from(count).expect("it fits") * 3];
        let first = [&[0; 8][..], &texts[..30_000]].concat();
        let mut before: Vec<(u16, &[u8])> = vec![(0x00fc, &first)];
        before.extend(texts[30_000..].chunks(60_000).map(|texts| (0x003c, texts)));
        let cost = scale.within("shared texts", bound, "a.xls", &book(&before, &[]));
        assert_eq!(cost.error.contains("FANDOM_MAX_SHARED_STRINGS"), refused, "{}", cost.error);
    }

    // A shared text that goes on in as many records as there may be.
    let records = u32::try_from((limits.max_xls_bytes - MIB) / 5).expect("it fits");
    let text = [&[0; 8], &1u16.to_le_bytes()[..], &[4], &records.to_le_bytes(), b"x"].concat();
    let mut before: Vec<(u16, &[u8])> = vec![(0x00fc, &text)];
    before.extend((0..records).map(|_| (0x003c, &[9][..])));
    assert_eq!(scale.within("records that go on", 3 * limits.max_xls_bytes, "a.xls", &book(&before, &[])).error, "");
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

fn usual_export(path: &Path, rows: u32) {
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
fn calamine_cells(path: &Path) -> u64 {
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(path).expect("a workbook");
    let mut cells = workbook.worksheet_cells_reader("Sheet1").expect("a sheet");
    let mut count = 0;
    while let Some(cell) = cells.next_cell().expect("a cell") {
        count += u64::from(*cell.get_value() != calamine::DataRef::Empty);
    }
    count
}
