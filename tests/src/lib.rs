//! Shared pieces of the scenario and end-to-end tests, the soak and the demo.

pub mod bench;
pub mod guarded;
pub mod manifests;
pub mod scenarios;
pub mod simulated;
pub mod story;
