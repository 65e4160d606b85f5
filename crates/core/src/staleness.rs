//! Whether a registration is a leftover: proof, what speaks against it, and never its age alone.
//!
//! The older of two names may be the one in use, and the younger one too. So a name is stale only by a fact that holds for
//! leftovers alone, and by nothing that a name in use would have.

use std::fmt;

use crate::{
    facts::Feed,
    federation::Federation,
    findings::count,
    id::{RegistrationKey, Text},
    registry::TOKEN_REFUSED,
};

/// The class of a probe that found no Secret.
const SECRET_MISSING: [&str; 2] = ["SecretNotFound", "SecretWithoutToken"];

/// Which way a [`Sign`] points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// True of leftovers alone.
    Proof,
    /// Fits a leftover, but also a name that is new or in trouble.
    Support,
    /// True of a name in use.
    Against,
}

/// One thing that is so of a registration. `Display` is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// Older than its own namespace: its objects stayed in the store when the namespace was force-finalized.
    Resurrected {
        /// By how much, in seconds.
        seconds: i64,
    },
    /// KubeSphere has Clusters, and none of this name. Proof only of one name among several of a cluster: `kubefedctl join`
    /// makes no Cluster either.
    NoCluster {
        /// The cluster has another name in the same control plane.
        doubled: bool,
    },
    /// KubeSphere's Cluster of this name says `joinFederation: false`.
    NotJoining,
    /// Its Secret is missing or has no token: KubeFed cannot work through it after its next restart.
    SecretMissing,
    /// It leads to this server, and the ServiceAccount of its token does not exist there: no cluster accepts that token again.
    AccountGone,
    /// The cluster refuses its token: its ServiceAccount is gone, or its credentials were rotated.
    TokenRefused,
    /// No placement names it.
    Unplaced,
    /// Fewer placements name it than another name of the same cluster.
    PlacedLess {
        /// Objects whose placement names it.
        objects: usize,
    },
    /// It belongs to another control plane than the guarded one.
    ForeignPlane(Text),
    /// KubeSphere's Cluster of this name joins the federation, and would bring a deleted registration back.
    Joins,
    /// Carries KubeSphere's host label, itself or its Cluster.
    HostLabel,
    /// It is the name that KubeSphere gives this server.
    HostName,
    /// Placements name it, at least as many as any other name of the same cluster.
    Placed {
        /// Objects whose placement names it.
        objects: usize,
    },
}

impl Sign {
    /// Which way it points.
    pub fn side(&self) -> Side {
        match self {
            Self::Resurrected { .. }
            | Self::NoCluster { doubled: true }
            | Self::NotJoining
            | Self::SecretMissing
            | Self::AccountGone => Side::Proof,
            Self::NoCluster { doubled: false }
            | Self::TokenRefused
            | Self::Unplaced
            | Self::PlacedLess { .. }
            | Self::ForeignPlane(_) => Side::Support,
            Self::Joins | Self::HostLabel | Self::HostName | Self::Placed { .. } => Side::Against,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side() {
            Side::Proof => f.write_str("Proof: ")?,
            Side::Support => f.write_str("For: ")?,
            Side::Against => f.write_str("Against: ")?,
        }
        match self {
            Self::Resurrected { seconds } => {
                write!(f, "is {seconds} s older than its own namespace.")
            }
            Self::NoCluster { .. } => f.write_str("KubeSphere has no Cluster of this name."),
            Self::NotJoining => {
                f.write_str("KubeSphere's Cluster of this name does not join the federation.")
            }
            Self::SecretMissing => f.write_str("its Secret does not exist or holds no token."),
            Self::AccountGone => f.write_str(
                "the ServiceAccount of its token does not exist on this server any more.",
            ),
            Self::TokenRefused => f.write_str("the cluster refuses its token."),
            Self::Unplaced => f.write_str("no placement names it."),
            Self::PlacedLess { objects } => write!(
                f,
                "placements of {} name it, fewer than another name of this cluster.",
                count(*objects, "object")
            ),
            Self::ForeignPlane(namespace) => {
                write!(f, "belongs to the control plane in namespace {namespace}.")
            }
            Self::Joins => f.write_str("KubeSphere's Cluster of this name joins the federation."),
            Self::HostLabel => f.write_str("carries KubeSphere's host label."),
            Self::HostName => f.write_str("KubeSphere calls this server by this name."),
            Self::Placed { objects } => {
                write!(f, "placements of {} name it.", count(*objects, "object"))
            }
        }
    }
}

/// What the signs amount to. Only `Proven` may be acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// A leftover: at least one proof, and nothing against it.
    Proven(Vec<Sign>),
    /// Proof, and signs of use: a person decides.
    Conflicting(Vec<Sign>),
    /// In use: no proof, and at least one sign of use.
    InUse(Vec<Sign>),
    /// Neither.
    Unknown(Vec<Sign>),
}

impl Staleness {
    fn of(mut signs: Vec<Sign>) -> Self {
        signs.sort_by(|a, b| (a.side(), a).cmp(&(b.side(), b)));
        let any = |side| signs.iter().any(|sign| sign.side() == side);
        match (any(Side::Proof), any(Side::Against)) {
            (true, false) => Self::Proven(signs),
            (true, true) => Self::Conflicting(signs),
            (false, true) => Self::InUse(signs),
            (false, false) => Self::Unknown(signs),
        }
    }

    /// The signs, proof first and what speaks against it last.
    pub fn signs(&self) -> &[Sign] {
        match self {
            Self::Proven(signs)
            | Self::Conflicting(signs)
            | Self::InUse(signs)
            | Self::Unknown(signs) => signs,
        }
    }

    /// The word as status shows it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proven(_) => "Stale, proven.",
            Self::Conflicting(_) => "Conflicting signs: nothing may act on them.",
            Self::InUse(_) => "In use.",
            Self::Unknown(_) => "Not known to be stale.",
        }
    }
}

impl Federation {
    /// Whether this registration is a leftover. Look-ups alone; a registration that is not known is `Unknown`.
    ///
    /// Absences count only where the list that would show the object was completed. The caller still has to ask whether
    /// the feeds are fresh ([`Federation::settled`]) and to read the object again before it acts.
    pub fn staleness(&self, key: &RegistrationKey) -> Staleness {
        let registry = self.registry();
        let Some(entry) = registry.entry(key) else {
            return Staleness::Unknown(Vec::new());
        };
        let mut signs = Vec::new();
        if let Some(seconds) = registry.resurrected(key) {
            signs.push(Sign::Resurrected { seconds });
        }
        signs.extend(self.cluster_sign(key));
        match entry.lasting_failure() {
            Some(class) if SECRET_MISSING.contains(&class) => signs.push(Sign::SecretMissing),
            _ if registry.account_gone(key) => signs.push(Sign::AccountGone),
            Some(TOKEN_REFUSED) => signs.push(Sign::TokenRefused),
            _ => {}
        }
        let labelled = |cluster: &crate::facts::KubeSphereCluster| cluster.host;
        if entry.facts.host_label || registry.cluster(&key.name).is_some_and(labelled) {
            signs.push(Sign::HostLabel);
        }
        if registry.host_name() == Some(&key.name) {
            signs.push(Sign::HostName);
        }
        if *key.namespace != *self.policy.namespace {
            signs.push(Sign::ForeignPlane(key.namespace.clone()));
        }
        signs.extend(self.placed_sign(key));
        Staleness::of(signs)
    }

    /// What KubeSphere's Cluster of that name says. One that cannot be read exists; and where there is no Cluster at all,
    /// KubeSphere does not manage this federation and its silence means nothing.
    fn cluster_sign(&self, key: &RegistrationKey) -> Option<Sign> {
        let registry = self.registry();
        let doubled = || registry.names_beside(key).next().is_some();
        match registry.cluster(&key.name) {
            Some(cluster) if cluster.joins => Some(Sign::Joins),
            Some(_) => Some(Sign::NotJoining),
            None => (self.known(&Feed::Clusters)
                && !self.may_be_malformed(&Feed::Clusters, &key.name)
                && registry.clusters.len() > 0)
                .then(|| Sign::NoCluster { doubled: doubled() }),
        }
    }

    /// How many objects are placed on it, beside the other names of its cluster in the same control plane.
    fn placed_sign(&self, key: &RegistrationKey) -> Option<Sign> {
        let registry = self.registry();
        let placed = |key: &RegistrationKey| {
            let entry = registry.entry(key)?;
            Some(self.objects.placed_on(&key.name, &entry.facts.labels))
        };
        let objects = placed(key)?;
        let of_others = registry.names_beside(key).filter_map(placed).max();
        match (objects, of_others) {
            (0, _) => self.wishes_read().then_some(Sign::Unplaced),
            (_, Some(most)) if most > objects => Some(Sign::PlacedLess { objects }),
            _ => Some(Sign::Placed { objects }),
        }
    }
}
