//! Can readings of Leases come from one store?
//!
//! A Lease of one name is one object, and an object has one history. Its readings contradict one store when
//!
//! - one version has two contents: equal version, another holder or renew time;
//! - time runs backwards: a higher version with an earlier renew time;
//! - it has two holders at once: different holders within [`HANDOVER_US`], neither having released it.
//!
//! Everything else one moving object can explain, a change of holder after a long pause included. Such readings say
//! nothing either way: only an *equal* live reading speaks for one store.

use std::collections::BTreeMap;

use super::{LeaseSample, Subject};
use crate::id::Text;

/// Renew times of two holders nearer than this mean two holders at once, in microseconds.
///
/// A successor waits for the lease's duration, 15 s in Kubernetes' control planes, after the last renewal it saw;
/// 5 s of that are left to clocks that disagree. A clone's holders renew every 2 s, so their times are near whenever both
/// were read in one round.
pub(super) const HANDOVER_US: u64 = 10_000_000;

/// Whether a reading identifies one state of one object that somebody holds.
pub(super) fn is_live(sample: &LeaseSample) -> bool {
    sample.version > 0 && !sample.holder.is_empty()
}

/// The first Lease (by name) whose readings in these subjects cannot come from one store.
///
/// Costs a sort, not a comparison of all pairs: in order of version, and in order of renew time, a contradiction
/// between any two readings shows between two neighbours as well.
pub(super) fn contradiction(subjects: &[&Subject]) -> Option<Text> {
    let mut by_name: BTreeMap<&Text, Vec<&LeaseSample>> = BTreeMap::new();
    for sample in subjects.iter().flat_map(|subject| subject.leases()) {
        by_name.entry(&sample.name).or_default().push(sample);
    }
    by_name
        .into_iter()
        .find(|(_, samples)| contradict(samples))
        .map(|(name, _)| name.clone())
}

fn contradict(samples: &[&LeaseSample]) -> bool {
    let mut versioned: Vec<_> = samples.iter().filter(|sample| sample.version > 0).collect();
    versioned.sort_unstable_by_key(|sample| (sample.version, sample.renewed_us));
    let broken_history = versioned.array_windows().any(|[older, newer]| {
        if older.version == newer.version {
            older.holder != newer.holder || older.renewed_us != newer.renewed_us
        } else {
            newer.renewed_us < older.renewed_us
        }
    });
    let mut held: Vec<_> = samples
        .iter()
        .filter(|sample| !sample.holder.is_empty())
        .collect();
    held.sort_unstable_by_key(|sample| sample.renewed_us);
    let two_holders = held.array_windows().any(|[earlier, later]| {
        earlier.holder != later.holder
            && later.renewed_us.abs_diff(earlier.renewed_us) < HANDOVER_US
    });
    broken_history || two_holders
}
