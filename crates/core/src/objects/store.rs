//! Federated objects by kind, namespace and name.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
};

use super::Row;
use crate::{
    facts::ObjectKey,
    id::Text,
    keys::{Keys, Slot},
    table::{Put, Table},
};

static NO_NAMESPACE: Text = Text::new_static("");

/// Key of an object as it is kept: its namespace, if it has one, by slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    namespace: Option<Slot>,
    name: Text,
}

#[derive(Debug)]
struct Kind {
    name: Text,
    objects: Table<Key, Row>,
}

/// All federated objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// A dozen or two, known by position.
    kinds: Vec<Kind>,
    namespaces: Keys<Text>,
    /// What lies in each namespace: kind and object.
    contents: HashMap<Slot, BTreeSet<(u32, Slot)>>,
}

impl Store {
    fn number(&self, kind: &str) -> Option<usize> {
        self.kinds.iter().position(|known| known.name == kind)
    }

    fn number_or_new(&mut self, kind: &Text) -> usize {
        self.number(kind).unwrap_or_else(|| {
            self.kinds.push(Kind {
                name: kind.clone(),
                objects: Table::default(),
            });
            self.kinds.len() - 1
        })
    }

    fn table(&self, kind: &str) -> Option<&Table<Key, Row>> {
        Some(&self.kinds.get(self.number(kind)?)?.objects)
    }

    fn packed(&self, key: &ObjectKey) -> Option<Key> {
        let namespace = match &key.namespace {
            none if none.is_empty() => None,
            namespace => Some(self.namespaces.find(namespace)?),
        };
        let name = key.name.clone();
        Some(Key { namespace, name })
    }

    fn unpacked(&self, key: &Key) -> ObjectKey {
        ObjectKey {
            namespace: self.namespace(key).clone(),
            name: key.name.clone(),
        }
    }

    fn namespace(&self, key: &Key) -> &Text {
        let known = key.namespace.and_then(|slot| self.namespaces.key(slot));
        known.unwrap_or(&NO_NAMESPACE)
    }

    pub(super) fn get(&self, kind: &str, key: &ObjectKey) -> Option<&Row> {
        self.table(kind)?.get(&self.packed(key)?)
    }

    /// Where an object lies within its kind.
    pub(super) fn slot(&self, kind: &str, key: &ObjectKey) -> Option<Slot> {
        self.table(kind)?.slot(&self.packed(key)?)
    }

    /// The key of the object that lies there.
    pub(super) fn key(&self, kind: &str, slot: Slot) -> Option<ObjectKey> {
        let (key, _) = self.table(kind)?.at(slot)?;
        Some(self.unpacked(key))
    }

    /// How the object that lies there is ordered to another of its kind.
    pub(super) fn order(&self, kind: &str, slot: Slot, other: &ObjectKey) -> Ordering {
        let at = self.table(kind).and_then(|table| table.at(slot));
        at.map_or(Ordering::Less, |(key, _)| {
            (self.namespace(key), &key.name).cmp(&(&other.namespace, &other.name))
        })
    }

    pub(super) fn put(&mut self, kind: &Text, key: &ObjectKey, row: Row) -> Put<Row> {
        let number = self.number_or_new(kind);
        let namespace =
            (!key.namespace.is_empty()).then(|| self.namespaces.enter(key.namespace.clone()));
        let name = key.name.clone();
        let packed = Key { namespace, name };
        let objects = &mut self.kinds[number].objects;
        let put = objects.put(packed.clone(), row);
        if put == Put::New
            && let (Some(namespace), Some(slot)) = (namespace, objects.slot(&packed))
        {
            let inside = self.contents.entry(namespace).or_default();
            inside.insert((number as u32, slot));
        }
        put
    }

    pub(super) fn remove(&mut self, kind: &str, key: &ObjectKey) -> Option<Row> {
        let number = self.number(kind)?;
        let packed = self.packed(key)?;
        let objects = &mut self.kinds.get_mut(number)?.objects;
        let slot = objects.slot(&packed)?;
        if let Some(namespace) = packed.namespace
            && let Some(inside) = self.contents.get_mut(&namespace)
        {
            inside.remove(&(number as u32, slot));
            if inside.is_empty() {
                self.contents.remove(&namespace);
                self.namespaces.leave(namespace);
            }
        }
        objects.remove(&packed)
    }

    /// Kinds, keys and rows of what lies in a namespace.
    pub(super) fn inside(
        &self,
        namespace: &Text,
    ) -> impl Iterator<Item = (&Text, ObjectKey, &Row)> {
        let slot = self.namespaces.find(namespace);
        let inside = slot.and_then(|slot| self.contents.get(&slot));
        inside.into_iter().flatten().filter_map(|(number, slot)| {
            let kind = self.kinds.get(*number as usize)?;
            let (key, row) = kind.objects.at(*slot)?;
            Some((&kind.name, self.unpacked(key), row))
        })
    }

    /// A full list of a kind begins.
    pub(super) fn begin(&mut self, kind: &Text) {
        let number = self.number_or_new(kind);
        self.kinds[number].objects.begin();
    }

    /// Objects of this name exist, but cannot be read: what is known of them stays.
    pub(super) fn touch(&mut self, kind: &str, name: &Text) {
        if let Some(number) = self.number(kind) {
            self.kinds[number]
                .objects
                .touch_where(|key| key.name == *name);
        }
    }

    /// Keys that the list which began last has not named, in order.
    pub(super) fn missing(&self, kind: &str) -> Vec<ObjectKey> {
        let missing = self.table(kind).map(Table::missing).unwrap_or_default();
        self.sorted(missing.iter())
    }

    /// Keys of all objects of a kind, in order.
    pub(super) fn keys(&self, kind: &str) -> Vec<ObjectKey> {
        let rows = self.table(kind).into_iter().flat_map(Table::iter);
        self.sorted(rows.map(|(key, _)| key))
    }

    /// Names of all objects of a kind, in no particular order.
    pub(super) fn names(&self, kind: &str) -> impl Iterator<Item = &Text> {
        let rows = self.table(kind).into_iter().flat_map(Table::iter);
        rows.map(|(key, _)| &key.name)
    }

    fn sorted<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> Vec<ObjectKey> {
        let mut keys: Vec<ObjectKey> = keys.map(|key| self.unpacked(key)).collect();
        keys.sort();
        keys
    }

    /// Objects of a kind.
    pub(super) fn count(&self, kind: &str) -> usize {
        self.table(kind).map_or(0, Table::len)
    }

    /// Objects of a kind that there is room for.
    #[cfg(test)]
    pub(super) fn room(&self, kind: &str) -> usize {
        self.table(kind).map_or(0, Table::room)
    }
}
