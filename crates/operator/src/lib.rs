//! Composition of the operator: reconcile loop, executor, prober, metrics, admin endpoints.
//!
//! ```text
//! watches ─► sinks ─► Engine::step ─► hold order ─► hold writer          (milliseconds)
//!                         │      └──► effects ────► executor
//!                         └─ dirty ─► reconcile ──► status, events, metrics
//! ```

pub mod admin;
pub mod args;
pub mod bindings;
pub mod check;
pub mod clock;
pub mod contents;
pub mod engine;
pub mod events;
pub mod executor;
pub mod feeds;
pub mod kinds;
pub mod known;
pub mod lease;
pub mod metrics;
pub mod object;
pub mod page;
pub mod prober;
pub mod prove;
pub mod readers;
pub mod reconcile;
pub mod remedy;
pub mod run;
pub mod sinks;
pub mod switch;
