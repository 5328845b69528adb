//! `fan_measures`: measures of a fan by creator (METRICS.md §5).
//!
//! ```text
//!  fan_history ──▶ figures ─────────────┐
//!                     └──▶ rfm ─ scores ┴─▶ parts of (creator, fan) ─▶ row
//! ```
//!
//! Nothing in a row depends on what day it is: the days since the last purchase are counted where the table is read.

use serde::{Deserialize, Serialize};

use super::fan_history::{FanKey, Figures};
use super::rfm::Scores;
use super::{Facts, View};
use crate::engine::keyed::{Parts, keyed};
use crate::facts::key::route_of_fan;
use crate::settings::DataflowSettings;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CREATOR, FAN, Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "fan_measures",
    columns: &[
        column("creator_id", Type::Int),
        column("fan_id", Type::Int),
        column("messages_received", Type::Int),
        column("ppvs_received", Type::Int),
        column("ppvs_unlocked", Type::Int),
        column("messages_replied", Type::Int),
        column("ppv_spend_cents", Type::Int),
        column("sales_net_cents", Type::Int),
        column("tips_net_cents", Type::Int),
        column("purchase_days", Type::Int),
        column("spend_cents", Type::Int),
        column("spend_class", Type::Text),
        column("first_seen", Type::Instant),
        column("last_seen", Type::Instant),
        column("last_purchase", Type::Instant),
        column("last_purchase_day", Type::Day),
        column("r", Type::Int),
        column("f", Type::Int),
        column("m", Type::Int),
        column("segment", Type::Text),
    ],
    key: 2,
    labels: &[CREATOR, FAN],
};

/// What a row is put together from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Figures(Box<Figures>),
    Scores(Scores),
}

/// The rows.
pub fn view<'scope>(
    figures: &Facts<'scope, (FanKey, Figures)>,
    scores: &Facts<'scope, (FanKey, Scores)>,
    settings: &DataflowSettings,
) -> View<'scope> {
    let classes = SpendClasses { whale_cents: settings.whale_cents, regular_cents: settings.regular_cents };
    let figures = figures.clone().map(|(key, figures)| (key, Part::Figures(Box::new(figures))));
    let scores = scores.clone().map(|(key, scores)| (key, Part::Scores(scores)));
    let route = |(creator, fan): &FanKey| route_of_fan(*creator, *fan);
    let rows = keyed(figures.concat(scores), "Fans", route, move |key, parts: &Parts<Part, isize>, _, rows| {
        let (mut figures, mut scores) = (None, None);
        for part in parts.iter() {
            match part {
                Part::Figures(of_fan) => figures = Some(of_fan),
                Part::Scores(of_fan) => scores = Some(*of_fan),
            }
        }
        rows.extend(figures.map(|figures| (row(*key, figures, scores, classes), 1isize)));
    });
    View { table: &TABLE, rows }
}

/// From where on a fan is of which class.
#[derive(Clone, Copy)]
struct SpendClasses {
    whale_cents: i64,
    regular_cents: i64,
}

impl SpendClasses {
    fn of(self, spend_cents: i64) -> &'static str {
        match spend_cents {
            spend if spend >= self.whale_cents => "whale",
            spend if spend >= self.regular_cents => "regular",
            spend if spend > 0 => "spender",
            _ => "non-spender",
        }
    }
}

fn row((creator, fan): FanKey, figures: &Figures, scores: Option<Scores>, classes: SpendClasses) -> Row {
    let sums = &figures.sums;
    let spend = figures.spend_cents();
    let mut values = Vec::with_capacity(TABLE.columns.len());
    values.extend([Datum::id(creator), Datum::id(fan)]);
    values.extend(
        [
            sums.messages_received,
            sums.ppvs_received,
            sums.ppvs_unlocked,
            sums.messages_replied,
            sums.ppv_spend_cents,
            sums.sales_net_cents,
            sums.tips_net_cents,
            figures.purchase_days,
            spend,
        ]
        .map(Datum::Int),
    );
    values.extend([
        Datum::text(classes.of(spend)),
        Datum::Instant(figures.first_seen),
        Datum::Instant(figures.last_seen),
        figures.last_purchase.map_or(Datum::Null, |(at, _)| Datum::Instant(at)),
        figures.last_purchase.map_or(Datum::Null, |(_, day)| Datum::Day(day)),
    ]);
    let score = |of: fn(Scores) -> u8| Datum::from(scores.map(|scores| i64::from(of(scores))));
    values.extend([score(|s| s.recency), score(|s| s.frequency), score(|s| s.monetary)]);
    values.push(scores.map_or(Datum::Null, |scores| Datum::text(scores.segment())));
    Row::new(values)
}
