//! Everything that needs no control plane.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a broken manifest fails the test that reads it"
)]

mod clusters;
mod disturbances;
mod examples;
mod incident;
mod quiet;
mod readme;
mod remedy;
mod rights;
mod schedules;
mod tripwire;
