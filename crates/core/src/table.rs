//! A table of projections that knows which rows the current full list has named.

use std::{collections::HashMap, hash::Hash};

/// What a write to a [`Table`] changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put<V> {
    /// The key was not known.
    New,
    /// The row says what was known: no work follows.
    Same,
    /// The row differs; this was it.
    Changed(V),
}

/// Rows by key. A relist marks rows by an epoch instead of a second key set, so that it needs no memory of its own.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    rows: HashMap<K, (V, u8)>,
    epoch: u8,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            epoch: 0,
        }
    }
}

impl<K: Hash + Eq + Ord + Clone, V: PartialEq> Table<K, V> {
    pub(crate) fn put(&mut self, key: K, value: V) -> Put<V> {
        match self.rows.get_mut(&key) {
            None => {
                self.rows.insert(key, (value, self.epoch));
                Put::New
            }
            Some(row) => {
                row.1 = self.epoch;
                if row.0 == value {
                    Put::Same
                } else {
                    Put::Changed(std::mem::replace(&mut row.0, value))
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.rows.remove(key).map(|(value, _)| value)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key).map(|(value, _)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.rows.get_mut(key).map(|(value, _)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows in no particular order: sort what becomes visible.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, (value, _))| (key, value))
    }

    /// A full list begins.
    pub(crate) fn begin(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// The object exists, but cannot be read: what is known of it stays.
    pub(crate) fn touch(&mut self, key: &K) {
        if let Some(row) = self.rows.get_mut(key) {
            row.1 = self.epoch;
        }
    }

    /// The same for every key that is meant.
    pub(crate) fn touch_where(&mut self, meant: impl Fn(&K) -> bool) {
        for (key, row) in &mut self.rows {
            if meant(key) {
                row.1 = self.epoch;
            }
        }
    }

    /// The key as it is kept, for sharing its allocation.
    pub(crate) fn kept(&self, key: &K) -> Option<K> {
        self.rows.get_key_value(key).map(|(kept, _)| kept.clone())
    }

    /// Keys that the list which began last has not named, in order.
    pub(crate) fn missing(&self) -> Vec<K> {
        let mut gone: Vec<K> = self
            .rows
            .iter()
            .filter(|(_, (_, seen))| *seen != self.epoch)
            .map(|(key, _)| key.clone())
            .collect();
        gone.sort();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_what_it_left_out_and_spares_what_could_not_be_read() {
        let mut table = Table::default();
        assert_eq!(table.put("a", 1), Put::New);
        assert_eq!(table.put("b", 2), Put::New);
        assert_eq!(table.put("c", 3), Put::New);
        table.begin();
        assert_eq!(table.put("a", 1), Put::Same);
        table.touch(&"b");
        assert_eq!(table.missing(), vec!["c"]);
        assert_eq!(table.put("a", 4), Put::Changed(1));
    }
}
