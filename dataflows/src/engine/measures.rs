//! Differences of many measures at once.
//!
//! Additive measures travel in the difference of an update, so that a group costs one record however many rows it has,
//! and a retraction subtracts exactly what was added. The zero test looks at every component: a group whose sum is
//! zero but whose count is not, stays.

/// Defines a struct of `i64` measures that is a difference.
macro_rules! measures {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[allow(missing_docs, reason = "measures have the names that METRICS.md explains")]
        pub struct $name { $($(#[$field_doc])* pub $field: i64),+ }

        impl differential_dataflow::difference::IsZero for $name {
            fn is_zero(&self) -> bool {
                $(self.$field == 0)&&+
            }
        }

        impl differential_dataflow::difference::Semigroup for $name {
            fn plus_equals(&mut self, other: &$name) {
                $(self.$field += other.$field;)+
            }
        }

        impl differential_dataflow::difference::Monoid for $name {
            fn zero() -> $name {
                $name::default()
            }
        }

        impl differential_dataflow::difference::Abelian for $name {
            fn negate(&mut self) {
                $(self.$field = -self.$field;)+
            }
        }

        impl differential_dataflow::difference::Multiply<isize> for $name {
            type Output = $name;
            fn multiply(self, times: &isize) -> $name {
                let times = i64::try_from(*times).expect("a multiplicity fits 64 bits");
                $name { $($field: self.$field * times),+ }
            }
        }
    };
}

pub(crate) use measures;

use differential_dataflow::difference::Semigroup;
use differential_dataflow::{AsCollection, Data, VecCollection};
use timely::dataflow::operators::vec::Map;

use crate::runtime::Epoch;

/// The same updates with differences of another kind; `to` must be additive.
pub fn convert<'scope, D, R1, R2>(
    updates: VecCollection<'scope, Epoch, D, R1>,
    to: impl Fn(R1) -> R2 + 'static,
) -> VecCollection<'scope, Epoch, D, R2>
where
    D: Data,
    R1: Semigroup + 'static,
    R2: Semigroup + 'static,
{
    updates.inner.map(move |(record, time, diff)| (record, time, to(diff))).as_collection()
}
