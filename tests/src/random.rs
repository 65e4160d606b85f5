//! A sequence that looks random, the same for each seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Steps between two states of splitmix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// splitmix64. Shared by reference, so that a closure of a test may draw from it.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number.
    pub fn draw(&self) -> u64 {
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly in 0..`bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// Evenly in 0..1.
    pub fn unit(&self) -> f64 {
        // The 53 bits that a double keeps.
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Time to the next event of a Poisson process, in the unit of its mean.
    pub fn wait(&self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}
