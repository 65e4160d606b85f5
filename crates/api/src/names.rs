//! Names that this project writes or reads: labels, annotations, managers, policies.

/// API group of [`crate::FederationHealth`] and [`crate::FederationHold`].
pub const GROUP: &str = "federationhealth.io";
/// Name of the FederationHealth, and of its FederationHold that the shipped policies read as their parameter.
pub const DEFAULT_OBJECT: &str = "default";

/// Where FederationHealths are served.
pub const HEALTHS: &str = "/apis/federationhealth.io/v1alpha1/federationhealths";
/// Where FederationHolds are served.
pub const HOLDS: &str = "/apis/federationhealth.io/v1alpha1/federationholds";

/// Labels of the operator's Deployment, whatever it is called.
pub const OPERATOR_LABELS: &str =
    "app.kubernetes.io/part-of=federation-health,app.kubernetes.io/component=operator";

/// Field manager of the status of FederationHealths.
pub const STATUS_MANAGER: &str = "federation-health";
/// Field manager of the hold: the status of FederationHolds, and the durable bindings.
pub const HOLD_MANAGER: &str = "federation-health-hold";
/// Field manager of `status.actions` and of the journal's ConfigMap.
pub const JOURNAL_MANAGER: &str = "federation-health-journal";
/// Field manager of every write of remediation to other people's objects.
pub const REMEDY_MANAGER: &str = "federation-health-remedy";
/// ConfigMap in the operator's namespace that keeps the journal beside `status.actions`.
pub const JOURNAL: &str = "federation-health-journal";
/// Key of the journal in its ConfigMap.
pub const JOURNAL_KEY: &str = "journal.json";
/// Annotation on any object that remediation must leave alone; any value but `false`.
pub const OPT_OUT_ANNOTATION: &str = "federationhealth.io/opt-out";
/// Annotation on a FederationHealth that approves a plan: its id, `@`, and until when (RFC 3339).
pub const APPROVE_ANNOTATION: &str = "federationhealth.io/approve";
/// Annotation on a FederationHealth that asks acts back: `all` or the name of an action.
pub const UNDO_ANNOTATION: &str = "federationhealth.io/undo";
/// Annotation on a FederationHealth that asks for the experiment: until when (RFC 3339).
pub const EXPERIMENT_ANNOTATION: &str = "federationhealth.io/experiment";
/// `reportingController` of our events, qualified as Kubernetes asks.
pub const REPORTING_CONTROLLER: &str = "federationhealth.io/operator";

/// Label on our canaries; its value names the policy that covers the canary.
pub const CANARY_LABEL: &str = "federationhealth.io/canary";
/// The Workspace of ours by which it is seen whether a control plane is at work here: of no tenant, without namespaces.
pub const CANARY_WORKSPACE: &str = "federation-health-canary";
/// Value of [`CANARY_LABEL`] on it: only with both is it ours.
pub const CANARY_WORKSPACE_VALUE: &str = "workspace";
/// Annotation on a FederationHealth or FederationHold that lets its deletion pass while it holds.
pub const BREAK_GLASS_ANNOTATION: &str = "federationhealth.io/break-glass";

/// Annotation on a KubeFedCluster that the join guard lets pass; its value says why.
pub const SHARED_ENDPOINT_ANNOTATION: &str = "federationhealth.io/allow-shared-endpoint";

/// The rule that refuses the garbage collector.
pub const COLLECTION: &str = "collection";
/// The rule that refuses `KubeFed`.
pub const FEDERATION: &str = "federation";
/// Policy and binding of the fast layer of the collection hold.
pub const COLLECTION_FAST: &str = "federation-health-collection-fast";
/// Policy and binding of the durable layer of the collection hold.
pub const COLLECTION_DURABLE: &str = "federation-health-collection-durable";
/// Policy and binding of the fast layer of the federation hold.
pub const FEDERATION_FAST: &str = "federation-health-federation-fast";
/// Policy and binding of the durable layer of the federation hold.
pub const FEDERATION_DURABLE: &str = "federation-health-federation-durable";

/// Policy and binding of the join guard that refuse.
pub const JOIN_DENY: &str = "federation-health-join-deny";
/// Policy and binding of the join guard that warn.
pub const JOIN_WARN: &str = "federation-health-join-warn";

/// `KubeFed`'s mark on what it propagates (`true`) or must leave alone (`false`).
pub const MANAGED_LABEL: &str = "kubefed.io/managed";
/// `KubeSphere`'s membership label on namespaces.
pub const WORKSPACE_LABEL: &str = "kubesphere.io/workspace";
/// `KubeSphere`'s mark on the host among Clusters and `KubeFedClusters`.
pub const HOST_LABEL: &str = "cluster-role.kubesphere.io/host";
/// Label of `KubeFed`'s controller manager Deployment.
pub const KUBEFED_PLANE_LABEL: &str = "kubefed-control-plane";
/// Value of [`KUBEFED_PLANE_LABEL`] on the controller manager (the webhook carries another label).
pub const KUBEFED_PLANE_VALUE: &str = "controller-manager";
/// Name of the definition of the kind FederatedWorkspace: with it go all FederatedWorkspaces.
pub const FEDERATED_WORKSPACES: &str = "federatedworkspaces.types.kubefed.io";
