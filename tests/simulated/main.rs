//! Everything that needs no control plane.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a broken manifest fails the test that reads it"
)]

mod accounts;
mod catalogue;
mod clusters;
mod crowd;
mod disturbances;
mod exactness;
mod examples;
mod findings;
mod honest;
mod incident;
mod kind;
mod kinds;
mod observability;
mod page;
mod probes;
mod quality;
mod quiet;
mod remedy;
mod restart;
mod rights;
mod schedules;
mod secrets;
mod story;
mod tripwire;
