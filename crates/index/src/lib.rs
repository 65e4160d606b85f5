//! Objects to facts, spec to policy, assessment to status.

pub mod ca;
pub mod endpoint;
