//! One file for each verb.

pub mod explain;
pub mod hold;
pub mod pause;
pub mod status;
