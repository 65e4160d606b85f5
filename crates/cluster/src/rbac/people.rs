//! Roles for people, aggregated to those of Kubernetes.

use super::{Holder, READ, Reach, Right, Role, Verb};

/// For people who look.
pub const VIEW: Role = Role {
    name: "federation-health-view",
    file: "helpers",
    reach: Reach::Cluster,
    holder: Holder::Aggregated(&["view", "edit", "admin"]),
    rungs: &[],
    why: "For people who look.",
    rights: &[Right {
        group: "federationhealth.io",
        resources: &[
            "federationhealths",
            "federationhealths/status",
            "federationholds",
            "federationholds/status",
        ],
        names: &[],
        verbs: READ,
        why: "The verdict carries names of clusters, Workspaces and namespaces, and no secrets.",
    }],
};

/// For people who decide what may be held.
pub const EDIT: Role = Role {
    name: "federation-health-edit",
    file: "helpers",
    reach: Reach::Cluster,
    holder: Holder::Aggregated(&["edit", "admin"]),
    rungs: &[],
    why: "For people who decide what may be held. Cluster-scoped: a RoleBinding in a namespace does not grant it.",
    rights: &[Right {
        group: "federationhealth.io",
        resources: &["federationhealths", "federationholds"],
        names: &[],
        verbs: &[Verb::Create, Verb::Update, Verb::Patch, Verb::Delete],
        why: "The spec of the one opts in to holds; that of the other ends them, also while no operator runs.",
    }],
};

/// For people who may switch a hold by hand.
pub const ADMIN: Role = Role {
    name: "federation-health-admin",
    file: "helpers",
    reach: Reach::Cluster,
    holder: Holder::Aggregated(&["admin"]),
    rungs: &[],
    why: "For people who may switch a hold by hand; the guard of the status asks them for the group federationhealth.io:break-glass besides.",
    rights: &[Right {
        group: "federationhealth.io",
        resources: &["federationhealths/status", "federationholds/status"],
        names: &[],
        verbs: &[Verb::Update, Verb::Patch],
        why: "Whoever writes status.hold of a FederationHold holds and releases.",
    }],
};
