//! The roles of remediation: none is part of the default installation, and each action has its own.

use super::{Holder, OPERATOR_NAMESPACE, Reach, Right, Role, Verb};

/// Keeps the journal of remediation.
pub const JOURNAL: Role = Role {
    name: "federation-health-journal",
    file: "remediator",
    reach: Reach::Namespace(OPERATOR_NAMESPACE),
    holder: Holder::Operator,
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

/// Reads what is about to be changed.
pub const TARGETS: Role = Role {
    name: "federation-health-targets",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    why: "No action writes what it has not read a moment before; watches alone get by without.",
    rights: &[
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspaces", "workspacetemplates"],
            names: &[],
            verbs: &[Verb::Get],
            why: "For armOrphan, shieldWorkspaces and fixPlacement.",
        },
        Right {
            group: "apps",
            resources: &["deployments"],
            names: &["kubefed-controller-manager"],
            verbs: &[Verb::Get],
            why: "For freezeControllers.",
        },
        Right {
            group: "",
            resources: &["namespaces"],
            names: &[],
            verbs: &[Verb::Get],
            why: "For disarmNamespaces.",
        },
        Right {
            group: "core.kubefed.io",
            resources: &["kubefedclusters"],
            names: &[],
            verbs: &[Verb::Get],
            why: "For removeStaleCluster.",
        },
    ],
};

/// Keeps volumes.
pub const RETAIN: Role = Role {
    name: "federation-health-retain",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    why: "Only for the action retainVolumes.",
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
            resources: &["persistentvolumeclaims"],
            names: &[],
            verbs: &[Verb::Get],
            why: "Whether the claim of a volume still stands, before the former policy is put back.",
        },
    ],
};

/// Takes Workspaces out of KubeFed's care.
pub const SHIELD: Role = Role {
    name: "federation-health-shield",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    why: "Only for the actions shieldWorkspaces and armOrphan.",
    rights: &[Right {
        group: "tenant.kubesphere.io",
        resources: &["workspaces"],
        names: &[],
        verbs: &[Verb::Patch],
        why: "The label kubefed.io/managed and the finalizer orphan; the guard of the operator keeps everything else.",
    }],
};

/// Stops and starts KubeFed.
pub const FREEZE: Role = Role {
    name: "federation-health-freeze",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    why: "Only for the action freezeControllers. In every namespace, because a rival control plane lives in another one; by name.",
    rights: &[Right {
        group: "apps",
        resources: &["deployments/scale"],
        names: &["kubefed-controller-manager"],
        verbs: &[Verb::Patch],
        why: "The number of replicas alone.",
    }],
};

/// Makes and removes the Workspace of the experiment.
pub const EXPERIMENT: Role = Role {
    name: "federation-health-experiment",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    why: "Only for the action plantCanary.",
    rights: &[
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspaces"],
            names: &[federation_health_api::names::CANARY_WORKSPACE],
            verbs: &[Verb::Delete],
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
    why: "Only for the action disarmNamespaces.",
    rights: &[Right {
        group: "",
        resources: &["namespaces"],
        names: &[],
        verbs: &[Verb::Patch],
        why: "ownerReferences; the guard of the operator keeps everything else.",
    }],
};

/// Mends a cause.
pub const CURE: Role = Role {
    name: "federation-health-cure",
    file: "remediator",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    why: "Only for the actions fixPlacement and removeStaleCluster.",
    rights: &[
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspacetemplates"],
            names: &[],
            verbs: &[Verb::Patch],
            why: "The placement; the guard of the operator keeps everything else.",
        },
        Right {
            group: "core.kubefed.io",
            resources: &["kubefedclusters"],
            names: &[],
            verbs: &[Verb::Delete],
            why: "The registration whose staleness is proven; its manifest is kept in the journal.",
        },
    ],
};
