//! Exports of other makes, read by mappings: what is suggested for them, previewed, and read.

use std::sync::Arc;

use fandom_connectors::workbook::ReadOptions;
use fandom_connectors::workbook::mapping::{Preview, Profile, Suggestion, in_order, preview, suggest};
use fandom_schemas::mappings::{Dates, Mapping, Numbers, Take};
use fandom_schemas::rows::Kind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::collected::{Collected, bytes, options, try_bytes};
use super::made::{self, Made};

/// A CRM's chats: no creator, instants in UTC.
const CRM: &str = "chatterName,timestamp,messageType,content,customerId
Iva,2026-10-21T13:52:43Z,text,<p>hello &amp; welcome</p>,u1
Jovan,2026-10-21T23:59:59+02:00,mass message,\"hi, all\",u2
Iva,yesterday,text,never,u1
";

/// A time tracker's days.
const TRACKER: &str = "date,user,project,hours,pay
2026-10-21,Iva,Tania (OF),7.5,90.00
2026-10-22,Iva,Tania (OF),8:12,98.40
2026-10-22,Jovan,Leya (Fansly),-1,12.00
2026-10-22,,Leya (Fansly),4,48.00
";

/// A shop's sales: semicolons, decimal commas, Windows-1252.
fn sales() -> Vec<u8> {
    let text = "Datum;Uhrzeit;Mitarbeiter;Model;Kunde;Brutto;Netto;Art
21.10.2026;13:52;J\u{f6}rg M\u{fc}ller;Zo\u{e9} (OF);u1;1.290,50;1.032,40;Messages
22.10.2026;09:05;Iva;Zo\u{e9} (OF);u2;12,00;9,60;Tips
30.02.2026;09:05;Iva;Zo\u{e9} (OF);u2;12,00;9,60;Tips
23.10.2026;09:05;Iva;Zo\u{e9} (OF);u2;12.00;9,60;Tips
";
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect()
}

fn on_disk<T>(name: &str, content: &[u8], look: impl FnOnce(&std::path::Path) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("the file can be written");
    look(&path)
}

fn suggested(name: &str, content: &[u8]) -> Suggestion {
    let all = on_disk(name, content, |path| suggest(path, name, &options("UTC"))).expect("it can be read");
    assert_eq!(all.len(), 1, "one sheet");
    all.into_iter().next().expect("one sheet")
}

fn previewed(name: &str, content: &[u8], mapping: &Mapping) -> Preview {
    on_disk(name, content, |path| preview(path, name, &options("UTC"), mapping)).expect("it can be read")
}

fn with(mappings: Vec<Mapping>, zone: &str) -> ReadOptions {
    let ready = |mapping| Arc::new(Profile::new(mapping).expect("it can be used"));
    ReadOptions { mappings: in_order(mappings.into_iter().map(ready).collect()), ..options(zone) }
}

fn read(name: &str, content: &[u8], mapping: Mapping) -> Collected {
    try_bytes(name, content, &with(vec![mapping], "UTC")).expect("it can be read").1
}

fn reasons(collected: &Collected) -> Vec<(u32, Option<&str>, &str)> {
    collected.rejects.iter().map(|reject| (reject.row, reject.column.as_deref(), reject.reason.as_str())).collect()
}

#[test]
fn a_crms_chats_become_messages() {
    let Suggestion { mapping, missing, unused, header_row, .. } = suggested("chats.csv", CRM.as_bytes());
    let mut mapping = mapping.expect("a suggestion");
    assert_eq!((mapping.kind, mapping.zone.as_deref(), header_row), (Kind::Message, Some("UTC"), Some(1)));
    assert_eq!((missing, unused), (vec!["creator".to_owned()], Vec::new()));
    let column = |header: &str| Take::Column(header.to_owned());
    for (field, header) in [
        ("sender", "chatterName"),
        ("sent_date", "timestamp"),
        ("sent_time", "timestamp"),
        ("source", "messageType"),
        ("creator_message", "content"),
        ("sent_to", "customerId"),
    ] {
        assert_eq!(mapping.columns.get(field), Some(&column(header)), "{field}");
    }
    mapping.columns.insert("creator".to_owned(), Take::Value { value: "Tania (OF)".to_owned() });

    let seen = previewed("chats.csv", CRM.as_bytes(), &mapping);
    assert_eq!((seen.rows_read, seen.accepted, seen.rejected, seen.complete), (3, 2, 1, true));
    assert_eq!((seen.rejects[0].row, seen.rejects[0].column.as_deref()), (4, Some("timestamp")));
    assert_eq!(seen.rejects[0].cells[1], "yesterday", "the cells are shown as the file has them");

    let collected = read("chats.csv", CRM.as_bytes(), mapping);
    let shown: Vec<Value> = collected
        .rows
        .iter()
        .map(|row| json!([row["chatter"], row["creator"], row["fan"], row["sent_at"], row["source"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!(["Iva", "Tania", "u1", 1_792_590_763, "text"]),
            json!(["Jovan", "Tania", "u2", 1_792_619_999, "mass message"])
        ]
    );
    assert_eq!(collected.texts[0].0, "hello & welcome");
    assert_eq!(reasons(&collected), [(4, Some("timestamp"), "unreadable sent date")]);
}

#[test]
fn a_time_trackers_days_become_worked_hours() {
    let mapping = suggested("tracker.csv", TRACKER.as_bytes()).mapping.expect("a suggestion");
    assert_eq!(mapping.kind, Kind::EmployeePeriod);
    let collected = read("tracker.csv", TRACKER.as_bytes(), mapping);
    let shown: Vec<Value> = collected
        .rows
        .iter()
        .map(|row| {
            json!([
                row["chatter"],
                row["creators"][0]["name"],
                row["first_day"],
                row["figures"]["clocked_minutes"],
                row["extra"]["pay"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["Iva", "Tania", "2026-10-21", 450, "90.00"]),
            json!(["Iva", "Tania", "2026-10-22", 492, "98.40"]),
            json!(["Jovan", "Leya", "2026-10-22", null, "12.00"]),
        ]
    );
    assert_eq!(reasons(&collected), [(5, Some("user"), "missing employee")]);
}

#[test]
fn semicolons_decimal_commas_and_windows_1252() {
    let suggestion = suggested("verkauf.csv", &sales());
    let mapping = suggestion.mapping.expect("a suggestion");
    assert_eq!((mapping.kind, mapping.dates, mapping.numbers), (Kind::Sale, Dates::DayFirst, Numbers::Comma));
    let moment = Take::Columns(vec!["Datum".to_owned(), "Uhrzeit".to_owned()]);
    assert_eq!(mapping.columns.get("date_and_time"), Some(&moment));
    let mapping = Mapping { zone: Some("Europe/Belgrade".to_owned()), ..mapping };
    let collected = read("verkauf.csv", &sales(), mapping);
    let shown: Vec<Value> = collected
        .rows
        .iter()
        .map(|row| {
            json!([
                row["chatter"],
                row["creator"],
                row["fan"],
                row["gross_cents"],
                row["net_cents"],
                row["type"],
                row["sold_at"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["J\u{f6}rg M\u{fc}ller", "Zo\u{e9}", "u1", 129_050, 103_240, "Messages", 1_792_583_520]),
            json!(["Iva", "Zo\u{e9}", "u2", 1200, 960, "Tips", 1_792_652_700]),
        ]
    );
    let expected = [(4, Some("Datum + Uhrzeit"), "no such date"), (5, Some("Brutto"), "unreadable gross revenue")];
    assert_eq!(reasons(&collected), expected);
}

#[test]
fn a_workbook_of_another_make_is_mapped_sheet_by_sheet() {
    let table = [
        ["Weekly notes", "", ""].map(Made::from).to_vec(),
        ["Who", "When", "Sent"].map(Made::from).to_vec(),
        ["Mila", "18.06.2026", "1.007"].map(Made::from).to_vec(),
    ];
    let book = made::xlsx("S", &made::inline_rows(&table), "");
    let mapping: Mapping = serde_json::from_value(json!({
        "name": "t", "kind": "chatter_day", "dates": "day_first", "numbers": "comma",
        "columns": {"chatter": "who", "day": "WHEN ", "messages_sent": "sent"},
    }))
    .expect("a mapping");
    let (sheets, collected) = try_bytes("a.xlsx", &book, &with(vec![mapping.clone()], "UTC")).expect("it can be read");
    assert_eq!((sheets[0].kind, sheets[0].rows_read), (Some(Kind::ChatterDay), 1));
    assert_eq!(sheets[0].warnings.get("read by the mapping `t`"), Some(&1));
    assert_eq!((&collected.rows[0]["day"], &collected.rows[0]["messages_sent"]), (&json!("2026-06-18"), &json!(1007)));
    let other = previewed("b.csv", b"some,notes\nand,more\n", &mapping);
    assert!(other.notice.expect("a notice").contains("`WHEN `"));
}

#[test]
fn a_built_in_kind_comes_before_any_mapping() {
    let content = b"Chatter Name,Date,Messages Sent\nMila,06/18/2026,7\n";
    let mapping: Mapping = serde_json::from_value(json!({
        "name": "t", "kind": "chatter_day", "dates": "day_first",
        "columns": {"chatter": "Chatter Name", "day": "Date", "ppvs_sent": "Messages Sent"},
    }))
    .expect("a mapping");
    let (_, collected) = try_bytes("a.csv", content, &with(vec![mapping], "UTC")).expect("it can be read");
    assert_eq!(collected.rows[0]["messages_sent"], 7);
    assert_eq!(suggested("a.csv", content).recognised, Some(Kind::ChatterDay));
}

#[test]
fn the_mapping_of_the_deepest_folder_with_the_most_columns_wins() {
    let mapping = |name: &str, folder: &str, figures: Value| -> Mapping {
        let mut columns = json!({"chatter": "who", "day": "d"});
        columns.as_object_mut().expect("an object").extend(figures.as_object().expect("an object").clone());
        serde_json::from_value(json!({"name": name, "folder": folder, "kind": "chatter_day", "columns": columns}))
            .expect("a mapping")
    };
    let content = b"who,d,a,b\nMila,2026-06-18,1,2\n";
    let all = mapping("all", "", json!({"messages_sent": "a", "ppvs_sent": "b"}));
    let deep = mapping("deep", "x", json!({"messages_sent": "b"}));
    let absent = mapping("absent", "x/y", json!({"messages_sent": "c"}));
    let first = |mappings| {
        try_bytes("a.csv", content, &with(mappings, "UTC")).expect("it can be read").1.rows[0]["messages_sent"].clone()
    };
    assert_eq!(first(vec![all.clone(), deep.clone(), absent.clone()]), 2, "of the deepest one that fits");
    let fewer = mapping("fewer", "", json!({"messages_sent": "b"}));
    assert_eq!(first(vec![fewer, all, absent]), 1, "of the one that knows most columns");
}

#[test]
fn a_creators_figures_are_named_with_their_basis() {
    let mapping: Mapping = serde_json::from_value(json!({
        "name": "t", "kind": "creator_day", "numbers": "comma",
        "columns": {"day": "day", "creator": "model", "net.tips": "tips after fees", "gross.message": "chat"},
    }))
    .expect("a mapping");
    let collected = read("a.csv", b"day;model;tips after fees;chat;rank\n2026-10-21;Mia;1.000,50;7,00;3%\n", mapping);
    let shown: Vec<Value> =
        collected.rows.iter().map(|row| json!([row["basis"], row["figures"], row["other"]])).collect();
    let other = json!({"rank": "3%"});
    assert_eq!(shown, [json!(["net", {"tips": 100_050}, other]), json!(["gross", {"message": 700}, other])]);
}

#[test]
fn a_creators_figures_are_suggested_with_their_basis() {
    let content = b"day;model;netTips;Gross tips;New subs (gross);Chat revenue;Fans\n\
                    21.10.2026;Mia;1.000,50;1.250,63;70,00;7,00;12\n";
    let Suggestion { mapping, doubts, unused, missing, .. } = suggested("days.csv", content);
    let mapping = mapping.expect("a suggestion");
    let doubts: Vec<&String> = doubts.iter().filter(|doubt| doubt.contains("net or gross")).collect();
    assert_eq!(doubts, ["not said whether net or gross, so net was taken: `Chat revenue`"]);
    assert_eq!((unused, missing), (vec!["Fans".to_owned()], Vec::new()));
    assert_eq!(mapping.kind, Kind::CreatorDay);
    let collected = read("days.csv", content, mapping);
    let shown: Vec<Value> = collected.rows.iter().map(|row| json!([row["basis"], row["figures"]])).collect();
    let gross = json!({"tips": 125_063, "new_subscriptions": 7000});
    assert_eq!(shown, [json!(["net", {"tips": 100_050, "message": 700}]), json!(["gross", gross])]);

    let without = b"day;model;Fans;Ranking\n21.10.2026;Mia;12;3\n";
    assert_eq!(suggested("days.csv", without).mapping.map(|mapping| mapping.kind), None, "no figure is in money");
}

#[test]
fn nothing_is_suggested_for_notes() {
    for content in ["some,notes\nand,more\n", "1,2\n3,4\n", "a\nb\n", "To do,Who\ncall,me\n"] {
        let all = on_disk("notes.csv", content.as_bytes(), |path| suggest(path, "notes.csv", &options("UTC")));
        assert!(all.expect("it can be read").iter().all(|sheet| sheet.mapping.is_none()), "{content}");
    }
    assert_eq!(bytes("notes.csv", b"some,notes\nand,more\n").0[0].kind, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every row of a mapped sheet is accepted or rejected, whatever its cells hold, and each accepted one holds what it says.
    #[test]
    fn no_row_is_lost(cells in proptest::collection::vec(("[A-Za-z ]{0,6}", "[0-9./: -]{0,18}", "[0-9.,-]{0,9}"), 1..20)) {
        let mapping: Mapping = serde_json::from_value(json!({
            "name": "t", "kind": "sale", "dates": "day_first", "numbers": "comma",
            "columns": {"date_and_time": "when", "creator": {"value": "Mia"}, "gross": "sum", "net": "sum", "employee": "who"},
        })).expect("a mapping");
        let mut text = "who;when;sum\n".to_owned();
        for (who, when, sum) in &cells {
            text.push_str(&format!("\"x{who}\";\"{when}\";\"{sum}\"\n"));
        }
        let (sheets, collected) = try_bytes("a.csv", text.as_bytes(), &with(vec![mapping], "UTC")).expect("it can be read");
        prop_assert_eq!(sheets[0].accepted + sheets[0].rejected, cells.len() as u64);
        prop_assert_eq!(collected.rows.len() + collected.rejects.len(), cells.len());
        for row in &collected.rows {
            prop_assert_eq!(&row["gross_cents"], &row["net_cents"]);
        }
    }

    /// Looking for a mapping ends, whatever a file holds.
    #[test]
    fn anything_can_be_looked_at(text in "[a-zA-Z0-9,;:./$\" \n-]{0,300}") {
        let all = on_disk("a.csv", text.as_bytes(), |path| suggest(path, "a.csv", &options("UTC")));
        for suggestion in all.unwrap_or_default() {
            if let Some(mapping) = suggestion.mapping {
                let problems = mapping.problems();
                prop_assert!(problems.iter().all(|problem| suggestion.missing.iter().any(|field| problem.contains(field.as_str()))
                    || problem.starts_with("name")), "{:?}", problems);
            }
        }
    }
}
