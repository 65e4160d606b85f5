//! The roles of remediation: none is part of the default installation, and each action has its own.

use federation_health_core::remedy::rung::Rung;

use super::{Holder, KUBEFED_NAMESPACE, OPERATOR_NAMESPACE, Reach, Right, Role, Verb};

/// Why every action may get what it writes to.
const READ_FIRST: &str =
    "No action writes what it has not read a moment before; watches alone get by without.";

/// Keeps the journal of remediation.
pub const JOURNAL: Role = Role {
    name: "federation-health-journal",
    file: "remediator",
    reach: Reach::Namespace(OPERATOR_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[],
    why: "What remediation did, so that it can be taken back. Without it no action is taken.",
    rights: &[
        Right {
            group: "",
            resources: &["configmaps"],
            names: &[federation_health_api::names::JOURNAL],
            verbs: &[Verb::Get, Verb::Patch],
            why: "The journal is written before each write.",
        },
        Right {
            group: "",
            resources: &["configmaps"],
            names: &[],
            verbs: &[Verb::Create],
            why: "Its ConfigMap is made once. Kubernetes cannot limit create to a name.",
        },
    ],
};

/// Lets one process at a time act.
pub const LEADER: Role = Role {
    name: "federation-health-leader",
    file: "remediator",
    reach: Reach::Namespace(OPERATOR_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[],
    why: "One process at a time acts. Without it no action is taken.",
    rights: &[
        Right {
            group: "coordination.k8s.io",
            resources: &["leases"],
            names: &["federation-health"],
            verbs: &[Verb::Get, Verb::Patch],
            why: "Read before each write, renewed every five seconds while remediation is asked for.",
        },
        Right {
            group: "coordination.k8s.io",
            resources: &["leases"],
            names: &[],
            verbs: &[Verb::Create],
            why: "It is made once. Kubernetes cannot limit create to a name.",
        },
    ],
};

/// Keeps volumes.
pub const RETAIN: Role = Role {
    name: "federation-health-retain",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[Rung::RetainVolumes],
    why: "",
    rights: &[
        Right {
            group: "",
            resources: &["persistentvolumes"],
            names: &[],
            verbs: &[Verb::Get, Verb::List, Verb::Patch],
            why: "The reclaim policy; the guard of the operator keeps everything else. Listed only while namespaces are at risk.",
        },
        Right {
            group: "",
            resources: &["persistentvolumeclaims", "namespaces"],
            names: &[],
            verbs: &[Verb::Get],
            why: "Whether the claim of a volume and its namespace still stand, before the former policy is put back.",
        },
    ],
};

/// Takes Workspaces out of KubeFed's care.
pub const SHIELD: Role = Role {
    name: "federation-health-shield",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[Rung::ShieldWorkspaces, Rung::ArmOrphan],
    why: "",
    rights: &[Right {
        group: "tenant.kubesphere.io",
        resources: &["workspaces"],
        names: &[],
        verbs: &[Verb::Get, Verb::Patch],
        why: "The label kubefed.io/managed and the finalizer orphan; the guard of the operator keeps everything else.",
    }],
};

/// Stops and starts KubeFed.
pub const FREEZE: Role = Role {
    name: "federation-health-freeze",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[Rung::FreezeControllers],
    why: "In every namespace, because a rival control plane lives in another one; by name.",
    rights: &[
        Right {
            group: "apps",
            resources: &["deployments"],
            names: &["kubefed-controller-manager"],
            verbs: &[Verb::Get],
            why: READ_FIRST,
        },
        Right {
            group: "apps",
            resources: &["deployments/scale"],
            names: &["kubefed-controller-manager"],
            verbs: &[Verb::Patch],
            why: "The number of replicas alone.",
        },
    ],
};

/// Makes and removes the Workspace of the experiment.
pub const EXPERIMENT: Role = Role {
    name: "federation-health-experiment",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[Rung::PlantCanary],
    why: "",
    rights: &[
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspaces"],
            names: &[federation_health_api::names::CANARY_WORKSPACE],
            verbs: &[Verb::Get, Verb::Delete],
            why: "The Workspace of the experiment, and no other.",
        },
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspaces"],
            names: &[],
            verbs: &[Verb::Create],
            why: "Kubernetes cannot limit create to a name; the guard of the operator does.",
        },
    ],
};

/// Takes owners that do not exist off namespaces.
pub const DISARM: Role = Role {
    name: "federation-health-disarm",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[Rung::DisarmNamespaces],
    why: "",
    rights: &[
        Right {
            group: "",
            resources: &["namespaces"],
            names: &[],
            verbs: &[Verb::Get, Verb::Patch],
            why: "ownerReferences; the guard of the operator keeps everything else.",
        },
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspaces"],
            names: &[],
            verbs: &[Verb::Get],
            why: "Whether the owner exists.",
        },
    ],
};

/// Takes the stale name out of placements.
pub const PLACE: Role = Role {
    name: "federation-health-place",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[Rung::FixPlacement],
    why: "",
    rights: &[Right {
        group: "tenant.kubesphere.io",
        resources: &["workspacetemplates"],
        names: &[],
        verbs: &[Verb::Get, Verb::Patch],
        why: "The placement; the guard of the operator keeps everything else.",
    }],
};

/// Removes the stale registration.
pub const REMOVE: Role = Role {
    name: "federation-health-remove",
    file: "remediator",
    reach: Reach::Namespace(KUBEFED_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[Rung::RemoveStaleCluster],
    why: "In the namespace of KubeFed.",
    rights: &[Right {
        group: "core.kubefed.io",
        resources: &["kubefedclusters"],
        names: &[],
        verbs: &[Verb::Get, Verb::Delete],
        why: "The registration whose staleness is proven; its manifest is kept in the journal.",
    }],
};
