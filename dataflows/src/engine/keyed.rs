//! Operators that keep a state by key, and emit what follows from it.
//!
//! ```text
//!                      ┌ until the log is read ┐   ┌──────────── from then on ────────────┐
//!  (key, data) ±diff ──▶ update the key's state ───▶ by time and key: before ─▶ update ─▶ after
//!  by key to workers   └───────────────────────┘   └──────────────────────────────────────┘
//!                                  │ once                         │ − before, + after
//!                                  ▼                              ▼
//!                           output of all keys            output of touched keys
//! ```
//!
//! Invariants
//! 1. At every time from [`HYDRATED`] on, the output collection is the union of `output(key, state)` over all keys, where
//!    a state is the sum of the key's updates up to that time: a function of the input collection at that time alone.
//! 2. Until the log is read up to its end at the start, nothing is emitted: each key is emitted once, not once an epoch.
//! 3. A key whose state is empty is not kept.
//! 4. Until the log is read up to there, a state may get what is taken back before what was given: only sums are promised.
//!
//! They differ from differential's `reduce` and `count_total` in that they keep neither the history of the input (times are
//! totally ordered here, and nothing reads the past) nor the output (it is computed again from the state before the change). A
//! record costs its share of a state, instead of entries in sorted batches of two arrangements.

use std::collections::BTreeMap;
use std::hash::Hash;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::difference::{Abelian, Semigroup};
use differential_dataflow::{AsCollection, Data, ExchangeData, Hashable, VecCollection};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::table::Table;
use crate::runtime::{Epoch, HYDRATED};

/// What is kept of a key.
pub trait State<D, R>: Default + 'static {
    /// Takes in an update.
    fn update(&mut self, data: D, diff: R);
    /// Whether there is nothing to keep.
    fn is_empty(&self) -> bool;
    /// Bytes that it has allocated, told at once: without what its records refer to.
    fn heap_bytes(&self) -> usize;
}

/// What follows from a key's state.
pub trait Output<K, D, R, S>: 'static {
    /// A record of the output.
    type Record: Data;
    /// Its difference.
    type Diff: Abelian + Data;

    /// Pushes all that follows from a state.
    fn whole(&mut self, key: &K, state: &mut S, output: &mut Vec<(Self::Record, Self::Diff)>);

    /// Updates a state, and pushes what that changes.
    fn change(&mut self, key: &K, state: &mut S, updates: Vec<(D, R)>, output: &mut Vec<(Self::Record, Self::Diff)>);
}

/// Keys that are emitted before others have their turn.
const EMITTED_AT_ONCE: usize = 4_096;

/// See the module. `route` says to which worker a key goes.
pub fn evolve<'scope, K, D, R, S, O>(
    updates: VecCollection<'scope, Epoch, (K, D), R>,
    name: &str,
    route: impl Fn(&K) -> u64 + 'static,
    mut logic: O,
) -> VecCollection<'scope, Epoch, O::Record, O::Diff>
where
    K: ExchangeData + Hash,
    D: ExchangeData,
    R: Semigroup + ExchangeData,
    S: State<D, R>,
    O: Output<K, D, R, S>,
{
    let mut builder = OperatorBuilder::new(name.to_owned(), updates.inner.scope());
    let route = Exchange::new(move |((key, _), _, _): &((K, D), Epoch, R)| route(key));
    let mut input = builder.new_input(updates.inner, route);
    let (results, stream) = builder.new_output();
    let mut results = OutputBuilder::from(results);
    let held = crate::meters::held(name, stream.scope().index());
    let activator = stream.scope().activator_for(builder.operator_info().address);
    builder.build(move |capabilities| {
        let mut hydration = capabilities.into_iter().next().map(|mut capability| {
            capability.downgrade(&HYDRATED);
            (capability, 0usize)
        });
        let mut states: Table<K, S> = Table::default();
        // Of all states, from the end of the hydration on.
        let mut heap_bytes = 0;
        let mut stash: BTreeMap<Epoch, Stashed<K, D, R>> = BTreeMap::new();
        let mut changes: Vec<(O::Record, O::Diff)> = Vec::new();
        move |frontiers| {
            input.for_each(|capability, data| {
                for ((key, data), time, diff) in data.drain(..) {
                    if time <= HYDRATED {
                        let place = states.find_or_insert(key, S::default);
                        let state = states.value_mut(place);
                        state.update(data, diff);
                        if state.is_empty() {
                            states.remove(place);
                        }
                    } else {
                        let stashed = stash.entry(time);
                        let (_, updates) = stashed.or_insert_with(|| (capability.delayed(&time, 0), Vec::new()));
                        updates.push(((key, data), diff));
                    }
                }
            });
            let mut results = results.activate();
            if let Some((capability, place)) = &mut hydration {
                if frontiers[0].less_equal(&HYDRATED) {
                    return;
                }
                let mut session = results.session(capability);
                let end = states.places().min(*place + EMITTED_AT_ONCE);
                for place in *place..end {
                    if let Some((key, state)) = states.at_mut(place) {
                        logic.whole(key, state, &mut changes);
                        heap_bytes += state.heap_bytes();
                        session.give_iterator(changes.drain(..).map(|(record, diff)| (record, HYDRATED, diff)));
                    }
                }
                *place = end;
                if end < states.places() {
                    activator.activate();
                    return;
                }
                drop(session);
                hydration = None;
                held.tell(&states, heap_bytes);
            }
            while let Some(first) = stash.first_entry() {
                if frontiers[0].less_equal(first.key()) {
                    break;
                }
                let (time, (capability, mut updates)) = first.remove_entry();
                updates.sort_by(|((a, _), _), ((b, _), _)| a.cmp(b));
                let mut session = results.session(&capability);
                let mut rest = updates.into_iter().peekable();
                while let Some(((key, data), diff)) = rest.next() {
                    let mut group = vec![(data, diff)];
                    while let Some(((_, data), diff)) = rest.next_if(|((next, _), _)| *next == key) {
                        group.push((data, diff));
                    }
                    let place = states.find_or_insert(key, S::default);
                    if let Some((key, state)) = states.at_mut(place) {
                        heap_bytes -= state.heap_bytes();
                        logic.change(key, state, group, &mut changes);
                        heap_bytes += state.heap_bytes();
                        consolidate(&mut changes);
                        session.give_iterator(changes.drain(..).map(|(record, diff)| (record, time, diff)));
                        if state.is_empty() {
                            heap_bytes -= state.heap_bytes();
                            states.remove(place);
                        }
                    }
                }
                held.tell(&states, heap_bytes);
            }
        }
    });
    stream.as_collection()
}

/// The capability and the updates of a time that is not over.
type Stashed<K, D, R> = (Capability<Epoch>, Vec<((K, D), R)>);

/// What a key's output may leave out: what does not depend on the data that changed.
#[derive(Clone, Copy, Debug)]
pub enum Touched<'a, D> {
    /// Nothing.
    All,
    /// What depends on none of these.
    By(&'a [D]),
}

/// An output that is a function of the state: what it was before a change is taken back, what it is after is put there.
struct Pure<F>(F);

impl<K, D, R, S, T, RT, F> Output<K, D, R, S> for (Pure<F>, std::marker::PhantomData<(T, RT)>)
where
    D: Clone,
    S: State<D, R>,
    T: Data,
    RT: Abelian + Data,
    F: FnMut(&K, &S, Touched<'_, D>, &mut Vec<(T, RT)>) + 'static,
{
    type Record = T;
    type Diff = RT;

    fn whole(&mut self, key: &K, state: &mut S, output: &mut Vec<(T, RT)>) {
        (self.0.0)(key, state, Touched::All, output);
    }

    fn change(&mut self, key: &K, state: &mut S, updates: Vec<(D, R)>, output: &mut Vec<(T, RT)>) {
        let touched: Vec<D> = updates.iter().map(|(data, _)| data.clone()).collect();
        if !state.is_empty() {
            (self.0.0)(key, state, Touched::By(&touched), output);
            output.iter_mut().for_each(|(_, diff)| diff.negate());
        }
        updates.into_iter().for_each(|(data, diff)| state.update(data, diff));
        if !state.is_empty() {
            (self.0.0)(key, state, Touched::By(&touched), output);
        }
    }
}

/// See the module. `output` pushes what follows from a key's state; it is called before and after a change with the same
/// touched data, so that what it leaves out has not changed.
pub fn keyed<'scope, K, D, R, S, T, RT>(
    updates: VecCollection<'scope, Epoch, (K, D), R>,
    name: &str,
    route: impl Fn(&K) -> u64 + 'static,
    output: impl FnMut(&K, &S, Touched<'_, D>, &mut Vec<(T, RT)>) + 'static,
) -> VecCollection<'scope, Epoch, T, RT>
where
    K: ExchangeData + Hash,
    D: ExchangeData,
    R: Semigroup + ExchangeData,
    S: State<D, R>,
    T: Data,
    RT: Abelian + Data,
{
    evolve::<_, _, _, S, _>(updates, name, route, (Pure(output), std::marker::PhantomData))
}

/// The worker of a key, where its place does not matter.
pub fn hashed<K: Hash>(key: &K) -> u64 {
    key.hashed()
}

/// The data of a key with their sums, in order; none of them zero.
#[derive(Debug)]
pub struct Parts<D, R>(Vec<(D, R)>);

impl<D, R> Default for Parts<D, R> {
    fn default() -> Parts<D, R> {
        Parts(Vec::new())
    }
}

impl<D, R> Parts<D, R> {
    /// The data, in order.
    pub fn iter(&self) -> impl Iterator<Item = &D> {
        self.0.iter().map(|(data, _)| data)
    }

    /// The least.
    pub fn first(&self) -> Option<&D> {
        self.0.first().map(|(data, _)| data)
    }

    /// The greatest.
    pub fn last(&self) -> Option<&D> {
        self.0.last().map(|(data, _)| data)
    }
}

impl<D: Data, R: Semigroup + 'static> State<D, R> for Parts<D, R> {
    fn update(&mut self, data: D, diff: R) {
        match self.0.binary_search_by(|(other, _)| other.cmp(&data)) {
            Ok(place) => {
                self.0[place].1.plus_equals(&diff);
                if self.0[place].1.is_zero() {
                    self.0.remove(place);
                }
            }
            Err(_) if diff.is_zero() => {}
            Err(place) => self.0.insert(place, (data, diff)),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(D, R)>()
    }
}

/// For every key what `output` makes of its data, given in order with their sums.
pub fn reduce<'scope, K, D, R, O>(
    updates: VecCollection<'scope, Epoch, (K, D), R>,
    name: &str,
    mut output: impl FnMut(&K, &[(D, R)]) -> Option<O> + 'static,
) -> VecCollection<'scope, Epoch, O, isize>
where
    K: ExchangeData + Hash,
    D: ExchangeData,
    R: Semigroup + ExchangeData,
    O: Data,
{
    keyed(updates, name, hashed, move |key, parts: &Parts<D, R>, _, changes| {
        changes.extend(output(key, &parts.0).map(|record| (record, 1)));
    })
}

/// The sum of a key.
#[derive(Debug)]
pub struct Sum<R>(Option<R>);

impl<R> Default for Sum<R> {
    fn default() -> Sum<R> {
        Sum(None)
    }
}

impl<R: Semigroup + 'static> State<(), R> for Sum<R> {
    fn update(&mut self, (): (), diff: R) {
        match &mut self.0 {
            Some(sum) => sum.plus_equals(&diff),
            None => self.0 = Some(diff),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|sum| sum.is_zero())
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// For every key what `output` makes of its sum.
pub fn sum<'scope, K, R, O>(
    updates: VecCollection<'scope, Epoch, K, R>,
    name: &str,
    mut output: impl FnMut(&K, &R) -> Option<O> + 'static,
) -> VecCollection<'scope, Epoch, O, isize>
where
    K: ExchangeData + Hash,
    R: Semigroup + ExchangeData,
    O: Data,
{
    keyed(updates.map(|key| (key, ())), name, hashed, move |key, Sum(sum): &Sum<R>, _, changes| {
        changes.extend(sum.as_ref().and_then(|sum| output(key, sum)).map(|record| (record, 1)));
    })
}
