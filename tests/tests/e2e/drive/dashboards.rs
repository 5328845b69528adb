//! Message dashboards as .csv, and the figures that follow from those that count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;

use super::stage::{PATIENCE, Stage};

/// A file: messages of one chatter, each told by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dashboard {
    pub chatter: String,
    pub messages: Range<u32>,
}

impl Dashboard {
    pub fn of(chatter: impl Into<String>, messages: Range<u32>) -> Dashboard {
        Dashboard { chatter: chatter.into(), messages }
    }

    /// The same as a workbook.
    pub fn xlsx(&self) -> Vec<u8> {
        let mut workbook = rust_xlsxwriter::Workbook::new();
        let sheet = workbook.add_worksheet();
        let csv = String::from_utf8(self.csv()).expect("a dashboard is text");
        for (row, line) in (0..).zip(csv.lines()) {
            for (column, cell) in (0..).zip(line.split(',')) {
                sheet.write(row, column, cell).expect("a cell");
            }
        }
        workbook.save_to_buffer().expect("a workbook")
    }

    /// The file's content.
    pub fn csv(&self) -> Vec<u8> {
        let mut csv =
            String::from("Sender,Creator,Creator Message,Sent time,Sent date,Price,Purchased,Source,Sent to\n");
        for n in self.messages.clone() {
            let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
            let bought = if n % 3 == 0 { "yes" } else { "no" };
            writeln!(
                csv,
                "{},Tania (OF),text {n},{hour:02}:{minute:02}:{second:02},2026-10-21,$5.00,{bought},Chat,Fan (u{})",
                self.chatter,
                n % 50
            )
            .expect("a string can be written to");
        }
        csv.into_bytes()
    }
}

/// By chatter: messages sent, and cents of unlocked ones.
type Figures = BTreeMap<String, (i64, i64)>;

/// The figures of the files that count, the slow and obvious way: each message once, however many files hold it.
pub fn figures<'a>(live: impl IntoIterator<Item = &'a Dashboard>) -> Figures {
    let messages: BTreeSet<(&String, u32)> =
        live.into_iter().flat_map(|file| file.messages.clone().map(move |n| (&file.chatter, n))).collect();
    let mut figures = Figures::new();
    for (chatter, n) in messages {
        let (count, cents) = figures.entry(chatter.clone()).or_default();
        *count += 1;
        *cents += if n % 3 == 0 { 500 } else { 0 };
    }
    figures
}

/// Waits until the tables hold these figures, and no file more or less than those that count.
pub async fn settle(stage: &Stage, what: &str, live: &BTreeMap<String, Dashboard>) {
    let expected = &figures(live.values());
    let files = live.len();
    stage
        .suite
        .eventually(what, PATIENCE, |client| async move {
            let sql = "select chatter, messages_sent::int8, ppv_sales_cents::int8 from views.chatter_all";
            let rows = client.query(sql, &[]).await?;
            let found: Figures = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
            let mut wrong = Vec::new();
            for chatter in expected.keys().chain(found.keys()) {
                let (right, there) = (expected.get(chatter), found.get(chatter));
                if right != there {
                    wrong.push(format!("{chatter}: {there:?} in place of {right:?}"));
                }
            }
            let sql = "select count(*) from app.uploads where state = 'live'";
            let live: i64 = client.query_one(sql, &[]).await?.get(0);
            if usize::try_from(live) != Ok(files) {
                wrong.push(format!("{live} files in place of {files}"));
            }
            Ok(wrong)
        })
        .await;
}
