//! `fan_measures`: measures of a fan by creator (METRICS.md §5).
//!
//! ```text
//!  fan_history ──▶ figures ──────────────────┐
//!                     ├──▶ rfm ─ scores ─────┼─▶ parts of (creator, fan) ─▶ fan ─▶ row
//!                     └──▶ clusters ─ name ──┘
//! ```
//!
//! Nothing in a row depends on what day it is: the days since the last purchase are counted where the table is read.

use serde::{Deserialize, Serialize};

use super::clusters::archetypes::NAMES;
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
        column("cluster", Type::Text),
    ],
    key: 2,
    labels: &[CREATOR, FAN],
};

/// All that is known of a fan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fan {
    /// Creator and fan.
    pub key: FanKey,
    /// What the fan did.
    pub figures: Figures,
    /// Scores, with a purchase.
    pub scores: Option<Scores>,
    /// The number of the cluster's archetype.
    pub cluster: Option<u8>,
}

/// What is put together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Figures(Box<Figures>),
    Scores(Scores),
    Cluster(u8),
}

/// The fans, each with all that is known of it.
pub fn fans<'scope>(
    figures: &Facts<'scope, (FanKey, Figures)>,
    scores: &Facts<'scope, (FanKey, Scores)>,
    clusters: &Facts<'scope, (FanKey, u8)>,
) -> Facts<'scope, Fan> {
    let figures = figures.clone().map(|(key, figures)| (key, Part::Figures(Box::new(figures))));
    let scores = scores.clone().map(|(key, scores)| (key, Part::Scores(scores)));
    let clusters = clusters.clone().map(|(key, cluster)| (key, Part::Cluster(cluster)));
    let route = |(creator, fan): &FanKey| route_of_fan(*creator, *fan);
    let parts = figures.concat(scores).concat(clusters);
    keyed(parts, "Fans", route, |key, parts: &Parts<Part, isize>, _, fans| {
        let (mut known, mut scores, mut cluster) = (None, None, None);
        for part in parts.iter() {
            match part {
                Part::Figures(figures) => known = Some(figures),
                Part::Scores(of_fan) => scores = Some(*of_fan),
                Part::Cluster(of_fan) => cluster = Some(*of_fan),
            }
        }
        let fan = known.map(|figures| Fan { key: *key, figures: (**figures).clone(), scores, cluster });
        fans.extend(fan.map(|fan| (fan, 1isize)));
    })
}

/// The rows.
pub fn view<'scope>(fans: &Facts<'scope, Fan>, settings: &DataflowSettings) -> View<'scope> {
    let classes = SpendClasses { whale_cents: settings.whale_cents, regular_cents: settings.regular_cents };
    View { table: &TABLE, rows: fans.clone().map(move |fan| row(&fan, classes)) }
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

fn row(fan: &Fan, classes: SpendClasses) -> Row {
    let Fan { key: (creator, id), figures, scores, cluster } = fan;
    let sums = &figures.sums;
    let spend = figures.spend_cents();
    let mut values = Vec::with_capacity(TABLE.columns.len());
    values.extend([Datum::id(*creator), Datum::id(*id)]);
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
    values.push(cluster.map_or(Datum::Null, |cluster| Datum::text(NAMES[usize::from(cluster)])));
    Row::new(values)
}
