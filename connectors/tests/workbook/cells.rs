//! What rows become whose cells are careless, native, missing or wrong.

use serde_json::{Value, json};

use super::collected::{self, Collected};
use super::made::{self, Made};

/// A sheet of texts.
fn texts(rows: &[&[&str]]) -> Vec<Vec<Made>> {
    let cell = |text: &&str| if text.is_empty() { Made::Blank } else { Made::from(*text) };
    rows.iter().map(|row| row.iter().map(cell).collect()).collect()
}

fn read(sheet: &str, table: &[Vec<Made>]) -> (fandom_schemas::manifest::Sheet, Collected) {
    let (mut sheets, collected) = collected::bytes("a.xlsx", &made::xlsx(sheet, &made::inline_rows(table), ""));
    (sheets.remove(0), collected)
}

fn reasons(collected: &Collected) -> Vec<(u32, &str, Option<&str>)> {
    collected.rejects.iter().map(|reject| (reject.row, reject.reason.as_str(), reject.column.as_deref())).collect()
}

const MESSAGE: [&str; 12] = [
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

/// A message, some of its cells changed.
fn message(changes: &[(&str, Made)]) -> Vec<Made> {
    let mut row = [
        "Mila",
        "Tania (OF)",
        "hi",
        "<p>so</p>",
        "13:52:43",
        "2026-10-21",
        "0m 39s",
        "$5.00",
        "yes",
        "Chat",
        "Read",
        "Nick (u1)",
    ]
    .map(Made::from);
    for (header, value) in changes {
        let place = MESSAGE.iter().position(|name| name == header).expect("a header");
        row[place] = value.clone();
    }
    row.to_vec()
}

fn messages(rows: &[Vec<Made>]) -> (fandom_schemas::manifest::Sheet, Collected) {
    let mut table = vec![MESSAGE.map(Made::from).to_vec()];
    table.extend_from_slice(rows);
    read("Message Dashboard", &table)
}

#[test]
fn a_message_is_read_whole() {
    let (_, collected) = messages(&[message(&[])]);
    assert_eq!(
        collected.rows[0],
        json!({"kind": "message", "sheet": 0, "row": 2, "creator": "Tania", "platform": "OF", "chatter": "Mila", "fan": "u1",
               "nickname": "Nick", "sent_at": 1_792_590_763, "price_cents": 500, "purchased": true, "source": "Chat", "status": "Read",
               "reply_seconds": 39, "fan_replied": true, "characters": 2,
               "text_hash": format!("{:032x}", xxhash_rust::xxh3::xxh3_128(b"so"))})
    );
    assert_eq!(collected.texts, [("so".to_owned(), Some("hi".to_owned()))]);
}

#[test]
fn what_is_not_available_is_missing_never_zero() {
    let optional =
        ["Sender", "Fans Message", "Creator Message", "Replay time", "Price", "Purchased", "Source", "Status"];
    for blank in [Made::Blank, Made::from("-"), Made::from("  ")] {
        let changes: Vec<_> = optional.iter().map(|header| (*header, blank.clone())).collect();
        let (sheet, collected) = messages(&[message(&changes)]);
        assert_eq!((sheet.accepted, sheet.warnings.len()), (1, 0));
        let row = &collected.rows[0];
        assert_eq!((&row["chatter"], &row["reply_seconds"]), (&Value::Null, &Value::Null));
        assert_eq!(
            (&row["price_cents"], &row["purchased"], &row["fan_replied"]),
            (&json!(0), &json!(false), &json!(false))
        );
        assert_eq!((&row["source"], &row["characters"]), (&json!(""), &json!(0)));
    }
    let (_, collected) =
        messages(&[message(&[("Replay time", Made::from("0m 0s")), ("Fans Message", Made::from("<p> </p>"))])]);
    assert_eq!((&collected.rows[0]["reply_seconds"], &collected.rows[0]["fan_replied"]), (&json!(0), &json!(false)));
}

#[test]
fn a_row_without_a_needed_cell_is_rejected_with_the_reason() {
    let text = Made::from;
    let cases: [(&str, Made, &str); 18] = [
        ("Creator", Made::Blank, "missing creator"),
        ("Creator", text("-"), "missing creator"),
        ("Creator", text("(OF)"), "unreadable creator"),
        ("Creator", Made::Error, "error cell in Creator"),
        ("Sent date", Made::Blank, "missing sent date"),
        ("Sent date", text("Feb 30, 2026"), "no such date"),
        ("Sent date", text("Oct 21, 20225"), "unreadable sent date"),
        ("Sent date", Made::Number(6_700_000.0), "unreadable sent date"),
        ("Sent date", text("soon"), "unreadable sent date"),
        ("Sent time", Made::Blank, "missing sent time"),
        ("Sent time", text("25:00:00"), "unreadable sent time"),
        ("Sent time", Made::Error, "error cell in Sent time"),
        ("Sent to", Made::Blank, "missing fan"),
        ("Sent to", text("Nick ()"), "unreadable fan"),
        ("Price", text("abc"), "unreadable price"),
        ("Price", text("1234567890123456789012345678901234567890"), "unreadable price"),
        ("Price", text("-$5.00"), "negative price"),
        ("Price", Made::Error, "error cell in Price"),
    ];
    let rows: Vec<_> = cases.iter().map(|(header, value, _)| message(&[(header, value.clone())])).collect();
    let (sheet, collected) = messages(&rows);
    let expected: Vec<_> = (2..).zip(&cases).map(|(row, (header, _, reason))| (row, *reason, Some(*header))).collect();
    assert_eq!(reasons(&collected), expected);
    assert_eq!((sheet.rows_read, sheet.accepted, sheet.rejected), (18, 0, 18));
    assert_eq!(collected.rejects[0].cells[0], "Mila");
}

#[test]
fn other_cells_that_cannot_be_read_are_missing_with_a_warning() {
    let (sheet, collected) = messages(&[
        message(&[("Replay time", Made::from("soon")), ("Purchased", Made::from("maybe"))]),
        message(&[("Replay time", Made::Error), ("Sender", Made::Error)]),
        message(&[("Replay time", Made::from("soon"))]),
    ]);
    assert_eq!(sheet.accepted, 3);
    let warnings: Vec<_> = sheet.warnings.iter().map(|(warning, count)| (warning.as_str(), *count)).collect();
    assert_eq!(
        warnings,
        [
            ("error cell in Replay time", 1),
            ("error cell in Sender", 1),
            ("unreadable purchased", 1),
            ("unreadable reply time", 2)
        ]
    );
    assert_eq!((&collected.rows[0]["reply_seconds"], &collected.rows[1]["chatter"]), (&Value::Null, &Value::Null));
}

#[test]
fn blank_rows_are_no_rows() {
    let (sheet, collected) = messages(&[vec![], message(&[]), vec![Made::Blank, Made::from("  ")], message(&[])]);
    assert_eq!(sheet.rows_read, 2);
    assert_eq!((&collected.rows[0]["row"], &collected.rows[1]["row"]), (&json!(3), &json!(5)));
}

#[test]
fn native_cells_mean_the_same_as_text() {
    use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, header) in (0..).zip(MESSAGE) {
        sheet.write(2, column, header).expect("a cell");
    }
    let date = ExcelDateTime::from_ymd(2026, 10, 21).expect("a date");
    let time = ExcelDateTime::from_hms(13, 52, 43).expect("a time");
    let both = ExcelDateTime::from_ymd(2026, 10, 21).and_then(|date| date.and_hms(13, 52, 43)).expect("both");
    let (day, clock) = (Format::new().set_num_format("mmm d, yyyy"), Format::new().set_num_format("hh:mm:ss"));
    for row in 3..6 {
        sheet.write(row, 1, "Tania").expect("a cell");
        sheet.write(row, 11, 177_154_572).expect("a cell");
        sheet.write(row, 8, true).expect("a cell");
    }
    sheet.write_with_format(3, 5, &date, &day).expect("a cell");
    sheet.write_with_format(3, 4, &time, &clock).expect("a cell");
    sheet.write(3, 7, Formula::new("=10/4").set_result("2.5")).expect("a cell");
    sheet.write_with_format(4, 5, &both, &day).expect("a cell");
    sheet.write_with_format(4, 4, &both, &clock).expect("a cell");
    sheet.write(4, 7, 1290.0).expect("a cell");
    sheet.write_with_format(5, 5, &date, &day).expect("a cell");
    sheet.write_with_format(5, 4, &time, &clock).expect("a cell");
    sheet.write_with_format(5, 7, &date, &day).expect("a cell");
    let bytes = workbook.save_to_buffer().expect("a workbook");
    let (sheets, collected) = collected::bytes("a.xlsx", &bytes);
    assert_eq!(sheets[0].accepted, 2);
    for (row, price) in collected.rows.iter().zip([250, 129_000]) {
        assert_eq!(
            (&row["sent_at"], &row["price_cents"], &row["fan"]),
            (&json!(1_792_590_763), &json!(price), &json!("177154572"))
        );
    }
    assert_eq!(reasons(&collected), [(6, "unreadable price", Some("Price"))], "a date is no price");
}

#[test]
fn local_times_are_in_the_headers_zone_and_doubts_are_counted() {
    let table = texts(&[
        &["Date & time Europe/Belgrade", "Creator", "Gross revenue", "Net revenue", "Status", "Employee"],
        &["2026-10-25 02:30:00", "Tania", "$10", "8", "Completed", "-"],
        &["2026-03-29 02:30:00", "Tania", "10", "(8.00)", "reverse", "Mila"],
        &["2026-10-25 12:00:00", "Tania", "10", "8", "", ""],
    ]);
    let (sheet, collected) = read("Sales record", &table);
    assert_eq!((sheet.accepted, sheet.doubtful_times), (3, 2));
    let at: Vec<_> = collected.rows.iter().map(|row| row["sold_at"].as_i64()).collect();
    assert_eq!(at, [Some(1_792_888_200), Some(1_774_747_800), Some(1_792_926_000)]);
    assert_eq!((&collected.rows[1]["reversed"], &collected.rows[1]["net_cents"]), (&json!(true), &json!(-800)));
    assert_eq!(
        (&collected.rows[0]["chatter"], &collected.rows[0]["fan"], &collected.rows[2]["reversed"]),
        (&Value::Null, &Value::Null, &json!(false))
    );
}

#[test]
fn an_unknown_zone_rejects_the_sheet_rather_than_shifting_it() {
    let table = texts(&[
        &["Date & time Europe/Atlantis", "Creator", "Gross revenue", "Net revenue"],
        &["2026-10-25 02:30:00", "Tania", "10", "8"],
    ]);
    let (sheet, collected) = read("Sales record", &table);
    assert_eq!((sheet.rows_read, sheet.accepted, sheet.rejected), (1, 0, 1));
    assert_eq!(
        reasons(&collected),
        [(2, "unknown time zone `Europe/Atlantis` in the header", Some("Date & time Europe/Atlantis"))]
    );
}

#[test]
fn a_sale_needs_instant_creator_and_revenues() {
    let table = texts(&[
        &["Date & time UTC", "Creator", "Gross revenue", "Net revenue"],
        &["", "Tania", "10", "8"],
        &["2026-10-25", "Tania", "10", "8"],
        &["2026-10-25 10:00:00", "", "10", "8"],
        &["2026-10-25 10:00:00", "Tania", "-", "8"],
        &["2026-10-25 10:00:00", "Tania", "10", "8.001"],
    ]);
    let (_, collected) = read("Sales record", &table);
    let reasons: Vec<_> = reasons(&collected).into_iter().map(|(_, reason, _)| reason).collect();
    assert_eq!(
        reasons,
        [
            "missing date and time",
            "unreadable date and time",
            "missing creator",
            "missing gross revenue",
            "unreadable net revenue"
        ]
    );
}

#[test]
fn employee_rows_are_cut_as_the_sheet_says_or_as_they_are() {
    let table = texts(&[
        &["Date/Time UTC", "Employees", "Creators", "Clocked hours", "Golden ratio", "Sales per hour", "Reply time"],
        &["2026-05-19 00:00:00 - 2026-05-19 23:59:59", "Mila", "Tania (OF)", "8h 12min", "5.78%", "12.345", "1m 5s"],
        &["2026-05-19 00:00:00 - 2026-05-19 23:59:59", "Mila", "Tania (OF), Leya (FS)", "0min", "-", "-", "-"],
        &["2026-05-19 - 2026-05-25", "Mila", "Mia (the 2nd)", "8.2", "", "", ""],
        &["2026-05-19", "", "Tania", "", "", "", ""],
        &["2026-05-19", "Mila", " , ", "", "", "", ""],
        &["2026-05-19 - 2026-05-18", "Mila", "Tania", "", "", "", ""],
    ]);
    let (_, collected) = read("Export", &table);
    let cuts: Vec<_> = collected.rows.iter().map(|row| row["granularity"].as_str()).collect();
    assert_eq!(cuts, [Some("detailed_breakdown"), Some("by_time_and_employee"), Some("by_employee")]);
    let figures = &collected.rows[0]["figures"];
    assert_eq!((&figures["clocked_minutes"], &figures["golden_ratio"]), (&json!(492), &json!(0.0578)));
    assert_eq!((&figures["sales_per_hour_cents"], &figures["response_seconds_scheduled"]), (&json!(1235), &json!(65)));
    assert_eq!(collected.rows[1]["figures"]["clocked_minutes"], json!(0));
    assert_eq!(
        collected.rows[1]["creators"],
        json!([{"name": "Tania", "platform": "OF"}, {"name": "Leya", "platform": "Fansly"}])
    );
    assert_eq!(
        (&collected.rows[2]["first_day"], &collected.rows[2]["last_day"]),
        (&json!("2026-05-19"), &json!("2026-05-25"))
    );
    assert_eq!(
        (&collected.rows[0]["start_at"], &collected.rows[0]["end_at"]),
        (&json!(1_779_148_800), &json!(1_779_235_199))
    );
    assert_eq!(
        reasons(&collected),
        [
            (5, "missing employee", Some("Employees")),
            (6, "missing creators", Some("Creators")),
            (7, "unreadable period", Some("Date/Time UTC"))
        ]
    );
    let (_, collected) = read(" BY  employee ", &table);
    assert!(collected.rows.iter().all(|row| row["granularity"] == "by_employee"));
}

#[test]
fn net_and_gross_are_never_mixed() {
    let table = texts(&[
        &[
            "Date/Time Europe/Riga",
            "Creator",
            "Tips Net",
            "Tips Gross",
            "Streams Net",
            "Avg spend per spender Net",
            "OF ranking",
            "Following",
        ],
        &["2026-05-19", "Tania", "$8.00", "10", "-", "1.005", "1.3%", "-"],
    ]);
    let (sheet, collected) = read("Creator Statistics Detail", &table);
    assert_eq!(sheet.accepted, 1, "one row of the sheet");
    let read: Vec<_> = collected.rows.iter().map(|row| (row["basis"].as_str(), row["figures"].clone())).collect();
    assert_eq!(
        read,
        [
            (Some("net"), json!({"tips": 800, "streams": null, "avg_spend_per_spender": 101})),
            (Some("gross"), json!({"tips": 1000}))
        ]
    );
    assert_eq!(collected.rows[0]["other"], json!({"OF ranking": "1.3%"}));
}

#[test]
fn a_header_row_is_looked_for_in_the_first_twenty_rows() {
    for (above, found) in [(19, true), (20, false)] {
        let mut table = vec![vec![Made::from("a title")]; above];
        table.extend(texts(&[&["Chatter Name", "Date", "Messages Sent"], &["Mila", "06/18/2026", "7"]]));
        let (sheet, collected) = read("S", &table);
        assert_eq!((sheet.kind.is_some(), collected.rows.len()), (found, usize::from(found)));
    }
}

#[test]
fn a_sheet_that_is_nearly_one_says_what_it_lacks() {
    let table = texts(&[
        &["Sender", "Creator", "Sent time", "Sent date", "Price"],
        &["Mila", "Tania", "13:00:00", "2026-05-19", "5"],
    ]);
    let (sheet, _) = read("S", &table);
    assert_eq!((sheet.kind, sheet.rows_read), (None, 0));
    assert!(
        sheet.warnings.contains_key("looks like a sheet of kind message but has no column `Sent to`"),
        "{:?}",
        sheet.warnings
    );
}

#[test]
fn the_template_may_have_other_units() {
    let table = texts(&[
        &["Chatter Name", "Date (DD/MM/YYYY)", "Messages Sent", "Avg Response Time (seconds)"],
        &["Mila", "07/06/2026", "7", "90"],
        &["", "07/06/2026", "7", "-"],
    ]);
    let (_, collected) = read("S", &table);
    assert_eq!(
        (&collected.rows[0]["day"], &collected.rows[0]["avg_response_minutes"]),
        (&json!("2026-06-07"), &json!(1.5))
    );
    assert_eq!(
        (&collected.rows[1]["chatter"], &collected.rows[1]["avg_response_minutes"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_creator_without_platform_is_on_the_default_one() {
    let options =
        fandom_connectors::workbook::ReadOptions { default_platform: "fv".to_owned(), ..collected::options("UTC") };
    let table = texts(&[
        &["Date & time", "Creator", "Gross revenue", "Net revenue"],
        &["2026-10-25 10:00:00", "Tania", "10", "8"],
    ]);
    let bytes = made::xlsx("S", &made::inline_rows(&table), "");
    let (_, collected) = collected::try_bytes("a.xlsx", &bytes, &options).expect("a workbook");
    assert_eq!(collected.rows[0]["platform"], json!("Fanvue"));
}
