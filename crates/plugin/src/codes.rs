//! What each finding means and what a person does about it: the words of `explain`, reports and pictures.

/// One code.
pub struct Code {
    /// The code.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What is so, and why it is bad.
    pub meaning: &'static str,
    /// What comes next if nobody does anything.
    pub next: &'static str,
    /// What to do, in order.
    pub remedy: &'static str,
    /// Commands to copy; the first one looks and changes nothing.
    pub commands: &'static [&'static str],
}

const REGISTRATIONS: &str = "kubectl get kubefedclusters -A -o custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,ENDPOINT:.spec.apiEndpoint,CREATED:.metadata.creationTimestamp";

/// The codes of this version, in order.
pub const CODES: &[Code] = &[
    Code {
        id: "FH001",
        title: "A Workspace is deleted against its desired state",
        meaning: "A Workspace was deleted, or comes back again and again with a new UID, although its template and its placement still ask for it.",
        next: "With each deletion Kubernetes' garbage collector deletes the Workspace's namespaces, contents included, about 27 ms later. A new Workspace of the same name does not bring them back.",
        remedy: "Hold first, look for the cause afterwards: usually one cluster that is registered under two names (FH004).",
        commands: &[
            "kubectl get events -n default --field-selector reason=DeleteInCluster",
            "kubectl federation-health hold --for 2h --reason 'Workspaces are being deleted'",
            REGISTRATIONS,
        ],
    },
    Code {
        id: "FH002",
        title: "Namespaces were lost",
        meaning: "Namespaces were deleted together with a Workspace that was still wished for.",
        next: "They do not come back by themselves; a namespace of the same name is another one and empty.",
        remedy: "End the cause first. Then restore from backup by the names and UIDs that status.lostNamespaces keeps; look for volumes whose reclaim policy was Retain.",
        commands: &[
            "kubectl get federationhealth default -o jsonpath='{range .status.lostNamespaces[*]}{.name}{\"\\t\"}{.uid}{\"\\t\"}{.time}{\"\\n\"}{end}'",
            "kubectl get persistentvolumes --field-selector status.phase=Released",
        ],
    },
    Code {
        id: "FH003",
        title: "A namespace is armed",
        meaning: "The Workspace that owns the namespace does not exist under that UID any more.",
        next: "The garbage collector deletes the namespace as soon as it looks, within half a second if no hold stands.",
        remedy: "Keep the hold until the owner reference is right again: KubeSphere writes it when the Workspace lives.",
        commands: &[
            "kubectl get namespaces -l kubesphere.io/workspace -o custom-columns=NAME:.metadata.name,OWNER:.metadata.ownerReferences[*].name,UID:.metadata.ownerReferences[*].uid",
            "kubectl get workspaces -o custom-columns=NAME:.metadata.name,UID:.metadata.uid",
        ],
    },
    Code {
        id: "FH004",
        title: "One real cluster is registered under several names",
        meaning: "Two KubeFedClusters lead to one cluster. KubeFed works on every name alone: it creates through the name that a placement selects and deletes through the one that it leaves out.",
        next: "10 to 21 seconds after the second registration KubeFed deletes every object whose placement names only some of the names, several times a second, for ever. The namespaces of those Workspaces are lost at the first deletion.",
        remedy: "Hold, then delete the registration that no placement needs. If a KubeSphere Cluster of its name still joins the federation, delete that first: it would bring the registration back within two minutes.",
        commands: &[
            REGISTRATIONS,
            "kubectl federation-health hold --for 2h --reason 'doubled registration'",
            "kubectl get clusters.cluster.kubesphere.io",
        ],
    },
    Code {
        id: "FH005",
        title: "A placement names a cluster that is not registered",
        meaning: "The placement of a federated object names clusters of which none is a name of the cluster that holds the object.",
        next: "KubeFed deletes the object once, when the cluster's registration is Ready, and it does not come back.",
        remedy: "Put a name into the placement that is registered, through the WorkspaceTemplate and not the FederatedWorkspace.",
        commands: &[
            "kubectl get federatedworkspaces -o custom-columns=NAME:.metadata.name,CLUSTERS:.spec.placement.clusters",
            REGISTRATIONS,
        ],
    },
    Code {
        id: "FH009",
        title: "Two KubeFed control planes work on one server",
        meaning: "KubeFed runs in more than one namespace, and their registrations lead to one cluster.",
        next: "What one plane selects, the other deletes: a loop as with a doubled registration.",
        remedy: "Scale the plane that is not wanted to zero, then remove its registrations.",
        commands: &[
            "kubectl get deployments -A -l kubefed-control-plane=controller-manager",
            REGISTRATIONS,
        ],
    },
    Code {
        id: "FH023",
        title: "A registration is not what it was",
        meaning: "A registration changed its endpoint, its CA or its credentials under the same name.",
        next: "Nothing by itself; but everything that is placed on the name now goes to another cluster.",
        remedy: "Ask who changed it. If the cluster was rebuilt, look at its Workspaces before you go on.",
        commands: &[REGISTRATIONS],
    },
    Code {
        id: "FH024",
        title: "Two registrations may be one cluster",
        meaning: "Two registrations share an endpoint or a CA, which load balancers and companies also do. It is a suspicion, and never holds anything.",
        next: "If they are one cluster, what FH004 says.",
        remedy: "Let the operator ask through both registrations: that decides it.",
        commands: &[
            "kubectl patch federationhealth default --type=merge -p '{\"spec\":{\"probe\":{\"mode\":\"Probe\"}}}'",
            REGISTRATIONS,
        ],
    },
    Code {
        id: "FH025",
        title: "Two clusters with one identity",
        meaning: "Two registrations lead to clusters with one kube-system UID whose live objects differ: a clone or a restored backup.",
        next: "Nothing by itself. Whatever tells clusters apart by their UID takes them for one.",
        remedy: "Do not register a clone. If it must be, give it an installation of its own.",
        commands: &[REGISTRATIONS],
    },
];

/// Causes come before what they cause: whoever mends the first has mended the rest.
const CAUSES: [&str; 4] = ["FH004", "FH009", "FH005", "FH023"];

/// Place of a code in an explanation: causes first, then the rest in order.
pub fn order(code: &str) -> (usize, &str) {
    let cause = CAUSES.iter().position(|c| *c == code);
    (cause.unwrap_or(CAUSES.len()), code)
}

/// A code by its name, in any case.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|c| c.id.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_the_decisions_can_report_is_explained_and_no_other() {
        let known: Vec<&str> = CODES.iter().map(|c| c.id).collect();
        let mut reported = federation_health_core::findings::CODES.to_vec();
        reported.sort_unstable();
        assert_eq!(known, reported);
    }
}
