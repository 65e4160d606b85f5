//! Registrations, control planes and the real clusters behind them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    facts::{Controller, FederatedKind, KubeSphereCluster, Probe, Readiness, Registration},
    id::{RegistrationKey, Text, Uid},
    identity::{self, Certainty, Group, Probed, Subject},
    placement::{self, Alias, Fate, Placement},
    table::{Put, Table},
    time::Time,
};

/// Probes that must fail in a row before a cluster counts as unreachable: one lost packet is no finding.
pub const UNREACHABLE_AFTER: u32 = 3;

/// Connection data, as far as identity hangs on them. Credentials rotated alone are normal and no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Endpoint.
    pub endpoint: Option<Text>,
    /// CA fingerprint.
    pub ca: Option<u128>,
    /// TLS checks off or a proxy named.
    pub indirect: bool,
}

impl Connection {
    fn of(facts: &Registration) -> Self {
        Self {
            endpoint: facts.endpoint.clone(),
            ca: facts.ca,
            indirect: facts.indirect,
        }
    }
}

/// A registration and what was learned of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object.
    pub facts: Registration,
    /// Identity by the last probe that answered.
    pub identity: Option<Probed>,
    /// Probes that failed in a row.
    pub failures: u32,
    /// Class of the last failure.
    pub failure: Option<&'static str>,
    /// Connection data that identity was proven with, or that were seen first.
    pub baseline: Connection,
    /// kube-system UID that was proven with the baseline.
    pub proven: Option<Uid>,
    /// Since when connection data differ from the baseline without a new proof.
    pub drifted: Option<Time>,
}

impl Entry {
    fn new(facts: Registration) -> Self {
        let baseline = Connection::of(&facts);
        Self {
            facts,
            identity: None,
            failures: 0,
            failure: None,
            baseline,
            proven: None,
            drifted: None,
        }
    }

    fn answered(&mut self, identity: Probed) {
        self.failures = 0;
        self.failure = None;
        // A drift ends only if the same cluster answers behind the new data; another one under the old name is the fault itself.
        if self.proven.is_none_or(|uid| uid == identity.uid) {
            self.proven = Some(identity.uid);
            self.baseline = Connection::of(&self.facts);
            self.drifted = None;
        }
        self.identity = Some(identity);
    }

    /// A probe answered or was given up at least once.
    pub fn probed(&self) -> bool {
        self.identity.is_some() || self.failures > 0
    }
}

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
    pub(crate) kube_system: Option<Uid>,
    real: Vec<RealCluster>,
    weak: Vec<Group>,
}

impl Registry {
    /// Takes a registration; true if anything that matters to identity or simulation changed.
    pub(crate) fn put(&mut self, key: RegistrationKey, facts: Registration, now: Time) -> bool {
        self.entries.touch(&key);
        match self.entries.get_mut(&key) {
            Some(entry) if entry.facts == facts => return false,
            Some(entry) if entry.facts.uid == facts.uid => {
                let moved = Connection::of(&facts) != Connection::of(&entry.facts);
                entry.facts = facts;
                if moved {
                    entry.identity = None;
                    entry.failures = 0;
                    entry.drifted = (Connection::of(&entry.facts) != entry.baseline)
                        .then_some(entry.drifted.unwrap_or(now));
                }
            }
            Some(entry) => *entry = Entry::new(facts),
            None => {
                self.entries.put(key, Entry::new(facts));
            }
        }
        true
    }

    /// Takes the outcome of a probe; true if identity changed.
    pub(crate) fn probed(&mut self, key: &RegistrationKey, uid: Uid, probe: Probe) -> bool {
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
                let changed = entry
                    .identity
                    .as_ref()
                    .is_none_or(|known| known.uid != uid || known.leases != leases);
                entry.answered(Probed { uid, leases });
                changed
            }
        }
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
        self.real = real;
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
        let uid = entry
            .identity
            .as_ref()
            .map(|i| i.uid)
            .or_else(|| cluster.and_then(|c| c.reported_uid));
        match (uid, self.kube_system) {
            (Some(uid), Some(own)) => uid == own,
            _ => entry.facts.host_label || cluster.is_some_and(|c| c.host),
        }
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

    /// No registration is known to be this server.
    pub fn host_unknown(&self) -> bool {
        !self.real.iter().any(|cluster| cluster.host)
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
        planes
            .values_mut()
            .for_each(|list| list.sort_by(|a, b| a.0.cmp(&b.0)));
        planes
    }

    /// The plane in this namespace federates the kind. A plane without any known type is taken to federate everything: its
    /// FederatedTypeConfigs may not have been seen yet.
    fn federates(&self, namespace: &Text, kind: &str) -> bool {
        let mut known = false;
        for ((ns, _), federated) in self.types.iter() {
            if ns == namespace {
                known = true;
                if &*federated.kind == kind {
                    return true;
                }
            }
        }
        !known
    }

    /// What KubeFed, on all planes together, would do to an object with this placement.
    ///
    /// `within` is the placement of the object's FederatedNamespace, which KubeFed intersects with its own.
    pub(crate) fn danger(
        &self,
        kind: &str,
        own: &Placement,
        within: Option<&Placement>,
    ) -> Option<Danger> {
        let mut worst = None;
        for (cluster, real) in self.real.iter().enumerate() {
            // KubeFed spares the host's own namespaces by UID (domain facts, section 1).
            if kind == "FederatedNamespace" && real.host {
                continue;
            }
            let fate = placement::fate(&self.aliases(kind, real, own, within));
            let counts = match fate {
                Fate::Loop { .. } => true,
                Fate::Lost { .. } => self.names_nobody(own),
                Fate::Stays => false,
            };
            if counts && (worst.is_none() || real.host) {
                worst = Some(Danger { cluster, fate });
            }
        }
        worst
    }

    fn aliases(
        &self,
        kind: &str,
        real: &RealCluster,
        own: &Placement,
        within: Option<&Placement>,
    ) -> Vec<Alias> {
        real.members
            .iter()
            .filter(|key| self.federates(&key.namespace, kind))
            .filter_map(|key| {
                let facts = &self.entries.get(key)?.facts;
                let selected = own.selects(&key.name, &facts.labels)
                    && within.is_none_or(|placement| placement.selects(&key.name, &facts.labels));
                Some(Alias {
                    selected,
                    ready: facts.ready == Readiness::True,
                })
            })
            .collect()
    }

    /// The placement names a cluster that is not registered: a rename or a clean-up, not a wish to empty this one.
    fn names_nobody(&self, own: &Placement) -> bool {
        let Placement::Names(names) = own else {
            return false;
        };
        names
            .iter()
            .any(|name| !self.entries.iter().any(|(key, _)| key.name == *name))
    }

    /// The placement selects this server through at least one registration. While no registration is known to be this
    /// server, any selected registration may be it.
    pub(crate) fn places_here(&self, own: &Placement) -> bool {
        let unknown = self.host_unknown();
        self.real
            .iter()
            .filter(|real| real.host || unknown)
            .flat_map(|real| &real.members)
            .any(|key| {
                self.entries
                    .get(key)
                    .is_some_and(|entry| own.selects(&key.name, &entry.facts.labels))
            })
    }

    /// Registrations to probe.
    pub fn probe_targets(&self) -> Vec<(RegistrationKey, Registration)> {
        let mut targets: Vec<_> = self
            .entries
            .iter()
            .map(|(key, entry)| (key.clone(), entry.facts.clone()))
            .collect();
        targets.sort_by(|a, b| a.0.cmp(&b.0));
        targets
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
