//! The names whose damped counts a restart must not forget.
//!
//! A crash loop would otherwise begin to count anew each time, and a slow fight would never be found. What an earlier
//! process counted is no reason for anything by itself: it makes the next recreation that is seen weigh more.

#[cfg(test)]
mod tests;

use crate::{
    churn::{Damped, Penalties, SPENT, Table, Thresholds},
    federation::Federation,
    id::Text,
    time::Time,
};

/// Names remembered over a restart (bar C3 of the detector). More at once are one common cause, which is found by its own
/// signs.
pub const MAX_SUSPECTS: usize = 256;
/// Either count, in recreations, from which a name is remembered: one that nobody wished for, or four that came with edits.
const REMEMBERED: f32 = 1.0;
/// A spent name is left out from the next whole hour on, so that decay alone changes status seldom.
const TOLD_ANEW_MS: i64 = 3_600_000;

/// The damped counts of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suspect {
    /// The last recreation.
    pub last: Time,
    /// Both damped counts after it, in thousandths of a recreation, fast one first.
    pub penalties_milli: [u32; 2],
}

impl Suspect {
    /// What a restart takes up of a counter.
    pub(super) fn of(counter: &Damped, thresholds: &Thresholds) -> Self {
        let last = counter.last();
        Self {
            last,
            penalties_milli: milli(counter.penalties(last, thresholds)),
        }
    }

    /// The counter; it is latched by nothing.
    pub(super) fn counter(&self) -> Damped {
        let [fast, slow] = self.penalties_milli.map(|milli| milli as f32 / 1000.0);
        Damped::restore(Penalties { fast, slow }, self.last)
    }
}

/// Penalties in thousandths: at most the ceiling, and never below zero.
pub(super) fn milli(penalties: Penalties) -> [u32; 2] {
    [penalties.fast, penalties.slow].map(|p| (p * 1000.0).round() as u32)
}

/// At most [`MAX_SUSPECTS`] names: the heaviest, by the longer memory.
#[derive(Debug)]
pub(crate) struct Suspects(Table<Text>);

impl Default for Suspects {
    fn default() -> Self {
        Self(Table::with_capacity(MAX_SUSPECTS))
    }
}

impl Suspects {
    /// A name was recreated, and this is its counter now. Once it is remembered it is until it is spent.
    pub(super) fn count(
        &mut self,
        name: &Text,
        counter: Damped,
        now: Time,
        thresholds: &Thresholds,
    ) {
        let known = self.0.take(name).is_some();
        let counted = counter.penalties(now, thresholds);
        if known || counted.fast.max(counted.slow) >= REMEMBERED {
            self.0.put(name.clone(), counter, now, thresholds);
        }
    }

    /// What an earlier process remembered.
    pub(super) fn restore(&mut self, name: Text, suspect: Suspect) {
        if suspect.penalties_milli != [0, 0] {
            self.0.restore(name, suspect.counter());
        }
    }
}

impl Federation {
    /// Names recreated lately, by name, at most [`MAX_SUSPECTS`]: what a restart takes up ([`super::Restored`]).
    pub fn suspects(&self, now: Time) -> impl Iterator<Item = (&Text, Suspect)> {
        let at = Time(now.0 - now.0.rem_euclid(TOLD_ANEW_MS));
        let thresholds = &self.policy.churn;
        let counters = self.ledger.suspects.0.iter();
        counters.filter_map(move |(name, counter)| {
            let left = counter.penalties(at, thresholds);
            (left.fast.max(left.slow) >= SPENT).then(|| (name, Suspect::of(counter, thresholds)))
        })
    }
}
