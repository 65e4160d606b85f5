//! Namespaces whose owner comes and goes.

use std::collections::BTreeMap;

use crate::{id::Text, time::Time};

/// Changes within [`WINDOW_MS`] that make a fight: a person corrects a reference once or twice.
const CHANGES: u32 = 5;
const WINDOW_MS: i64 = 60_000;
/// A fight is told for this long after its last minute of that kind.
const RESTS_MS: i64 = 600_000;
/// Namespaces remembered; one is forgotten when it rests.
const MAX_FOUGHT: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Fight {
    since: Time,
    changes: u32,
    fought: Option<Time>,
    last: Time,
}

/// Namespaces whose owner reference vanished or came back lately.
#[derive(Debug, Default)]
pub(crate) struct Fights(BTreeMap<Text, Fight>);

impl Fights {
    /// An owner vanished or came back.
    pub(crate) fn changed(&mut self, namespace: &Text, now: Time) {
        if self.0.len() >= MAX_FOUGHT && !self.0.contains_key(namespace) {
            self.0
                .retain(|_, fight| now.since_ms(fight.last) < RESTS_MS);
            if self.0.len() >= MAX_FOUGHT {
                return;
            }
        }
        let fight = self.0.entry(namespace.clone()).or_insert(Fight {
            since: now,
            changes: 0,
            fought: None,
            last: now,
        });
        if now.since_ms(fight.since) >= WINDOW_MS {
            fight.since = now;
            fight.changes = 0;
        }
        fight.changes += 1;
        fight.last = now;
        if fight.changes >= CHANGES {
            fight.fought = Some(now);
        }
    }

    /// The namespace is gone.
    pub(crate) fn forget(&mut self, namespace: &Text) {
        self.0.remove(namespace);
    }

    /// Namespaces that are fought over, in order.
    pub(crate) fn open(&self, now: Time) -> impl Iterator<Item = &Text> {
        self.0
            .iter()
            .filter(move |(_, fight)| fight.fought.is_some_and(|at| now.since_ms(at) < RESTS_MS))
            .map(|(name, _)| name)
    }

    /// When the answer could change by time alone.
    pub(crate) fn changes_at(&self, now: Time) -> Option<Time> {
        let ends = self.0.values().filter_map(|fight| fight.fought);
        ends.map(|at| at.plus_ms(RESTS_MS))
            .filter(|at| *at > now)
            .min()
    }
}
