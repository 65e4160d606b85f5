//! Federated objects, in buckets of equal placement: a verdict is worked out once a bucket, not once an object.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    facts::{Desired, ObjectKey},
    id::{Text, Uid},
    keys::Slot,
    placement::{Labels, Placement},
    registry::{Danger, Registry},
    table::Put,
    time::Time,
};

mod buckets;
mod counts;
mod store;

use buckets::{is_misnamed, judge};
use counts::Counts;
use store::Store;

/// The federated kind that makes Workspaces.
pub const FEDERATED_WORKSPACE: &str = "FederatedWorkspace";
/// KubeSphere's own Workspace, which owns the control planes' namespaces.
pub const SYSTEM_WORKSPACE: &str = "system-workspace";
/// The federated kind whose placement cuts that of everything in the namespace.
pub const FEDERATED_NAMESPACE: &str = "FederatedNamespace";

/// Deaths watched at once: more than this many that hang have one cause.
const MAX_DYING: usize = 4096;

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
    /// The lower half: it is compared for equality alone.
    pub(crate) generation: u32,
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
    /// In order of their keys: who joins or leaves moves four bytes for each that stands behind.
    members: Vec<Slot>,
    danger: Option<Danger>,
    /// Its placement names clusters that nobody registered.
    misnamed: bool,
}

/// The members of a bucket, in order.
pub(crate) struct Members<'a> {
    store: &'a Store,
    kind: &'a Text,
    slots: &'a [Slot],
}

impl Members<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = ObjectKey> {
        let key = |slot: &Slot| self.store.key(self.kind, *slot);
        self.slots.iter().filter_map(key)
    }
}

/// All federated objects.
#[derive(Debug)]
pub(crate) struct Objects {
    /// [`FEDERATED_WORKSPACE`] without an allocation for each look-up.
    workspace_kind: Text,
    placements: HashSet<Arc<Placement>>,
    store: Store,
    buckets: HashMap<BucketKey, Bucket>,
    /// How often objects are placed on each name, and by each selector.
    counts: Counts,
    /// Objects that are being deleted, and since when that is known.
    dying: BTreeMap<(Text, ObjectKey), Time>,
    /// Buckets of FederatedWorkspaces whose placement names clusters that nobody registered.
    misnamed: HashSet<BucketKey>,
    /// Buckets with a danger: few, whatever the number of placements.
    dangerous: HashSet<BucketKey>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            workspace_kind: Text::from(FEDERATED_WORKSPACE),
            placements: HashSet::new(),
            store: Store::default(),
            buckets: HashMap::new(),
            counts: Counts::default(),
            dying: BTreeMap::new(),
            misnamed: HashSet::new(),
            dangerous: HashSet::new(),
        }
    }
}

impl Objects {
    /// What is kept of a template or federated object.
    pub(crate) fn row(&mut self, desired: Desired) -> Row {
        Row {
            uid: desired.uid,
            generation: desired.generation as u32,
            deleting: desired.deleting,
            placement: self.intern(desired.placement),
        }
    }

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

    /// A full list of a kind begins.
    pub(crate) fn begin(&mut self, kind: &Text) {
        self.store.begin(kind);
    }

    /// Objects of this name exist, but cannot be read: what is known of them stays.
    pub(crate) fn touch(&mut self, kind: &str, name: &Text) {
        self.store.touch(kind, name);
    }

    /// Keys that the list which began last has not named.
    pub(crate) fn missing(&self, kind: &str) -> Vec<ObjectKey> {
        self.store.missing(kind)
    }

    /// The name of a FederatedWorkspace as it is kept already.
    pub(crate) fn known_name(&self, name: &Text) -> Option<Text> {
        let slot = self.store.slot(FEDERATED_WORKSPACE, &cluster_key(name))?;
        Some(self.store.key(FEDERATED_WORKSPACE, slot)?.name)
    }

    pub(crate) fn get(&self, kind: &str, key: &ObjectKey) -> Option<&Row> {
        self.store.get(kind, key)
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
        now: Time,
    ) -> bool {
        let before = self.get(kind, key).cloned();
        let after = desired.map(|desired| self.row(desired));
        let same = match &after {
            Some(row) => self.store.put(kind, key, row.clone()) == Put::Same,
            None => before.is_none(),
        };
        if same {
            return false;
        }
        self.note_death(kind, key, after.as_ref(), now);
        self.rebucket(kind, key, before.as_ref(), after.as_ref(), registry);
        if &**kind == FEDERATED_NAMESPACE {
            self.rebucket_contents(&key.namespace, before.as_ref(), after.as_ref(), registry);
        }
        // Last: buckets find their members through the store.
        if after.is_none() {
            self.store.remove(kind, key);
        }
        if let Some(old) = before {
            self.release(&old.placement);
        }
        true
    }

    /// Works out every bucket afresh: after a change of registrations or control planes.
    pub(crate) fn rejudge(&mut self, registry: &Registry) {
        self.dangerous.clear();
        self.misnamed.clear();
        for (key, bucket) in &mut self.buckets {
            bucket.danger = judge(key, registry);
            if bucket.danger.is_some() {
                self.dangerous.insert(key.clone());
            }
            bucket.misnamed = is_misnamed(key, registry);
            if bucket.misnamed {
                self.misnamed.insert(key.clone());
            }
        }
    }

    /// Objects in danger: danger, kind and members of each bucket, in a stable order.
    pub(crate) fn endangered(&self) -> Vec<(Danger, &Text, Members<'_>)> {
        let mut found: Vec<_> = self
            .dangerous
            .iter()
            .filter_map(|key| self.buckets.get(key).map(|bucket| (key, bucket)))
            .filter_map(|(key, bucket)| {
                let members = Members {
                    store: &self.store,
                    kind: &key.kind,
                    slots: &bucket.members,
                };
                Some((bucket.danger?, &key.kind, members))
            })
            .collect();
        found.sort_by_cached_key(|(_, kind, members)| ((*kind).clone(), members.iter().next()));
        found
    }

    /// Danger of one object: a look-up.
    pub(crate) fn danger_of(&self, kind: &Text, key: &ObjectKey) -> Option<Danger> {
        if self.dangerous.is_empty() {
            return None;
        }
        let row = self.get(kind, key).filter(|row| !row.deleting)?;
        let within = if let Some(home) = home(kind, key) {
            let row = self.get(FEDERATED_NAMESPACE, &home);
            let nowhere = || {
                self.placements
                    .get(&Placement::Nowhere)
                    .cloned()
                    .map(Shared)
            };
            Some(row.map(|row| row.placement.clone()).or_else(nowhere)?)
        } else {
            None
        };
        let bucket = BucketKey {
            kind: kind.clone(),
            own: row.placement.clone(),
            within,
        };
        self.buckets.get(&bucket)?.danger
    }

    /// Danger of the FederatedWorkspace of this name: a look-up.
    pub(crate) fn danger_of_workspace(&self, name: &Text) -> Option<Danger> {
        if self.dangerous.is_empty() {
            return None;
        }
        self.danger_of(&self.workspace_kind, &cluster_key(name))
    }

    /// How many objects are placed on a registration of this name and these labels. Selectors that select everything say
    /// nothing about it and do not count.
    pub(crate) fn placed_on(&self, name: &Text, labels: &Labels) -> usize {
        self.counts.placed_on(name, labels)
    }

    /// Objects of a kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.store.count(kind)
    }

    /// FederatedWorkspaces, and distinct placements, that there is room for.
    #[cfg(test)]
    pub(crate) fn room(&self) -> [usize; 2] {
        [
            self.store.room(FEDERATED_WORKSPACE),
            self.placements.capacity(),
        ]
    }

    fn note_death(&mut self, kind: &Text, key: &ObjectKey, row: Option<&Row>, now: Time) {
        let entry = (kind.clone(), key.clone());
        if row.is_some_and(|row| row.deleting) {
            if self.dying.len() < MAX_DYING {
                self.dying.entry(entry).or_insert(now);
            }
        } else {
            self.dying.remove(&entry);
        }
    }

    /// Objects that are being deleted, in order, and since when that is known.
    pub(crate) fn dying(&self) -> impl Iterator<Item = (&(Text, ObjectKey), Time)> {
        self.dying.iter().map(|(key, at)| (key, *at))
    }

    /// How many FederatedWorkspaces name clusters that nobody registered, and the first few such names.
    pub(crate) fn misnamed(&self, registry: &Registry, max: usize) -> (usize, BTreeSet<Text>) {
        let mut names = BTreeSet::new();
        let mut objects = 0;
        for key in &self.misnamed {
            objects += self.buckets.get(key).map_or(0, |b| b.members.len());
            if let Placement::Names(listed) = key.own.placement() {
                let unknown = listed.iter().filter(|name| !registry.is_registered(name));
                names.extend(unknown.cloned());
            }
            while names.len() > max {
                names.pop_last();
            }
        }
        (objects, names)
    }

    /// Any object is in danger.
    pub(crate) fn any_danger(&self) -> bool {
        !self.dangerous.is_empty()
    }

    /// Names of FederatedWorkspaces, in no particular order.
    pub(crate) fn workspace_names(&self) -> impl Iterator<Item = &Text> {
        self.store.names(FEDERATED_WORKSPACE)
    }

    /// Keys of all objects of a kind, in order.
    pub(crate) fn keys(&self, kind: &str) -> Vec<ObjectKey> {
        self.store.keys(kind)
    }
}

/// Key of the FederatedNamespace that cuts the placement of such an object; none where nothing does.
pub(crate) fn home(kind: &str, key: &ObjectKey) -> Option<ObjectKey> {
    let cut = !key.namespace.is_empty() && kind != FEDERATED_NAMESPACE;
    cut.then(|| ObjectKey {
        namespace: key.namespace.clone(),
        name: key.namespace.clone(),
    })
}

/// Key of a cluster-scoped object.
pub(crate) fn cluster_key(name: &Text) -> ObjectKey {
    ObjectKey {
        namespace: Text::default(),
        name: name.clone(),
    }
}
