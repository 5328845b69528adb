//! Sales, and measures of a creator (METRICS.md §4 and §6): `sales_day`, `creator_day`.

use std::collections::{BTreeMap, BTreeSet};

use fandom_schemas::identity::{Id, UNATTRIBUTED};
use fandom_schemas::rows::{CreatorDay, Message, Sale};
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::time::Zone;
use super::winners::{Winners, chatter, creator_of_message, creator_of_sale, fan_of_message, is_mass};
use super::{Line, creator_id};

/// The lines of `sales_day`.
pub fn sales_day(rows: &Winners<'_>, zone: &Zone) -> Vec<Line> {
    let mut groups: BTreeMap<(Id, Id, Date, &str), Vec<&Sale<'_>>> = BTreeMap::new();
    for row in &rows.sales {
        let who = (creator_of_sale(row), chatter(row.chatter.as_deref()));
        groups.entry((who.0, who.1, zone.day(row.sold_at), &row.sale_type)).or_default().push(row);
    }
    let lines = groups.into_iter().map(|((creator, chatter, day, of), rows)| {
        let (kept, reversed): (Vec<&Sale<'_>>, Vec<&Sale<'_>>) = rows.into_iter().partition(|row| !row.reversed);
        Line::default()
            .id("creator_id", creator)
            .id("chatter_id", chatter)
            .day("day", day)
            .text("type", of)
            .with("gross_cents", kept.iter().map(|row| row.gross_cents).sum::<i64>())
            .with("net_cents", kept.iter().map(|row| row.net_cents).sum::<i64>())
            .with("count", kept.len() as i64)
            .with("reversed_net_cents", reversed.iter().map(|row| row.net_cents).sum::<i64>())
            .with("reversed_count", reversed.len() as i64)
    });
    lines.collect()
}

/// A creator's day.
#[derive(Default)]
struct Day<'a> {
    direct: Vec<&'a Message<'static>>,
    sales: Vec<&'a Sale<'static>>,
    reports: Vec<&'a CreatorDay>,
}

/// The lines of `creator_day`: a day is listed when it has a message, mass or direct, a sale, or a report of it alone.
pub fn creator_day(rows: &Winners<'_>, zone: &Zone, mass_sources: &[&str]) -> Vec<Line> {
    let mut days: BTreeMap<(Id, Date), Day<'_>> = BTreeMap::new();
    for row in &rows.messages {
        let day = days.entry((creator_of_message(row), zone.day(row.sent_at))).or_default();
        day.direct.extend((!is_mass(row, mass_sources)).then_some(*row));
    }
    for row in &rows.sales {
        days.entry((creator_of_sale(row), zone.day(row.sold_at))).or_default().sales.push(row);
    }
    for row in rows.reports.iter().filter(|row| row.first_day == row.last_day) {
        days.entry((creator_id(&row.creator), row.first_day)).or_default().reports.push(row);
    }
    let lines = days.into_iter().map(|((creator, date), day)| {
        let unlocked = day.direct.iter().filter(|row| row.price_cents > 0 && row.purchased);
        let reversed = || day.sales.iter().filter(|row| row.reversed);
        let chatters: BTreeSet<Id> = day.direct.iter().map(|row| chatter(row.chatter.as_deref())).collect();
        let fans: BTreeSet<Id> = day.direct.iter().map(|row| fan_of_message(row)).collect();
        Line::default()
            .id("creator_id", creator)
            .day("day", date)
            .with("messages", day.direct.len() as i64)
            .with("ppv_sales_cents", unlocked.map(|row| row.price_cents).sum::<i64>())
            .with("reversed_count", reversed().count() as i64)
            .with("reversed_net_cents", reversed().map(|row| row.net_cents).sum::<i64>())
            .with("active_chatters", chatters.iter().filter(|chatter| **chatter != UNATTRIBUTED).count() as i64)
            .with("active_fans", fans.len() as i64)
            .with("sales", by_type(&day.sales))
            .with("reported", by_basis(day.reports))
    });
    lines.collect()
}

/// Sales by type. A type of which all are reversed is listed with zeros.
fn by_type(sales: &[&Sale<'_>]) -> Value {
    let types: BTreeSet<&str> = sales.iter().map(|row| &*row.sale_type).collect();
    let of = |of: &str| {
        let kept: Vec<_> = sales.iter().filter(|row| row.sale_type == of && !row.reversed).collect();
        json!({
            "count": kept.len(),
            "gross_cents": kept.iter().map(|row| row.gross_cents).sum::<i64>(),
            "net_cents": kept.iter().map(|row| row.net_cents).sum::<i64>(),
        })
    };
    Value::Object(types.into_iter().map(|name| (name.to_owned(), of(name))).collect())
}

/// Reported cents by basis and figure. METRICS.md does not say which of two equal rows of one sheet stands; any is right that is the
/// same whatever the order of events: it is the one with the greater figures, in order of their names.
fn by_basis(mut reports: Vec<&CreatorDay>) -> Value {
    reports.sort_by_key(|row| row.figures.iter().collect::<Vec<_>>());
    let mut bases = Map::new();
    for row in reports {
        bases.insert(row.basis.name().to_owned(), json!(row.figures));
    }
    Value::Object(bases)
}
