//! Shared pieces of the scenario and end-to-end tests, the soak and the demo.

#![allow(
    clippy::print_stdout,
    reason = "figures and stories for a person are what this crate makes"
)]

pub mod bench;
pub mod conformance;
pub mod guarded;
pub mod helm;
pub mod logs;
pub mod manifests;
pub mod observed;
pub mod quality;
pub mod random;
pub mod rights;
pub mod scenarios;
pub mod schedules;
pub mod simulated;
pub mod story;
pub mod typed;
