//! The real clusters behind the registrations.

use std::collections::BTreeSet;

use super::{Entry, Registry};
use crate::{
    id::{RegistrationKey, Text},
    identity::{self, Certainty, Subject},
};

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

    /// Nothing but the claims of a token says that its registrations are one: whoever writes a registration's Secret says so.
    pub(crate) fn told_by_token_alone(&self) -> bool {
        use identity::Evidence::{
            SameEndpointAndCa, SameIssuedUid, SameLease, SameProbedUid, SameReportedUid,
        };
        let by_token = |e: &identity::Evidence| matches!(e, SameIssuedUid(_));
        let otherwise = |e: &identity::Evidence| {
            matches!(
                e,
                SameLease { .. } | SameProbedUid(_) | SameReportedUid(_) | SameEndpointAndCa
            )
        };
        self.evidence.iter().any(by_token) && !self.evidence.iter().any(otherwise)
    }

    /// Its registrations belong to more than one control plane.
    pub fn across_planes(&self) -> bool {
        self.members
            .windows(2)
            .any(|pair| pair[0].namespace != pair[1].namespace)
    }
}

impl Registry {
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
        self.host_name = self.named_here().cloned();
        self.host_known = real.iter().any(|cluster| cluster.host);
        self.registered_planes = self
            .entries
            .iter()
            .map(|(key, _)| key.namespace.clone())
            .collect();
        self.names.clear();
        for (key, _) in self.entries.iter() {
            let named = self.names.entry(key.name.clone()).or_default();
            named.push(key.clone());
        }
        self.real = real;
    }

    fn subject(&self, key: &RegistrationKey, entry: &Entry) -> Subject {
        Subject {
            key: key.clone(),
            endpoint: entry.facts.endpoint.clone(),
            ca: entry.facts.ca,
            issued_by: self.issuer(entry),
            reported_uid: self
                .clusters
                .get(&key.name)
                .and_then(|cluster| cluster.reported_uid),
            probed: entry.identity.clone(),
        }
    }

    /// The one Cluster with the host label, else the one that reports this server's UID. The label of one that reports another
    /// server is wrong.
    fn named_here(&self) -> Option<&Text> {
        let elsewhere = |uid| self.kube_system.is_some_and(|own| own != uid);
        let mut labelled = self.clusters.iter().filter(|(_, cluster)| cluster.host);
        if let Some((name, cluster)) = labelled.next() {
            let alone = labelled.next().is_none();
            return (alone && !cluster.reported_uid.is_some_and(elsewhere)).then_some(name);
        }
        let own = self.kube_system?;
        let mut here = self
            .clusters
            .iter()
            .filter(|(_, cluster)| cluster.reported_uid == Some(own));
        let (name, _) = here.next()?;
        here.next().is_none().then_some(name)
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

    /// It leads to this server by a UID, its own or that of another name of its cluster.
    pub(super) fn leads_here(&self, key: &RegistrationKey) -> bool {
        let here = |key: &RegistrationKey| {
            let uid = self.entries.get(key).and_then(|entry| self.uid(key, entry));
            uid.is_some() && uid == self.kube_system
        };
        let mut real = self.real.iter();
        let cluster = real.find(|cluster| cluster.members.contains(key));
        cluster.is_some_and(|cluster| cluster.members.iter().any(here))
    }

    /// It leads to another cluster than this server.
    pub(super) fn is_foreign(&self, key: &RegistrationKey) -> bool {
        let uid = self.entries.get(key).and_then(|entry| self.uid(key, entry));
        uid.zip(self.kube_system)
            .is_some_and(|(uid, own)| uid != own)
    }
}
