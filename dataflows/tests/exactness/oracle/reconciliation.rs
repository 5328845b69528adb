//! What a platform reported beside what the rows say (METRICS.md §4): `reconciliation_rows`.

use std::collections::BTreeSet;

use fandom_dataflows::sink::row::Datum;
use fandom_schemas::identity::{self, Id};
use serde_json::json;

use super::Line;
use super::winners::{Winners, chatter, creator_of_message, creator_of_sale, creators, fan_of_message, is_mass};

/// The lines of `reconciliation_rows`: one for each winning row of a period, in the file that holds it.
pub fn rows(rows: &Winners<'_>, mass_sources: &[&str]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (row, manifest) in &rows.periods {
        let (by, of) = (chatter(row.chatter.as_deref()), creators(row));
        let within = |who: Id, creator: Id, at: i64| {
            who == by && of.contains(&creator) && row.start_at <= at && at <= row.end_at
        };
        let messages = rows.messages.iter().filter(|message| {
            let who = chatter(message.chatter.as_deref());
            within(who, creator_of_message(message), message.sent_at) && !is_mass(message, mass_sources)
        });
        let messages: Vec<_> = messages.collect();
        let ppvs: Vec<_> = messages.iter().filter(|message| message.price_cents > 0).collect();
        let unlocked: Vec<_> = ppvs.iter().filter(|message| message.purchased).collect();
        let fans: BTreeSet<Id> = messages.iter().map(|message| fan_of_message(message)).collect();
        let sold = rows.sales.iter().filter(|sale| {
            !sale.reversed && within(chatter(sale.chatter.as_deref()), creator_of_sale(sale), sale.sold_at)
        });
        let sheet = manifest.sheets.iter().find(|sheet| sheet.position == row.sheet).expect("a row has a sheet");
        let ids: Vec<i64> = of.iter().map(|id| *id as i64).collect();
        let line = Line::default()
            .id("file_id", identity::file_id(&manifest.file))
            .with("position", i64::from(row.sheet))
            .with("row_number", i64::from(row.row))
            .text("file", &manifest.name)
            .with("sheet", sheet.name.as_deref().map_or(Datum::Null, Datum::text))
            .id("chatter_id", by)
            .with("creator_ids", json!(ids))
            .day("first_day", row.first_day)
            .day("last_day", row.last_day)
            .text("period_start", &row.start)
            .text("period_end", &row.end)
            .with("reported_messages_sent", row.figures.messages_sent)
            .with("reported_ppvs_sent", row.figures.ppvs_sent)
            .with("reported_ppvs_unlocked", row.figures.ppvs_unlocked)
            .with("reported_fans_chatted", row.figures.fans_chatted)
            .with("reported_ppv_sales_cents", row.figures.ppv_sales_cents)
            .with("reported_sales_net_cents", row.figures.sales_cents)
            .with("messages_sent", messages.len() as i64)
            .with("ppvs_sent", ppvs.len() as i64)
            .with("ppvs_unlocked", unlocked.len() as i64)
            .with("fans_chatted", fans.len() as i64)
            .with("ppv_sales_cents", unlocked.iter().map(|message| message.price_cents).sum::<i64>())
            .with("sales_net_cents", sold.map(|sale| sale.net_cents).sum::<i64>());
        lines.push(line);
    }
    lines
}
