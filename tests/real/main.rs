//! End to end on real control planes: etcd, kube-apiserver, kube-controller-manager, KubeFed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test a panic is the report and a printed figure is wanted, in its helpers too"
)]

mod changes;
mod conformance;
mod documents;
mod exact;
mod examples;
mod faults;
mod fence;
mod field;
mod honest;
mod join;
mod ladder;
mod named;
mod plugin;
mod proof;
mod quiet;
mod secrets;
mod tripwire;
mod variants;

use federation_health_tests::scenarios::table::{Figures, Table};

fn print(what: &str, figures: Figures) {
    let mut table = Table::default();
    table.add(figures);
    println!("{what}\n{table}");
}
