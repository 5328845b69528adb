//! Measures of a chatter (METRICS.md §4): `chatter_*`, `hours_day`, `template_day`.

use std::collections::{BTreeMap, BTreeSet};

use fandom_dataflows::sink::row::Datum;
use fandom_schemas::identity::Id;
use fandom_schemas::rows::{ChatterDay, EmployeePeriod, Granularity, Message, Sale};
use jiff::civil::Date;

use super::time::{Zone, day_number, month, week};
use super::winners::{Winners, chatter, creator_of_message, creator_of_sale, creators, fan_of_message, is_mass};
use super::{Expected, Line, Tables};

/// What a chatter did for a creator in a window.
#[derive(Default)]
struct Group<'a> {
    direct: Vec<&'a Message<'static>>,
    mass: i64,
    sales: Vec<&'a Sale<'static>>,
    worked: Vec<&'a EmployeePeriod>,
}

/// Groups by creator, chatter and window.
type Groups<'a> = BTreeMap<(Id, Id, Datum), Group<'a>>;

/// A window over time: its table and column, and how an instant and a day fall into it. An hour has no day.
struct Window<'z> {
    table: &'static str,
    column: Option<&'static str>,
    of_instant: Box<dyn Fn(i64) -> Datum + 'z>,
    of_day: Option<fn(Date) -> Datum>,
}

impl<'z> Window<'z> {
    fn of_days(table: &'static str, column: Option<&'static str>, of_day: fn(Date) -> Datum, zone: &'z Zone) -> Self {
        let of_instant = Box::new(move |at| of_day(zone.day(at)));
        Window { table, column, of_instant, of_day: Some(of_day) }
    }

    fn groups<'a>(&self, rows: &Winners<'a>, mass_sources: &[&str]) -> Groups<'a> {
        let mut groups = Groups::new();
        for row in &rows.messages {
            let by = chatter(row.chatter.as_deref());
            let group = groups.entry((creator_of_message(row), by, (self.of_instant)(row.sent_at))).or_default();
            match is_mass(row, mass_sources) {
                true => group.mass += 1,
                false => group.direct.push(row),
            }
        }
        for row in &rows.sales {
            let by = chatter(row.chatter.as_deref());
            let group = groups.entry((creator_of_sale(row), by, (self.of_instant)(row.sold_at))).or_default();
            group.sales.push(row);
        }
        for (row, _) in &rows.periods {
            if let (Some((creator, day)), Some(of_day)) = (day_of_work(row), self.of_day) {
                let by = chatter(row.chatter.as_deref());
                groups.entry((creator, by, of_day(day))).or_default().worked.push(row);
            }
        }
        groups
    }
}

/// The creator and the day of a row of `Detailed breakdown` that has one of each.
fn day_of_work(row: &EmployeePeriod) -> Option<(Id, Date)> {
    let creators = creators(row);
    let of_one = creators.len() == 1 && row.first_day == row.last_day;
    (of_one && row.granularity == Granularity::DetailedBreakdown).then(|| (creators[0], row.first_day))
}

/// The lines of `chatter_hour`, `chatter_day`, `chatter_week`, `chatter_month` and `chatter_all`.
pub fn measures(rows: &Winners<'_>, zone: &Zone, mass_sources: &[&str]) -> Tables {
    let windows = [
        Window {
            table: "chatter_hour",
            column: Some("hour"),
            of_instant: Box::new(|at| Datum::Instant(zone.hour(at))),
            of_day: None,
        },
        Window::of_days("chatter_day", Some("day"), |day| Datum::Day(day_number(day)), zone),
        Window::of_days("chatter_week", Some("week"), |day| Datum::text(week(day)), zone),
        Window::of_days("chatter_month", Some("month"), |day| Datum::text(month(day)), zone),
        Window::of_days("chatter_all", None, |_| Datum::Null, zone),
    ];
    let lines = |window: Window<'_>| {
        let groups = window.groups(rows, mass_sources);
        let lines =
            groups.into_iter().filter(|(_, group)| group.is_listed()).map(|((creator, chatter, label), group)| {
                let line = Line::default().id("creator_id", creator).id("chatter_id", chatter);
                let line = match window.column {
                    Some(column) => line.with(column, label),
                    None => line,
                };
                let line = group.of_sales(group.of_messages(line));
                if window.of_day.is_some() { group.of_work(line) } else { line }
            });
        (window.table, lines.collect())
    };
    windows.into_iter().map(lines).collect()
}

impl Group<'_> {
    /// A group is listed when it has a message, a sale, or worked time that is known.
    fn is_listed(&self) -> bool {
        let has_work = self
            .worked
            .iter()
            .any(|row| row.figures.clocked_minutes.is_some() || row.figures.scheduled_minutes.is_some());
        self.mass > 0 || !self.direct.is_empty() || !self.sales.is_empty() || has_work
    }

    fn of_messages(&self, line: Line) -> Line {
        let (mut ppvs_sent, mut ppvs_unlocked, mut ppv_sales_cents, mut characters) = (0, 0, 0, 0);
        let (mut chatted, mut spent) = (BTreeSet::new(), BTreeSet::new());
        let mut replies: Vec<i64> = Vec::new();
        for row in &self.direct {
            characters += i64::from(row.characters);
            chatted.insert(fan_of_message(row));
            replies.extend(row.reply_seconds.map(i64::from));
            if row.price_cents > 0 {
                ppvs_sent += 1;
            }
            if row.price_cents > 0 && row.purchased {
                ppvs_unlocked += 1;
                ppv_sales_cents += row.price_cents;
                spent.insert(fan_of_message(row));
            }
        }
        replies.sort();
        line.with("messages_sent", self.direct.len() as i64)
            .with("ppvs_sent", ppvs_sent)
            .with("ppvs_unlocked", ppvs_unlocked)
            .with("ppv_sales_cents", ppv_sales_cents)
            .with("characters", characters)
            .with("replies", replies.len() as i64)
            .with("reply_seconds_sum", replies.iter().sum::<i64>())
            .with("mass_messages", self.mass)
            .with("fans_chatted", chatted.len() as i64)
            .with("fans_spent", spent.len() as i64)
            .with("reply_seconds_p50", nearest_rank(&replies, 50))
            .with("reply_seconds_p90", nearest_rank(&replies, 90))
    }

    fn of_sales(&self, line: Line) -> Line {
        let (mut gross, mut net, mut count, mut reversed_net, mut reversed) = (0, 0, 0, 0, 0);
        for row in &self.sales {
            if row.reversed {
                reversed_net += row.net_cents;
                reversed += 1;
            } else {
                gross += row.gross_cents;
                net += row.net_cents;
                count += 1;
            }
        }
        line.with("sales_gross_cents", gross)
            .with("sales_net_cents", net)
            .with("sales_count", count)
            .with("reversed_net_cents", reversed_net)
            .with("reversed_count", reversed)
    }

    fn of_work(&self, line: Line) -> Line {
        line.with("clocked_minutes", sum_of_known(self.worked.iter().map(|row| row.figures.clocked_minutes)))
            .with("scheduled_minutes", sum_of_known(self.worked.iter().map(|row| row.figures.scheduled_minutes)))
    }
}

/// The sum of what is there; nothing where nothing is.
fn sum_of_known(figures: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    let known: Vec<i64> = figures.flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum())
}

/// The value at position ⌈percent / 100 · n⌉ of the n in ascending order, counted from 1.
fn nearest_rank(ascending: &[i64], percent: usize) -> Expected {
    match (percent * ascending.len()).div_ceil(100) {
        0 => Expected::Exactly(Datum::Null),
        position => Expected::Within2Percent(ascending[position - 1]),
    }
}

/// The lines of `hours_day`: one for each day of work that a period tells of.
pub fn hours_day(rows: &Winners<'_>, zone: &Zone, mass_sources: &[&str]) -> Vec<Line> {
    let days = Window::of_days("chatter_day", None, |day| Datum::Day(day_number(day)), zone);
    let groups = days.groups(rows, mass_sources).into_iter().filter(|(_, group)| !group.worked.is_empty());
    let lines = groups.map(|((creator, chatter, day), group)| {
        let line = Line::default().id("creator_id", creator).id("chatter_id", chatter).with("day", day);
        let sold = group.sales.iter().filter(|row| !row.reversed);
        let fans: BTreeSet<Id> = group.direct.iter().map(|row| fan_of_message(row)).collect();
        group
            .of_work(line)
            .with("sales_net_cents", sold.map(|row| row.net_cents).sum::<i64>())
            .with("messages_sent", group.direct.len() as i64)
            .with("fans_chatted", fans.len() as i64)
    });
    lines.collect()
}

/// The lines of `template_day`. Of a chatter's day that stands several times in a sheet the counts are added up, and the mean is weighted by
/// messages where all of these rows have them.
pub fn template_day(rows: &Winners<'_>) -> Vec<Line> {
    let mut days: BTreeMap<(Id, Date), Vec<&ChatterDay>> = BTreeMap::new();
    for row in &rows.template_days {
        days.entry((chatter(row.chatter.as_deref()), row.day)).or_default().push(row);
    }
    let lines = days.into_iter().map(|((chatter, day), rows)| {
        let sum = |count: fn(&ChatterDay) -> Option<i64>| sum_of_known(rows.iter().map(|row| count(row)));
        Line::default()
            .id("chatter_id", chatter)
            .day("day", day)
            .with("messages_sent", sum(|row| row.messages_sent))
            .with("ppvs_sent", sum(|row| row.ppvs_sent))
            .with("ppvs_unlocked", sum(|row| row.ppvs_unlocked))
            .with("fans_chatted", sum(|row| row.fans_chatted))
            .with("avg_response_minutes", mean(&rows).map_or(Datum::Null, |mean| Datum::Float(mean.to_bits())))
    });
    lines.collect()
}

fn mean(rows: &[&ChatterDay]) -> Option<f64> {
    let known: Vec<(f64, Option<i64>)> =
        rows.iter().filter_map(|row| Some((row.avg_response_minutes?, row.messages_sent))).collect();
    let messages: Option<i64> = known.iter().map(|(_, messages)| *messages).sum();
    match (known.len(), messages) {
        (0, _) => None,
        (1, _) => Some(known[0].0),
        (_, Some(messages)) if messages > 0 => {
            let weighted = known.iter().map(|(minutes, of)| minutes * of.unwrap_or(0) as f64);
            Some(weighted.sum::<f64>() / messages as f64)
        }
        (count, _) => Some(known.iter().map(|(minutes, _)| minutes).sum::<f64>() / count as f64),
    }
}
