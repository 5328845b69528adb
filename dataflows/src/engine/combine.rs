//! Sums the differences of equal records before they travel.
//!
//! ```text
//!  updates ──▶ sums by record, of what one activation brings ──▶ at most one update a record
//! ```
//!
//! Invariants
//! 1. The output is the input, consolidated: the same collection at every time.
//! 2. Nothing is kept between activations.
//!
//! A view's updates are many to a group (each message adds to its hour); the arrangement that follows sorts what it
//! gets. Hashing first costs less than sorting all of it. Differential's `consolidate_stream` does the same a buffer
//! (some hundred records) at a time, which finds few equals.

use std::hash::Hash;

use differential_dataflow::difference::Semigroup;
use differential_dataflow::{AsCollection, Data, VecCollection};
use hashbrown::HashMap;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use crate::runtime::Epoch;

/// See the module.
pub fn combine<'scope, D, R>(
    updates: VecCollection<'scope, Epoch, D, R>,
    name: &str,
) -> VecCollection<'scope, Epoch, D, R>
where
    D: Data + Hash,
    R: Semigroup + 'static,
{
    updates
        .inner
        .unary(Pipeline, &format!("Combine: {name}"), move |_, _| {
            let mut sums: HashMap<(D, Epoch), R> = HashMap::new();
            move |input, output| {
                input.for_each_stamp(|capability, data| {
                    for (record, time, diff) in data.flat_map(|container| container.drain(..)) {
                        sums.entry((record, time)).and_modify(|sum| sum.plus_equals(&diff)).or_insert(diff);
                    }
                    let mut session = output.session(&capability);
                    let kept = sums.drain().filter(|(_, diff)| !diff.is_zero());
                    session.give_iterator(kept.map(|((record, time), diff)| (record, time, diff)));
                    if sums.capacity() > KEPT_CAPACITY {
                        sums = HashMap::new();
                    }
                });
            }
        })
        .as_collection()
}

/// A map that a large epoch made larger is given back.
const KEPT_CAPACITY: usize = 1 << 16;
