//! Two invented agencies' exports, read and compared with the truth that their generator wrote beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::collected::{self, Collected};

fn agency(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

struct Truth {
    folder: PathBuf,
    expected: Value,
    zone: String,
}

impl Truth {
    fn of(name: &str) -> Truth {
        let folder = agency(name);
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("the truth is there");
        let expected: Value = serde_json::from_str(&text).expect("the truth is JSON");
        let zone = expected["settings"]["source_tz"].as_str().expect("a zone").to_owned();
        Truth { folder, expected, zone }
    }

    fn read(&self, file: &str) -> (Vec<fandom_schemas::manifest::Sheet>, Collected) {
        collected::read(&self.folder.join(file), &self.zone)
    }

    fn list(&self, key: &str) -> &[Value] {
        self.expected[key].as_array().expect("a list")
    }

    fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self.list("files").iter().map(|file| text(file, "file")).collect();
        files.dedup();
        files
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

fn number(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_else(|| panic!("no number `{key}` in {value}"))
}

const AGENCIES: [&str; 2] = ["northlight", "southlight"];

#[test]
fn every_sheet_has_its_kind_and_counts() {
    for truth in AGENCIES.map(Truth::of) {
        for file in truth.files() {
            let (sheets, collected) = truth.read(file);
            let read: Vec<Value> = sheets
                .iter()
                .map(|sheet| {
                    let rejects: Vec<Value> =
                        sheet.rejects.iter().map(|r| json!({"row": r.row, "reason": r.reason})).collect();
                    json!({"sheet": sheet.name, "kind": sheet.kind, "recognised": sheet.kind.is_some(), "rows_read": sheet.rows_read,
                           "accepted": sheet.accepted, "rejected": rejects, "doubtful_times": sheet.doubtful_times})
                })
                .collect();
            let keys = ["sheet", "kind", "recognised", "rows_read", "accepted", "rejected", "doubtful_times"];
            let expected: Vec<Value> = truth
                .list("files")
                .iter()
                .filter(|entry| text(entry, "file") == file)
                .map(|entry| {
                    keys.iter()
                        .map(|key| ((*key).to_owned(), entry[key].clone()))
                        .collect::<serde_json::Map<_, _>>()
                        .into()
                })
                .collect();
            assert_eq!(json!(read), json!(expected), "{file}");
            let accepted: u64 = sheets.iter().map(|sheet| sheet.accepted).sum();
            assert_eq!(collected.rows.len() as u64, accepted, "{file}: each accepted row is handed over once");
            assert_eq!(
                collected.rejects.len() as u64,
                sheets.iter().map(|sheet| sheet.rejected).sum::<u64>(),
                "{file}"
            );
            for sheet in &sheets {
                assert!(sheet.warnings.is_empty(), "{file}: {:?}", sheet.warnings);
            }
        }
    }
}

/// The additive measures of the direct messages of one export, by chatter and day, added up from its rows.
#[test]
fn the_messages_add_up_to_the_truth() {
    for truth in AGENCIES.map(Truth::of) {
        let stage = &truth.expected["stages"]["a"];
        let file = stage["files"][0].as_str().expect("one file");
        let (_, collected) = truth.read(file);
        let zone = jiff::tz::TimeZone::get(&truth.zone).expect("a zone");
        let mut groups: BTreeMap<(String, Option<String>, String), [i64; 8]> = BTreeMap::new();
        for row in &collected.rows {
            let creator = format!("{} ({})", text(row, "creator"), text(row, "platform"));
            let sent = jiff::Timestamp::from_second(number(row, "sent_at")).expect("an instant").to_zoned(zone.clone());
            let key = (creator, row["chatter"].as_str().map(str::to_owned), sent.date().to_string());
            let sums = groups.entry(key).or_default();
            let source = text(row, "source").to_lowercase();
            if ["mass", "welcome", "automat"].iter().any(|word| source.contains(word)) {
                sums[7] += 1;
                continue;
            }
            let price = number(row, "price_cents");
            let unlocked = price > 0 && row["purchased"] == json!(true);
            sums[0] += 1;
            sums[1] += i64::from(price > 0);
            sums[2] += i64::from(unlocked);
            sums[3] += if unlocked { price } else { 0 };
            sums[4] += number(row, "characters");
            sums[5] += i64::from(!row["reply_seconds"].is_null());
            sums[6] += row["reply_seconds"].as_i64().unwrap_or(0);
        }
        let keys = [
            "messages_sent",
            "ppvs_sent",
            "ppvs_unlocked",
            "ppv_sales_cents",
            "characters",
            "replies",
            "reply_seconds_sum",
            "mass_messages",
        ];
        let expected: BTreeMap<_, _> = stage["chatter_day"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|day| {
                let key = (
                    text(day, "creator").to_owned(),
                    day["chatter"].as_str().map(str::to_owned),
                    text(day, "day").to_owned(),
                );
                (key, keys.map(|name| number(day, name)))
            })
            .collect();
        assert_eq!(groups, expected, "{file}");
    }
}

#[test]
fn employee_reports_say_what_was_reported() {
    for truth in AGENCIES.map(Truth::of) {
        let file = text(&truth.list("reconciliation")[0], "file");
        let (sheets, collected) = truth.read(file);
        let names = ["messages_sent", "ppvs_sent", "ppvs_unlocked", "fans_chatted", "ppv_sales_cents"];
        let mut read: Vec<Value> = Vec::new();
        let mut hours: Vec<Value> = Vec::new();
        for row in &collected.rows {
            let creators: Vec<String> = row["creators"]
                .as_array()
                .expect("creators")
                .iter()
                .map(|creator| format!("{} ({})", text(creator, "name"), text(creator, "platform")))
                .collect();
            let figures = &row["figures"];
            let mut reported: serde_json::Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), figures[name].clone())).collect();
            reported.insert("sales_net_cents".to_owned(), figures["sales_cents"].clone());
            let position = usize::try_from(number(row, "sheet")).expect("a position");
            read.push(json!({"sheet": sheets[position].name, "row": row["row"], "employee": row["chatter"], "creators": creators,
                             "start": row["start"], "end": row["end"], "reported": reported}));
            if row["granularity"] == "detailed_breakdown" {
                assert_eq!(row["first_day"], row["last_day"]);
                hours.push(json!({"chatter": row["chatter"], "creator": creators[0], "day": row["first_day"],
                                  "clocked_minutes": figures["clocked_minutes"], "scheduled_minutes": figures["scheduled_minutes"]}));
            }
        }
        let mut expected = truth.list("reconciliation").to_vec();
        for record in &mut expected {
            for gone in ["file", "computed", "difference"] {
                record.as_object_mut().expect("a record").remove(gone);
            }
        }
        assert_eq!(json!(read), json!(expected));
        let mut expected = truth.list("hours_day").to_vec();
        for record in &mut expected {
            record
                .as_object_mut()
                .expect("a record")
                .retain(|key, _| !key.contains("_per_hour") && key != "sales_per_hour_cents");
        }
        hours.sort_by_key(|day| ["chatter", "creator", "day"].map(|key| text(day, key).to_owned()));
        assert_eq!(json!(hours), json!(expected));
    }
}

#[test]
fn creator_reports_say_what_was_reported() {
    for truth in AGENCIES.map(Truth::of) {
        let mut read: BTreeMap<(String, String), serde_json::Map<String, Value>> = BTreeMap::new();
        for (file, basis) in [("Creator report net.xlsx", "net"), ("Creator report gross.xlsx", "gross")] {
            for row in truth.read(file).1.rows.iter().filter(|row| row["first_day"] == row["last_day"]) {
                assert_eq!(text(row, "basis"), basis);
                let creator = format!("{} ({})", text(&row["creator"], "name"), text(&row["creator"], "platform"));
                let key = (creator, text(row, "first_day").to_owned());
                read.entry(key).or_default().insert(basis.to_owned(), row["figures"].clone());
            }
        }
        let expected: BTreeMap<_, _> = truth
            .list("creator_day")
            .iter()
            .map(|day| {
                let key = (text(day, "creator").to_owned(), text(day, "day").to_owned());
                (key, day["reported"].as_object().expect("figures").clone())
            })
            .collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn sales_add_up_to_the_truth() {
    for truth in AGENCIES.map(Truth::of) {
        let (_, collected) = truth.read("Northlight sales record.xlsx");
        let zone = jiff::tz::TimeZone::get(&truth.zone).expect("a zone");
        let mut sums: BTreeMap<[String; 4], [i64; 5]> = BTreeMap::new();
        for row in &collected.rows {
            let creator = format!("{} ({})", text(row, "creator"), text(row, "platform"));
            let sold = jiff::Timestamp::from_second(number(row, "sold_at")).expect("an instant").to_zoned(zone.clone());
            let chatter = row["chatter"].as_str().unwrap_or("").to_owned();
            let sum =
                sums.entry([creator, chatter, sold.date().to_string(), text(row, "type").to_owned()]).or_default();
            if row["reversed"] == json!(true) {
                sum[3] += number(row, "net_cents");
                sum[4] += 1;
            } else {
                sum[0] += number(row, "gross_cents");
                sum[1] += number(row, "net_cents");
                sum[2] += 1;
            }
        }
        let expected: BTreeMap<_, _> = truth
            .list("sales_day")
            .iter()
            .map(|day| {
                let chatter = day["chatter"].as_str().unwrap_or("").to_owned();
                let key = [
                    text(day, "creator").to_owned(),
                    chatter,
                    text(day, "day").to_owned(),
                    text(day, "type").to_owned(),
                ];
                let keys = ["gross_cents", "net_cents", "count", "reversed_net_cents", "reversed_count"];
                (key, keys.map(|name| number(day, name)))
            })
            .collect();
        assert_eq!(sums, expected);
    }
}

#[test]
fn the_template_is_read_from_both_of_its_forms() {
    for truth in AGENCIES.map(Truth::of) {
        let mut days: BTreeMap<(String, String), Value> = BTreeMap::new();
        // The later one wins; the .xlsx counts its days from 1904.
        for file in ["Chatter template.xlsx", "Chatter template.csv"] {
            for mut row in truth.read(file).1.rows {
                let fields = row.as_object_mut().expect("a row");
                for gone in ["kind", "sheet", "row"] {
                    fields.remove(gone);
                }
                days.insert((text(&row, "chatter").to_owned(), text(&row, "day").to_owned()), row);
            }
        }
        assert_eq!(json!(days.values().collect::<Vec<_>>()), json!(truth.list("template_day")));
    }
}

#[test]
fn rejected_rows_are_handed_over_with_their_cells() {
    let truth = Truth::of("northlight");
    let (_, collected) = truth.read("odd.xlsx");
    let reject = &collected.rejects[4];
    assert_eq!(reject.reason, "error cell in Sent time");
    assert_eq!(
        (reject.sheet.as_deref(), reject.row, reject.column.as_deref()),
        (Some("Sheet1"), 36, Some("sent TIME"))
    );
    assert!(
        reject.cells.contains(&"#SPILL!".to_owned()) && reject.cells.iter().any(|cell| cell.starts_with("<p>broken"))
    );
    assert!(collected.rows.iter().any(|row| row["extra"]["Mood of the day"] == "sunny"));
}
