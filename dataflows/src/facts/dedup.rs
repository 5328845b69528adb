//! One winner for each key, whatever files hold it.
//!
//! ```text
//!              by key            in order of time
//!  changes ───exchange───▶ stash ───────────────▶ holders by key ──▶ winning facts (±1)
//!                                                       └──────────▶ duplicates by (file, sheet) (±1)
//! ```
//!
//! Invariants
//! 1. Times are applied in order and whole, when the input frontier has passed them; what is emitted at a time is the
//!    difference of the winners before and after it. A replaced file whose row is equal in both versions emits nothing.
//! 2. The winner of a key is its greatest holder: (exported_at, modified_at, file id, version, sheet).
//! 3. Every holder but the least is a duplicate: a row that an earlier exported live file (or an earlier sheet) also holds.
//! 4. State: one entry a key, holding each holder once. A row that one file holds costs no allocation.
//!
//! Unlike differential's `reduce`, the operator keeps no history of its input: times are totally ordered, and nothing
//! reads the past.

use std::collections::BTreeMap;

use differential_dataflow::{AsCollection, VecCollection};
use fandom_schemas::identity::Id;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::key::Key;
use super::{Change, Fact, Holder};
use crate::runtime::Epoch;

/// The winners, and how many rows of each (file, sheet) an earlier live file also holds.
pub struct Deduplicated<'scope, F: Fact> {
    /// The winning fact of every key.
    pub facts: VecCollection<'scope, Epoch, F, isize>,
    /// Duplicates by file and sheet.
    pub duplicates: VecCollection<'scope, Epoch, (Id, u16), isize>,
}

/// Keeps the winner of every key.
pub fn dedup<'scope, F: Fact>(changes: StreamVec<'scope, Epoch, Change<F>>, name: &str) -> Deduplicated<'scope, F> {
    let mut builder = OperatorBuilder::new(format!("Dedup: {name}"), changes.scope());
    let mut input = builder.new_input(changes, Exchange::new(|change: &Change<F>| change.key.route()));
    let (facts, fact_stream) = builder.new_output();
    let (duplicates, duplicate_stream) = builder.new_output();
    let mut facts = OutputBuilder::from(facts);
    let mut duplicates = OutputBuilder::from(duplicates);
    let keys = metrics::gauge!("fandom_dataflow_keys", "kind" => name.to_owned());
    builder.build(move |_| {
        let mut stash: BTreeMap<Epoch, Stashed<F>> = BTreeMap::new();
        let mut state: State<F> = State::default();
        move |frontiers| {
            input.for_each(|capability, data| {
                let Some(time) = capability.least().copied() else { return };
                let entry = stash
                    .entry(time)
                    .or_insert_with(|| (capability.delayed(&time, 0), capability.delayed(&time, 1), Vec::new()));
                if entry.2.is_empty() {
                    entry.2 = std::mem::take(data);
                } else {
                    entry.2.append(data);
                }
            });
            let mut fact_output = facts.activate();
            let mut duplicate_output = duplicates.activate();
            while let Some(first) = stash.first_entry() {
                if frontiers[0].less_equal(first.key()) {
                    break;
                }
                let (time, (fact_capability, duplicate_capability, changes)) = first.remove_entry();
                let mut winners = fact_output.session(&fact_capability);
                let mut doubles: HashMap<(Id, u16), isize> = HashMap::new();
                state.apply(changes, &mut |fact, diff| winners.give((fact, time, diff)), &mut |holder, diff| {
                    *doubles.entry((holder.file.id, holder.sheet)).or_default() += diff
                });
                let mut session = duplicate_output.session(&duplicate_capability);
                for (place, diff) in doubles {
                    if diff != 0 {
                        session.give((place, time, diff));
                    }
                }
                keys.set(state.keys() as f64);
            }
        }
    });
    Deduplicated { facts: fact_stream.as_collection(), duplicates: duplicate_stream.as_collection() }
}

/// The capabilities of both outputs, and the changes, of a time.
type Stashed<F> = (Capability<Epoch>, Capability<Epoch>, Vec<Change<F>>);

/// Who holds each key.
pub struct State<F> {
    keys: HashMap<Key, Holders<F>>,
}

impl<F> Default for State<F> {
    fn default() -> State<F> {
        State { keys: HashMap::new() }
    }
}

enum Holders<F> {
    One(Holder, F),
    /// In ascending order of the holder; two or more.
    Many(Vec<(Holder, F)>),
}

impl<F: Fact> State<F> {
    /// Applies the changes of one time; tells the changes of winners and of duplicates.
    pub fn apply(
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
            let entry = self.keys.entry(change.key);
            match (entry, change.fact) {
                (Entry::Vacant(vacant), Some(fact)) if alone => {
                    winners(fact.clone(), 1);
                    vacant.insert(Holders::One(change.holder, fact));
                }
                (Entry::Occupied(occupied), None) if alone && occupied.get().is_only(&change.holder) => {
                    if let Holders::One(_, fact) = occupied.remove() {
                        winners(fact, -1);
                    }
                }
                (entry, fact) => {
                    let key = change.key;
                    let before = match entry {
                        Entry::Occupied(occupied) => occupied.remove().into_list(),
                        Entry::Vacant(_) => Vec::new(),
                    };
                    let mut after = before.clone();
                    apply_one(&mut after, change.holder, fact);
                    while let Some(next) = rest.next_if(|next| next.key == key) {
                        apply_one(&mut after, next.holder, next.fact);
                    }
                    emit(&before, &after, winners, duplicates);
                    if let Some(holders) = Holders::from_list(after) {
                        self.keys.insert(key, holders);
                    }
                }
            }
        }
    }

    /// How many keys are held.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }
}

fn apply_one<F>(holders: &mut Vec<(Holder, F)>, holder: Holder, fact: Option<F>) {
    match (holders.binary_search_by(|(other, _)| other.cmp(&holder)), fact) {
        (Ok(place), Some(fact)) => holders[place].1 = fact,
        (Ok(place), None) => drop(holders.remove(place)),
        (Err(place), Some(fact)) => holders.insert(place, (holder, fact)),
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
    fn is_only(&self, holder: &Holder) -> bool {
        matches!(self, Holders::One(only, _) if only == holder)
    }

    fn into_list(self) -> Vec<(Holder, F)> {
        match self {
            Holders::One(holder, fact) => vec![(holder, fact)],
            Holders::Many(list) => list,
        }
    }

    fn from_list(mut list: Vec<(Holder, F)>) -> Option<Holders<F>> {
        match list.len() {
            0 => None,
            1 => list.pop().map(|(holder, fact)| Holders::One(holder, fact)),
            _ => Some(Holders::Many(list)),
        }
    }
}
