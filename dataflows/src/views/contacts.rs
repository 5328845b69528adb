//! With which fans a chatter was in contact: distinct counts for every window, from one state a fan.
//!
//! ```text
//!  direct messages ──by (creator, fan)──▶ hours of contact, by chatter ──▶ per chatter: hour, day, week, month, all ──▶ 0/1 a fan
//!                                                                     └──▶ per creator: day ───────────────────────▶ 0/1 a fan
//! ```
//!
//! Invariants
//! 1. What is emitted, summed by (creator, chatter, window), is the number of distinct fans with a direct message in that
//!    window, and of distinct fans with an unlocked PPV.
//! 2. An hour of contact is kept once, however many windows it is in: a window of a fan is looked up when one of its
//!    hours changes.

use fandom_schemas::identity::Id;
use serde::{Deserialize, Serialize};

use super::Sources;
use super::daily::{Pair, Sums};
use super::kept::Windows;
use crate::calendar::{Calendar, Local, Window};
use crate::engine::combine::combine;
use crate::engine::keyed::{State, Touched, keyed};
use crate::engine::measures::measures;
use crate::facts::key::route_of_fan;
use crate::settings::DataflowSettings;

measures! {
    /// What happened with a fan: how often, or (in what [`contacts`] emits) whether.
    FanContact {
        /// Direct messages to the fan.
        chatted,
        /// PPVs that the fan unlocked.
        spent,
    }
}

/// Who was in contact with a fan, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Contacted {
    /// A chatter for a creator, in a window.
    Chatter(Pair, Window),
    /// Any chatter for a creator, on a day.
    Creator(Id, i32),
}

/// The fans of every group and window, each as 1 in the difference.
pub fn contacts<'scope>(sources: &Sources<'scope>, settings: &DataflowSettings) -> Sums<'scope, Contacted, FanContact> {
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let messages = sources.messages.clone().filter(|message| !message.mass).explode(move |message| {
        let contact = FanContact { chatted: 1, spent: message.is_unlocked().into() };
        Some((((message.creator, message.fan), (message.chatter, calendar.local(message.sent_at))), contact))
    });
    let route = |(creator, fan): &(Id, Id)| route_of_fan(*creator, *fan);
    let windows = settings.views.windows();
    let fans = keyed(messages, "Fan contacts", route, move |(creator, _), hours: &Hours, touched, emitted| {
        let groups = |around: &mut dyn Iterator<Item = (Id, Local)>| groups_of(*creator, around, windows);
        hours.emit(
            match touched {
                Touched::All => groups(&mut hours.0.iter().map(|hour| (hour.chatter, hour.local()))),
                Touched::By(changed) => groups(&mut changed.iter().copied()),
            },
            emitted,
        );
    });
    combine(fans, "fan contacts")
}

/// The groups and windows around these hours, each once.
fn groups_of(creator: Id, around: &mut dyn Iterator<Item = (Id, Local)>, windows: Windows) -> Vec<Contacted> {
    let mut groups: Vec<Contacted> = Vec::new();
    for (chatter, local) in around {
        groups.extend(windows.around(local).map(|window| Contacted::Chatter((creator, chatter), window)));
        groups.extend(windows.days_of_creators.then_some(Contacted::Creator(creator, local.day)));
    }
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// An hour in which a chatter wrote to the fan.
#[derive(Clone, Copy, Debug)]
struct Hour {
    chatter: Id,
    /// The instant at which the local hour begins, in units of [`SLOT_SECONDS`]: few bytes, as there are many.
    slot: i32,
    day: i32,
    chatted: i32,
    spent: i32,
}

/// Local hours begin at multiples of this, whatever the zone.
const SLOT_SECONDS: i64 = 900;

impl Hour {
    fn local(&self) -> Local {
        Local { day: self.day, hour: i64::from(self.slot) * SLOT_SECONDS }
    }

    fn place(&self) -> (Id, i32, i32) {
        (self.chatter, self.day, self.slot)
    }
}

/// The hours of contact with a fan, in order of chatter and time.
#[derive(Default)]
struct Hours(Vec<Hour>);

impl State<(Id, Local), FanContact> for Hours {
    fn update(&mut self, (chatter, local): (Id, Local), diff: FanContact) {
        let few = |count: i64| i32::try_from(count).expect("a fan gets fewer than 2^31 messages an hour");
        let slot = few(local.hour.div_euclid(SLOT_SECONDS));
        let (chatted, spent) = (few(diff.chatted), few(diff.spent));
        match self.0.binary_search_by_key(&(chatter, local.day, slot), Hour::place) {
            Ok(place) => {
                let hour = &mut self.0[place];
                hour.chatted += chatted;
                hour.spent += spent;
                if (hour.chatted, hour.spent) == (0, 0) {
                    self.0.remove(place);
                }
            }
            Err(place) => {
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(1 + self.0.len() / 4);
                }
                self.0.insert(place, Hour { chatter, slot, day: local.day, chatted, spent });
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Hour>()
    }
}

impl Hours {
    /// Emits 1 for each of these groups in which there was contact.
    fn emit(&self, groups: Vec<Contacted>, emitted: &mut Vec<(Contacted, FanContact)>) {
        for group in groups {
            let whether = match group {
                Contacted::Chatter((_, chatter), window) => whether(self.within(chatter, window)),
                Contacted::Creator(_, day) => {
                    let within = self.chatters().map(|chatter| whether(self.within(chatter, Window::Day(day))));
                    within.fold(FanContact::default(), |a, b| FanContact {
                        chatted: a.chatted | b.chatted,
                        spent: a.spent | b.spent,
                    })
                }
            };
            if whether != FanContact::default() {
                emitted.push((group, whether));
            }
        }
    }

    /// The hours of a chatter within a window.
    fn within(&self, chatter: Id, window: Window) -> &[Hour] {
        let days = window.days();
        let first = self.0.partition_point(|hour| (hour.chatter, hour.day) < (chatter, days.start));
        let hours = &self.0[first..];
        let hours = &hours[..hours.partition_point(|hour| hour.chatter == chatter && hour.day < days.end)];
        match window {
            Window::Hour(at) => match hours.iter().position(|hour| hour.local().hour == at) {
                Some(place) => &hours[place..=place],
                None => &[],
            },
            _ => hours,
        }
    }

    fn chatters(&self) -> impl Iterator<Item = Id> + '_ {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let chatter = rest.first()?.chatter;
            rest = &rest[rest.partition_point(|hour| hour.chatter == chatter)..];
            Some(chatter)
        })
    }
}

fn whether(hours: &[Hour]) -> FanContact {
    FanContact {
        chatted: hours.iter().any(|hour| hour.chatted > 0).into(),
        spent: hours.iter().any(|hour| hour.spent > 0).into(),
    }
}
