//! The sample workbooks, read by the connectors: every row counts.

use std::collections::{BTreeMap, BTreeSet};

use fandom::sample::{SampleArgs, write};
use fandom::up::samples;
use fandom_connectors::workbook::{Limits, NotTaken, ReadOptions, RejectedRow, RowSink, Stop, read};
use fandom_schemas::rows::{Basis, Kind, Row, Text};
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

#[derive(Default)]
struct Everything {
    rows: BTreeMap<Kind, u64>,
    rejects: Vec<RejectedRow>,
    days: BTreeSet<i64>,
    newest_message: i64,
    newest_sale: i64,
    platforms: BTreeSet<String>,
    sales_net_cents: i64,
    total_net_cents: i64,
}

impl RowSink for Everything {
    fn row(&mut self, row: &Row<'_>, text: Option<&Text<'_>>) -> Result<(), NotTaken> {
        *self.rows.entry(row.kind()).or_default() += 1;
        match row {
            Row::Message(message) => {
                let text = text.expect("a message has a text");
                assert_eq!(text.text.chars().count(), message.characters as usize);
                assert!(!text.text.contains("<p") && !text.text.contains("&nbsp;"), "{}", text.text);
                assert!(
                    message.fan.starts_with(['u', 'f']) && !message.fan.contains(['(', ')', ' ']),
                    "{}",
                    message.fan
                );
                self.platforms.insert(message.platform.to_string());
                self.days.insert(message.sent_at.div_euclid(86_400));
                self.newest_message = self.newest_message.max(message.sent_at);
            }
            Row::Sale(sale) => {
                self.newest_sale = self.newest_sale.max(sale.sold_at);
                self.sales_net_cents += if sale.reversed { 0 } else { sale.net_cents };
            }
            Row::CreatorDay(day) if day.first_day != day.last_day && day.basis == Basis::Net => {
                self.total_net_cents += day.figures["total_earnings"].expect("a total");
            }
            _ => {}
        }
        Ok(())
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        self.rejects.push(reject);
        Ok(())
    }
}

#[test]
fn the_connectors_read_every_row_of_the_sample() {
    let out = tempfile::tempdir().expect("a folder for the test");
    let args =
        SampleArgs { start: Some(date(2026, 10, 21)), tz: "Europe/Belgrade".to_owned(), ..SampleArgs::new(out.path()) };
    let summary = write(&args).expect("the sample is written");
    // Every creator says her own platform, so this default must not appear.
    let options = ReadOptions {
        zone: TimeZone::get("Europe/Belgrade").expect("a zone"),
        zone_name: "Europe/Belgrade".to_owned(),
        default_platform: "Elsewhere".to_owned(),
        limits: Limits::default(),
        mappings: Default::default(),
    };
    let mut everything = Everything::default();
    for file in &summary.files {
        let name = file.path.file_name().expect("a name").to_string_lossy();
        let read = read(&file.path, &name, &options, &mut everything).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kinds: BTreeSet<Option<Kind>> = read.sheets.iter().map(|sheet| sheet.kind).collect();
        assert_eq!(kinds, BTreeSet::from([Some(file.kind)]), "{name}");
        let accepted: u64 = read.sheets.iter().map(|sheet| sheet.accepted).sum();
        assert_eq!(accepted, file.rows, "{name}");
    }
    assert_eq!(everything.rejects, []);
    assert_eq!(everything.rows, summary.rows);
    assert_eq!(everything.platforms, BTreeSet::from(["Fansly", "Fanvue", "OF"].map(str::to_owned)));
    assert!((14..=15).contains(&everything.days.len()));
    assert_eq!(everything.total_net_cents, everything.sales_net_cents);
}

#[tokio::test]
async fn samples_of_a_first_start_end_now_in_the_zone_in_which_they_are_read() {
    // One of the two is far from any zone that could be a default.
    for zone in ["Pacific/Kiritimati", "America/New_York"] {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let inbox = dir.path().join("inbox");
        samples::fill(dir.path(), &inbox, true, zone).await.expect("samples are written");
        let options = ReadOptions {
            zone: TimeZone::get(zone).expect("a zone"),
            zone_name: zone.to_owned(),
            default_platform: "OF".to_owned(),
            limits: Limits::default(),
            mappings: Default::default(),
        };
        let mut everything = Everything::default();
        for file in std::fs::read_dir(&inbox).expect("the inbox").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            read(&file.path(), &name, &options, &mut everything).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let now = Timestamp::now().as_second();
        for (newest, hours) in [(everything.newest_message, 4), (everything.newest_sale, 12)] {
            assert!((now - hours * 3600..=now).contains(&newest), "{zone}: {} s ago", now - newest);
        }
    }
}
