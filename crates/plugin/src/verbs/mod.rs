//! One file for each verb.

pub mod analyze;
pub mod approve;
pub mod check;
pub mod complete;
pub mod explain;
pub mod gather;
pub mod hold;
pub mod pause;
pub mod plan;
pub mod preflight;
pub mod report;
pub mod status;
pub mod undo;
