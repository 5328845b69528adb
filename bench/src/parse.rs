//! How fast a workbook becomes rows that are ready to be published.
//!
//! ```text
//!  a Message Dashboard ─┬─▶ calamine: every cell looked at ─────────────────────────────── the measure
//!                       ├─▶ workbook::read ─▶ JSON of row and texts, key, checksum ─────── in this process
//!                       └─▶ `fandom read-workbook` ─▶ its frames, read to the end ──────── in a process of its own
//! ```
//!
//! The three take turns, so that what else the machine does hits all of them alike; medians are compared.

use std::fmt;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use calamine::{Data, DataRef, Reader, Xlsx, open_workbook};
use clap::Args;
use fandom_connectors::isolation::COMMAND;
use fandom_connectors::workbook::{self, Limits, NotTaken, ReadOptions, RejectedRow, RowSink, Stop};
use fandom_schemas::manifest::Checksum;
use fandom_schemas::rows::{Row, Text};
use jiff::tz::TimeZone;
use rust_xlsxwriter::Workbook;
use serde::Serialize;
use serde_json::json;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Rows of the workbook, of 12 columns each.
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
    /// How often each is measured.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Where to leave the workbook, for others to read.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Texts stand in their cells, not in the table of shared strings.
    #[arg(long)]
    inline: bool,
}

/// Medians.
#[derive(Debug, Serialize)]
pub struct Parsed {
    rows: u32,
    cells: u64,
    file_bytes: u64,
    inline: bool,
    calamine_stream_ms: f64,
    calamine_range_ms: f64,
    parse_ms: f64,
    apart_ms: f64,
    apart_most_bytes: u64,
    /// What a process costs that reads a file of one row.
    process_ms: f64,
}

impl fmt::Display for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = if self.inline { "in its cells" } else { "shared" };
        writeln!(f, "{} rows, {} cells, {} KiB, texts {texts}", self.rows, self.cells, self.file_bytes >> 10)?;
        let line = |f: &mut fmt::Formatter<'_>, what: &str, ms: f64| {
            let (stream, range) = (self.calamine_stream_ms / ms, self.calamine_range_ms / ms);
            writeln!(f, "{what:<44} {ms:>8.1} ms {stream:>8.2}x stream {range:>8.2}x range")
        };
        line(f, "calamine, cells as a stream", self.calamine_stream_ms)?;
        line(f, "calamine, a range of cells", self.calamine_range_ms)?;
        line(f, "read, typed, ready to publish", self.parse_ms)?;
        line(f, "the same in a process of its own", self.apart_ms)?;
        write!(f, "a process takes {:.1} ms and at most {} MiB", self.process_ms, self.apart_most_bytes >> 20)
    }
}

/// Measures.
///
/// # Errors
/// When the workbook cannot be made or read, or not every row was.
pub fn run(options: &Options) -> anyhow::Result<Parsed> {
    let folder = tempfile::tempdir()?;
    let path = options.keep.clone().unwrap_or_else(|| folder.path().join("dashboard.xlsx"));
    write_dashboard(&path, options.rows, options.inline)?;
    let small = folder.path().join("small.xlsx");
    write_dashboard(&small, 1, false)?;
    let mut times: [Vec<Duration>; 5] = Default::default();
    let (mut cells, mut most) = (0, 0);
    for _ in 0..options.rounds.max(1) {
        let mut timed = |place: usize, work: &mut dyn FnMut() -> anyhow::Result<()>| {
            let begun = Instant::now();
            work()?;
            times[place].push(begun.elapsed());
            anyhow::Ok(())
        };
        timed(0, &mut || calamine_stream(&path).map(|count| cells = count))?;
        timed(1, &mut || calamine_range(&path).map(|_| ()))?;
        timed(2, &mut || {
            let rows = parse(&path)?;
            ensure!(rows == u64::from(options.rows), "{rows} rows of {}", options.rows);
            Ok(())
        })?;
        timed(3, &mut || parse_apart(&path).map(|bytes| most = most.max(bytes)))?;
        timed(4, &mut || parse_apart(&small).map(|_| ()))?;
    }
    let median = |place: usize| {
        let mut times = times[place].clone();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    Ok(Parsed {
        rows: options.rows,
        cells,
        file_bytes: std::fs::metadata(&path)?.len(),
        inline: options.inline,
        calamine_stream_ms: median(0),
        calamine_range_ms: median(1),
        parse_ms: median(2),
        apart_ms: median(3),
        apart_most_bytes: most,
        process_ms: median(4),
    })
}

/// Looks at each cell once, as it is read from the file.
fn calamine_stream(path: &Path) -> anyhow::Result<u64> {
    let mut book: Xlsx<_> = open_workbook(path)?;
    let mut cells = book.worksheet_cells_reader("Message Dashboard")?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(cell) = cells.next_cell()? {
        count += 1;
        bytes += match cell.get_value() {
            DataRef::String(text) => text.len(),
            DataRef::SharedString(text) => text.len(),
            _ => 1,
        };
    }
    std::hint::black_box(bytes);
    Ok(count)
}

/// Looks at each cell once, in the range that most programs ask for.
fn calamine_range(path: &Path) -> anyhow::Result<u64> {
    let mut book: Xlsx<_> = open_workbook(path)?;
    let range = book.worksheet_range("Message Dashboard")?;
    let (mut count, mut bytes) = (0, 0);
    for (_, _, cell) in range.used_cells() {
        count += 1;
        bytes += if let Data::String(text) = cell { text.len() } else { 1 };
    }
    std::hint::black_box(bytes);
    Ok(count)
}

/// Does with a row all that is done with one before it is given to Kafka's client.
#[derive(Default)]
struct Ready {
    rows: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    checksum: Checksum,
}

impl RowSink for Ready {
    fn row(&mut self, row: &Row<'_>, text: Option<&Text<'_>>) -> Result<(), NotTaken> {
        self.key.clear();
        write!(self.key, "inbox:dashboard.xlsx/1/{}", self.rows).map_err(|_| NotTaken::Stop)?;
        self.value.clear();
        serde_json::to_writer(&mut self.value, row).map_err(|_| NotTaken::Stop)?;
        self.checksum.add(&self.key, &self.value);
        if let Some(text) = text {
            serde_json::to_writer(&mut self.value, text).map_err(|_| NotTaken::Stop)?;
        }
        std::hint::black_box(&self.value);
        self.rows += 1;
        Ok(())
    }

    fn reject(&mut self, _: RejectedRow) -> Result<(), Stop> {
        Err(Stop)
    }
}

fn parse(path: &Path) -> anyhow::Result<u64> {
    let options = ReadOptions {
        zone: TimeZone::UTC,
        zone_name: "UTC".to_owned(),
        default_platform: "OF".to_owned(),
        limits: Limits::default(),
        mappings: Default::default(),
    };
    let mut ready = Ready::default();
    workbook::read(path, "dashboard.xlsx", &options, &mut ready)?;
    std::hint::black_box(ready.checksum.to_hex());
    Ok(ready.rows)
}

/// Reads a file in a process of its own; returns the most memory that the process was seen to hold, in bytes.
#[expect(clippy::disallowed_methods, reason = "the child ends with its pipe")]
fn parse_apart(path: &Path) -> anyhow::Result<u64> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("fandom");
    let mut child = Command::new(&program)
        .arg(COMMAND)
        .arg(path)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} could not be run; build it too", program.display()))?;
    let request = json!({
        "name": "dashboard.xlsx", "zone_name": "UTC", "default_platform": "OF", "limits": Limits::default(), "mappings": [],
        "largest": 900_000,
    });
    child.stdin.take().context("it is piped")?.write_all(request.to_string().as_bytes())?;
    let mut frames = BufReader::with_capacity(1 << 17, child.stdout.take().context("it is piped")?);
    let (mut buffer, mut most, mut unseen) = (vec![0; 1 << 17], 0, 0);
    loop {
        let count = frames.read(&mut buffer)?;
        unseen += count;
        if unseen > 4 << 20 || (most == 0 && count > 0) {
            unseen = 0;
            most = most.max(memory(child.id()).unwrap_or_default());
        }
        if count == 0 {
            break;
        }
    }
    ensure!(child.wait()?.success(), "the process failed");
    Ok(most)
}

fn memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok().map(|kib| kib * 1024)
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

/// Writes a Message Dashboard of a plausible agency: 20 chatters, 8 creators, 6,000 fans, texts of a sentence.
fn write_dashboard(path: &Path, rows: u32, inline: bool) -> anyhow::Result<()> {
    const WORDS: [&str; 12] =
        ["hey", "how", "was", "your", "day", "babe", "miss", "you", "look", "what", "I", "made &amp; kept for you"];
    let mut book = Workbook::new();
    let sheet = if inline { book.add_worksheet_with_constant_memory()? } else { book.add_worksheet() };
    sheet.set_name("Message Dashboard")?;
    sheet.write_row(0, 0, HEADERS)?;
    let mut state = 7u64;
    let mut draw = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    for row in 1..=rows {
        let words: Vec<&str> = (0..6 + draw(10)).map(|_| WORDS[draw(12) as usize]).collect();
        let reply = if draw(3) == 0 { format!("<p>{}</p>", words[..3].join(" ")) } else { "-".to_owned() };
        let price = if draw(8) == 0 { format!("${}.00", 5 + draw(95)) } else { "$0.00".to_owned() };
        let second = u64::from(row) * 7 % 86_400;
        let cells: [String; 12] = [
            format!("Chatter {}", draw(20)),
            format!("Creator {} (OF)", draw(8)),
            reply,
            format!("<p>{}</p>", words.join(" ")),
            format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60),
            format!("Oct {}, 2026", 1 + u64::from(row) * 7 / 86_400 % 30),
            format!("{}m {}s", draw(9), draw(60)),
            price,
            if draw(20) == 0 { "yes" } else { "no" }.to_owned(),
            "Chat".to_owned(),
            "Sent".to_owned(),
            format!("Fan (u{:09})", draw(6_000)),
        ];
        sheet.write_row(row, 0, cells)?;
    }
    book.save(path)?;
    Ok(())
}
