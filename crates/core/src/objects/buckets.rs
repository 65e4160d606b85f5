//! Which object lies in which bucket, and the verdict of each.

use super::{
    Bucket, BucketKey, FEDERATED_NAMESPACE, FEDERATED_WORKSPACE, Objects, Row, Shared, Store,
};
use crate::{
    facts::ObjectKey,
    id::Text,
    keys::Slot,
    placement::Placement,
    registry::{Danger, Registry},
};

impl Objects {
    /// Every distinct placement: kind, its own, that of its FederatedNamespace, and how many objects have it.
    pub(crate) fn placements(
        &self,
    ) -> impl Iterator<Item = (&Text, &Placement, Option<&Placement>, usize)> {
        self.buckets.iter().map(|(key, bucket)| {
            let within = key.within.as_ref().map(Shared::placement);
            (&key.kind, key.own.placement(), within, bucket.members.len())
        })
    }

    pub(super) fn rebucket(
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
            self.counts.remove(&own);
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
            self.counts.add(&own);
            self.enter(
                BucketKey {
                    kind: kind.clone(),
                    own,
                    within,
                },
                key,
                registry,
            );
        }
    }

    /// A FederatedNamespace changed: everything namespaced in it is simulated with the new placement.
    pub(super) fn rebucket_contents(
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
        let moves: Vec<(Text, ObjectKey, Shared)> = self
            .store
            .inside(namespace)
            .filter(|(kind, _, row)| **kind != FEDERATED_NAMESPACE && !row.deleting)
            .map(|(kind, key, row)| (kind.clone(), key, row.placement.clone()))
            .collect();
        for (kind, key, own) in moves {
            self.leave(
                &BucketKey {
                    kind: kind.clone(),
                    own: own.clone(),
                    within: Some(old.clone()),
                },
                &key,
            );
            self.enter(
                BucketKey {
                    kind,
                    own,
                    within: Some(new.clone()),
                },
                &key,
                registry,
            );
        }
    }

    fn cut(&mut self, row: Option<&Row>) -> Shared {
        match row {
            Some(row) => row.placement.clone(),
            None => self.intern(Placement::Nowhere),
        }
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
        Some(self.cut(row.as_ref()))
    }

    fn leave(&mut self, bucket: &BucketKey, key: &ObjectKey) {
        let Some(found) = self.buckets.get_mut(bucket) else {
            return;
        };
        if let Ok(at) = position(&self.store, &bucket.kind, &found.members, key) {
            found.members.remove(at);
        }
        if found.members.is_empty() {
            self.buckets.remove(bucket);
            self.dangerous.remove(bucket);
            self.misnamed.remove(bucket);
        }
    }

    fn enter(&mut self, key: BucketKey, member: &ObjectKey, registry: &Registry) {
        let Some(slot) = self.store.slot(&key.kind, member) else {
            return;
        };
        if let Some(bucket) = self.buckets.get_mut(&key) {
            if let Err(at) = position(&self.store, &key.kind, &bucket.members, member) {
                bucket.members.insert(at, slot);
            }
            return;
        }
        let danger = judge(&key, registry);
        if danger.is_some() {
            self.dangerous.insert(key.clone());
        }
        let misnamed = is_misnamed(&key, registry);
        if misnamed {
            self.misnamed.insert(key.clone());
        }
        self.buckets.insert(
            key,
            Bucket {
                members: vec![slot],
                danger,
                misnamed,
            },
        );
    }
}

/// Where an object is among the members of a bucket, or belongs.
fn position(store: &Store, kind: &str, members: &[Slot], key: &ObjectKey) -> Result<usize, usize> {
    members.binary_search_by(|slot| store.order(kind, *slot, key))
}

pub(super) fn judge(bucket: &BucketKey, registry: &Registry) -> Option<Danger> {
    registry.danger(
        &bucket.kind,
        bucket.own.placement(),
        bucket.within.as_ref().map(Shared::placement),
    )
}

/// FederatedWorkspaces alone: those of other kinds are made from them, or are their owners' business.
pub(super) fn is_misnamed(bucket: &BucketKey, registry: &Registry) -> bool {
    matches!(bucket.own.placement(), Placement::Names(names)
        if &*bucket.kind == FEDERATED_WORKSPACE && names.iter().any(|name| !registry.is_registered(name)))
}
