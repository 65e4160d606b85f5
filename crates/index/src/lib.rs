//! Objects to facts, spec to policy, assessment to status.

pub mod ca;
pub mod changes;

pub mod endpoint;
pub mod facts;
pub mod hold;
pub mod policy;
pub mod remedy;
pub mod status;
pub mod time;
