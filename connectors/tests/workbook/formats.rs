//! The same table in every format gives the same rows.

use std::path::Path;

use serde_json::Value;

use super::collected::{self, Collected};
use super::made::{self, Made};

/// Rows, texts with the fan's messages, and rejects with their reasons.
type Content = (Vec<Value>, Vec<(String, Option<String>)>, Vec<(u32, String)>);

/// Messages in the forms that every format can hold; the third row is blank.
fn table() -> Vec<Vec<Made>> {
    let text = Made::from;
    vec![
        [
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
            "Sent to",
            "Mood",
        ]
        .map(text)
        .to_vec(),
        vec![
            text("Mila"),
            text("Tania (OF)"),
            text("hi"),
            text("<p>caf\u{e9} &amp; <b>you</b></p>"),
            text("13:52:43"),
            text("Oct 21, 2026"),
            text("2m 45s"),
            text("$1,290.50"),
            Made::Bool(true),
            text("Chat"),
            text("Jos\u{e9}; \"the, 1st\" (u1)"),
            text("sunny"),
        ],
        vec![],
        vec![
            text("-"),
            text("Leya (FS)"),
            text("-"),
            text("two\nlines"),
            Made::Number(0.5),
            Made::Day(46_316.0),
            text("-"),
            Made::Number(12.5),
            Made::Number(0.0),
            text("OF mass message"),
            text("u2"),
            Made::Number(7.0),
        ],
        vec![
            text("Mila"),
            text("Tania"),
            Made::Blank,
            text("x"),
            text("13:52:43"),
            text("2026-10-21"),
            text("0m 0s"),
            Made::Error,
            text("no"),
            text("Chat"),
            text("u3"),
            Made::Blank,
        ],
    ]
}

fn outcome(read: (Vec<fandom_schemas::manifest::Sheet>, Collected)) -> Content {
    let rejects = read.1.rejects.into_iter().map(|reject| (reject.row, reject.reason)).collect();
    (read.1.rows, read.1.texts, rejects)
}

fn csv(table: &[Vec<Made>], separator: char, line_end: &str) -> String {
    let mut out = String::new();
    for row in table {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| match cell {
                Made::Blank => String::new(),
                Made::Text(text) => format!("\"{}\"", text.replace('"', "\"\"")),
                Made::Number(number) | Made::Day(number) => number.to_string(),
                Made::Bool(value) => value.to_string().to_uppercase(),
                Made::Error => "#N/A".to_owned(),
            })
            .collect();
        out.push_str(&cells.join(&separator.to_string()));
        out.push_str(line_end);
    }
    out
}

#[test]
fn a_table_is_the_same_in_every_format() {
    let table = table();
    let expected = outcome(collected::bytes("a.xlsx", &made::xlsx("S", &made::inline_rows(&table), "")));
    assert_eq!(expected.0.len(), 2);
    assert_eq!(expected.0[0]["price_cents"], 129_050);
    assert_eq!(expected.0[0]["nickname"], "José; \"the, 1st\"");
    assert_eq!(expected.1[0], ("café & you".to_owned(), Some("hi".to_owned())));
    assert_eq!(expected.0[1]["row"], 4);
    assert_eq!(expected.2, [(5, "error cell in Price".to_owned())]);

    assert_eq!(outcome(collected::bytes("a.xlsb", &made::xlsb("S", &table))), expected);

    // Bare numbers are days and parts of days in text too only where the cell is a number: in .csv all is text.
    let as_text = |table: &[Vec<Made>]| {
        let mut table = table.to_vec();
        table[3][4] = Made::from("12:00:00");
        table[3][5] = Made::from("10/21/2026");
        table
    };
    let table = as_text(&table);
    for separator in [',', ';', '\t'] {
        for line_end in ["\n", "\r\n"] {
            let text = csv(&table, separator, line_end);
            let wide = |to_bytes: fn(u16) -> [u8; 2]| {
                "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect::<Vec<u8>>()
            };
            let forms = [
                ("UTF-8", text.as_bytes().to_vec()),
                ("UTF-8 with a mark", format!("\u{feff}{text}").into_bytes()),
                ("UTF-16LE", wide(u16::to_le_bytes)),
                ("UTF-16BE", wide(u16::to_be_bytes)),
                ("Windows-1252", encoding_rs::WINDOWS_1252.encode(&text).0.into_owned()),
            ];
            for (form, bytes) in forms {
                assert_eq!(
                    outcome(collected::bytes("a.csv", &bytes)),
                    expected,
                    "{form} with {separator:?} and {line_end:?}"
                );
            }
        }
    }
}

#[test]
fn a_line_may_say_which_separator_a_csv_has() {
    let text = "sep=|\nChatter Name|Date|Messages Sent\nMila|06/18/2026|7\n";
    let (sheets, collected) = collected::bytes("a.csv", text.as_bytes());
    assert_eq!((sheets[0].name.as_deref(), sheets[0].accepted), (None, 1));
    assert_eq!((&collected.rows[0]["row"], &collected.rows[0]["messages_sent"]), (&3.into(), &7.into()));
}

#[test]
fn blank_lines_of_a_csv_are_rows() {
    let text = "\n\nChatter Name,Date,Messages Sent\n\n\"Mila\nJo\",06/18/2026,7\n\n\nIva,06/18/2026,x";
    for line_end in ["\n", "\r\n", "\r"] {
        for end in ["", line_end] {
            let text = text.replace('\n', line_end) + end;
            let (sheets, collected) = collected::bytes("a.csv", text.as_bytes());
            let rows: Vec<_> = collected.rows.iter().map(|row| row["row"].as_u64()).collect();
            assert_eq!(rows, [Some(5), Some(8)], "as a spreadsheet program numbers them: {text:?}");
            assert_eq!(collected.rows[0]["chatter"], "Mila Jo");
            assert_eq!(sheets[0].warnings.get("unreadable messages sent"), Some(&1));
        }
    }
}

/// LibreOffice wrote these from the agency's workbooks.
#[test]
fn other_programs_formats_give_the_same_rows() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR"));
    let original = data.join("../tests/data/southlight");
    let mut compared = 0;
    for format in ["ods", "xls"] {
        let folder = data.join(format!("tests/data/southlight-{format}"));
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            let name = path.with_extension("xlsx").file_name().expect("a name").to_owned();
            let (expected_sheets, expected) = collected::read(&original.join(&name), "America/New_York");
            let (sheets, read) = collected::read(&path, "America/New_York");
            assert_eq!(sheets, expected_sheets, "{}", path.display());
            assert_eq!(read.rows, expected.rows, "{}", path.display());
            assert_eq!(read.texts, expected.texts, "{}", path.display());
            compared += read.rows.len();
        }
    }
    assert!(compared > 600, "{compared} rows compared");
}

/// Another reader of the same bytes sees the same cells.
#[test]
fn binary_records_are_as_others_read_them() {
    use calamine::{Data, Reader};
    let table = table();
    let bytes = made::xlsb("S", &table);
    let ours = outcome(collected::bytes("a.xlsb", &bytes));
    let mut workbook: calamine::Xlsb<_> =
        calamine::open_workbook_from_rs(std::io::Cursor::new(bytes)).expect("a workbook");
    let range = workbook.worksheet_range("S").expect("a sheet");
    assert_eq!(range.start(), Some((0, 0)));
    let mut theirs: Vec<Vec<Made>> = range
        .rows()
        .map(|row| {
            let cell = |cell: &Data| match cell {
                Data::String(text) => Made::from(text.as_str()),
                Data::Float(number) => Made::Number(*number),
                Data::Int(number) => Made::Number(*number as f64),
                Data::DateTime(day) => Made::Day(day.as_f64()),
                Data::Bool(value) => Made::Bool(*value),
                Data::Error(_) => Made::Error,
                _ => Made::Blank,
            };
            row.iter().map(cell).collect()
        })
        .collect();
    // calamine passes over an error that a formula gave.
    assert!(matches!((&table[4][7], &theirs[4][7]), (Made::Error, Made::Blank | Made::Error)));
    theirs[4][7] = Made::Error;
    let width = table[0].len();
    for (at, row) in table.iter().enumerate() {
        let mut row = row.clone();
        row.resize(width, Made::Blank);
        assert_eq!(format!("{:?}", theirs[at]), format!("{row:?}"), "row {at}");
    }
    assert_eq!(ours, outcome(collected::bytes("a.xlsx", &made::xlsx("S", &made::inline_rows(&theirs), ""))));
}

#[test]
fn the_separator_is_found_where_a_sample_ends_inside_of_a_character() {
    for shift in 0..3 {
        let name = format!("{}{}", "x".repeat(shift), "한".repeat(30));
        let text = format!("Chatter Name;Date;Messages Sent\n{}", format!("{name};06/18/2026;7\n").repeat(1000));
        let (sheets, _) = collected::bytes("a.csv", text.as_bytes());
        assert_eq!(sheets[0].accepted, 1000, "{shift}");
    }
}
