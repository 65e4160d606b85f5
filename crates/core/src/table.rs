//! Rows of projections that know which of them the current full list has named.

use std::hash::Hash;

use bit_vec::BitVec;

use crate::keys::{Keys, Slot};

/// What a write to a [`Table`] or [`Column`] changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put<V> {
    /// The key was not known.
    New,
    /// The row says what was known: no work follows.
    Same,
    /// The row differs; this was it.
    Changed(V),
}

/// Rows of one kind by slot. A relist marks rows by a bit each instead of by a second key set.
#[derive(Debug)]
pub(crate) struct Column<V> {
    rows: Vec<Option<V>>,
    /// Rows that the list which began last has named, and what came since.
    seen: BitVec,
    len: usize,
}

impl<V> Default for Column<V> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            seen: BitVec::new(),
            len: 0,
        }
    }
}

impl<V: PartialEq> Column<V> {
    pub(crate) fn put(&mut self, slot: Slot, value: V) -> Put<V> {
        let index = slot.index();
        if index >= self.rows.len() {
            self.rows.resize_with(index + 1, || None);
            self.seen.grow(self.rows.len() - self.seen.len(), false);
        }
        self.seen.set(index, true);
        let row = &mut self.rows[index];
        if row.as_ref() == Some(&value) {
            return Put::Same;
        }
        if let Some(old) = row.replace(value) {
            return Put::Changed(old);
        }
        self.len += 1;
        Put::New
    }

    pub(crate) fn take(&mut self, slot: Slot) -> Option<V> {
        let old = self.rows.get_mut(slot.index())?.take();
        self.len -= usize::from(old.is_some());
        old
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&V> {
        self.rows.get(slot.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.rows.get_mut(slot.index())?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A full list begins.
    pub(crate) fn begin(&mut self) {
        self.seen.fill(false);
    }

    /// The object exists, but cannot be read: what is known of it stays.
    pub(crate) fn touch(&mut self, slot: Slot) {
        if slot.index() < self.seen.len() {
            self.seen.set(slot.index(), true);
        }
    }

    /// Rows that the list which began last has not named.
    pub(crate) fn missing(&self) -> impl Iterator<Item = Slot> {
        let rows = self.rows.iter().zip(&self.seen).enumerate();
        rows.filter(|(_, (row, seen))| row.is_some() && !seen)
            .map(|(index, _)| Slot::of(index))
    }
}

/// Rows of one kind by a key that no other kind has.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    keys: Keys<K>,
    rows: Column<V>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            rows: Column::default(),
        }
    }
}

impl<K: Hash + Eq + Ord + Clone, V: PartialEq> Table<K, V> {
    pub(crate) fn put(&mut self, key: K, value: V) -> Put<V> {
        let slot = self.keys.enter(key);
        self.rows.put(slot, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.keys.find(key)?;
        self.keys.leave(slot);
        self.rows.take(slot)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(self.keys.find(key)?)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.rows.get_mut(self.keys.find(key)?)
    }

    pub(crate) fn slot(&self, key: &K) -> Option<Slot> {
        self.keys.find(key)
    }

    pub(crate) fn at_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.rows.get_mut(slot)
    }

    pub(crate) fn at(&self, slot: Slot) -> Option<(&K, &V)> {
        Some((self.keys.key(slot)?, self.rows.get(slot)?))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows that there is room for.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.keys.room()
    }

    /// Rows in no particular order: sort what becomes visible.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let rows = self.keys.iter();
        rows.filter_map(|(slot, key)| Some((key, self.rows.get(slot)?)))
    }

    /// A full list begins.
    pub(crate) fn begin(&mut self) {
        self.rows.begin();
    }

    /// The object exists, but cannot be read: what is known of it stays.
    pub(crate) fn touch(&mut self, key: &K) {
        if let Some(slot) = self.keys.find(key) {
            self.rows.touch(slot);
        }
    }

    /// The same for every key that is meant.
    pub(crate) fn touch_where(&mut self, meant: impl Fn(&K) -> bool) {
        let Self { keys, rows } = self;
        for (slot, _) in keys.iter().filter(|(_, key)| meant(key)) {
            rows.touch(slot);
        }
    }

    /// Keys that the list which began last has not named, in order.
    pub(crate) fn missing(&self) -> Vec<K> {
        self.keys.named(self.rows.missing())
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

    #[test]
    fn a_slot_leads_to_its_row_and_to_nothing_after_it() {
        let mut table = Table::default();
        for n in 0..1000 {
            table.put(n, -n);
        }
        let slot = table.slot(&700).unwrap();
        assert_eq!(table.at(slot), Some((&700, &-700)));
        table.remove(&700);
        assert_eq!((table.at(slot), table.slot(&700)), (None, None));
        assert!((0..1000).all(|n| table.get(&n).copied() == (n != 700).then_some(-n)));
    }

    #[test]
    fn an_optional_slot_has_four_bytes() {
        assert_eq!(size_of::<Option<Slot>>(), 4);
    }
}
