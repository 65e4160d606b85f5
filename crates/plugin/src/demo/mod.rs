//! The federation that the demonstration, and this crate's transcripts, are played on.

mod stage;

pub use stage::{ALIAS, Scenario, Stage};
