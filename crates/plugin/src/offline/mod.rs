//! What can be said without a cluster: recordings, audit logs and bundles, judged by the code that judges live.

pub mod analysis;
pub mod audit;
mod bundle;
mod culprits;
pub mod input;
mod replay;
pub mod report;
