//! `FederationHealth` and `FederationHold` v1alpha1, their conditions and reasons, the names this project writes, and the few fields it reads
//! of other people's kinds.
//!
//! Nothing here talks to a cluster: the crate compiles without a client, so that others can use the types cheaply.

#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns repeat `priority`, each for its own column"
)]

pub mod foreign;
pub mod names;
pub mod v1alpha1;

pub use v1alpha1::{
    FederationHealth, FederationHealthSpec, FederationHealthStatus, FederationHold,
};
