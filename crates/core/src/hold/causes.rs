//! The causes of a hold, kept so that no question about them grows with their number.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    effect::CauseKind,
    id::{Text, Uid},
    time::Time,
};

/// Causes kept one by one. More deletions than this at once are one fact, and a person's to end.
const MAX_CAUSES: usize = 65_536;
/// Stands for every deletion that found no room.
const OVERFLOW: &str = "other Workspaces";

/// Kind and subject.
pub(super) type Key = (CauseKind, Text);

/// How far a cause has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Live reads are under way.
    Verifying,
    /// It stands.
    Standing,
    /// It is gone since then; the hold outlives it for a while.
    Gone(Time),
}

/// One cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    pub(super) uid: Option<Uid>,
    pub(super) since: Time,
    pub(super) state: State,
}

#[derive(Debug)]
struct Entry {
    cause: Cause,
    /// Orders causes of one instant, so that a storm does not reshuffle what is shown.
    turn: u64,
}

/// Causes by key, by age, and those that wait for live reads.
#[derive(Debug, Default)]
pub(super) struct Causes {
    by_key: BTreeMap<Key, Entry>,
    by_age: BTreeMap<(Time, u64), Key>,
    turn: u64,
    verifying: BTreeSet<(Time, Key)>,
    standing: usize,
}

impl Causes {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Cause> {
        self.by_key.get(key).map(|entry| &entry.cause)
    }

    pub(super) fn put(&mut self, key: Key, cause: Cause) {
        let (key, cause) = if self.by_key.len() >= MAX_CAUSES && !self.by_key.contains_key(&key) {
            let all = (CauseKind::UnexpectedDeletion, Text::from(OVERFLOW));
            (
                all,
                Cause {
                    uid: None,
                    state: State::Standing,
                    ..cause
                },
            )
        } else {
            (key, cause)
        };
        let turn = self.take(&key).map_or_else(
            || {
                self.turn += 1;
                self.turn
            },
            |known| known.turn,
        );
        self.by_age.insert((cause.since, turn), key.clone());
        match cause.state {
            State::Verifying => {
                self.verifying.insert((cause.since, key.clone()));
            }
            State::Standing => self.standing += 1,
            State::Gone(_) => {}
        }
        self.by_key.insert(key, Entry { cause, turn });
    }

    pub(super) fn set_state(&mut self, key: &Key, state: State) {
        if let Some(cause) = self.get(key).copied() {
            self.put(key.clone(), Cause { state, ..cause });
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.take(key);
    }

    fn take(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.by_key.remove(key)?;
        self.by_age.remove(&(entry.cause.since, entry.turn));
        match entry.cause.state {
            State::Verifying => {
                self.verifying.remove(&(entry.cause.since, key.clone()));
            }
            State::Standing => self.standing -= 1,
            State::Gone(_) => {}
        }
        Some(entry)
    }

    /// Forgets what is gone: diagnoses and requests, which are few.
    pub(super) fn forget_gone(&mut self) {
        let gone = |(key, entry): (&Key, &Entry)| {
            matches!(entry.cause.state, State::Gone(_)).then(|| key.clone())
        };
        let keys: Vec<Key> = self.by_key.iter().filter_map(gone).collect();
        for key in keys {
            self.remove(&key);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keys of one kind, in order.
    pub(super) fn of_kind(&self, kind: CauseKind) -> impl Iterator<Item = (&Key, &Cause)> {
        self.by_key
            .range((kind, Text::default())..)
            .take_while(move |((found, _), _)| *found == kind)
            .map(|(key, entry)| (key, &entry.cause))
    }

    /// Oldest first.
    pub(super) fn by_age(&self) -> impl Iterator<Item = (&Key, &Cause)> {
        self.by_age
            .values()
            .filter_map(|key| Some((key, &self.by_key.get(key)?.cause)))
    }

    /// The cause that has waited longest for its live reads.
    pub(super) fn longest_verifying(&self) -> Option<Time> {
        self.verifying.first().map(|(since, _)| *since)
    }

    /// At least one is beyond doubt: it stands, or it did and the hold outlives it.
    pub(super) fn any_settled(&self) -> bool {
        self.by_key.len() > self.verifying.len()
    }

    /// All are gone, and since when the youngest is. Looks at each only when nothing else stands: what can be gone are
    /// diagnoses and requests, which are few.
    pub(super) fn all_gone(&self) -> Option<Vec<(CauseKind, Time)>> {
        if self.is_empty() || self.standing > 0 || !self.verifying.is_empty() {
            return None;
        }
        self.by_key
            .iter()
            .map(|((kind, _), entry)| match entry.cause.state {
                State::Gone(at) => Some((*kind, at)),
                State::Verifying | State::Standing => None,
            })
            .collect()
    }
}
