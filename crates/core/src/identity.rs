//! Which registrations are one and the same real cluster, and how sure that is.
//!
//! Strong evidence is a value that only one cluster's store can hold; weak evidence is one that unrelated clusters may
//! share (a company's CA, a load balancer's address). Two registrations are one cluster on any strong item, or on
//! endpoint and CA together. Evidence of difference is strong only in UIDs: a different endpoint says nothing.

use std::fmt;

use crate::id::{RegistrationKey, Text, Uid};

mod groups;
mod leases;

pub use groups::group;

/// What is known of one registration. Absent facts neither join nor part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The registration.
    pub key: RegistrationKey,
    /// Normalized API endpoint.
    pub endpoint: Option<Text>,
    /// Hash of the set of DER certificates in the CA bundle.
    pub ca: Option<u128>,
    /// KubeSphere's `Cluster.status.uid`. It may be old, so a probed UID replaces it.
    pub reported_uid: Option<Uid>,
    /// What was read through the registration.
    pub probed: Option<Probed>,
}

impl Subject {
    /// The cluster's UID as far as it is known: probed, else reported.
    pub fn uid(&self) -> Option<Uid> {
        self.probed
            .as_ref()
            .map(|probed| probed.uid)
            .or(self.reported_uid)
    }

    fn leases(&self) -> &[LeaseSample] {
        let samples = self
            .probed
            .as_ref()
            .map_or(&[][..], |probed| &probed.leases);
        &samples[..samples.len().min(LEASES_MAX)]
    }
}

/// Lease samples that count in one subject: the controller manager, the scheduler and a few more always move, and a
/// member must not buy our time with thousands.
pub const LEASES_MAX: usize = 8;

/// What a probe read through a registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Probed {
    /// UID of the namespace kube-system.
    pub uid: Uid,
    /// Some Leases of kube-system that are being renewed; the first [`LEASES_MAX`] count. A lease that nobody renews
    /// must be left out: it is alike in a cluster and its clone.
    pub leases: Box<[LeaseSample]>,
}

/// One reading of a Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseSample {
    /// Name in kube-system.
    pub name: Text,
    /// `spec.holderIdentity`; empty when released.
    pub holder: Text,
    /// `metadata.resourceVersion`; 0 when it is not a number.
    pub version: u64,
    /// `spec.renewTime`, microseconds since the Unix epoch.
    pub renewed_us: i64,
}

/// How much a [`Group`] is worth. Only `Certain` may be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Certainty {
    /// One real cluster: strong evidence, and nothing contradicts it.
    Certain,
    /// Weak evidence, or strong evidence that something contradicts.
    Suspected,
    /// One UID in several stores: clones or restored copies.
    Cloned,
}

/// Why registrations are taken for one cluster, or (the last two) not quite; strongest first. `Display` is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// One reading of one live Lease came through several registrations.
    SameLease {
        /// Name of the Lease in kube-system.
        lease: Text,
    },
    /// Probes found this UID of kube-system through several registrations.
    SameProbedUid(Uid),
    /// Several registrations have this UID, at least one of them by KubeSphere's word only.
    SameReportedUid(Uid),
    /// Endpoint and CA bundle are equal.
    SameEndpointAndCa,
    /// Only the endpoint is equal: perhaps one load balancer.
    SameEndpoint,
    /// Only the CA bundle is equal: perhaps one company.
    SameCa,
    /// Contradiction: members have different UIDs; two of them are named.
    DifferentUids(Uid, Uid),
    /// Contradiction: a Lease was read in two states that one object cannot have had.
    ContradictingLease {
        /// Name of the Lease in kube-system.
        lease: Text,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameLease { lease } => {
                write!(f, "The same live Lease kube-system/{lease} was read through both.")
            }
            Self::SameProbedUid(uid) => {
                write!(f, "Both lead to the cluster whose kube-system has UID {uid}.")
            }
            Self::SameReportedUid(uid) => {
                write!(f, "KubeSphere reports the cluster UID {uid} for both.")
            }
            Self::SameEndpointAndCa => {
                f.write_str("Both have the same API endpoint and the same CA bundle.")
            }
            Self::SameEndpoint => f.write_str(
                "Both have the same API endpoint, which may be a load balancer of several clusters.",
            ),
            Self::SameCa => f.write_str(
                "Both have the same CA bundle, which several clusters of one owner may share.",
            ),
            Self::DifferentUids(one, other) => write!(
                f,
                "Contradiction: kube-system has UID {one} through one and {other} through another."
            ),
            Self::ContradictingLease { lease } => write!(
                f,
                "Contradiction: the states of Lease kube-system/{lease} cannot come from one object."
            ),
        }
    }
}

/// Registrations that are, or may be, one real cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// At least two, sorted.
    pub members: Vec<RegistrationKey>,
    /// What it is worth.
    pub certainty: Certainty,
    /// Strongest first, each once, at most four of a kind; contradictions last.
    pub evidence: Vec<Evidence>,
}

/// What two registrations are to each other, by their own facts alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One cluster.
    Same(Vec<Evidence>),
    /// Weak evidence, or one live Lease under two UIDs.
    Suspected(Vec<Evidence>),
    /// One UID, two stores.
    Cloned(Vec<Evidence>),
    /// Two clusters: their UIDs differ.
    Different,
    /// Nothing joins or parts them.
    Unrelated,
}

/// Compares two registrations; the order does not matter.
///
/// UIDs are compared as [`Subject::uid`] gives them, so probed beats reported. Clones can be told only where both were
/// probed.
pub fn compare(a: &Subject, b: &Subject) -> Verdict {
    let mut evidence = shared(a, b);
    match (a.uid(), b.uid()) {
        (Some(x), Some(y)) if x != y => {
            if !matches!(evidence.first(), Some(Evidence::SameLease { .. })) {
                return Verdict::Different;
            }
            evidence.push(Evidence::DifferentUids(x.min(y), x.max(y)));
            Verdict::Suspected(evidence)
        }
        (Some(_), Some(_)) => match leases::contradiction(&[a, b]) {
            Some(lease) => {
                evidence.push(Evidence::ContradictingLease { lease });
                Verdict::Cloned(evidence)
            }
            None => Verdict::Same(evidence),
        },
        _ if evidence.contains(&Evidence::SameEndpointAndCa) => Verdict::Same(evidence),
        _ if evidence.is_empty() => Verdict::Unrelated,
        _ => Verdict::Suspected(evidence),
    }
}

/// What both have in common, strongest first.
fn shared(a: &Subject, b: &Subject) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = a
        .leases()
        .iter()
        .filter(|sample| leases::is_live(sample) && b.leases().contains(sample))
        .map(|sample| Evidence::SameLease {
            lease: sample.name.clone(),
        })
        .collect();
    if let Some(uid) = a.uid().filter(|uid| b.uid() == Some(*uid)) {
        evidence.push(if a.probed.is_some() && b.probed.is_some() {
            Evidence::SameProbedUid(uid)
        } else {
            Evidence::SameReportedUid(uid)
        });
    }
    let same_endpoint = a.endpoint.is_some() && a.endpoint == b.endpoint;
    let same_ca = a.ca.is_some() && a.ca == b.ca;
    match (same_endpoint, same_ca) {
        (true, true) => evidence.push(Evidence::SameEndpointAndCa),
        (true, false) => evidence.push(Evidence::SameEndpoint),
        (false, true) => evidence.push(Evidence::SameCa),
        (false, false) => {}
    }
    evidence.sort_unstable();
    evidence.dedup();
    evidence
}

#[cfg(test)]
mod tests;
