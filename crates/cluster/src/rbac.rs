//! The rights that this program asks for, each with its reason: the one list from which `config/rbac` is generated.
//!
//! Two absences are deliberate. No rule has a wildcard, so a kind that KubeSphere federates tomorrow is read only after
//! somebody has added it here. FederatedSecrets and FederatedUsers appear nowhere: their templates hold credentials.

use federation_health_api::names::{COLLECTION_DURABLE, FEDERATED_WORKSPACES, FEDERATION_DURABLE};

/// Namespace that the operator runs in; the policies name it.
pub const OPERATOR_NAMESPACE: &str = "federation-health-system";
/// The operator's ServiceAccount in [`OPERATOR_NAMESPACE`]; the guards of `config/policies` name it.
pub const SERVICE_ACCOUNT: &str = "federation-health";
/// Namespace of KubeFed, the default of `spec.federation.namespace`.
pub const KUBEFED_NAMESPACE: &str = "kube-federation-system";
/// Namespace that events of cluster-scoped objects and the API server's own EndpointSlices live in.
pub const DEFAULT_NAMESPACE: &str = "default";

mod people;
mod remediator;

pub use people::{ADMIN, EDIT, VIEW};
pub use remediator::{CURE, DISARM, EXPERIMENT, FREEZE, JOURNAL, LEADER, RETAIN, SHIELD, TARGETS};

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
    /// What it is for; becomes a comment of the manifest.
    pub why: &'static str,
    /// Its rules.
    pub rights: &'static [Right],
}

/// Reads what the decisions need, tells what they were.
pub const OBSERVER: Role = Role {
    name: "federation-health-observer",
    file: "observer",
    reach: Reach::Cluster,
    holder: Holder::Operator,
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
            verbs: FOLLOW,
            why: "Whether the kind FederatedWorkspace is being deleted, which takes every Workspace with it.",
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
    why: "An API server that has just started does not know the parameter's kind yet: the proof is repeated after every start.",
    rights: &[Right {
        group: "coordination.k8s.io",
        resources: &["leases"],
        names: &[],
        verbs: &[Verb::List],
        why: "Each API server names its process in a Lease of its own.",
    }],
};

/// Reads who creates and who deletes, in KubeFed's own words.
pub const EVENTS: Role = Role {
    name: "federation-health-events",
    file: "observer",
    reach: Reach::Namespace(DEFAULT_NAMESPACE),
    holder: Holder::Operator,
    why: "KubeFed's events about FederatedWorkspaces name the cluster through which it creates and deletes. Without them a loop in a member is told by KubeFed's status alone.",
    rights: &[Right {
        group: "",
        resources: &["events"],
        names: &[],
        verbs: &[Verb::List, Verb::Watch],
        why: "Events of cluster-scoped objects lie in this namespace; those of one kind are asked for.",
    }],
};

/// Switches the durable layer.
pub const HOLDER: Role = Role {
    name: "federation-health-holder",
    file: "holder",
    reach: Reach::Cluster,
    holder: Holder::Operator,
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
    why: "Only for spec.probe.mode: Probe, and therefore not part of config/default: apply it by itself, into the namespace of KubeFed.",
    rights: &[Right {
        group: "",
        resources: &["secrets"],
        names: &[],
        verbs: &[Verb::Get],
        why: "The token of a registration, by the name that it gives. Neither list nor watch: nothing is read that no registration names.",
    }],
};

/// Every role, in the order of the manifests.
pub const ROLES: &[Role] = &[
    OBSERVER, ADDRESSES, EVENTS, RESTARTS, HOLDER, PROVER, PROBER, JOURNAL, LEADER, TARGETS,
    RETAIN, SHIELD, FREEZE, EXPERIMENT, DISARM, CURE, VIEW, EDIT, ADMIN,
];

#[cfg(test)]
mod tests;
