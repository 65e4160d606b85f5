//! Federated objects, in buckets of equal placement: a verdict is worked out once a bucket, not once an object.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    facts::{Desired, ObjectKey},
    id::{Text, Uid},
    placement::Placement,
    registry::{Danger, Registry},
    table::{Put, Table},
};

/// The federated kind that makes Workspaces.
pub const FEDERATED_WORKSPACE: &str = "FederatedWorkspace";
/// The federated kind whose placement cuts that of everything in the namespace.
pub const FEDERATED_NAMESPACE: &str = "FederatedNamespace";

/// An interned placement: equal placements share one allocation and compare by address.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Placement>);

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Shared {}

impl Hash for Shared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.0) as usize).hash(state);
    }
}

impl Shared {
    pub(crate) fn placement(&self) -> &Placement {
        &self.0
    }
}

/// What is kept of one federated object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) uid: Uid,
    pub(crate) generation: i64,
    pub(crate) deleting: bool,
    pub(crate) placement: Shared,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BucketKey {
    kind: Text,
    own: Shared,
    within: Option<Shared>,
}

#[derive(Debug, Default)]
struct Bucket {
    members: BTreeSet<ObjectKey>,
    danger: Option<Danger>,
}

/// All federated objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    placements: HashSet<Arc<Placement>>,
    kinds: BTreeMap<Text, Table<ObjectKey, Row>>,
    buckets: HashMap<BucketKey, Bucket>,
    /// Buckets with a danger: few, whatever the number of placements.
    dangerous: HashSet<BucketKey>,
}

impl Objects {
    /// Shares the placement with every object that has an equal one.
    pub(crate) fn intern(&mut self, placement: Placement) -> Shared {
        if let Some(known) = self.placements.get(&placement) {
            return Shared(known.clone());
        }
        let shared = Arc::new(placement);
        self.placements.insert(shared.clone());
        Shared(shared)
    }

    /// Forgets a placement that nobody else has.
    pub(crate) fn release(&mut self, shared: &Shared) {
        if Arc::strong_count(&shared.0) <= 2 {
            self.placements.remove(&*shared.0);
        }
    }

    pub(crate) fn table(&mut self, kind: &Text) -> &mut Table<ObjectKey, Row> {
        self.kinds.entry(kind.clone()).or_default()
    }

    pub(crate) fn get(&self, kind: &str, key: &ObjectKey) -> Option<&Row> {
        self.kinds.get(kind)?.get(key)
    }

    /// The FederatedWorkspace of this name.
    pub(crate) fn workspace(&self, name: &Text) -> Option<&Row> {
        self.get(FEDERATED_WORKSPACE, &cluster_key(name))
    }

    /// Takes or drops an object; true if anything changed. The danger of a new bucket is worked out at once.
    pub(crate) fn apply(
        &mut self,
        kind: &Text,
        key: &ObjectKey,
        desired: Option<Desired>,
        registry: &Registry,
    ) -> bool {
        let row = desired.map(|d| Row {
            uid: d.uid,
            generation: d.generation,
            deleting: d.deleting,
            placement: self.intern(d.placement),
        });
        let table = self.table(kind);
        let (before, after) = match row {
            Some(row) => match table.put(key.clone(), row.clone()) {
                Put::Same => return false,
                Put::New => (None, Some(row)),
                Put::Changed(old) => (Some(old), Some(row)),
            },
            None => match table.remove(key) {
                None => return false,
                Some(old) => (Some(old), None),
            },
        };
        self.rebucket(kind, key, before.as_ref(), after.as_ref(), registry);
        if &**kind == FEDERATED_NAMESPACE {
            self.rebucket_contents(&key.namespace, before.as_ref(), after.as_ref(), registry);
        }
        if let Some(old) = before {
            self.release(&old.placement);
        }
        true
    }

    fn rebucket(
        &mut self,
        kind: &Text,
        key: &ObjectKey,
        before: Option<&Row>,
        after: Option<&Row>,
        registry: &Registry,
    ) {
        let within = self.within(kind, key);
        // An object that is being deleted leaves every member as its owner wished: nothing to simulate.
        let live = |row: Option<&Row>| row.filter(|r| !r.deleting).map(|r| r.placement.clone());
        let (from, to) = (live(before), live(after));
        if from == to {
            return;
        }
        if let Some(own) = from {
            self.leave(
                &BucketKey {
                    kind: kind.clone(),
                    own,
                    within: within.clone(),
                },
                key,
            );
        }
        if let Some(own) = to {
            self.enter(
                BucketKey {
                    kind: kind.clone(),
                    own,
                    within,
                },
                key.clone(),
                registry,
            );
        }
    }

    /// A FederatedNamespace changed: everything namespaced in it is simulated with the new placement.
    fn rebucket_contents(
        &mut self,
        namespace: &Text,
        before: Option<&Row>,
        after: Option<&Row>,
        registry: &Registry,
    ) {
        let (old, new) = (self.cut(before), self.cut(after));
        if old == new {
            return;
        }
        let mut moves = Vec::new();
        for (kind, table) in &self.kinds {
            if &**kind == FEDERATED_NAMESPACE {
                continue;
            }
            let inside = table
                .iter()
                .filter(|(key, row)| key.namespace == *namespace && !row.deleting);
            moves.extend(
                inside.map(|(key, row)| (kind.clone(), key.clone(), row.placement.clone())),
            );
        }
        for (kind, key, own) in moves {
            self.leave(
                &BucketKey {
                    kind: kind.clone(),
                    own: own.clone(),
                    within: old.clone(),
                },
                &key,
            );
            self.enter(
                BucketKey {
                    kind,
                    own,
                    within: new.clone(),
                },
                key,
                registry,
            );
        }
    }

    fn cut(&mut self, row: Option<&Row>) -> Option<Shared> {
        Some(match row {
            Some(row) => row.placement.clone(),
            None => self.intern(Placement::Nowhere),
        })
    }

    /// Placement of the FederatedNamespace around a namespaced object; KubeFed puts an object without one nowhere.
    fn within(&mut self, kind: &Text, key: &ObjectKey) -> Option<Shared> {
        if key.namespace.is_empty() || &**kind == FEDERATED_NAMESPACE {
            return None;
        }
        let around = ObjectKey {
            namespace: key.namespace.clone(),
            name: key.namespace.clone(),
        };
        let row = self.get(FEDERATED_NAMESPACE, &around).cloned();
        self.cut(row.as_ref())
    }

    fn leave(&mut self, bucket: &BucketKey, key: &ObjectKey) {
        let Some(found) = self.buckets.get_mut(bucket) else {
            return;
        };
        found.members.remove(key);
        if found.members.is_empty() {
            self.buckets.remove(bucket);
            self.dangerous.remove(bucket);
        }
    }

    fn enter(&mut self, key: BucketKey, member: ObjectKey, registry: &Registry) {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            bucket.members.insert(member);
            return;
        }
        let danger = judge(&key, registry);
        if danger.is_some() {
            self.dangerous.insert(key.clone());
        }
        self.buckets.insert(
            key,
            Bucket {
                members: BTreeSet::from([member]),
                danger,
            },
        );
    }

    /// Works out every bucket afresh: after a change of registrations or control planes.
    pub(crate) fn rejudge(&mut self, registry: &Registry) {
        self.dangerous.clear();
        for (key, bucket) in &mut self.buckets {
            bucket.danger = judge(key, registry);
            if bucket.danger.is_some() {
                self.dangerous.insert(key.clone());
            }
        }
    }

    /// Objects in danger: danger, kind and members of each bucket, in a stable order.
    pub(crate) fn endangered(&self) -> Vec<(Danger, &Text, &BTreeSet<ObjectKey>)> {
        let mut found: Vec<_> = self
            .dangerous
            .iter()
            .filter_map(|key| self.buckets.get(key).map(|bucket| (key, bucket)))
            .filter_map(|(key, bucket)| Some((bucket.danger?, &key.kind, &bucket.members)))
            .collect();
        found.sort_by(|a, b| (a.1, a.2.first()).cmp(&(b.1, b.2.first())));
        found
    }

    /// Danger of one object.
    pub(crate) fn danger_of(&self, kind: &str, key: &ObjectKey) -> Option<Danger> {
        if self.dangerous.is_empty() {
            return None;
        }
        self.dangerous
            .iter()
            .filter(|bucket| &*bucket.kind == kind)
            .filter_map(|bucket| self.buckets.get(bucket))
            .find(|bucket| bucket.members.contains(key))
            .and_then(|bucket| bucket.danger)
    }

    /// Keys of all objects of a kind, in order.
    pub(crate) fn keys(&self, kind: &Text) -> Vec<ObjectKey> {
        let mut keys: Vec<_> = self
            .kinds
            .get(kind)
            .into_iter()
            .flat_map(|t| t.iter().map(|(k, _)| k.clone()))
            .collect();
        keys.sort();
        keys
    }
}

fn judge(bucket: &BucketKey, registry: &Registry) -> Option<Danger> {
    registry.danger(
        &bucket.kind,
        bucket.own.placement(),
        bucket.within.as_ref().map(Shared::placement),
    )
}

/// Key of a cluster-scoped object.
pub(crate) fn cluster_key(name: &Text) -> ObjectKey {
    ObjectKey {
        namespace: Text::default(),
        name: name.clone(),
    }
}
