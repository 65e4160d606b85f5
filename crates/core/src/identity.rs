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
    /// UID of the cluster on which the ServiceAccount of its token lives, where that is known.
    pub issued_by: Option<Uid>,
    /// KubeSphere's `Cluster.status.uid`. It may be old, so a probed UID replaces it.
    pub reported_uid: Option<Uid>,
    /// What was read through the registration.
    pub probed: Option<Probed>,
}

impl Subject {
    /// The cluster's UID as far as it is known.
    pub fn uid(&self) -> Option<Uid> {
        let probed = self.probed.as_ref().map(|probed| probed.uid);
        uid(probed, self.issued_by, self.reported_uid)
    }

    fn leases(&self) -> &[LeaseSample] {
        let samples = self
            .probed
            .as_ref()
            .map_or(&[][..], |probed| &probed.leases);
        &samples[..samples.len().min(LEASES_MAX)]
    }
}

/// The UID of a cluster, by the best that tells it: a probe, else the ServiceAccount of its token, else KubeSphere's word.
///
/// Neither of the last two is known to be newer, so where they contradict each other none of them counts.
pub(crate) fn uid(
    probed: Option<Uid>,
    issued_by: Option<Uid>,
    reported: Option<Uid>,
) -> Option<Uid> {
    match (probed, issued_by, reported) {
        (Some(probed), ..) => Some(probed),
        (None, Some(issued), Some(reported)) if issued != reported => None,
        (None, issued, reported) => issued.or(reported),
    }
}

/// What became of the ServiceAccount that a registration's token names, when this server was asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAccount {
    /// It lives here, with the UID in the token: the token was made here. A clone restored from this server's store has the
    /// account as well, so a probe that reads another Lease there beats it.
    Lives,
    /// None of that name and UID is here: the token was made elsewhere, or the account is gone.
    Missing,
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
    /// Several registrations have this UID, at least one of them by its token's ServiceAccount and not by a probe.
    SameIssuedUid(Uid),
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
            Self::SameIssuedUid(uid) => write!(
                f,
                "By the ServiceAccount of a token both are the cluster whose kube-system has UID {uid}."
            ),
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
/// UIDs are compared as [`Subject::uid`] gives them, so probed beats all else. Clones can be told only where both were
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

/// By what these, who all have this UID, are known to have it in common.
fn same_uid(uid: Uid, bearers: &[&Subject]) -> Vec<Evidence> {
    let probed = bearers.iter().filter(|s| s.probed.is_some()).count();
    let issued = bearers
        .iter()
        .filter(|s| s.probed.is_none() && s.issued_by.is_some())
        .count();
    let reported = bearers.len() - probed - issued;
    [
        (probed > 1, Evidence::SameProbedUid(uid)),
        (
            issued > 0 && probed + issued > 1,
            Evidence::SameIssuedUid(uid),
        ),
        (
            reported > 0 && bearers.len() > 1,
            Evidence::SameReportedUid(uid),
        ),
    ]
    .into_iter()
    .filter_map(|(holds, evidence)| holds.then_some(evidence))
    .collect()
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
        evidence.extend(same_uid(uid, &[a, b]));
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
