//! Names by number: each is kept once, whatever refers to it.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroU32,
};

use hashbrown::{HashTable, hash_table::Entry};
use slab::Slab;

/// Where a key and its rows lie. Good until the key leaves. Packed: without an alignment of its own, it makes no gaps in the rows
/// that carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    /// One more than the index, so that `Option<Slot>` has four bytes as well. Memory ends long before the numbers do.
    pub(crate) fn of(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index as u32))
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Keys and their slots. The slot of a key that left is given to the next, so that names which come and go for months need no
/// more room than the most that lived at once.
#[derive(Debug)]
pub(crate) struct Keys<K> {
    slots: Slab<K>,
    index: HashTable<Slot>,
    hasher: RandomState,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self {
            slots: Slab::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<K: Hash + Eq> Keys<K> {
    pub(crate) fn find(&self, key: &K) -> Option<Slot> {
        let is = |slot: &Slot| self.slots.get(slot.index()) == Some(key);
        self.index.find(self.hasher.hash_one(key), is).copied()
    }

    /// The slot of a key that is there, or comes.
    pub(crate) fn enter(&mut self, key: K) -> Slot {
        let Self {
            slots,
            index,
            hasher,
        } = self;
        let is = |slot: &Slot| slots.get(slot.index()) == Some(&key);
        let hash_of = |slot: &Slot| {
            let known = slots.get(slot.index());
            known.map_or(0, |key| hasher.hash_one(key))
        };
        match index.entry(hasher.hash_one(&key), is, hash_of) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let slot = Slot::of(slots.vacant_key());
                entry.insert(slot);
                slots.insert(key);
                slot
            }
        }
    }

    pub(crate) fn leave(&mut self, slot: Slot) {
        let Some(key) = self.slots.try_remove(slot.index()) else {
            return;
        };
        let hash = self.hasher.hash_one(&key);
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == slot) {
            entry.remove();
        }
    }

    pub(crate) fn key(&self, slot: Slot) -> Option<&K> {
        self.slots.get(slot.index())
    }

    /// The keys of these slots, in order.
    pub(crate) fn named(&self, slots: impl Iterator<Item = Slot>) -> Vec<K>
    where
        K: Ord + Clone,
    {
        let mut keys: Vec<K> = slots.filter_map(|slot| self.key(slot).cloned()).collect();
        keys.sort();
        keys
    }

    /// Slots that there is room for.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.slots.capacity()
    }

    /// Keys in no particular order: sort what becomes visible.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &K)> {
        let known = self.slots.iter();
        known.map(|(index, key)| (Slot::of(index), key))
    }
}
