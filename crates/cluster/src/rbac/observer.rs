//! What the operator reads, and where it tells what it found. Always needed.

use federation_health_api::names::FEDERATED_WORKSPACES;

use super::{
    DEFAULT_NAMESPACE, FOLLOW, Holder, OPERATOR_NAMESPACE, READ, Reach, Right, Role, Verb,
};

/// Reads what the decisions need, tells what they were.
pub const OBSERVER: Role = Role {
    name: "federation-health-observer",
    file: "observer",
    reach: Reach::Cluster,
    holder: Holder::Operator,
    rungs: &[],
    why: "What the operator watches, and the status and events in which it reports. Always needed.",
    rights: &[
        Right {
            group: "core.kubefed.io",
            resources: &["kubefedclusters", "kubefedconfigs", "federatedtypeconfigs"],
            names: &[],
            verbs: FOLLOW,
            why: "Registrations, control planes and federated kinds, in every namespace: a rival control plane lives in another one.",
        },
        Right {
            group: "types.kubefed.io",
            resources: FEDERATED_KINDS,
            names: &[],
            verbs: FOLLOW,
            why: "Placements. By name: never federatedsecrets, whose templates hold plaintext. A kind of your own that KubeFed federates is added here, or its findings stay Unknown.",
        },
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspaces", "workspacetemplates"],
            names: &[],
            verbs: FOLLOW,
            why: "The Workspaces that are deleted and recreated, and what KubeSphere wants them to be.",
        },
        Right {
            group: "types.kubefed.io",
            resources: &["federatedworkspaces"],
            names: &[],
            verbs: &[Verb::Get],
            why: "Whether a Workspace is still wished for, read live in the moment in which it is deleted.",
        },
        Right {
            group: "tenant.kubesphere.io",
            resources: &["workspacetemplates"],
            names: &[],
            verbs: &[Verb::Get],
            why: "The same.",
        },
        Right {
            group: "cluster.kubesphere.io",
            resources: &["clusters"],
            names: &[],
            verbs: FOLLOW,
            why: "KubeSphere's own record of a cluster: its UID is evidence of identity.",
        },
        Right {
            group: "",
            resources: &["namespaces"],
            names: &[],
            verbs: FOLLOW,
            why: "The namespaces that a Workspace takes with it, and kube-system, whose UID identifies this cluster.",
        },
        Right {
            group: "apps",
            resources: &["deployments"],
            names: &[],
            verbs: FOLLOW,
            why: "KubeFed's controller managers, found by label in every namespace.",
        },
        Right {
            group: "apiextensions.k8s.io",
            resources: &["customresourcedefinitions"],
            names: &[FEDERATED_WORKSPACES],
            verbs: READ,
            why: "Whether the kind FederatedWorkspace is being deleted, which takes every Workspace with it; read live where that decides.",
        },
        Right {
            group: "apps",
            resources: &["deployments", "statefulsets", "daemonsets"],
            names: &[],
            verbs: &[Verb::List],
            why: "How many workloads are in the namespaces at risk; they are counted, not read.",
        },
        Right {
            group: "batch",
            resources: &["jobs", "cronjobs"],
            names: &[],
            verbs: &[Verb::List],
            why: "The same.",
        },
        Right {
            group: "",
            resources: &["persistentvolumeclaims"],
            names: &[],
            verbs: &[Verb::List],
            why: "How many bound claims are in the namespaces at risk.",
        },
        Right {
            group: "federationhealth.io",
            resources: &["federationhealths", "federationholds"],
            names: &[],
            verbs: READ,
            why: "The owner's wishes, and the switch of the hold.",
        },
        Right {
            group: "federationhealth.io",
            resources: &["federationhealths", "federationholds"],
            names: &[],
            verbs: &[Verb::Create],
            why: "For --create-default, and the switch that goes with each object. Kubernetes cannot limit create to a name.",
        },
        Right {
            group: "federationhealth.io",
            resources: &["federationhealths/status", "federationholds/status"],
            names: &[],
            verbs: &[Verb::Patch],
            why: "The verdict and the switch of the fast hold; a guard policy keeps everybody else from it.",
        },
        Right {
            group: "admissionregistration.k8s.io",
            resources: &[
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
            ],
            names: &[],
            verbs: READ,
            why: "Whether the policies of the hold are installed, unaltered and bound.",
        },
        Right {
            group: "events.k8s.io",
            resources: &["events"],
            names: &[],
            verbs: &[Verb::Create, Verb::Patch],
            why: "One event for each change of the verdict; patch counts repetitions.",
        },
    ],
};

/// The federated kinds of KubeSphere 3.3.1 and 3.4, FederatedSecrets excepted.
pub const FEDERATED_KINDS: &[&str] = &[
    "federatedapplications",
    "federatedclusterrolebindings",
    "federatedclusterroles",
    "federatedconfigmaps",
    "federateddeployments",
    "federatedglobalrolebindings",
    "federatedglobalroles",
    "federatedgroupbindings",
    "federatedgroups",
    "federatedingresses",
    "federatedjobs",
    "federatedlimitranges",
    "federatednamespaces",
    "federatednotificationconfigs",
    "federatednotificationmanagers",
    "federatednotificationreceivers",
    "federatednotificationrouters",
    "federatednotificationsilences",
    "federatedpersistentvolumeclaims",
    "federatedreplicasets",
    "federatedserviceaccounts",
    "federatedservices",
    "federatedstatefulsets",
    "federatedworkspacerolebindings",
    "federatedworkspaceroles",
    "federatedworkspaces",
];

/// Finds the addresses of the API server, so that the hold is proven on each.
pub const ADDRESSES: Role = Role {
    name: "federation-health-addresses",
    file: "observer",
    reach: Reach::Namespace(DEFAULT_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[],
    why: "Where the API servers are: a hold is proven on each of them, not on the one that happens to answer.",
    rights: &[Right {
        group: "discovery.k8s.io",
        resources: &["endpointslices"],
        names: &[],
        verbs: &[Verb::List],
        why: "The slices of the Service kubernetes; there may be one for each address family.",
    }],
};

/// Notices that an API server was started anew, after which its fast layer opens for half a minute.
pub const RESTARTS: Role = Role {
    name: "federation-health-restarts",
    file: "observer",
    reach: Reach::Namespace("kube-system"),
    holder: Holder::Operator,
    rungs: &[],
    why: "An API server that has just started does not know the parameter's kind yet: the proof is repeated after every start.",
    rights: &[Right {
        group: "coordination.k8s.io",
        resources: &["leases"],
        names: &[],
        verbs: &[Verb::List],
        why: "Each API server names its process in a Lease of its own.",
    }],
};

/// Reads what remediation left in force, also where it is switched off by now.
pub const RECORDS: Role = Role {
    name: "federation-health-records",
    file: "observer",
    reach: Reach::Namespace(OPERATOR_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[],
    why: "What an earlier process did and nobody has taken back, such as a KubeFed that was stopped, is told in every mode.",
    rights: &[Right {
        group: "",
        resources: &["configmaps"],
        names: &[federation_health_api::names::JOURNAL],
        verbs: &[Verb::Get],
        why: "The journal, which is there only if something was done.",
    }],
};

/// Reads who creates and who deletes, in KubeFed's own words.
pub const EVENTS: Role = Role {
    name: "federation-health-events",
    file: "observer",
    reach: Reach::Namespace(DEFAULT_NAMESPACE),
    holder: Holder::Operator,
    rungs: &[],
    why: "KubeFed's events about FederatedWorkspaces name the cluster through which it creates and deletes. Without them a loop in a member is told by KubeFed's status alone.",
    rights: &[Right {
        group: "",
        resources: &["events"],
        names: &[],
        verbs: &[Verb::List, Verb::Watch],
        why: "Events of cluster-scoped objects lie in this namespace; those of one kind are asked for.",
    }],
};
