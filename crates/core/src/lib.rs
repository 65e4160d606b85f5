//! Every decision of federation-health: what was seen, what it means, what to do.
//!
//! No I/O, no clock, no logging, no randomness: facts and the time come in as arguments, effects go out as values.

pub mod churn;
pub mod id;
pub mod identity;
pub mod placement;
pub mod time;
