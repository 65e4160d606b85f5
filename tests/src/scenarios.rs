//! Scenarios on real control planes: the tests run each once, the soak repeats them and prints figures.

pub mod figures;
pub mod prototype;
pub mod tripwire;
