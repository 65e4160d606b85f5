//! Registrations, control planes and the real clusters behind them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    facts::{Controller, FederatedKind, Home, KubeSphereCluster, Probe, Registration},
    id::{RegistrationKey, Text, Uid},
    identity::{self, Certainty, Group, Probed, Subject},
    placement::Fate,
    table::{Put, Table},
    time::Time,
};

mod entry;
mod simulation;

use entry::MAX_ACCOUNTS;
pub use entry::{Connection, Entry};
pub(crate) use entry::{FLAP_WINDOW_MS, FLAPS};

/// Probes that must fail in a row before a cluster counts as unreachable: one lost packet is no finding.
pub const UNREACHABLE_AFTER: u32 = 3;

/// One cluster as it really is, with the names it goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealCluster {
    /// Its registrations, at least one.
    pub members: Vec<RegistrationKey>,
    /// Evidence that they are one; empty for a single registration.
    pub evidence: Vec<identity::Evidence>,
    /// It is this server.
    pub host: bool,
}

impl RealCluster {
    /// Registered more than once.
    pub fn doubled(&self) -> bool {
        self.members.len() > 1
    }

    /// One control plane has it under several names.
    pub fn doubled_in_one_plane(&self) -> bool {
        self.members
            .windows(2)
            .any(|pair| pair[0].namespace == pair[1].namespace)
    }

    /// Its registrations belong to more than one control plane.
    pub fn across_planes(&self) -> bool {
        self.members
            .windows(2)
            .any(|pair| pair[0].namespace != pair[1].namespace)
    }
}

/// Why an object is in danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Danger {
    /// Index of the real cluster.
    pub cluster: usize,
    /// What would happen.
    pub fate: Fate,
}

/// Everything that is known of who is registered where.
#[derive(Debug, Default)]
pub struct Registry {
    pub(crate) entries: Table<RegistrationKey, Entry>,
    pub(crate) clusters: Table<Text, KubeSphereCluster>,
    pub(crate) configs: Table<Text, ()>,
    pub(crate) types: Table<(Text, Text), FederatedKind>,
    pub(crate) controllers: Table<(Text, Text), Controller>,
    /// Namespaces that belong to no tenant; few, beside the tenants'.
    pub(crate) homes: Table<Text, Home>,
    /// When KubeFed in each namespace last wrote down a health check, by its own clock.
    looked_at: BTreeMap<Text, Time>,
    /// Definitions of federated kinds, and whether each is being deleted.
    pub(crate) definitions: Table<Text, bool>,
    pub(crate) kube_system: Option<Uid>,
    real: Vec<RealCluster>,
    weak: Vec<Group>,
    /// Registered names, whatever the plane.
    names: HashSet<Text>,
    /// Namespaces that have registrations.
    registered_planes: BTreeSet<Text>,
    host_known: bool,
    /// The list of registrations, and that of types, was completed once.
    complete: bool,
    types_complete: bool,
}

impl Registry {
    /// Takes a registration; true if anything that matters to identity or simulation changed.
    pub(crate) fn put(&mut self, key: RegistrationKey, facts: Registration, now: Time) -> bool {
        self.entries.touch(&key);
        match self.entries.get_mut(&key) {
            Some(entry) if entry.facts == facts => return false,
            Some(entry) if entry.facts.uid == facts.uid => entry.update(facts, now),
            Some(entry) => *entry = Entry::new(facts),
            None => {
                self.entries.put(key, Entry::new(facts));
            }
        }
        true
    }

    /// Takes the outcome of a probe; true if identity changed.
    pub(crate) fn probed(
        &mut self,
        key: &RegistrationKey,
        uid: Uid,
        probe: Probe,
        now: Time,
    ) -> bool {
        let Some(entry) = self
            .entries
            .get_mut(key)
            .filter(|entry| entry.facts.uid == uid)
        else {
            return false;
        };
        match probe {
            Probe::Failed(class) => {
                let first = !entry.probed();
                entry.failures = entry.failures.saturating_add(1);
                entry.failure = Some(class);
                first
            }
            Probe::Answered { uid, leases } => {
                let known = entry.identity.as_ref().map(|known| known.uid);
                let moved = entry
                    .identity
                    .as_ref()
                    .is_some_and(|known| known.leases != leases);
                entry.answered(Probed { uid, leases }, now);
                // Leases move with every probe; they speak only where several registrations lead to one UID.
                known != Some(uid) || (moved && self.bearers(uid) > 1)
            }
        }
    }

    fn bearers(&self, uid: Uid) -> usize {
        self.entries
            .iter()
            .filter(|(key, entry)| self.uid(key, entry) == Some(uid))
            .count()
    }

    fn uid(&self, key: &RegistrationKey, entry: &Entry) -> Option<Uid> {
        let reported = || self.clusters.get(&key.name).and_then(|c| c.reported_uid);
        entry.identity.as_ref().map(|i| i.uid).or_else(reported)
    }

    /// Works out the real clusters afresh. Costs one pass over the registrations.
    pub(crate) fn regroup(&mut self) {
        let mut subjects: Vec<Subject> = self
            .entries
            .iter()
            .map(|(key, entry)| self.subject(key, entry))
            .collect();
        subjects.sort_by(|a, b| a.key.cmp(&b.key));
        let groups = identity::group(&subjects);
        let mut taken = BTreeSet::new();
        let mut real = Vec::new();
        self.weak.clear();
        for group in groups {
            if group.certainty == Certainty::Certain {
                taken.extend(group.members.iter().cloned());
                let host = group.members.iter().any(|key| self.is_host(key));
                real.push(RealCluster {
                    members: group.members,
                    evidence: group.evidence,
                    host,
                });
            } else {
                self.weak.push(group);
            }
        }
        for subject in subjects {
            if !taken.contains(&subject.key) {
                let host = self.is_host(&subject.key);
                real.push(RealCluster {
                    members: vec![subject.key],
                    evidence: Vec::new(),
                    host,
                });
            }
        }
        self.host_known = real.iter().any(|cluster| cluster.host);
        self.registered_planes = self
            .entries
            .iter()
            .map(|(key, _)| key.namespace.clone())
            .collect();
        self.names = self
            .entries
            .iter()
            .map(|(key, _)| key.name.clone())
            .collect();
        self.real = real;
    }

    /// The list of registrations is complete; true if it was not before.
    pub(crate) fn complete(&mut self) -> bool {
        !std::mem::replace(&mut self.complete, true)
    }

    /// The list of types is complete; true if it was not before.
    pub(crate) fn complete_types(&mut self) -> bool {
        !std::mem::replace(&mut self.types_complete, true)
    }

    /// The list of registrations was completed once.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    fn subject(&self, key: &RegistrationKey, entry: &Entry) -> Subject {
        Subject {
            key: key.clone(),
            endpoint: entry.facts.endpoint.clone(),
            ca: entry.facts.ca,
            reported_uid: self
                .clusters
                .get(&key.name)
                .and_then(|cluster| cluster.reported_uid),
            probed: entry.identity.clone(),
        }
    }

    /// This server, by the strongest evidence there is: kube-system's UID, else KubeSphere's host label.
    fn is_host(&self, key: &RegistrationKey) -> bool {
        let Some(entry) = self.entries.get(key) else {
            return false;
        };
        let cluster = self.clusters.get(&key.name);
        let uid = self.uid(key, entry);
        match (uid, self.kube_system) {
            (Some(uid), Some(own)) => uid == own,
            _ => entry.facts.host_label || cluster.is_some_and(|c| c.host),
        }
    }

    /// It leads to another cluster than this server.
    fn is_foreign(&self, key: &RegistrationKey) -> bool {
        let uid = self.entries.get(key).and_then(|entry| self.uid(key, entry));
        uid.zip(self.kube_system)
            .is_some_and(|(uid, own)| uid != own)
    }

    /// Real clusters: those with several names first, each registration in exactly one.
    pub fn real(&self) -> &[RealCluster] {
        &self.real
    }

    /// Groups on weak or contradicting evidence: never held or acted on.
    pub fn weak(&self) -> &[Group] {
        &self.weak
    }

    /// A registration.
    pub fn entry(&self, key: &RegistrationKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// KubeSphere's Cluster of that name.
    pub fn cluster(&self, name: &Text) -> Option<&KubeSphereCluster> {
        self.clusters.get(name)
    }

    /// UID of this server's own kube-system namespace, once it was read.
    pub fn host_uid(&self) -> Option<Uid> {
        self.kube_system
    }

    /// By how many seconds a registration is older than the namespace that it lies in, if it is.
    ///
    /// Nothing can be created in a namespace before the namespace is: such an object stayed in the store when its namespace
    /// was force-finalized, and came back with the next one of that name.
    pub fn resurrected(&self, key: &RegistrationKey) -> Option<i64> {
        let born = self.homes.get(&key.namespace)?.created?;
        let registered = self.entries.get(key)?.facts.created?;
        let seconds = born.since_ms(registered) / 1000;
        (seconds > 0).then_some(seconds)
    }

    /// KubeSphere vouches for a registration whose CA alone changed: it reaches the cluster by the same endpoint, and finds
    /// the UID there that was proven through the registration before.
    pub(crate) fn vouched(&self, key: &RegistrationKey) -> bool {
        let (Some(entry), Some(cluster)) = (self.entries.get(key), self.clusters.get(&key.name))
        else {
            return false;
        };
        let (now, before) = (&entry.facts, &entry.baseline);
        let rotated = now.endpoint == before.endpoint && now.indirect == before.indirect;
        rotated
            && entry.identity.is_none()
            && now.endpoint.is_some()
            && cluster.endpoint == now.endpoint
            && entry.proven.is_some()
            && cluster.reported_uid == entry.proven
    }

    /// The other names that this control plane has for the same cluster.
    pub(crate) fn names_beside(
        &self,
        key: &RegistrationKey,
    ) -> impl Iterator<Item = &RegistrationKey> {
        self.real
            .iter()
            .filter(|real| real.doubled())
            .find(|real| real.members.contains(key))
            .into_iter()
            .flat_map(|real| &real.members)
            .filter(move |other| *other != key && other.namespace == key.namespace)
    }

    /// A health check of this time was written down by KubeFed in this namespace.
    pub(crate) fn look(&mut self, plane: Text, at: Time) {
        let last = self.looked_at.entry(plane).or_insert(at);
        *last = at.max(*last);
    }

    /// When each plane last wrote down a health check.
    pub(crate) fn looked_at(&self) -> impl Iterator<Item = (&Text, Time)> {
        self.looked_at.iter().map(|(plane, at)| (plane, *at))
    }

    /// The definition of a kind was seen.
    pub(crate) fn definition(&mut self, kind: Text, terminating: Option<bool>) {
        match terminating {
            Some(terminating) => {
                self.definitions.put(kind, terminating);
            }
            None => {
                self.definitions.remove(&kind);
            }
        }
    }

    /// The definition of this kind is being deleted.
    pub(crate) fn kind_dies(&self, kind: &Text) -> bool {
        self.definitions.get(kind) == Some(&true)
    }

    /// A registration of this name exists in some plane.
    pub(crate) fn is_registered(&self, name: &Text) -> bool {
        self.names.contains(name)
    }

    /// Namespaces of control planes that are being deleted, and since when, in order.
    pub(crate) fn terminating_planes(&self) -> Vec<(Text, Time)> {
        let planes = self.planes().into_iter();
        let types = self
            .types
            .iter()
            .map(|((namespace, _), _)| namespace.clone());
        let names: BTreeSet<Text> = planes.chain(types).collect();
        names
            .into_iter()
            .filter_map(|name| {
                let since = self.homes.get(&name)?.terminating?;
                Some((name, since))
            })
            .collect()
    }

    /// Takes the accounts that a probe read.
    pub(crate) fn accounts(&mut self, key: &RegistrationKey, uid: Uid, mut accounts: Vec<Text>) {
        accounts.truncate(MAX_ACCOUNTS);
        if let Some(entry) = self.entries.get_mut(key)
            && entry.facts.uid == uid
        {
            entry.accounts = accounts.into();
        }
    }

    pub(crate) fn put_home(&mut self, name: Text, home: Option<Home>) {
        match home {
            Some(home) => {
                self.homes.put(name, home);
            }
            None => {
                self.homes.remove(&name);
            }
        }
    }

    /// No registration is known to be this server.
    pub fn host_unknown(&self) -> bool {
        !self.host_known
    }

    /// Namespaces in which a control plane was seen, by any sign, in order.
    pub fn planes(&self) -> Vec<Text> {
        let mut planes: BTreeSet<Text> = self.configs.iter().map(|(ns, ())| ns.clone()).collect();
        planes.extend(self.controllers.iter().map(|((ns, _), _)| ns.clone()));
        planes.extend(self.entries.iter().map(|(key, _)| key.namespace.clone()));
        planes.into_iter().collect()
    }

    /// Control planes that are configured to work: a KubeFedConfig, or a Deployment with replicas.
    pub fn working_planes(&self) -> BTreeMap<Text, Vec<(Text, Controller)>> {
        let mut planes: BTreeMap<Text, Vec<(Text, Controller)>> = self
            .configs
            .iter()
            .map(|(ns, ())| (ns.clone(), Vec::new()))
            .collect();
        for ((ns, name), controller) in self.controllers.iter() {
            if controller.replicas > 0 || planes.contains_key(ns) {
                planes
                    .entry(ns.clone())
                    .or_default()
                    .push((name.clone(), *controller));
            }
        }
        for list in planes.values_mut() {
            list.sort_by(|a, b| a.0.cmp(&b.0));
        }
        planes
    }

    pub(crate) fn remember_kind(
        &mut self,
        namespace: Text,
        name: Text,
        kind: Option<FederatedKind>,
    ) -> bool {
        match kind {
            Some(kind) => self.types.put((namespace, name), kind) != Put::Same,
            None => self.types.remove(&(namespace, name)).is_some(),
        }
    }
}
