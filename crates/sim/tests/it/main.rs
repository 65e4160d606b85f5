//! Tests of the simulation through its public interface, in one binary because linking takes longer than running.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test's helpers fail as tests do, and take literals"
)]

mod api_deletes;
mod api_reads;
mod api_writes;
mod apply;
mod common;
mod federation;
mod guard;
mod hold;
mod holding;
mod incident;
mod manifest;
mod scale;
mod support;
mod wire;
