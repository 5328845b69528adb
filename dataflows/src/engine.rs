//! What the views need of the engine beyond its own operators.
//!
//! - [`keyed`]: operators that keep a state by key, and no history.
//! - [`table`]: where they keep it.
//! - [`kmeans`]: clustering of weighted points.
//! - [`ranked`]: sorted sequences with positions.
//! - [`measures`]: differences of many measures at once.
//! - [`combine`]: sums of equal records before they travel.

pub mod combine;
pub mod keyed;
pub mod kmeans;
pub mod measures;
pub mod ranked;
pub mod table;
