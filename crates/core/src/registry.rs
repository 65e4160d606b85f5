//! Registrations, control planes and the real clusters behind them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    facts::{Asked, Controller, FederatedKind, Home, KubeSphereCluster, Probe, Registration},
    id::{RegistrationKey, Text, Uid},
    identity::{self, Group, Probed, TokenAccount},
    placement::Fate,
    table::Table,
    text::is_name,
    time::Time,
};

mod entry;
mod planes;
mod real;
mod simulation;

pub use entry::Entry;
use entry::MAX_ACCOUNTS;
pub(crate) use entry::{FLAP_WINDOW_MS, FLAPS, TOKEN_REFUSED};
pub use real::RealCluster;

/// Probes that must fail in a row before a cluster counts as unreachable: one lost packet is no finding.
pub const UNREACHABLE_AFTER: u32 = 3;

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
    /// What is registered under each name, on whatever plane.
    names: HashMap<Text, Vec<RegistrationKey>>,
    /// Namespaces that have registrations.
    registered_planes: BTreeSet<Text>,
    host_known: bool,
    /// The name that KubeSphere gives this server.
    host_name: Option<Text>,
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
            Some(entry) => *entry = Entry::new(facts, now),
            None => {
                self.entries.put(key, Entry::new(facts, now));
            }
        }
        true
    }

    /// Takes the outcome of a probe; true if identity changed.
    pub(crate) fn probed(
        &mut self,
        key: &RegistrationKey,
        asked: &Asked,
        probe: Probe,
        now: Time,
    ) -> bool {
        let Some(entry) = self.still(key, asked) else {
            return false;
        };
        match probe {
            Probe::Failed(class) => {
                let before = (entry.probed(), entry.issued_here());
                entry.failed(class);
                before != (entry.probed(), entry.issued_here())
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

    /// The registration, if it is still what a probe asked.
    fn still(&mut self, key: &RegistrationKey, asked: &Asked) -> Option<&mut Entry> {
        self.entries
            .get_mut(key)
            .filter(|entry| entry.facts.asked() == *asked)
    }

    fn bearers(&self, uid: Uid) -> usize {
        self.entries
            .iter()
            .filter(|(key, entry)| self.uid(key, entry) == Some(uid))
            .count()
    }

    fn uid(&self, key: &RegistrationKey, entry: &Entry) -> Option<Uid> {
        let reported = self.clusters.get(&key.name).and_then(|c| c.reported_uid);
        let probed = entry.identity.as_ref().map(|i| i.uid);
        identity::uid(probed, self.issuer(entry), reported)
    }

    /// UID of the cluster on which the ServiceAccount of its token lives.
    fn issuer(&self, entry: &Entry) -> Option<Uid> {
        self.kube_system.filter(|_| entry.issued_here())
    }

    /// Takes what became of the ServiceAccount in its token; true if identity changed.
    pub(crate) fn issued(
        &mut self,
        key: &RegistrationKey,
        asked: &Asked,
        found: Option<TokenAccount>,
    ) -> bool {
        let Some(entry) = self.still(key, asked) else {
            return false;
        };
        let before = entry.issued_here();
        entry.token_account = found;
        before != entry.issued_here()
    }

    /// It leads to this server, and the ServiceAccount of its token does not exist there any more: while the token is
    /// accepted it does, whoever looked for it.
    pub(crate) fn account_gone(&self, key: &RegistrationKey) -> bool {
        let gone = |entry: &Entry| {
            let accepted = entry.identity.is_some() && entry.failures == 0;
            entry.token_account == Some(TokenAccount::Missing) && !accepted
        };
        self.entries.get(key).is_some_and(gone) && self.leads_here(key)
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

    /// This FederatedTypeConfig enables a kind.
    pub fn enables(&self, namespace: &Text, name: &Text) -> bool {
        let key = (namespace.clone(), name.clone());
        self.types.get(&key).is_some()
    }

    /// KubeSphere's Cluster of that name.
    pub fn cluster(&self, name: &Text) -> Option<&KubeSphereCluster> {
        self.clusters.get(name)
    }

    /// The name that KubeSphere gives this server; none while it gives none, or several.
    ///
    /// KubeSphere makes the Cluster of the host under `multicluster.hostClusterName`, and writes the name of the Cluster
    /// behind which it found a server into that server's `multicluster.clusterName`. Both stand in a ConfigMap beside the key
    /// that signs its users' tokens, so that is not read: its Clusters say the same.
    pub fn host_name(&self) -> Option<&Text> {
        self.host_name.as_ref()
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

    /// A registration of this name exists in some plane.
    pub(crate) fn is_registered(&self, name: &Text) -> bool {
        self.names.contains_key(name)
    }

    /// What is registered under this name.
    pub(crate) fn named(&self, name: &Text) -> impl Iterator<Item = (&RegistrationKey, &Entry)> {
        let keys = self.names.get(name).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.entries.get(key)?)))
    }

    /// Nothing that decides what KubeFed does through this name changed after `at`.
    pub(crate) fn stood_since(&self, name: &Text, at: Time) -> bool {
        self.named(name).all(|(_, entry)| entry.changed <= at)
    }

    /// Takes the accounts that a probe read.
    pub(crate) fn accounts(
        &mut self,
        key: &RegistrationKey,
        asked: &Asked,
        mut accounts: Vec<Text>,
    ) {
        // Whoever owns a member chooses them, and they become part of a command.
        accounts.retain(|account| is_name(account));
        accounts.truncate(MAX_ACCOUNTS);
        if let Some(entry) = self.still(key, asked) {
            entry.accounts = accounts.into();
        }
    }

    /// No registration is known to be this server.
    pub fn host_unknown(&self) -> bool {
        !self.host_known
    }
}
