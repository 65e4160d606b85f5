//! The rights that this program asks for, each with its reason: the one list from which `config/rbac` is generated.
//!
//! Two absences are deliberate. No rule has a wildcard, so a kind that KubeSphere federates tomorrow is read only after
//! somebody has added it here. FederatedSecrets and FederatedUsers appear nowhere: their templates hold credentials.

use federation_health_api::names::{COLLECTION_DURABLE, FEDERATION_DURABLE};
use federation_health_core::remedy::rung::Rung;

/// Namespace that the operator runs in; the policies name it.
pub const OPERATOR_NAMESPACE: &str = "federation-health-system";
/// The operator's ServiceAccount in [`OPERATOR_NAMESPACE`]; the guards of `config/policies` name it.
pub const SERVICE_ACCOUNT: &str = "federation-health";
/// Namespace of KubeFed, the default of `spec.federation.namespace`.
pub const KUBEFED_NAMESPACE: &str = "kube-federation-system";
/// Namespace that events of cluster-scoped objects and the API server's own EndpointSlices live in.
pub const DEFAULT_NAMESPACE: &str = "default";

mod observer;
mod people;
mod remediator;

pub use observer::{ADDRESSES, EVENTS, FEDERATED_KINDS, OBSERVER, RECORDS, RESTARTS};
pub use people::{ADMIN, EDIT, VIEW};
pub use remediator::{DISARM, EXPERIMENT, FREEZE, JOURNAL, LEADER, PLACE, REMOVE, RETAIN, SHIELD};

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read all objects.
    List,
    /// Be told of changes.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change parts of an object; server-side apply is a patch.
    Patch,
    /// Remove one object.
    Delete,
}

impl Verb {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

const READ: &[Verb] = &[Verb::Get, Verb::List, Verb::Watch];
/// What a watch needs.
const FOLLOW: &[Verb] = &[Verb::List, Verb::Watch];

/// One rule of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Plurals, a subresource after a slash.
    pub resources: &'static [&'static str],
    /// Objects that the right is limited to; empty for all of them.
    pub names: &'static [&'static str],
    /// What may be done.
    pub verbs: &'static [Verb],
    /// Why it is asked for; becomes a comment of the manifest.
    pub why: &'static str,
}

impl Right {
    /// Whether a request is within this right. `name` is empty where a request has none (create, list, watch).
    pub fn covers(&self, verb: &str, group: &str, resource: &str, name: &str) -> bool {
        self.group == group
            && self.resources.contains(&resource)
            && self.verbs.iter().any(|v| v.as_str() == verb)
            && (self.names.is_empty() || self.names.contains(&name))
    }
}

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The whole cluster: a ClusterRole.
    Cluster,
    /// One namespace: a Role.
    Namespace(&'static str),
}

/// Who holds a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The operator, by a binding to its ServiceAccount.
    Operator,
    /// Whoever holds these ClusterRoles of Kubernetes: the role is aggregated to them.
    Aggregated(&'static [&'static str]),
}

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Name of the role and of its binding.
    pub name: &'static str,
    /// File below `config/rbac`, without its ending; roles of one file are installed or left out together.
    pub file: &'static str,
    /// Where it holds.
    pub reach: Reach,
    /// Who holds it.
    pub holder: Holder,
    /// Actions of remediation that need it, each of which can be left out; empty if it is needed without regard to them.
    pub rungs: &'static [Rung],
    /// What it is for; becomes a comment of the manifest.
    pub why: &'static str,
    /// Its rules.
    pub rights: &'static [Right],
}

/// Switches the durable layer.
pub const HOLDER: Role = Role {
    name: "federation-health-holder",
    file: "holder",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[],
    why: "Switches the durable layer of the hold. Leave it out if nothing may ever be held for longer than an API server's restart.",
    rights: &[Right {
        group: "admissionregistration.k8s.io",
        resources: &["validatingadmissionpolicybindings"],
        names: &[COLLECTION_DURABLE, FEDERATION_DURABLE],
        verbs: &[Verb::Patch],
        why: "The objectSelector of these two bindings is the switch.",
    }],
};

/// ConfigMaps that carry no data and are deleted to prove that a hold holds.
pub const CANARIES: &[&str] = &[
    "canary-fast-collection",
    "canary-durable-collection",
    "canary-fast-federation",
    "canary-durable-federation",
    "canary-collector-covered",
    "canary-collector-control",
];

/// Proves the hold.
pub const PROVER: Role = Role {
    name: "federation-health-prover",
    file: "prover",
    reach: Reach::Namespace(OPERATOR_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[],
    why: "Proves that the policies hold on this server, by deleting canaries that they cover. Without it HoldReady stays Unknown.",
    rights: &[
        Right {
            group: "",
            resources: &["configmaps"],
            names: CANARIES,
            verbs: &[Verb::Get, Verb::Delete],
            why: "Deletions by dry run, and the two canaries that the garbage collector is given.",
        },
        Right {
            group: "",
            resources: &["configmaps"],
            names: &[],
            verbs: &[Verb::Create],
            why: "The collector's canaries are made afresh. Kubernetes cannot limit create to a name.",
        },
    ],
};

/// Reads the tokens of the registrations.
pub const PROBER: Role = Role {
    name: "federation-health-prober",
    file: "prober",
    reach: Reach::Namespace(KUBEFED_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[],
    why: "Only for spec.probe.mode: Probe, and therefore not part of config/default: apply it by itself, into the namespace of KubeFed.",
    rights: &[
        Right {
            group: "",
            resources: &["secrets"],
            names: &[],
            verbs: &[Verb::Get],
            why: "The token of a registration, by the name that it gives. Neither list nor watch: nothing is read that no registration names.",
        },
        Right {
            group: "",
            resources: &["serviceaccounts"],
            names: &[],
            verbs: &[Verb::Get],
            why: "Whether the account that a token names lives on this server: the registration then leads here, also where it cannot be dialled.",
        },
    ],
};

/// Every role, in the order of the manifests.
pub const ROLES: &[Role] = &[
    OBSERVER, ADDRESSES, EVENTS, RESTARTS, RECORDS, HOLDER, PROVER, PROBER, JOURNAL, LEADER,
    RETAIN, SHIELD, FREEZE, EXPERIMENT, DISARM, PLACE, REMOVE, VIEW, EDIT, ADMIN,
];

#[cfg(test)]
mod tests;
