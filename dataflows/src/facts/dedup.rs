//! Each row once, however many files hold it.
//!
//! ```text
//!  changes ──by key to workers──▶ holders of each key ──▶ winner before (−1), winner after (+1)
//!                                                    └──▶ holders beside the first, by file and sheet
//! ```
//!
//! Invariants
//! 1. At every time, the facts are the winners of all keys that something holds: the fact of the greatest holder.
//! 2. A retraction of one holder leaves the fact, with the value of the greatest that is left.
//! 3. The state is a function of the set of holders of a key, holding each holder once. A row that one file holds
//!    costs no allocation.
//!
//! Like the operators of [`crate::engine::keyed`], and unlike differential's `reduce`, it keeps no history: times are totally ordered,
//! and nothing reads the past. While the log is read up to its end at the start, changes are taken in as they come: of
//! those epochs only the sum is ever looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use fandom_schemas::identity::Id;
use hashbrown::HashMap;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::key::Key;
use super::{Change, Fact, Holder};
use crate::engine::table::Table;
use crate::runtime::{Epoch, HYDRATED};

/// The winners, and how many rows of each (file, sheet) an earlier live file also holds.
pub struct Deduplicated<'scope, F: Fact> {
    /// The winning fact of every key.
    pub facts: VecCollection<'scope, Epoch, F, isize>,
    /// Duplicates by file and sheet.
    pub duplicates: VecCollection<'scope, Epoch, (Id, u16), isize>,
}

/// Keeps the winner of every key.
pub fn dedup<'scope, F: Fact>(changes: StreamVec<'scope, Epoch, Change<F>>, name: &str) -> Deduplicated<'scope, F> {
    let worker = changes.scope().index();
    let mut builder = OperatorBuilder::new(format!("Dedup: {name}"), changes.scope());
    let mut input = builder.new_input(changes, Exchange::new(|change: &Change<F>| change.key.route()));
    let (facts, fact_stream) = builder.new_output();
    let (duplicates, duplicate_stream) = builder.new_output();
    let mut facts = OutputBuilder::from(facts);
    let mut duplicates = OutputBuilder::from(duplicates);
    let held = crate::meters::held(name, worker);
    builder.build(move |_| {
        let mut stash: BTreeMap<Epoch, Stashed<F>> = BTreeMap::new();
        let mut state: State<F> = State::default();
        move |frontiers| {
            let mut fact_output = facts.activate();
            let mut duplicate_output = duplicates.activate();
            let mut settle = |time: Epoch, capabilities: &[Capability<Epoch>; 2], changes: Vec<Change<F>>| {
                let mut winners = fact_output.session(&capabilities[0]);
                let mut doubles: HashMap<(Id, u16), isize> = HashMap::new();
                state.apply(changes, &mut |fact, diff| winners.give((fact, time, diff)), &mut |holder, diff| {
                    *doubles.entry((holder.file.id, holder.sheet)).or_default() += diff
                });
                let mut session = duplicate_output.session(&capabilities[1]);
                doubles.retain(|_, diff| *diff != 0);
                session.give_iterator(doubles.into_iter().map(|(place, diff)| (place, time, diff)));
                held.tell(&state.keys, state.lists_bytes);
            };
            input.for_each(|capability, data| {
                let Some(time) = capability.least().copied() else { return };
                let capabilities = || [capability.delayed(&time, 0), capability.delayed(&time, 1)];
                if time <= HYDRATED {
                    settle(time, &capabilities(), std::mem::take(data));
                } else {
                    stash.entry(time).or_insert_with(|| (capabilities(), Vec::new())).1.append(data);
                }
            });
            while let Some(first) = stash.first_entry() {
                if frontiers[0].less_equal(first.key()) {
                    break;
                }
                let (time, (capabilities, changes)) = first.remove_entry();
                settle(time, &capabilities, changes);
            }
        }
    });
    Deduplicated { facts: fact_stream.as_collection(), duplicates: duplicate_stream.as_collection() }
}

/// The capabilities of both outputs, and the changes, of a time.
type Stashed<F> = ([Capability<Epoch>; 2], Vec<Change<F>>);

/// Who holds each key.
struct State<F> {
    keys: Table<Key, Holders<F>>,
    /// Of all [`Holders::Many`].
    lists_bytes: usize,
    known: KnownHolders,
}

impl<F> Default for State<F> {
    fn default() -> State<F> {
        State { keys: Table::default(), lists_bytes: 0, known: KnownHolders::default() }
    }
}

enum Holders<F> {
    One(u32, F),
    /// In ascending order of the holder; two or more.
    Many(Box<[(u32, F)]>),
}

impl<F: Fact> State<F> {
    /// Applies the changes of one time; tells the changes of winners and of duplicates.
    fn apply(
        &mut self,
        mut changes: Vec<Change<F>>,
        winners: &mut impl FnMut(F, isize),
        duplicates: &mut impl FnMut(&Holder, isize),
    ) {
        // Stable: a holder may come and go within one epoch.
        changes.sort_by_key(|change| change.key);
        let mut rest = changes.into_iter().peekable();
        while let Some(change) = rest.next() {
            let alone = rest.peek().is_none_or(|next| next.key != change.key);
            let key = change.key;
            match (self.keys.find(&key), change.fact) {
                (None, Some(fact)) if alone => {
                    winners(fact.clone(), 1);
                    let holder = self.known.begins(change.holder);
                    self.keys.insert(key, Holders::One(holder, fact));
                }
                (Some(place), None) if alone && self.is_only(place, &change.holder) => {
                    if let Holders::One(holder, fact) = self.keys.remove(place) {
                        self.known.ceases(holder);
                        winners(fact, -1);
                    }
                }
                (place, fact) => {
                    let before = place.map(|place| self.keys.remove(place));
                    self.lists_bytes -= before.as_ref().map_or(0, Holders::list_bytes);
                    let before = before.map_or_else(Vec::new, Holders::into_list);
                    let before: Vec<(Holder, F)> =
                        before.into_iter().map(|(holder, fact)| (self.known.ceases(holder), fact)).collect();
                    let mut after = before.clone();
                    apply_one(&mut after, change.holder, fact);
                    while let Some(next) = rest.next_if(|next| next.key == key) {
                        apply_one(&mut after, next.holder, next.fact);
                    }
                    emit(&before, &after, winners, duplicates);
                    let after = after.into_iter().map(|(holder, fact)| (self.known.begins(holder), fact)).collect();
                    if let Some(holders) = Holders::from_list(after) {
                        self.lists_bytes += holders.list_bytes();
                        self.keys.insert(key, holders);
                    }
                }
            }
        }
    }

    fn is_only(&self, place: usize, holder: &Holder) -> bool {
        matches!(&self.keys.entry(place).1, Holders::One(only, _) if self.known.is(*only, holder))
    }
}

fn apply_one<F: Fact>(holders: &mut Vec<(Holder, F)>, holder: Holder, fact: Option<F>) {
    match (holders.binary_search_by(|(other, _)| other.cmp(&holder)), fact) {
        (Ok(place), Some(fact)) => holders[place].1 = fact,
        (Ok(place), None) => drop(holders.remove(place)),
        (Err(place), Some(fact)) => {
            holders.iter().for_each(|(_, other)| other.check_same(&fact));
            // An equal fact shares what it refers to.
            let fact = holders.iter().find(|(_, other)| *other == fact).map_or(fact, |(_, other)| other.clone());
            holders.insert(place, (holder, fact));
        }
        (Err(_), None) => {}
    }
}

fn emit<F: Fact>(
    before: &[(Holder, F)],
    after: &[(Holder, F)],
    winners: &mut impl FnMut(F, isize),
    duplicates: &mut impl FnMut(&Holder, isize),
) {
    let (old, new) = (before.last().map(|(_, fact)| fact), after.last().map(|(_, fact)| fact));
    if old != new {
        if let Some(fact) = old {
            winners(fact.clone(), -1);
        }
        if let Some(fact) = new {
            winners(fact.clone(), 1);
        }
    }
    for (holder, _) in before.iter().skip(1) {
        duplicates(holder, -1);
    }
    for (holder, _) in after.iter().skip(1) {
        duplicates(holder, 1);
    }
}

impl<F> Holders<F> {
    fn into_list(self) -> Vec<(u32, F)> {
        match self {
            Holders::One(holder, fact) => vec![(holder, fact)],
            Holders::Many(list) => list.into_vec(),
        }
    }

    fn list_bytes(&self) -> usize {
        match self {
            Holders::One(..) => 0,
            Holders::Many(list) => size_of_val(&**list),
        }
    }

    fn from_list(mut list: Vec<(u32, F)>) -> Option<Holders<F>> {
        match list.len() {
            0 => None,
            1 => list.pop().map(|(holder, fact)| Holders::One(holder, fact)),
            _ => Some(Holders::Many(list.into())),
        }
    }
}

/// The holders, by a number each: a key holds the number.
#[derive(Default)]
struct KnownHolders {
    numbers: HashMap<(Id, u64, u16), u32>,
    /// With how many rows each holds; of none the number is free.
    holders: Vec<(Holder, usize)>,
    free: Vec<u32>,
    /// Rows of one sheet come together.
    last: u32,
}

impl KnownHolders {
    fn is(&self, number: u32, holder: &Holder) -> bool {
        let known = &self.holders[number as usize].0;
        known.sheet == holder.sheet && (Arc::ptr_eq(&known.file, &holder.file) || known.file == holder.file)
    }

    /// The number of a holder that begins to hold a row.
    fn begins(&mut self, holder: Holder) -> u32 {
        let last = self.holders.get(self.last as usize);
        let number = match last {
            Some((_, rows)) if *rows > 0 && self.is(self.last, &holder) => self.last,
            _ => match self.numbers.get(&identity(&holder)) {
                Some(number) => *number,
                None => self.add(holder),
            },
        };
        self.last = number;
        self.holders[number as usize].1 += 1;
        number
    }

    fn add(&mut self, holder: Holder) -> u32 {
        let identity = identity(&holder);
        let number = match self.free.pop() {
            Some(number) => {
                self.holders[number as usize] = (holder, 0);
                number
            }
            None => {
                self.holders.push((holder, 0));
                u32::try_from(self.holders.len() - 1).expect("fewer than 2^32 sheets are live")
            }
        };
        self.numbers.insert(identity, number);
        number
    }

    /// The holder of that number, which ceases to hold a row.
    fn ceases(&mut self, number: u32) -> Holder {
        let (holder, rows) = &mut self.holders[number as usize];
        let holder = holder.clone();
        *rows -= 1;
        if *rows == 0 {
            self.numbers.remove(&identity(&holder));
            self.free.push(number);
        }
        holder
    }
}

fn identity(holder: &Holder) -> (Id, u64, u16) {
    (holder.file.id, holder.file.version, holder.sheet)
}
