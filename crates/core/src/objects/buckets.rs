//! Which object lies in which bucket, and the verdict of each.

use std::collections::BTreeSet;

use super::{Bucket, BucketKey, FEDERATED_NAMESPACE, FEDERATED_WORKSPACE, Objects, Row, Shared};
use crate::{
    facts::ObjectKey,
    id::Text,
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
                key.clone(),
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
        let inside = self.contents.get(namespace);
        let moves: Vec<(Text, ObjectKey, Shared)> = inside
            .into_iter()
            .flatten()
            .filter_map(|(kind, name)| {
                let key = ObjectKey {
                    namespace: namespace.clone(),
                    name: name.clone(),
                };
                let row = self.get(kind, &key).filter(|row| !row.deleting)?;
                Some((kind.clone(), key, row.placement.clone()))
            })
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
                key,
                registry,
            );
        }
    }

    /// Remembers what lies in which namespace.
    pub(super) fn file(&mut self, kind: &Text, key: &ObjectKey, was: bool, is: bool) {
        if was == is || key.namespace.is_empty() || &**kind == FEDERATED_NAMESPACE {
            return;
        }
        let entry = (kind.clone(), key.name.clone());
        if is {
            let inside = self.contents.entry(key.namespace.clone()).or_default();
            inside.insert(entry);
        } else if let Some(inside) = self.contents.get_mut(&key.namespace) {
            inside.remove(&entry);
            if inside.is_empty() {
                self.contents.remove(&key.namespace);
            }
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
        found.members.remove(key);
        if found.members.is_empty() {
            self.buckets.remove(bucket);
            self.dangerous.remove(bucket);
            self.misnamed.remove(bucket);
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
        let misnamed = is_misnamed(&key, registry);
        if misnamed {
            self.misnamed.insert(key.clone());
        }
        self.buckets.insert(
            key,
            Bucket {
                members: BTreeSet::from([member]),
                danger,
                misnamed,
            },
        );
    }
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
