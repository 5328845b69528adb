//! Files that are no workbooks, are damaged or are made to hurt, beside good ones: each bad file is refused with a reason that a
//! person can act on, or read as far as it is sound; the good ones count as if the others were not there; and the connector
//! stays alive, within the memory that it is said to take.

#[path = "../../../connectors/tests/workbook/made.rs"]
#[allow(dead_code, reason = "the tests of the reader use the rest")]
mod made;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use fandom_connectors::workbook::Limits;
use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};
use fandom_tests::topic::each_record;
use made::Made;
use serde_json::{Value, json};
use tokio_postgres::Client;

const PATIENCE: Duration = Duration::from_secs(120);

/// Names only this test's files hold: what the tables say of them is not in the truth of the agency.
const OWN: [&str; 3] = ["bad/", "Zora", "name 999999"];

/// Moves a complete file into the folder `bad` of the inbox.
fn put(suite: &Suite, name: &[u8], content: &[u8]) {
    let folder = suite.inbox.join("bad");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let half = folder.join(".half-written");
    std::fs::write(&half, content).expect("a file can be written");
    std::fs::rename(half, folder.join(OsStr::from_bytes(name))).expect("a file can be moved");
}

/// What `app.uploads` says of a file.
#[derive(Debug, PartialEq)]
struct Upload {
    state: String,
    rows: Option<i64>,
    rejected: Option<i64>,
    warnings: Value,
    error: Option<String>,
    attempts: i32,
}

async fn uploads(client: &Client) -> anyhow::Result<BTreeMap<String, Upload>> {
    let sql = "select file, state, live_rows, rejected, warnings, error, attempts from app.uploads";
    let rows = client.query(sql, &[]).await?;
    let upload = |row: &tokio_postgres::Row| Upload {
        state: row.get(1),
        rows: row.get(2),
        rejected: row.get(3),
        warnings: row.get(4),
        error: row.get(5),
        attempts: row.get(6),
    };
    Ok(rows.iter().map(|row| (row.get(0), upload(row))).collect())
}

/// The dead letters of each file, by row, without what differs from run to run. One may arrive twice, under its key.
fn rejects(suite: &Suite) -> BTreeMap<String, Vec<Value>> {
    let mut letters = BTreeMap::new();
    each_record(suite, "fandom.rejects", |key, _, value| {
        let value: Value = serde_json::from_slice(value.expect("a letter")).expect("JSON");
        letters.insert(key.to_owned(), value);
    });
    let mut by_file: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (_, mut letter) in letters {
        let letter = letter.as_object_mut().expect("an object");
        letter.remove("version");
        letter.remove("name");
        let file = letter.remove("file").and_then(|file| file.as_str().map(str::to_owned)).expect("a file");
        by_file.entry(file).or_default().push(Value::Object(letter.clone()));
    }
    by_file.values_mut().for_each(|letters| letters.sort_by_key(|letter| letter["row"].as_u64()));
    by_file
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

/// A message on a day of the agency, to which `change` is done.
fn message(change: impl FnOnce(&mut Vec<Made>)) -> Vec<Made> {
    let cells =
        ["Xan", "Zora (OF)", "-", "hello", "13:00:00", "Oct 28, 2026", "1m 5s", "$12.50", "yes", "Chat", "Sent"];
    let mut cells: Vec<Made> = cells.into_iter().chain(["Fan One (u900001)"]).map(Made::from).collect();
    change(&mut cells);
    cells
}

const DIGITS: &str = "1234567890123456789012345678901234567890";

/// Messages of which only the first and the last can be read.
fn odd_cells() -> String {
    const PRICE: usize = 7;
    const DAY: usize = 5;
    let table = [
        HEADERS.map(Made::from).to_vec(),
        message(|_| ()),
        message(|cells| cells[PRICE] = DIGITS.into()),
        message(|cells| cells[PRICE] = Made::Number(1e39)),
        message(|cells| cells[DAY] = "Oct 28, 20225".into()),
        message(|cells| cells[DAY] = Made::Day(6_693_067.0)),
        message(|cells| cells[PRICE] = "-12.50".into()),
        message(|cells| cells[PRICE] = "($12.50)".into()),
        message(|cells| cells[PRICE] = Made::Error),
        message(|cells| {
            cells[4] = "14:00:00".into();
            cells[6] = DIGITS.into();
            cells[8] = Made::Error;
        }),
    ];
    made::inline_rows(&table).replace("#N/A", "#SPILL!")
}

/// A template whose cells name the last of a million shared strings.
fn a_million_shared_strings() -> Vec<u8> {
    let mut shared = String::from("<sst>");
    for name in ["Chatter Name", "Date", "Messages Sent", "10/28/2026", "5"] {
        shared.push_str(&format!("<si><t>{name}</t></si>"));
    }
    (0..1_000_000).for_each(|number| shared.push_str(&format!("<si><t>name {number}</t></si>")));
    shared.push_str("</sst>");
    let row = |cells: [u32; 3]| {
        let cells: String = cells.iter().map(|cell| format!(r#"<c t="s"><v>{cell}</v></c>"#)).collect();
        format!("<row>{cells}</row>")
    };
    made::xlsx("S", &(row([0, 1, 2]) + &row([1_000_004, 3, 4])), &shared)
}

/// A workbook with two cells that lie ten billion apart, in a sheet of messages.
fn far_cells() -> Vec<u8> {
    let table = [HEADERS.map(Made::from).to_vec(), message(|cells| cells[3] = "far".into())];
    let far = r#"<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>"#;
    made::xlsx("Message Dashboard", &(made::inline_rows(&table) + far), "")
}

/// A workbook whose sheet is 200 MB of zeros; the zip says so, or claims that it is a kilobyte.
fn zeros(honest: bool) -> Vec<u8> {
    let mut zip = made::xlsx("Message Dashboard", &"0".repeat(200 << 20), "");
    if !honest {
        let size = ((200u32 << 20) + "<worksheet><sheetData></sheetData></worksheet>".len() as u32).to_le_bytes();
        while let Some(at) = zip.windows(4).position(|bytes| *bytes == size) {
            zip[at..at + 4].copy_from_slice(&1024u32.to_le_bytes());
        }
    }
    zip
}

/// What becomes of a file as a whole: its state, rows that count and that are rejected, and words of the reason.
const FATES: [(&str, &str, i64, i64, &str); 10] = [
    ("truncated.xlsx", "failed", 0, 0, "the file is damaged (it ends too early): copy it again, or export it again"),
    (
        "text.xlsx",
        "failed",
        0,
        0,
        "not a spreadsheet (plain text under the name of a workbook): export it again as .xlsx",
    ),
    ("password.xlsx", "failed", 0, 0, "the workbook is protected by a password: save it without one"),
    ("empty.xlsx", "failed", 0, 0, "the file is empty (0 bytes): export it again"),
    ("zeros.xlsx", "failed", 0, 0, "inflates to 209715246, and FANDOM_MAX_INFLATION_RATIO allows 200"),
    ("lying.xlsx", "failed", 0, 0, "the sheet `Message Dashboard` cannot be read (its zip container is broken"),
    (r"caf\xe9.xlsx", "failed", 0, 0, "the name is not valid UTF-8; rename the file"),
    ("far.xlsx", "live", 1, 1, ""),
    ("strings.xlsx", "live", 1, 0, ""),
    ("cells.xlsx", "live", 2, 7, ""),
];

/// The rows of the odd cells that cannot be read: row, column and reason, and the cell at fault as it was.
const ODD_ROWS: [(u64, &str, &str, &str); 7] = [
    (3, "Price", "unreadable price", DIGITS),
    (4, "Price", "unreadable price", "1000000000000000000000000000000000000000"),
    (5, "Sent date", "unreadable sent date", "Oct 28, 20225"),
    (6, "Sent date", "unreadable sent date", "6693067"),
    (7, "Price", "negative price", "-12.50"),
    (8, "Price", "negative price", "($12.50)"),
    (9, "Price", "error cell in Price", "#SPILL!"),
];

async fn wait_until_settled(suite: &Suite, files: usize) -> BTreeMap<String, Upload> {
    let settled = |client: Client| async move {
        let found = uploads(&client).await?;
        let open = found.iter().filter(|(_, upload)| !["live", "failed"].contains(&upload.state.as_str()));
        let mut complaints: Vec<String> = open.map(|(file, upload)| format!("{file}: {upload:?}")).collect();
        if found.len() != files {
            complaints.push(format!("{} files of {files}", found.len()));
        }
        Ok(complaints)
    };
    suite.eventually("every file is dealt with", PATIENCE, settled).await;
    let client = suite.client().await.expect("the database answers");
    uploads(&client).await.expect("the database answers")
}

/// How the tables differ from the truth of the agency, but for what this test's own files add.
async fn differences(client: &Client, agency: &Agency) -> anyhow::Result<Vec<String>> {
    let mut found = differences_at(client, &agency.expected, "b").await?;
    found.retain(|complaint| !OWN.iter().any(|own| complaint.contains(own)));
    Ok(found)
}

fn expect_fates(found: &BTreeMap<String, Upload>, rejects: &BTreeMap<String, Vec<Value>>) {
    for (name, state, rows, rejected, reason) in FATES {
        let file = format!("inbox:bad/{name}");
        let upload = found.get(&file).unwrap_or_else(|| panic!("{file} is missing"));
        let counted = (upload.rows.unwrap_or(0), upload.rejected.unwrap_or(0));
        assert_eq!((upload.state.as_str(), counted), (state, (rows, rejected)), "{file}: {upload:?}");
        assert_eq!(upload.attempts, 1, "{file} is read once, not again and again: {upload:?}");
        let letters = rejects.get(&file).map(Vec::as_slice).unwrap_or_default();
        if state == "live" {
            assert_eq!((upload.error.as_ref(), letters.len() as i64), (None, rejected), "{file}: {letters:?}");
            continue;
        }
        let error = upload.error.as_deref().unwrap_or_default();
        assert!(error.contains(reason), "{file}: {error}");
        let letter = json!({"sheet": null, "row": null, "column": null, "reason": error, "cells": []});
        assert_eq!(letters, [letter], "{file}");
    }
    let letters = &rejects["inbox:bad/cells.xlsx"];
    for (letter, (row, column, reason, cell)) in letters.iter().zip(ODD_ROWS) {
        let said = json!({"sheet": letter["sheet"], "row": letter["row"], "column": letter["column"], "reason": letter["reason"]});
        assert_eq!(said, json!({"sheet": "Message Dashboard", "row": row, "column": column, "reason": reason}));
        let at = HEADERS.iter().position(|header| *header == column).expect("a column");
        assert_eq!((&letter["cells"][at], &letter["cells"][0]), (&json!(cell), &json!("Xan")), "{letter}");
    }
    let warnings = &found["inbox:bad/cells.xlsx"].warnings;
    assert_eq!(*warnings, json!({"error cell in Purchased": 1, "unreadable reply time": 1}));
    let far = &rejects["inbox:bad/far.xlsx"][0];
    assert_eq!((&far["row"], &far["reason"]), (&json!(1_048_576), &json!("missing creator")));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_refused_with_a_reason_and_good_ones_count() {
    let agency = &Agency::checked_in("northlight");
    let limits = Limits { max_shared_string_bytes: 24 << 20, max_shared_strings: 1_100_000, ..Limits::default() };
    let (bytes, strings) = (limits.max_shared_string_bytes.to_string(), limits.max_shared_strings.to_string());
    let mut settings = agency.settings();
    settings.extend([
        ("FANDOM_MAX_SHARED_STRING_BYTES", bytes.as_str()),
        ("FANDOM_MAX_SHARED_STRINGS", &strings),
        ("FANDOM_FILES_AT_ONCE", "2"),
        ("FANDOM_POLL_MS", "100"),
    ]);
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    // The one good file that comes after all others.
    let last = agency.files("a").remove(0);
    let mut good = agency.files("b");
    good.retain(|file| *file != last);
    for file in &good[..2] {
        agency.put(file, &suite.inbox.join(file));
    }
    wait_until_settled(&suite, 2).await;
    let (process, before) = (suite.pid(Part::Connect), suite.most_memory(Part::Connect).expect("Linux tells"));

    let whole = made::xlsx("Message Dashboard", &odd_cells(), "");
    put(&suite, b"truncated.xlsx", &whole[..whole.len() / 2]);
    put(&suite, b"text.xlsx", b"Dear agency,\nplease find the report attached.\n");
    put(&suite, b"password.xlsx", &made::ole("EncryptedPackage", b"secret"));
    put(&suite, b"empty.xlsx", b"");
    put(&suite, b"zeros.xlsx", &zeros(true));
    put(&suite, b"lying.xlsx", &zeros(false));
    put(&suite, b"caf\xe9.xlsx", &whole);
    for file in &good[2..] {
        agency.put(file, &suite.inbox.join(file));
    }
    put(&suite, b"far.xlsx", &far_cells());
    put(&suite, b"strings.xlsx", &a_million_shared_strings());
    put(&suite, b"cells.xlsx", &whole);
    let found = wait_until_settled(&suite, good.len() + FATES.len()).await;
    expect_fates(&found, &rejects(&suite));
    for file in &good {
        let upload = &found[&format!("inbox:{file}")];
        assert_eq!((upload.state.as_str(), upload.attempts), ("live", 1), "{file}: {upload:?}");
    }

    // Two files at once, what is on its way to the broker, and what the process takes by itself.
    let bound = before + 2 * limits.most_memory().xlsx + (32 << 20);
    let most = suite.most_memory(Part::Connect).expect("Linux tells");
    eprintln!("the connector took at most {} MiB, {} MiB before the bad files came", most >> 20, before >> 20);
    assert!(most < bound, "{most} bytes of at most {bound}");

    // It still lives, and takes one more; then the figures are those of the good files, and of what is sound in the bad ones.
    agency.put(&last, &suite.inbox.join(&last));
    suite
        .eventually("the good files count", PATIENCE, |client| async move { differences(&client, agency).await })
        .await;
    let sound = "select (select array[messages_sent, ppvs_sent, ppvs_unlocked, ppv_sales_cents, replies, reply_seconds_sum] \
                 from views.chatter_all where creator = 'Zora (OF)' and chatter = 'Xan'), \
                 (select messages_sent from views.template_day where chatter = 'name 999999')";
    let expected = (Some(vec![3i64, 3, 2, 2_500, 2, 130]), Some(5i64));
    suite
        .eventually("what is sound in the bad files counts", PATIENCE, |client| {
            let expected = &expected;
            async move {
                let row = client.query_one(sound, &[]).await?;
                let there: (Option<Vec<i64>>, Option<i64>) = (row.get(0), row.get(1));
                Ok(if there == *expected { Vec::new() } else { vec![format!("{there:?} in place of {expected:?}")] })
            }
        })
        .await;
    assert_eq!((suite.pid(Part::Connect), suite.ended(Part::Connect)), (process, None), "{}", suite.logs());

    // Bad files are known: the next start does not read them again.
    suite.kill(Part::Connect);
    suite.run(Part::Connect);
    put(&suite, b"empty.xlsx", b"Chatter Name,Date,Messages Sent\n");
    let mended = |client: Client| async move {
        let state = uploads(&client).await?.remove("inbox:bad/empty.xlsx").map(|upload| upload.state);
        Ok(if state.as_deref() == Some("live") { Vec::new() } else { vec![format!("{state:?}")] })
    };
    suite.eventually("a file that was mended", PATIENCE, mended).await;
    let mut after = wait_until_settled(&suite, good.len() + FATES.len() + 1).await;
    after.retain(|file, _| file != "inbox:bad/empty.xlsx" && found.contains_key(file));
    assert!(after.iter().all(|(file, upload)| found[file] == *upload), "{after:#?}");
}
