//! What the server holds: collections of objects, one resourceVersion counter, and a bounded history for watches.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    admission::Hook,
    audit::Trail,
    call::Target,
    clock::Clock,
    events,
    faults::{Fault, Garble},
    json,
    kinds::{self, Kind},
    refusal::Refusal,
};

/// Changes kept for each kind: five for each of ten thousand Workspaces. A watcher further behind gets 410.
pub(crate) const HISTORY_LIMIT: usize = 50_000;

/// Receives every change under the lock, so it may only pass it on.
pub(crate) type Feed = Box<dyn FnMut(&Change) -> bool + Send>;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeType {
    Added,
    Modified,
    Deleted,
}

/// One committed change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) what: ChangeType,
    pub(crate) object: Arc<Value>,
    pub(crate) previous: Option<Arc<Value>>,
    pub(crate) kind: Arc<Kind>,
}

/// Namespace (empty for cluster-scoped kinds) and name: the order of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    pub(crate) fn of(object: &Value) -> Self {
        Self::new(json::meta(object, "namespace"), json::meta(object, "name"))
    }
}

/// All objects of one kind and what lately happened to them.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) objects: BTreeMap<Key, Arc<Value>>,
    pub(crate) history: VecDeque<Change>,
    /// Watches and list pages may not begin before this version.
    pub(crate) compacted: u64,
    /// Version of the newest change that history has forgotten.
    pub(crate) dropped: u64,
    /// Last version that changed this collection; watches sleep on it.
    pub(crate) changed: watch::Sender<u64>,
    /// Set when the kind's definition was removed: its watches end.
    pub(crate) closed: bool,
}

/// A kind and where its objects are.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) kind: Arc<Kind>,
    pub(crate) collection: usize,
}

/// The server's memory. It is only reached under one lock, so that every request sees one moment.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) version: u64,
    names: u64,
    seed: u64,
    pub(crate) collections: Vec<Collection>,
    served: HashMap<String, BTreeMap<String, Served>>,
    pub(crate) trail: Trail,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) faults: Vec<Fault>,
    feeds: Vec<Feed>,
    /// Watches, by their plural name, that tell something wrong.
    pub(crate) garbled: BTreeMap<String, Garble>,
    /// How late watches of a kind, by its plural name, show what happens.
    pub(crate) lags: BTreeMap<String, Duration>,
    /// Until then policies with a parameter of a custom kind let everything through.
    pub(crate) parameters_known_at: Timestamp,
    /// Refusals by admission policy and binding, as the API server's own counter tells them.
    pub(crate) denials: BTreeMap<(String, String), u64>,
}

impl State {
    pub(crate) fn new(clock: Clock, seed: u64) -> Self {
        let mut state = Self {
            clock,
            version: 1,
            names: 0,
            seed,
            collections: Vec::new(),
            served: HashMap::new(),
            trail: Trail::default(),
            hooks: Vec::new(),
            faults: Vec::new(),
            feeds: Vec::new(),
            garbled: BTreeMap::new(),
            lags: BTreeMap::new(),
            parameters_known_at: Timestamp::MIN,
            denials: BTreeMap::new(),
        };
        for kind in kinds::built_in() {
            state.serve(kind);
        }
        state
    }

    /// Serves a kind, in the collection it had before if it is known.
    pub(crate) fn serve(&mut self, kind: Kind) {
        let known = self.lookup(&kind.group, &kind.plural).map(|s| s.collection);
        let shared = (kind.group == events::GROUP)
            .then(|| self.lookup("", &kind.plural).map(|s| s.collection))
            .flatten();
        let collection = known.or(shared).unwrap_or_else(|| {
            self.collections.push(Collection {
                objects: BTreeMap::new(),
                history: VecDeque::new(),
                compacted: self.version,
                dropped: 0,
                changed: watch::Sender::new(self.version),
                closed: false,
            });
            self.collections.len() - 1
        });
        let (group, plural) = (kind.group.clone(), kind.plural.clone());
        let served = Served {
            kind: Arc::new(kind),
            collection,
        };
        self.served.entry(group).or_default().insert(plural, served);
    }

    fn withdraw(&mut self, group: &str, plural: &str) {
        let Some(plurals) = self.served.get_mut(group) else {
            return;
        };
        if let Some(served) = plurals.remove(plural) {
            let collection = &mut self.collections[served.collection];
            collection.closed = true;
            collection.changed.send_replace(self.version);
        }
        if plurals.is_empty() {
            self.served.remove(group);
        }
    }

    pub(crate) fn lookup(&self, group: &str, plural: &str) -> Option<&Served> {
        self.served.get(group)?.get(plural)
    }

    /// The kind a request names, in a version that is served.
    pub(crate) fn resolve(&self, target: &Target) -> Result<Served, Refusal> {
        self.lookup(&target.group, &target.plural)
            .filter(|s| s.kind.version(&target.version).is_some())
            .cloned()
            .ok_or_else(Refusal::page_not_found)
    }

    /// Every served kind, ordered by group and plural so that discovery is stable.
    pub(crate) fn kinds(&self) -> Vec<Served> {
        let mut all: Vec<Served> = self
            .served
            .values()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect();
        all.sort_by(|a, b| (&a.kind.group, &a.kind.plural).cmp(&(&b.kind.group, &b.kind.plural)));
        all
    }

    /// The kind of an owner reference or a federated type.
    pub(crate) fn by_kind(&self, api_version: &str, kind: &str) -> Option<Served> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.served
            .get(group)?
            .values()
            .find(|s| s.kind.kind == kind)
            .cloned()
    }

    pub(crate) fn get(&self, collection: usize, key: &Key) -> Option<&Arc<Value>> {
        self.collections[collection].objects.get(key)
    }

    /// An object by group, plural, namespace and name.
    pub(crate) fn find(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Option<&Arc<Value>> {
        let served = self.lookup(group, plural)?;
        self.get(served.collection, &Key::new(namespace, name))
    }

    /// A new UID: version 4 in form, and the same in every run with the same seed.
    pub(crate) fn new_uid(&mut self) -> String {
        self.names += 1;
        let (a, b) = (
            mix(self.seed ^ mix(self.names)),
            mix(self.names.wrapping_add(self.seed << 17)),
        );
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }

    /// The five letters that `generateName` adds.
    pub(crate) fn new_suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.names += 1;
        let mut rest = mix(self.seed ^ mix(self.names));
        (0..5)
            .map(|_| {
                let letter = LETTERS[(rest % LETTERS.len() as u64) as usize];
                rest /= LETTERS.len() as u64;
                char::from(letter)
            })
            .collect()
    }

    /// Stores an object under a new resourceVersion and tells the watches.
    pub(crate) fn store(&mut self, served: &Served, mut object: Value) -> Arc<Value> {
        self.version += 1;
        json::set(
            &mut object,
            &["metadata", "resourceVersion"],
            Value::from(self.version.to_string()),
        );
        let key = Key::of(&object);
        let object = Arc::new(object);
        let previous = self.collections[served.collection]
            .objects
            .insert(key, object.clone());
        let what = if previous.is_some() {
            ChangeType::Modified
        } else {
            ChangeType::Added
        };
        self.publish(served, what, object.clone(), previous);
        self.react_to_definition(served, &object);
        object
    }

    /// Removes an object; what watches see is its last form, under the version of the removal.
    pub(crate) fn remove(&mut self, served: &Served, mut last: Value) -> Arc<Value> {
        self.version += 1;
        json::set(
            &mut last,
            &["metadata", "resourceVersion"],
            Value::from(self.version.to_string()),
        );
        let previous = self.collections[served.collection]
            .objects
            .remove(&Key::of(&last));
        let last = Arc::new(last);
        self.publish(served, ChangeType::Deleted, last.clone(), previous);
        if is_definition(&served.kind) {
            let (group, plural) = names_of(&last);
            self.withdraw(&group, &plural);
        }
        self.finish_definition(served);
        last
    }

    fn publish(
        &mut self,
        served: &Served,
        what: ChangeType,
        object: Arc<Value>,
        previous: Option<Arc<Value>>,
    ) {
        let change = Change {
            version: self.version,
            what,
            object,
            previous,
            kind: served.kind.clone(),
        };
        self.feeds.retain_mut(|feed| feed(&change));
        let collection = &mut self.collections[served.collection];
        if collection.history.len() == HISTORY_LIMIT
            && let Some(oldest) = collection.history.pop_front()
        {
            collection.compacted = oldest.version;
            collection.dropped = oldest.version;
        }
        collection.history.push_back(change);
        collection.changed.send_replace(self.version);
    }

    fn react_to_definition(&mut self, served: &Served, object: &Value) {
        if is_definition(&served.kind)
            && !json::deleting(object)
            && let Ok(kind) = kinds::from_definition(object)
        {
            self.serve(kind);
        }
    }

    /// A definition that is being deleted goes with the last of its objects.
    pub(crate) fn finish_definition(&mut self, served: &Served) {
        if !served.kind.custom || !self.collections[served.collection].objects.is_empty() {
            return;
        }
        let Some(crds) = self
            .lookup(DEFINITION_GROUP, "customresourcedefinitions")
            .cloned()
        else {
            return;
        };
        let key = Key::new("", served.kind.qualified());
        if let Some(crd) = self
            .get(crds.collection, &key)
            .filter(|c| json::deleting(c))
            .cloned()
        {
            self.remove(&crds, Value::clone(&crd));
        }
    }

    /// Forgets all history: watches that begin before now are refused with 410.
    pub(crate) fn compact(&mut self) {
        for collection in &mut self.collections {
            if let Some(newest) = collection.history.back() {
                collection.dropped = newest.version;
            }
            collection.history.clear();
            collection.compacted = self.version;
        }
    }

    /// Calls `feed` with every change from now on, in order, until it answers false.
    pub(crate) fn subscribe(&mut self, feed: Feed) {
        self.feeds.push(feed);
    }
}

/// API group of CustomResourceDefinitions.
pub(crate) const DEFINITION_GROUP: &str = "apiextensions.k8s.io";

pub(crate) fn is_definition(kind: &Kind) -> bool {
    kind.group == DEFINITION_GROUP
}

fn names_of(crd: &Value) -> (String, String) {
    (
        json::text(crd, &["spec", "group"]).to_owned(),
        json::text(crd, &["spec", "names", "plural"]).to_owned(),
    )
}

/// `splitmix64`: spreads a counter over all bits, so that UIDs look and sort like random ones.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
