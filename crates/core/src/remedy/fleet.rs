//! Whether so many clusters turned bad at once that the fault may be our own.

use std::collections::BTreeMap;

use super::{
    brake::{Brake, FLEET_WINDOW_MS},
    policy::RemedyPolicy,
};
use crate::{
    facts::Readiness,
    id::RegistrationKey,
    registry::{Registry, UNREACHABLE_AFTER},
    time::Time,
};

/// What became of every registration since it was first seen.
#[derive(Debug, Default)]
pub(super) struct Fleet(BTreeMap<RegistrationKey, Course>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    NeverGood,
    Good,
    Turned(Time),
}

impl Fleet {
    /// Takes the state of every registration. One that never was good has not turned bad: a name that was just registered
    /// is not Ready for its first ten seconds. Of one that is bad at the first look KubeFed says since when: a restart of ours
    /// must not make us forget that the fleet has just turned.
    pub(super) fn observe(&mut self, registry: &Registry, now: Time) {
        self.0.retain(|key, _| registry.entry(key).is_some());
        for (key, entry) in registry.entries.iter() {
            let good = entry.facts.ready == Readiness::True && entry.failures < UNREACHABLE_AFTER;
            let course = match (good, self.0.get(key)) {
                (true, _) => Course::Good,
                (false, Some(Course::Good)) => Course::Turned(now),
                (false, Some(course)) => *course,
                (false, None) => entry
                    .facts
                    .unready_since
                    .map_or(Course::NeverGood, Course::Turned),
            };
            self.0.insert(key.clone(), course);
        }
    }

    fn turned(&self, now: Time) -> impl Iterator<Item = (&RegistrationKey, Time)> {
        self.0
            .iter()
            .filter_map(|(key, course)| match course {
                Course::Turned(at) => Some((key, *at)),
                Course::NeverGood | Course::Good => None,
            })
            .filter(move |(_, at)| now.since_ms(*at) < FLEET_WINDOW_MS)
    }

    pub(super) fn brake(
        &self,
        registry: &Registry,
        policy: &RemedyPolicy,
        now: Time,
    ) -> Option<Brake> {
        let counts = |key: &RegistrationKey| !policy.expected_offline.contains(&key.name);
        let bad = self.turned(now).filter(|(key, _)| counts(key)).count();
        let of = registry.entries.iter().filter(|(key, _)| counts(key));
        let (of, max_percent) = (of.count(), policy.max_unhealthy_percent);
        (bad as i64 * 100 > of as i64 * max_percent).then_some(Brake::FleetUnhealthy {
            bad,
            of,
            max_percent,
        })
    }

    /// When the oldest of them no longer counts.
    pub(super) fn changes_at(&self, now: Time) -> Option<Time> {
        let turned = self.turned(now).map(|(_, at)| at);
        turned.map(|at| at.plus_ms(FLEET_WINDOW_MS)).min()
    }
}
