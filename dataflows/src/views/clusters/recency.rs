//! The features of fans, with how long ago each was last seen.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::features::{Behaviour, Features, RECENCY, recency};
use crate::engine::combine::combine;
use crate::engine::keyed::{Output, State, evolve, hashed};
use crate::views::Facts;
use crate::views::fan_history::{FanKey, Figures};

/// The features of every fan.
pub(super) fn features_of<'scope>(
    figures: &Facts<'scope, (FanKey, Figures)>,
    as_of: &Facts<'scope, i32>,
) -> Facts<'scope, (FanKey, Features)> {
    let fans = figures.clone().map(|(key, figures)| {
        let behaviour = Behaviour::of(&figures.sums, figures.purchase_days, figures.seen_days);
        (figures.seen_days.1, (key, behaviour.features(0)))
    });
    let days = combine(fans.clone().map(|(last_seen, _)| ((), Clock::LastSeen(last_seen))), "days last seen");
    let today = as_of.clone().map(|day| ((), Clock::AsOf(day)));
    let classes = evolve::<_, _, _, Days, _>(days.concat(today), "Recency", hashed, Classes);
    let classes = classes.map(|(last_seen, recency)| (last_seen, Seen::Recency(recency)));
    let fans = fans.map(|(last_seen, (key, features))| (last_seen, Seen::Fan(key, features)));
    evolve::<_, _, _, LastSeen, _>(fans.concat(classes), "Features of fans", hashed, WithRecency)
}

/// What classes of recency follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Clock {
    LastSeen(i32),
    AsOf(i32),
}

/// The days on which fans were last seen, by how many, and the as-of day.
#[derive(Default)]
struct Days {
    last_seen: BTreeMap<i32, isize>,
    as_of: BTreeMap<i32, isize>,
}

impl State<Clock, isize> for Days {
    fn update(&mut self, clock: Clock, diff: isize) {
        let (days, day) = match clock {
            Clock::LastSeen(day) => (&mut self.last_seen, day),
            Clock::AsOf(day) => (&mut self.as_of, day),
        };
        let count = days.entry(day).or_default();
        *count += diff;
        if *count == 0 {
            days.remove(&day);
        }
    }

    fn is_empty(&self) -> bool {
        self.last_seen.is_empty() && self.as_of.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        (self.last_seen.len() + self.as_of.len()) * size_of::<(i32, isize)>()
    }
}

impl Days {
    fn recency(&self, last_seen: i32) -> Option<i16> {
        let (as_of, _) = self.as_of.last_key_value()?;
        self.last_seen.contains_key(&last_seen).then(|| recency(as_of - last_seen))
    }
}

/// The class of every day on which a fan was last seen.
struct Classes;

impl Output<(), Clock, isize, Days> for Classes {
    type Record = (i32, i16);
    type Diff = isize;

    fn whole(&mut self, (): &(), days: &mut Days, output: &mut Vec<((i32, i16), isize)>) {
        let classes = days.last_seen.keys().filter_map(|day| days.recency(*day).map(|recency| (*day, recency)));
        output.extend(classes.map(|class| (class, 1)));
    }

    fn change(
        &mut self,
        (): &(),
        days: &mut Days,
        updates: Vec<(Clock, isize)>,
        output: &mut Vec<((i32, i16), isize)>,
    ) {
        let moves_on = updates.iter().any(|(clock, _)| matches!(clock, Clock::AsOf(_)));
        let mut touched: Vec<i32> = updates
            .iter()
            .filter_map(|(clock, _)| match clock {
                Clock::LastSeen(day) => Some(*day),
                Clock::AsOf(_) => None,
            })
            .collect();
        if moves_on {
            touched.extend(days.last_seen.keys());
        }
        touched.sort_unstable();
        touched.dedup();
        let of = |days: &Days| touched.iter().map(|day| days.recency(*day)).collect::<Vec<_>>();
        let before = of(days);
        updates.into_iter().for_each(|(clock, diff)| days.update(clock, diff));
        for ((day, before), after) in touched.iter().zip(before).zip(of(days)) {
            if before != after {
                output.extend(before.map(|recency| ((*day, recency), -1)));
                output.extend(after.map(|recency| ((*day, recency), 1)));
            }
        }
    }
}

/// Of a day on which fans were last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Seen {
    Fan(FanKey, Features),
    Recency(i16),
}

/// The fans last seen on a day, and how recent that is.
#[derive(Default)]
struct LastSeen {
    fans: HashMap<FanKey, Features>,
    recency: Option<i16>,
}

impl State<Seen, isize> for LastSeen {
    fn update(&mut self, seen: Seen, diff: isize) {
        match seen {
            Seen::Fan(key, features) if diff > 0 => drop(self.fans.insert(key, features)),
            Seen::Fan(key, features) if self.fans.get(&key) == Some(&features) => drop(self.fans.remove(&key)),
            Seen::Recency(recency) if diff > 0 => self.recency = Some(recency),
            Seen::Recency(recency) if self.recency == Some(recency) => self.recency = None,
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.fans.is_empty() && self.recency.is_none()
    }

    fn heap_bytes(&self) -> usize {
        self.fans.allocation_size()
    }
}

impl LastSeen {
    fn with_recency(&self, mut features: Features) -> Option<Features> {
        features.0[RECENCY] = self.recency?;
        Some(features)
    }
}

/// The features of the fans of a day.
struct WithRecency;

impl Output<i32, Seen, isize, LastSeen> for WithRecency {
    type Record = (FanKey, Features);
    type Diff = isize;

    fn whole(&mut self, _: &i32, seen: &mut LastSeen, output: &mut Vec<((FanKey, Features), isize)>) {
        let fans = seen.fans.iter().filter_map(|(key, features)| Some((*key, seen.with_recency(*features)?)));
        output.extend(fans.map(|fan| (fan, 1)));
    }

    fn change(
        &mut self,
        _: &i32,
        seen: &mut LastSeen,
        mut updates: Vec<(Seen, isize)>,
        output: &mut Vec<((FanKey, Features), isize)>,
    ) {
        // What a fan was goes before what it is comes.
        updates.sort_by_key(|(_, diff)| *diff);
        let class_changes = updates.iter().any(|(update, _)| matches!(update, Seen::Recency(_)));
        let mut touched: Vec<FanKey> = updates.iter().filter_map(|(update, _)| update.fan()).collect();
        if class_changes {
            touched.extend(seen.fans.keys());
        }
        touched.sort_unstable();
        touched.dedup();
        let mut tell = |seen: &LastSeen, diff: isize| {
            for key in &touched {
                let features = seen.fans.get(key).and_then(|features| seen.with_recency(*features));
                output.extend(features.map(|features| ((*key, features), diff)));
            }
        };
        tell(seen, -1);
        updates.into_iter().for_each(|(update, diff)| seen.update(update, diff));
        tell(seen, 1);
    }
}

impl Seen {
    fn fan(&self) -> Option<FanKey> {
        match self {
            Seen::Fan(key, _) => Some(*key),
            Seen::Recency(_) => None,
        }
    }
}
