//! The chart: what it renders, and real Helm with it on a real control plane.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test a panic is the report and a printed figure is wanted, in its helpers too"
)]

mod argocd;
mod check;
mod flux;
mod incident;
mod installed;
mod lifecycle;
mod render;
mod rights;
mod server;
mod unheld;
mod upgrade;
mod values;
