//! Which fans changed their cluster on which local day, by the centroids of now.
//!
//! ```text
//!  messages, sales ──by (fan, day)──▶ sums ─┐
//!  as-of day ───────────────────────────────┼─▶ a fan's cluster at the end of each of the last days ─▶ (day, from, to) ±1
//!  centroids in force ──────────────────────┘
//! ```
//!
//! Invariants
//! 1. The cluster of a fan at the end of a day is that of the features which the rows up to that day give, as of that day. On the
//!    as-of day it is the fan's cluster, once both go by the same centroids.
//! 2. So moves are a function of the rows, the as-of day and the centroids in force: a correction of an old row, or a centroid that
//!    moves, corrects the moves of past days too.
//! 3. A fan's first cluster is no move.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::assign::{SHARDS, Shard, shard_of};
use super::centroids::{Centroids, Places};
use super::features::{Behaviour, Features, recency};
use crate::calendar::Calendar;
use crate::engine::combine::combine;
use crate::engine::keyed::{Output, State, evolve};
use crate::engine::measures::measures;
use crate::settings::DataflowSettings;
use crate::views::fan_history::{FanKey, FanSums, events};
use crate::views::{Facts, Sources};

/// Days over which moves are told: up to the as-of day.
pub const DAYS: i32 = 30;

/// A fan's change of cluster: on which local day, from which archetype to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Move {
    /// The local day.
    pub day: i32,
    /// The number of the archetype before.
    pub from: u8,
    /// The number of the archetype after.
    pub to: u8,
}

/// The moves of all fans, each as often as fans made it, by the centroids of their shards.
pub fn moves<'scope>(
    sources: &Sources<'scope>,
    as_of: &Facts<'scope, i32>,
    centroids: Facts<'scope, (Shard, Arc<Centroids>)>,
    settings: &DataflowSettings,
) -> Facts<'scope, Move> {
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let days = events(sources).explode(move |(fan, event)| {
        let day = calendar.local(event.at).day;
        Some(((shard_of(fan), Told::Day(fan, day)), DaySums::of(&event.sums(), event.is_purchase())))
    });
    let once = DaySums { seen: 1, ..DaySums::default() };
    let as_of =
        as_of.clone().explode(move |day| (0..SHARDS).map(move |shard| ((shard, Told::Given(Given::AsOf(day))), once)));
    let centroids = centroids.explode(move |(shard, by)| Some(((shard, Told::Given(Given::By(by))), once)));
    let told = combine(days, "days of fans").concat(as_of).concat(centroids);
    evolve::<_, _, _, Fans, _>(told, "Moves of fans", |shard| u64::from(*shard), Moves)
}

measures! {
    /// What a fan did on a day.
    DaySums { seen, messages, ppvs_received, ppvs_unlocked, purchases, sale_rows, ppv_spend_cents, sales_net_cents }
}

impl DaySums {
    fn of(sums: &FanSums, is_purchase: bool) -> DaySums {
        DaySums {
            seen: 1,
            messages: sums.messages_received,
            ppvs_received: sums.ppvs_received,
            ppvs_unlocked: sums.ppvs_unlocked,
            purchases: is_purchase.into(),
            sale_rows: sums.sale_rows,
            ppv_spend_cents: sums.ppv_spend_cents,
            sales_net_cents: sums.sales_net_cents,
        }
    }
}

/// What moves follow from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Told {
    /// The sums of a fan's day are in the difference.
    Day(FanKey, i32),
    /// What holds for all fans.
    Given(Given),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Given {
    AsOf(i32),
    By(Arc<Centroids>),
}

/// A day of a fan, in few bytes: there are many.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    day: i32,
    seen: i32,
    messages: i32,
    ppvs_received: i32,
    ppvs_unlocked: i32,
    purchases: i32,
    sale_rows: i32,
    ppv_spend_cents: i64,
    sales_net_cents: i64,
}

impl Day {
    fn add(&mut self, sums: &DaySums) {
        let few = |count: i64| i32::try_from(count).expect("a fan has fewer than 2^31 rows a day");
        self.seen += few(sums.seen);
        self.messages += few(sums.messages);
        self.ppvs_received += few(sums.ppvs_received);
        self.ppvs_unlocked += few(sums.ppvs_unlocked);
        self.purchases += few(sums.purchases);
        self.sale_rows += few(sums.sale_rows);
        self.ppv_spend_cents += sums.ppv_spend_cents;
        self.sales_net_cents += sums.sales_net_cents;
    }

    fn is_empty(&self) -> bool {
        let counts = [self.seen, self.messages, self.ppvs_received, self.ppvs_unlocked, self.purchases, self.sale_rows];
        counts == [0; 6] && self.ppv_spend_cents == 0 && self.sales_net_cents == 0
    }
}

/// A part of the fans, by day, and their moves.
#[derive(Default)]
struct Fans {
    fans: HashMap<FanKey, Vec<Day>>,
    /// For so many days of all fans there is room.
    days: usize,
    as_of: BTreeMap<i32, i64>,
    /// The last is in force; while the log is read at the start, the next may come before the last is gone.
    by: BTreeMap<Arc<Centroids>, i64>,
    places: Places,
    /// The classes of recency, by days.
    recencies: Vec<i16>,
    moves: HashMap<Move, isize>,
}

impl State<Told, DaySums> for Fans {
    fn update(&mut self, told: Told, diff: DaySums) {
        match told {
            Told::Day(fan, day) => {
                let days = self.fans.entry(fan).or_default();
                self.days -= days.capacity();
                match days.binary_search_by_key(&day, |other| other.day) {
                    Ok(place) => {
                        days[place].add(&diff);
                        if days[place].is_empty() {
                            days.remove(place);
                        }
                    }
                    Err(place) => {
                        if days.len() == days.capacity() {
                            days.reserve_exact(1 + days.len() / 4);
                        }
                        let mut new = Day { day, ..Day::default() };
                        new.add(&diff);
                        days.insert(place, new);
                    }
                }
                if days.is_empty() {
                    self.fans.remove(&fan);
                } else {
                    self.days += days.capacity();
                }
            }
            Told::Given(Given::AsOf(day)) => count(&mut self.as_of, day, diff.seen),
            Told::Given(Given::By(centroids)) => {
                count(&mut self.by, centroids, diff.seen);
                self.places = self.by.last_key_value().map(|(centroids, _)| Places::of(centroids)).unwrap_or_default();
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.fans.is_empty() && self.as_of.is_empty() && self.by.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        let days = self.days * size_of::<Day>();
        self.fans.allocation_size() + days + self.moves.allocation_size() + self.recencies.capacity() * size_of::<i16>()
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, i64>, key: K, diff: i64) {
    match counts.entry(key) {
        std::collections::btree_map::Entry::Occupied(mut entry) if *entry.get() + diff != 0 => *entry.get_mut() += diff,
        std::collections::btree_map::Entry::Occupied(entry) => drop(entry.remove()),
        std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(diff)),
    }
}

/// The classes of so many days are looked up; fans who were last seen before are few.
const RECENCIES: i32 = 1_000;

impl Fans {
    /// Tells the moves of a fan with these days.
    fn moves_of(&self, days: &[Day], mut tell: impl FnMut(Move)) {
        let Some((&as_of, _)) = self.as_of.last_key_value() else { return };
        let mut known = UpToDay::default();
        let mut rest = days.iter().peekable();
        let mut before: Option<(u8, i16)> = None;
        for day in as_of - DAYS..=as_of {
            let mut changed = false;
            // What lies beyond the as-of day counts on it, as it does in the fan's cluster.
            while let Some(next) = rest.next_if(|next| next.day <= day || day == as_of) {
                known.add(next);
                changed = true;
            }
            let Some(last_day) = known.last_day else { continue };
            let class = self.recency(day - last_day);
            if !changed && before.is_some_and(|(_, recency)| recency == class) {
                continue;
            }
            let Some(to) = self.places.nearest(&known.features(class)) else { return };
            if let Some((from, _)) = before.filter(|(from, _)| *from != to) {
                tell(Move { day, from, to });
            }
            before = Some((to, class));
        }
    }

    fn recency(&self, days: i32) -> i16 {
        let known = usize::try_from(days).ok().and_then(|days| self.recencies.get(days));
        known.copied().unwrap_or_else(|| recency(days))
    }

    /// Looks up the moves of all fans again; tells what changed.
    fn look_again(&mut self, output: &mut Vec<(Move, isize)>) {
        self.know_recencies();
        let mut now: HashMap<Move, isize> = HashMap::new();
        for days in self.fans.values() {
            self.moves_of(days, |one| *now.entry(one).or_default() += 1);
        }
        output.extend(now.iter().map(|(one, fans)| (*one, *fans)));
        output.extend(self.moves.drain().map(|(one, fans)| (one, -fans)));
        self.moves = now;
    }
}

impl Fans {
    /// Goes on from one as-of day to the next: looks up the moves of those fans again whose class of recency changes with it, and of
    /// those with rows beyond the day. Of all others only the moves of the day that is no longer told of change.
    fn next_day(&mut self, as_of: i32, updates: Vec<(Told, DaySums)>, output: &mut Vec<(Move, isize)>) {
        self.know_recencies();
        let touched: Vec<FanKey> =
            self.fans.iter().filter(|(_, days)| self.changes_overnight(days, as_of)).map(|(fan, _)| *fan).collect();
        self.change(&touched, updates, output);
        let gone = as_of + 1 - DAYS;
        output.extend(self.moves.extract_if(|one, _| one.day <= gone).map(|(one, fans)| (one, -fans)));
    }

    fn changes_overnight(&self, days: &[Day], as_of: i32) -> bool {
        let Some(last) = days.last() else { return false };
        last.day > as_of || self.recency(as_of - last.day) != self.recency(as_of + 1 - last.day)
    }

    /// Takes in updates that touch the moves of these fans alone.
    fn change(&mut self, touched: &[FanKey], updates: Vec<(Told, DaySums)>, output: &mut Vec<(Move, isize)>) {
        let first = output.len();
        let mut tell = |fans: &Fans, diff: isize| {
            for days in touched.iter().filter_map(|fan| fans.fans.get(fan)) {
                fans.moves_of(days, |one| output.push((one, diff)));
            }
        };
        tell(self, -1);
        updates.into_iter().for_each(|(told, diff)| self.update(told, diff));
        tell(self, 1);
        for (one, diff) in &output[first..] {
            *self.moves.entry(*one).or_default() += *diff;
        }
        self.moves.retain(|_, fans| *fans != 0);
    }

    fn know_recencies(&mut self) {
        if self.recencies.is_empty() {
            self.recencies = (0..RECENCIES).map(recency).collect();
        }
    }
}

/// What a fan did up to a day.
#[derive(Default)]
struct UpToDay {
    sums: FanSums,
    purchase_days: i64,
    first_day: i32,
    last_day: Option<i32>,
}

impl UpToDay {
    fn add(&mut self, day: &Day) {
        self.sums.messages_received += i64::from(day.messages);
        self.sums.ppvs_received += i64::from(day.ppvs_received);
        self.sums.ppvs_unlocked += i64::from(day.ppvs_unlocked);
        self.sums.sale_rows += i64::from(day.sale_rows);
        self.sums.ppv_spend_cents += day.ppv_spend_cents;
        self.sums.sales_net_cents += day.sales_net_cents;
        self.purchase_days += i64::from(day.purchases > 0);
        if self.last_day.is_none() {
            self.first_day = day.day;
        }
        self.last_day = Some(day.day);
    }

    fn features(&self, recency: i16) -> Features {
        let days = (self.first_day, self.last_day.unwrap_or(self.first_day));
        Behaviour::of(&self.sums, self.purchase_days, days).features(recency)
    }
}

/// The moves of a part of the fans.
struct Moves;

impl Output<Shard, Told, DaySums, Fans> for Moves {
    type Record = Move;
    type Diff = isize;

    fn whole(&mut self, _: &Shard, fans: &mut Fans, output: &mut Vec<(Move, isize)>) {
        fans.look_again(output);
    }

    fn change(&mut self, _: &Shard, fans: &mut Fans, updates: Vec<(Told, DaySums)>, output: &mut Vec<(Move, isize)>) {
        let (given, of_fans): (Vec<_>, Vec<_>) =
            updates.into_iter().partition(|(told, _)| matches!(told, Told::Given(_)));
        let new_centroids = given.iter().any(|(told, _)| matches!(told, Told::Given(Given::By(_))));
        let as_of = |fans: &Fans| fans.as_of.last_key_value().map(|(day, _)| *day);
        let before = as_of(fans);
        let next = before.map(|day| day + 1);
        if given.is_empty() || !new_centroids && next.is_some() && next == as_of_after(&given) {
            let mut touched: Vec<FanKey> = of_fans
                .iter()
                .filter_map(|(told, _)| match told {
                    Told::Day(fan, _) => Some(*fan),
                    Told::Given(_) => None,
                })
                .collect();
            touched.sort_unstable();
            touched.dedup();
            fans.change(&touched, of_fans, output);
            if let Some(before) = before.filter(|_| !given.is_empty()) {
                fans.next_day(before, given, output);
            }
        } else {
            given.into_iter().chain(of_fans).for_each(|(told, diff)| fans.update(told, diff));
            fans.look_again(output);
        }
    }
}

/// The as-of day that updates put in the place of another.
fn as_of_after(given: &[(Told, DaySums)]) -> Option<i32> {
    let days = given.iter().filter(|(_, diff)| diff.seen > 0).filter_map(|(told, _)| match told {
        Told::Given(Given::AsOf(day)) => Some(*day),
        _ => None,
    });
    days.max()
}
