//! Scenarios on real control planes: the tests run each once, the soak repeats them and prints figures.

pub mod always;
pub mod armed;
pub mod bed;
pub mod collector;
pub mod disturbance;
pub mod figures;
pub mod held;
pub mod prototype;
pub mod registered;
pub mod stays;
pub mod table;
pub mod tripwire;
pub mod verdict;
pub mod witness;
