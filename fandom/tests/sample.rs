//! The sample workbooks, read back with a reader that is not ours.

#[path = "sample/reading.rs"]
mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use clap::Parser;
use fandom::sample::{SampleArgs, SampleKind, SampleSummary, write};
use fandom_schemas::rows::Kind;
use jiff::civil::date;
use jiff::{Timestamp, Zoned};

use reading::{Record, Table, cents, csv_rows, number, tables};

/// A small agency of the past.
fn small(out: &Path) -> SampleArgs {
    let tz = "Europe/Belgrade".to_owned();
    SampleArgs { start: Some(date(2026, 10, 21)), messages: 2500, fans: 150, tz, ..SampleArgs::new(out) }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for the test")
}

fn sample(args: &SampleArgs) -> SampleSummary {
    write(args).expect("the sample is written")
}

/// All sheets of that name, in the files' order.
fn sheets(summary: &SampleSummary, name: &str) -> Vec<Table> {
    let books = summary.files.iter().filter(|file| file.path.extension().is_some_and(|end| end == "xlsx"));
    books.flat_map(|file| tables(&file.path)).filter(|table| table.name == name).collect()
}

fn contents(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let modified = entry.metadata().and_then(|data| data.modified()).expect("a time");
            (entry.file_name().to_string_lossy().into_owned(), (fs::read(entry.path()).expect("a file"), modified))
        })
        .collect()
}

#[test]
fn the_same_arguments_give_the_same_bytes_at_any_time() {
    let (first, second, other) = (folder(), folder(), folder());
    sample(&small(first.path()));
    // Longer than the finest time that a workbook's properties hold.
    thread::sleep(Duration::from_millis(1100));
    sample(&small(second.path()));
    sample(&SampleArgs { seed: 2, ..small(other.path()) });
    let (one, two, other) = (contents(first.path()), contents(second.path()), contents(other.path()));
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    for (name, file) in &one {
        assert!(file == &two[name], "{name} differs between two runs");
    }
    let equal = one.iter().filter(|(name, file)| other.get(*name).is_some_and(|other| other.0 == file.0));
    assert_eq!(equal.count(), 0, "another seed is another agency");
}

#[test]
fn files_are_dated_when_they_were_exported() {
    let out = folder();
    sample(&small(out.path()));
    let stamps: Vec<(String, SystemTime)> =
        contents(out.path()).into_iter().map(|(name, (_, modified))| (name, modified)).collect();
    let dashboards: Vec<_> = stamps.iter().filter(|(name, _)| name.contains("Message_Dashboard_Report")).collect();
    assert_eq!(dashboards.len(), 2);
    for (name, modified) in dashboards {
        let stamp = name.rsplit('_').next().expect("a stamp").trim_end_matches(".xlsx");
        let at = Timestamp::try_from(*modified).expect("a time").strftime("%Y%m%d%H%M%S").to_string();
        assert_eq!(stamp, at, "{name}");
    }
    let end = date(2026, 11, 4).to_zoned(jiff::tz::TimeZone::UTC).expect("a day").timestamp();
    assert!(stamps.iter().filter(|(_, modified)| *modified > SystemTime::from(end)).count() >= 6, "{stamps:?}");
}

#[test]
fn every_kind_is_there_with_its_headers_and_rows() {
    let out = folder();
    let summary = sample(&small(out.path()));
    let headers = |sheet: &str| -> BTreeSet<String> {
        sheets(&summary, sheet).first().unwrap_or_else(|| panic!("no sheet {sheet}")).headers.iter().cloned().collect()
    };
    let has = |sheet: &str, wanted: &str| {
        let found = headers(sheet);
        for header in wanted.split(", ") {
            assert!(found.contains(header), "{sheet} has no column {header}: {found:?}");
        }
    };
    has(
        "Message Dashboard",
        "Sender, Creator, Fans Message, Creator Message, Sent time, Sent date, Replay time, Price, Purchased, Source, \
         Status, Sent to",
    );
    has(
        "Sales record",
        "Date & time Africa/Monrovia, Employee, Creator, Fan, Earnings, Gross revenue, Net revenue, Type, Rule, Status",
    );
    for sheet in ["By employee", "By time and employee", "Detailed breakdown"] {
        has(
            sheet,
            "Date/Time Europe/Belgrade, Group, Employees, Email, Creators, Sales, PPV sales, Tips, Direct message sales, \
             Direct messages sent, Direct PPVs sent, Golden ratio, PPVs unlocked, Unlock rate, Priority mass messages \
             sales, OF mass message sales, Fans chatted, Fans who spent money, Fan CVR, Avg earnings per fan who spent \
             money, Character count, Response time (based on scheduled hours), Response time (based on clocked hours), \
             Scheduled hours, Clocked hours, Sales per hour, Messages sent per hour, Fans chatted per hour",
        );
    }
    let statistics: Vec<Table> = ["Creator Statistics", "Creator Statistics Detail"]
        .into_iter()
        .flat_map(|sheet| sheets(&summary, sheet))
        .collect();
    for wanted in ["Subscription Net", "Total earnings Net", "Total subscription earnings Gross", "Refunds Gross"] {
        assert_eq!(statistics.iter().filter(|table| table.headers.iter().any(|header| header == wanted)).count(), 2);
    }
    has(
        "Chatters",
        "Chatter Name, Date(MM/DD/YYYY), Messages Sent, PPVs Sent, PPVs Unlocked, Fans Chatted, Avg Response \
         Time(minutes)",
    );

    let mut rows: BTreeMap<Kind, u64> = BTreeMap::new();
    for file in &summary.files {
        let found = match file.path.extension().is_some_and(|end| end == "csv") {
            true => csv_rows(&file.path),
            false => tables(&file.path).iter().map(|table| table.records.len() as u64).sum(),
        };
        assert_eq!(found, file.rows, "{}", file.path.display());
        *rows.entry(file.kind).or_default() += found;
    }
    assert_eq!(rows, summary.rows);
    assert_eq!(rows.len(), Kind::ALL.len());
    assert!(rows.values().all(|count| *count > 0), "{rows:?}");
}

#[test]
fn messages_alone_come_in_parts_without_repetition_when_wanted() {
    let out = folder();
    let args =
        SampleArgs { only: vec![SampleKind::Messages], rows_per_file: 300, overlap_days: 0, ..small(out.path()) };
    let summary = sample(&args);
    assert_eq!(summary.rows, BTreeMap::from([(Kind::Message, 2500)]));
    assert!(summary.files.len() >= 9 && summary.files.iter().all(|file| file.rows <= 300));
    let parts = sheets(&summary, "Message Dashboard");
    let distinct: HashSet<String> = parts.iter().flat_map(|part| &part.records).map(message_key).collect();
    // Some few are said twice in one second.
    assert!((2480..=2500).contains(&distinct.len()), "{}", distinct.len());
}

fn message_key(row: &Record) -> String {
    let fan = row["Sent to"].rsplit('(').next().unwrap_or_default().to_owned();
    ["Sender", "Creator", "Creator Message", "Sent date", "Sent time", "Source"]
        .map(|column| row[column].trim_matches('-').to_owned())
        .join("\u{1}")
        + &fan
        + &cents(&row["Price"]).unwrap_or(0).to_string()
}

#[test]
fn a_later_export_repeats_messages_with_purchases_made_since() {
    let out = folder();
    let summary = sample(&small(out.path()));
    let [early, late] = &sheets(&summary, "Message Dashboard")[..] else { panic!("two exports") };
    let before: HashMap<String, bool> =
        early.records.iter().map(|row| (message_key(row), row["Purchased"] == "yes")).collect();
    let (mut repeated, mut bought_since) = (0, 0);
    for row in &late.records {
        if let Some(was_bought) = before.get(&message_key(row)) {
            repeated += 1;
            let is_bought = row["Purchased"] == "yes";
            assert!(is_bought || !was_bought, "a purchase was lost: {row:?}");
            bought_since += u32::from(is_bought && !was_bought);
        }
    }
    assert!(repeated > 300 && bought_since > 0, "{repeated} repeated, {bought_since} bought since");
}

#[test]
fn creator_statistics_are_the_sums_of_the_sales() {
    let out = folder();
    let summary = sample(&small(out.path()));
    let [sales] = &sheets(&summary, "Sales record")[..] else { panic!("one sales record") };
    for (basis, revenue, [subscription, new, recurring, refund]) in [
        ("Net", "Net revenue", ["Subscription", "New subscriptions", "Recurring subscriptions", "Refund"]),
        (
            "Gross",
            "Gross revenue",
            ["Total subscription earnings", "Subscription earnings", "Recurring subscription earnings", "Refunds"],
        ),
    ] {
        // By creator, day (empty: the whole period) and figure.
        let mut expected: BTreeMap<(String, String, String), i64> = BTreeMap::new();
        for row in &sales.records {
            let amount = cents(&row[revenue]).expect("revenue");
            let figures: Vec<&str> = match (row["Status"].as_str(), row["Type"].as_str()) {
                ("Reverse", _) => vec![refund],
                (_, "Subscription") => vec![subscription, new, "Total earnings"],
                (_, "Recurring subscription") => vec![subscription, recurring, "Total earnings"],
                (_, "Messages") => vec!["Message", "Total earnings"],
                (_, sale_type) if sale_type.starts_with("Tip") => vec!["Tips", "Total earnings"],
                (_, sale_type) => vec![sale_type, "Total earnings"],
            };
            let creator = row["Creator"].replace("(FS)", "(Fansly)").replace("(FV)", "(Fanvue)");
            let day = reading::day_in(&row["Date & time Africa/Monrovia"], "Africa/Monrovia", "Europe/Belgrade");
            for figure in figures {
                for window in [day.clone(), String::new()] {
                    let sign = if figure == refund { -1 } else { 1 };
                    *expected.entry((creator.clone(), window, format!("{figure} {basis}"))).or_default() +=
                        sign * amount;
                }
            }
        }
        let mut found = BTreeMap::new();
        for sheet in ["Creator Statistics", "Creator Statistics Detail"] {
            let table = sheets(&summary, sheet);
            let of_basis = |table: &&Table| table.headers.contains(&format!("Total earnings {basis}"));
            for row in &table.iter().find(of_basis).expect("a sheet of each basis").records {
                let when = &row["Date/Time Europe/Belgrade"];
                let day = if when.contains(" - ") { String::new() } else { reading::iso_day(when) };
                for (header, cell) in row.iter().filter(|(header, _)| header.ends_with(basis)) {
                    if let Some(amount) = cents(cell).filter(|amount| *amount != 0)
                        && !header.starts_with("Avg")
                    {
                        found.insert((row["Creator"].clone(), day.clone(), header.clone()), amount);
                    }
                }
            }
        }
        assert!(expected.len() > 200);
        assert_eq!(found, expected);
    }
}

#[test]
fn the_employee_report_agrees_with_the_messages_but_where_the_summary_says_so() {
    let out = folder();
    let summary = sample(&small(out.path()));
    // The later export wins. Equal messages of one second are numbered.
    let mut live: BTreeMap<(String, u32), Record> = BTreeMap::new();
    for export in sheets(&summary, "Message Dashboard") {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for row in export.records {
            let number = seen.entry(message_key(&row)).or_default();
            live.insert((message_key(&row), *number), row);
            *number += 1;
        }
    }
    let mut told: BTreeMap<(u32, String), i64> = BTreeMap::new();
    let [report] = &sheets(&summary, "Detailed breakdown")[..] else { panic!("one report") };
    let mut off: BTreeMap<(u32, String), i64> = BTreeMap::new();
    for (number, row) in (2..).zip(&report.records) {
        let period = &row["Date/Time Europe/Belgrade"];
        let mine: Vec<&Record> = live
            .values()
            .filter(|message| message["Sender"] == row["Employees"] && message["Creator"] == row["Creators"])
            .filter(|message| {
                message["Source"] == "Chat" && period.starts_with(&reading::iso_day(&message["Sent date"]))
            })
            .collect();
        let price = |message: &&Record| cents(&message["Price"]).unwrap_or(0);
        let offers: Vec<&Record> = mine.iter().copied().filter(|message| price(message) > 0).collect();
        let unlocked: Vec<&Record> = offers.iter().copied().filter(|message| message["Purchased"] == "yes").collect();
        let fans: HashSet<&str> = mine.iter().filter_map(|message| message["Sent to"].rsplit('(').next()).collect();
        let count = |list: &[&Record]| i64::try_from(list.len()).expect("a count");
        for (figure, truth) in [
            ("Direct messages sent", count(&mine)),
            ("Direct PPVs sent", count(&offers)),
            ("PPVs unlocked", count(&unlocked)),
            ("Fans chatted", i64::try_from(fans.len()).expect("a count")),
            ("PPV sales", unlocked.iter().map(price).sum()),
        ] {
            let cell = &row[figure];
            let reported = if figure == "PPV sales" { cents(cell) } else { number_of(cell) };
            if let Some(reported) = reported {
                told.insert((number, figure.to_owned()), reported);
                if reported != truth {
                    off.insert((number, figure.to_owned()), reported - truth);
                }
            }
        }
    }
    let declared: BTreeMap<(u32, String), i64> = summary
        .differences
        .iter()
        .filter(|difference| difference.sheet == "Detailed breakdown")
        .map(|difference| ((difference.row, difference.figure.to_owned()), difference.by))
        .collect();
    assert!(told.len() > 400 && declared.len() == 3, "{} figures, {declared:?}", told.len());
    assert_eq!(off, declared);
}

fn number_of(cell: &str) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "counts are small")]
    number(cell).map(|value| value as i64)
}

#[test]
fn without_a_first_day_the_sample_ends_now() {
    let out = folder();
    let before = Zoned::now().with_time_zone(jiff::tz::TimeZone::get("Europe/Belgrade").expect("a zone"));
    let summary = sample(&SampleArgs { start: None, ..small(out.path()) });
    let latest_day = before.date();
    assert!(summary.last_day <= latest_day && summary.last_day >= latest_day.yesterday().expect("a day"));
    let latest = contents(out.path()).into_values().map(|(_, modified)| modified).max().expect("files");
    assert!(latest <= SystemTime::now(), "a file is dated after the present");
    let exports = sheets(&summary, "Message Dashboard");
    let newest = &exports.last().expect("an export").records[0];
    let newest = format!("{} {}", reading::iso_day(&newest["Sent date"]), newest["Sent time"]);
    assert!(newest < before.strftime("%Y-%m-%d %H:%M:%S").to_string(), "{newest} is not over");
}

#[test]
fn what_cannot_be_made_is_refused() {
    let out = folder();
    let message = |args: SampleArgs| write(&args).expect_err("refused").to_string();
    assert_eq!(
        message(SampleArgs { tz: "Europe/Atlantis".to_owned(), ..small(out.path()) }),
        "no such time zone: `Europe/Atlantis`"
    );
    assert!(message(SampleArgs { fans: 2, ..small(out.path()) }).contains("2 fans are too few for 3 creators"));
    assert!(message(SampleArgs { rows_per_file: 2_000_000, ..small(out.path()) }).contains("1048575"));
    assert_eq!(contents(out.path()).len(), 0);
}

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    sample: SampleArgs,
}

#[test]
fn the_command_line_has_the_defaults_of_a_first_look_and_takes_kinds() {
    let parse = |arguments: &str| Command::try_parse_from(arguments.split(' ')).map(|command| command.sample);
    assert_eq!(parse("sample --out x").expect("arguments"), SampleArgs::new("x"));
    let some = parse("sample --out x --start 2026-10-21 --only messages,sales template").expect("arguments");
    assert_eq!(some.only, [SampleKind::Messages, SampleKind::Sales, SampleKind::Template]);
    assert_eq!(some.start, Some(date(2026, 10, 21)));
    for wrong in
        ["sample", "sample --out x --days 0", "sample --out x --start 21.10.2026", "sample --out x --only cats"]
    {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_smallest_and_the_emptiest_agencies_are_written() {
    for (days, chatters, creators, fans, messages) in [(1, 1, 1, 1, 1), (2, 1, 5, 5, 0), (40, 20, 14, 50, 900)] {
        let out = folder();
        let args = SampleArgs { days, chatters, creators, fans, messages, overlap_days: 0, ..small(out.path()) };
        assert_eq!(sample(&args).rows[&Kind::Message], messages);
        let today = SampleArgs { start: None, ..args };
        assert_eq!(sample(&today).rows[&Kind::Message], messages);
    }
}
