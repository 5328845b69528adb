//! Measures of a fan (METRICS.md §5): `fan_measures`, `fan_day`, `fan_cluster_sums`.

use std::collections::{BTreeMap, BTreeSet};

use fandom_dataflows::sink::row::Datum;
use fandom_schemas::identity::Id;
use fandom_schemas::rows::{Message, Sale};
use jiff::civil::Date;

use super::time::{Zone, day_number};
use super::winners::{Winners, creator_of_message, creator_of_sale, fan_of_message, fan_of_sale, is_mass};
use super::{Expected, Given, Line};
use crate::history::Setup;

/// What a fan did with a creator.
#[derive(Default)]
struct Fan<'a> {
    messages: Vec<&'a Message<'static>>,
    sales: Vec<&'a Sale<'static>>,
}

/// What follows from it.
pub struct Figures {
    pub messages_received: i64,
    pub ppvs_received: i64,
    pub ppvs_unlocked: i64,
    messages_replied: i64,
    ppv_spend_cents: i64,
    sales_net_cents: i64,
    tips_net_cents: i64,
    pub spend_cents: i64,
    pub first_seen: i64,
    pub last_seen: i64,
    last_purchase: Option<i64>,
    pub purchase_days: BTreeSet<Date>,
}

/// The figures of every fan, by creator; of the rows up to a day, where one is given.
pub fn figures(
    rows: &Winners<'_>,
    zone: &Zone,
    setup: &Setup,
    up_to: Option<Date>,
) -> BTreeMap<Id, BTreeMap<Id, Figures>> {
    let counts = |at: i64| up_to.is_none_or(|day| zone.day(at) <= day);
    let mut fans: BTreeMap<(Id, Id), Fan<'_>> = BTreeMap::new();
    for row in rows.messages.iter().filter(|row| counts(row.sent_at)) {
        fans.entry((creator_of_message(row), fan_of_message(row))).or_default().messages.push(row);
    }
    for row in rows.sales.iter().filter(|row| counts(row.sold_at)) {
        if let Some(fan) = fan_of_sale(row) {
            fans.entry((creator_of_sale(row), fan)).or_default().sales.push(row);
        }
    }
    let mut creators: BTreeMap<Id, BTreeMap<Id, Figures>> = BTreeMap::new();
    for ((creator, id), fan) in fans {
        creators.entry(creator).or_default().insert(id, fan.figures(zone, setup));
    }
    creators
}

impl Fan<'_> {
    fn figures(&self, zone: &Zone, setup: &Setup) -> Figures {
        let direct: Vec<_> = self.messages.iter().filter(|row| !is_mass(row, &setup.mass_sources)).collect();
        let ppvs: Vec<_> = direct.iter().filter(|row| row.price_cents > 0).collect();
        let unlocked: Vec<_> = ppvs.iter().filter(|row| row.purchased).collect();
        let sold: Vec<_> = self.sales.iter().filter(|row| !row.reversed).collect();
        let ppv_spend_cents = unlocked.iter().map(|row| row.price_cents).sum();
        let sales_net_cents = sold.iter().map(|row| row.net_cents).sum();
        // "Tip" in any case, as all that a spreadsheet says is compared.
        let tips = sold.iter().filter(|row| row.sale_type.to_lowercase().starts_with("tip"));
        let seen = || self.messages.iter().map(|row| row.sent_at).chain(self.sales.iter().map(|row| row.sold_at));
        let purchases = || unlocked.iter().map(|row| row.sent_at).chain(sold.iter().map(|row| row.sold_at));
        Figures {
            messages_received: direct.len() as i64,
            ppvs_received: ppvs.len() as i64,
            ppvs_unlocked: unlocked.len() as i64,
            messages_replied: self.messages.iter().filter(|row| row.fan_replied).count() as i64,
            ppv_spend_cents,
            sales_net_cents,
            tips_net_cents: tips.map(|row| row.net_cents).sum(),
            spend_cents: if self.sales.is_empty() { ppv_spend_cents } else { sales_net_cents },
            first_seen: seen().min().expect("a fan has a message or a sale"),
            last_seen: seen().max().expect("a fan has a message or a sale"),
            last_purchase: purchases().max(),
            purchase_days: purchases().map(|at| zone.day(at)).collect(),
        }
    }
}

/// The lines of `fan_measures`.
pub fn measures(rows: &Winners<'_>, zone: &Zone, setup: &Setup, given: &Given) -> Vec<Line> {
    let mut lines = Vec::new();
    for (creator, fans) in figures(rows, zone, setup, None) {
        let ranked: Vec<Ranked> = fans.values().filter_map(|figures| figures.ranked(zone)).collect();
        for (id, figures) in &fans {
            let line = Line::default().id("creator_id", creator).id("fan_id", *id);
            let line = with_scores(figures.line(line, zone, setup), figures.ranked(zone), &ranked);
            lines.push(line.with("cluster", cluster(given, (creator, *id))));
        }
    }
    lines
}

/// The lines of `fan_day`: the figures of each fan's days, of those with more than mass messages that nobody answered.
pub fn days(rows: &Winners<'_>, zone: &Zone, setup: &Setup) -> Vec<Line> {
    let mut days: BTreeMap<(Id, Id, Date), Fan<'_>> = BTreeMap::new();
    for row in &rows.messages {
        let key = (fan_of_message(row), creator_of_message(row), zone.day(row.sent_at));
        days.entry(key).or_default().messages.push(row);
    }
    for row in &rows.sales {
        if let Some(fan) = fan_of_sale(row) {
            days.entry((fan, creator_of_sale(row), zone.day(row.sold_at))).or_default().sales.push(row);
        }
    }
    let lines = days.into_iter().filter_map(|((fan, creator, day), rows)| {
        let figures = rows.figures(zone, setup);
        let reversed = rows.sales.iter().filter(|row| row.reversed).count();
        let is_listed = figures.messages_received > 0 || figures.messages_replied > 0 || !rows.sales.is_empty();
        let line = Line::default().id("fan_id", fan).id("creator_id", creator).day("day", day);
        let line = line
            .with("messages_received", figures.messages_received)
            .with("messages_replied", figures.messages_replied)
            .with("ppvs_received", figures.ppvs_received)
            .with("ppvs_unlocked", figures.ppvs_unlocked)
            .with("ppv_spend_cents", figures.ppv_spend_cents)
            .with("sales_net_cents", figures.sales_net_cents)
            .with("tips_net_cents", figures.tips_net_cents)
            .with("sales_count", (rows.sales.len() - reversed) as i64)
            .with("reversed_count", reversed as i64);
        is_listed.then_some(line)
    });
    lines.collect()
}

/// What a fan's cluster must be, where that is known; else it may be any, or none.
fn cluster(given: &Given, fan: (Id, Id)) -> Expected {
    match &given.settled {
        Some(settled) => {
            Expected::Exactly(settled.get(&fan).map_or(Datum::Null, |cluster| Datum::text(cluster.as_str())))
        }
        None => Expected::OneOf(CLUSTERS.map(Datum::text).into_iter().chain([Datum::Null]).collect()),
    }
}

/// The archetypes of DESIGN.md §5.
const CLUSTERS: [&str; 8] =
    ["Whales", "Loyal buyers", "Occasional buyers", "Talkers", "Newcomers", "Fading", "Dormant", "Silent"];

/// The lines of `fan_cluster_sums`: sums over the fans of each cluster, as fans are given to be clustered.
pub fn clusters(rows: &Winners<'_>, zone: &Zone, setup: &Setup, given: &Given) -> Vec<Line> {
    let creators = figures(rows, zone, setup, None);
    let mut clusters: BTreeMap<&str, Vec<&Figures>> = BTreeMap::new();
    for ((creator, fan), cluster) in &given.clusters {
        let figures = creators.get(creator).and_then(|fans| fans.get(fan));
        clusters.entry(cluster).or_default().extend(figures);
    }
    let lines = clusters.into_iter().map(|(cluster, fans)| {
        let sum = |of: &dyn Fn(&Figures) -> i64| fans.iter().map(|figures| of(figures)).sum::<i64>();
        // Each fan's rate is rounded; half a millionth never occurs, as so few PPVs have none.
        let unlock_rate = |fan: &Figures| match fan.ppvs_received {
            0 => 0,
            received => (2_000_000 * fan.ppvs_unlocked + received) / (2 * received),
        };
        Line::default()
            .text("cluster", cluster)
            .with("fans", fans.len() as i64)
            .with("spend_cents", sum(&|fan| fan.spend_cents))
            .with("messages_received", sum(&|fan| fan.messages_received))
            .with("purchase_days", sum(&|fan| fan.purchase_days.len() as i64))
            .with("unlock_rate_millionths", sum(&unlock_rate))
            .with("tenure_seconds", sum(&|fan| fan.last_seen - fan.first_seen))
            .with("last_seen_days", sum(&|fan| day_number(zone.day(fan.last_seen)).into()))
    });
    lines.collect()
}

impl Figures {
    /// All but ids, scores and cluster.
    fn line(&self, line: Line, zone: &Zone, setup: &Setup) -> Line {
        let (whale, regular) = setup.spend_cents;
        let class = if self.spend_cents >= whale {
            "whale"
        } else if self.spend_cents >= regular {
            "regular"
        } else if self.spend_cents > 0 {
            "spender"
        } else {
            "non-spender"
        };
        let last_day = self.last_purchase.map(|at| Datum::Day(day_number(zone.day(at))));
        line.with("messages_received", self.messages_received)
            .with("ppvs_received", self.ppvs_received)
            .with("ppvs_unlocked", self.ppvs_unlocked)
            .with("messages_replied", self.messages_replied)
            .with("ppv_spend_cents", self.ppv_spend_cents)
            .with("sales_net_cents", self.sales_net_cents)
            .with("tips_net_cents", self.tips_net_cents)
            .with("purchase_days", self.purchase_days.len() as i64)
            .with("spend_cents", self.spend_cents)
            .text("spend_class", class)
            .instant("first_seen", self.first_seen)
            .instant("last_seen", self.last_seen)
            .with("last_purchase", self.last_purchase.map_or(Datum::Null, Datum::Instant))
            .with("last_purchase_day", last_day.unwrap_or(Datum::Null))
    }

    fn ranked(&self, zone: &Zone) -> Option<Ranked> {
        let last_day = zone.day(self.last_purchase?);
        let (purchase_days, spend_cents) = (self.purchase_days.len(), self.spend_cents);
        Some(Ranked { last_day, purchase_days, spend_cents })
    }
}

/// What is ranked of a fan with a purchase: a greater one is better.
#[derive(Clone, Copy)]
struct Ranked {
    last_day: Date,
    purchase_days: usize,
    spend_cents: i64,
}

fn with_scores(line: Line, fan: Option<Ranked>, fans: &[Ranked]) -> Line {
    let scores = fan.map(|fan| {
        // Of n fans with a purchase, how many are less: those of equal rank share the lowest.
        let score = |less: usize| 1 + 5 * less / fans.len();
        [
            score(fans.iter().filter(|other| other.last_day < fan.last_day).count()),
            score(fans.iter().filter(|other| other.purchase_days < fan.purchase_days).count()),
            score(fans.iter().filter(|other| other.spend_cents < fan.spend_cents).count()),
        ]
    });
    let [r, f, m] = scores.map_or([None; 3], |scores| scores.map(|score| Some(score as i64)));
    let segment = scores.map_or(Datum::Null, |scores| Datum::text(segment(scores)));
    line.with("r", r).with("f", f).with("m", m).with("segment", segment)
}

/// The table of segments: of R, F and M the scores.
const SEGMENTS: [(&str, [&str; 3]); 10] = [
    ("Champions", ["45", "45", "45"]),
    ("Can't Lose", ["1", "45", "45"]),
    ("New", ["45", "1", "1"]),
    ("Promising", ["34", "1", "1"]),
    ("Need Attention", ["23", "23", "23"]),
    ("Loyal", ["2345", "345", "345"]),
    ("Potential Loyalist", ["345", "123", "123"]),
    ("At Risk", ["12", "2345", "2345"]),
    ("About To Sleep", ["23", "12", "12"]),
    ("Lost", ["12", "12", "12"]),
];

fn segment(scores: [usize; 3]) -> &'static str {
    for (name, bands) in SEGMENTS {
        if scores.iter().zip(bands).all(|(score, band)| band.contains(&score.to_string())) {
            return name;
        }
    }
    "Others"
}
