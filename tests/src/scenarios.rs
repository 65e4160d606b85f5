//! Scenarios on real control planes: the tests run each once, the soak repeats them and prints figures.

pub mod added;
pub mod admin;
pub mod always;
pub mod armed;
pub mod bed;
pub mod collector;
pub mod contents;
pub mod disturbance;
pub mod faults;
pub mod figures;
pub mod held;
pub mod honest;
pub mod members;
pub mod never;
pub mod padding;
pub mod patch;
pub mod planes;
pub mod prototype;
pub mod quiet;
pub mod registered;
pub mod repeat;
pub mod stays;
pub mod table;
pub mod tripwire;
pub mod verdict;
pub mod witness;
