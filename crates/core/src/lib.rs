//! Every decision of federation-health: what was seen, what it means, what to do.
//!
//! No I/O, no clock, no logging, no randomness: facts and the time come in as arguments, effects go out as values.
//!
//! ```text
//! Change ──► Federation::apply ──► Effect (at once: hold, verify)
//!                  │
//!            Federation::assess ──► Assessment (conditions, findings, counts, next instant)
//! ```

pub mod access;
pub mod assess;
pub mod churn;
mod diagnosis;
pub mod effect;
pub mod facts;
pub mod federation;
mod feeds;
mod fights;
pub mod findings;
pub mod hold;
pub mod holding;
pub mod id;
pub mod identity;
pub mod joined;
mod keys;
mod kind;
pub mod lease;
pub mod ledger;
mod losses;
pub mod objects;
pub mod placement;
pub mod registry;
pub mod remedy;
mod removals;
pub mod staleness;
mod table;
mod tenants;
pub mod text;
pub mod time;
mod tripwire;
pub mod view;
mod witnesses;
pub mod words;

#[cfg(test)]
mod cases;
