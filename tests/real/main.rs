//! End to end on real control planes: etcd, kube-apiserver, kube-controller-manager, KubeFed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test a panic is the report and a printed figure is wanted, in its helpers too"
)]

mod conformance;
mod examples;
mod faults;
mod fence;
mod honest;
mod incident;
mod proof;
mod quiet;
mod tripwire;
mod variants;
mod volumes;
