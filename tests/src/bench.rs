//! Measurements of the operator: by process and by instruction.

pub mod crowd;
pub mod instructions;
pub mod process;
pub mod typed;

/// Failures of a measurement, for a person to read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
