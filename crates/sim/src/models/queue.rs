//! A queue of work with due times, as controllers keep it: a key waits once, at its earliest time.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// Keys and when they are due. Keys due at the same time come in the order in which they were added.
pub(crate) struct Queue<K> {
    due: BTreeMap<(Instant, u64), K>,
    places: HashMap<K, (Instant, u64)>,
    added: u64,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    pub(crate) fn new() -> Self {
        Self {
            due: BTreeMap::new(),
            places: HashMap::new(),
            added: 0,
        }
    }

    /// Adds a key that is due after `delay`; a key that already waits for an earlier time stays there.
    pub(crate) fn add(&mut self, key: K, delay: Duration) {
        let at = Instant::now() + delay;
        if let Some(place) = self.places.get(&key) {
            if place.0 <= at {
                return;
            }
            self.due.remove(place);
        }
        self.added += 1;
        let place = (at, self.added);
        self.places.insert(key.clone(), place);
        self.due.insert(place, key);
    }

    /// The next key that is due.
    pub(crate) fn pop(&mut self) -> Option<K> {
        let entry = self.due.first_entry()?;
        if entry.key().0 > Instant::now() {
            return None;
        }
        let key = entry.remove();
        self.places.remove(&key);
        Some(key)
    }

    /// When the next key is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn clear(&mut self) {
        self.due.clear();
        self.places.clear();
    }
}

/// Exponential back-off for each key, doubling from `first` to `most`.
pub(crate) struct Backoff<K> {
    failures: HashMap<K, u32>,
    first: Duration,
    most: Duration,
}

impl<K: Clone + Eq + Hash> Backoff<K> {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self {
            failures: HashMap::new(),
            first,
            most,
        }
    }

    /// How long to wait after one more failure of `key`.
    pub(crate) fn fail(&mut self, key: &K) -> Duration {
        let count = self.failures.entry(key.clone()).or_insert(0);
        // 2^20 times the first step is beyond any bound used here.
        let delay = self
            .first
            .saturating_mul(1 << (*count).min(20))
            .min(self.most);
        *count += 1;
        delay
    }

    pub(crate) fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_at_its_earliest_time() {
        let mut queue = Queue::new();
        queue.add("a", Duration::from_secs(5));
        queue.add("b", Duration::from_secs(2));
        queue.add("a", Duration::from_secs(1));
        queue.add("a", Duration::from_secs(9));
        assert_eq!(queue.pop(), None);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            (queue.pop(), queue.pop(), queue.pop()),
            (Some("a"), Some("b"), None)
        );
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_backoff_doubles_to_its_bound_and_forgets() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_mins(1));
        let seconds: Vec<u64> = (0..6).map(|_| backoff.fail(&1).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 60, 60]);
        backoff.forget(&1);
        assert_eq!(backoff.fail(&1).as_secs(), 5);
    }
}
