//! What the views need of the engine beyond its own operators: differences of many measures, and combining early.

pub mod combine;
pub mod measures;
