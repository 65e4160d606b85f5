//! Scenarios on real control planes: the tests run each once, the soak repeats them and prints figures.

pub mod armed;
pub mod bed;
pub mod collector;
pub mod figures;
pub mod held;
pub mod honest;
pub mod patch;
pub mod prototype;
pub mod quiet;
pub mod registered;
pub mod table;
pub mod tripwire;
pub mod verdict;
pub mod witness;
