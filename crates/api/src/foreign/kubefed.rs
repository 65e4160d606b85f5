//! `KubeFed`'s kinds (groups `core.kubefed.io` and `types.kubefed.io`, both v1beta1).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use super::meta::{Meta, null_as_default};

/// A registration of a cluster.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct KubeFedCluster {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// Where and with which credentials the cluster is reached.
    #[serde(default)]
    pub spec: KubeFedClusterSpec,
    /// Readiness as `KubeFed` sees it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: KubeFedClusterStatus,
}

/// Connection data of a registration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KubeFedClusterSpec {
    /// URL of the API server, or host and port without a scheme.
    #[serde(default, deserialize_with = "null_as_default")]
    pub api_endpoint: String,
    /// Base64 of a PEM bundle.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ca_bundle: String,
    /// Secret with the key `token`, in the registration's namespace.
    #[serde(default, deserialize_with = "null_as_default")]
    pub secret_ref: LocalSecretReference,
    /// TLS checks that are switched off (`*`, `SubjectName`, `ValidityPeriod`).
    #[serde(
        default,
        rename = "disabledTLSValidations",
        deserialize_with = "null_as_default"
    )]
    pub disabled_tls_validations: Vec<String>,
    /// Proxy to reach the cluster through.
    #[serde(default, rename = "proxyURL", deserialize_with = "null_as_default")]
    pub proxy_url: String,
}

/// Name of a secret.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct LocalSecretReference {
    /// Name in the same namespace.
    #[serde(default)]
    pub name: String,
}

/// Status of a registration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct KubeFedClusterStatus {
    /// `Ready` and `Offline`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub conditions: Vec<StatusCondition>,
}

/// A condition in `KubeFed`'s and `KubeSphere`'s older form.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StatusCondition {
    /// Type of the condition.
    #[serde(default, rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// RFC 3339 time of the last look; `KubeFed` writes it at every health check, changed or not.
    #[serde(default)]
    pub last_probe_time: Option<String>,
    /// RFC 3339 time of the last change of status; `KubeFed` also writes it when it has just started.
    #[serde(default)]
    pub last_transition_time: Option<String>,
}

/// A control plane's configuration; its mere presence in a namespace names a control plane.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct KubeFedConfig {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
}

/// Says that a kind is federated.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct FederatedTypeConfig {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// What is federated, and as what.
    #[serde(default)]
    pub spec: FederatedTypeConfigSpec,
}

/// Spec of a [`FederatedTypeConfig`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FederatedTypeConfigSpec {
    /// The federated kind.
    #[serde(default)]
    pub federated_type: ResourceType,
    /// The kind that is created in members.
    #[serde(default)]
    pub target_type: ResourceType,
    /// `Enabled` or `Disabled`.
    #[serde(default)]
    pub propagation: String,
}

/// A resource type as `KubeFed` writes it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceType {
    /// API group, empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version.
    #[serde(default)]
    pub version: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Plural in lower case.
    #[serde(default)]
    pub plural_name: String,
    /// `Cluster` or `Namespaced`.
    #[serde(default)]
    pub scope: String,
}

/// An Event, as far as KubeFed tells by it what it does to an object.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// What it is about.
    #[serde(default, deserialize_with = "null_as_default")]
    pub involved_object: InvolvedObject,
    /// What happened, in one word.
    #[serde(default, deserialize_with = "null_as_default")]
    pub reason: String,
    /// What happened, in a sentence.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// How often; the client library counts repetitions in one object, and drops what comes too often.
    #[serde(default)]
    pub count: Option<i64>,
}

/// The object of an [`EventView`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct InvolvedObject {
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// UID.
    #[serde(default)]
    pub uid: String,
}

/// Any federated object or a `WorkspaceTemplate`: placement only, the template is never decoded.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct FederatedObject {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// Placement.
    #[serde(default, deserialize_with = "null_as_default")]
    pub spec: FederatedSpec,
    /// What `KubeFed` says of each cluster.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: FederatedStatus,
}

/// The part of a federated object's spec that decides where it goes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct FederatedSpec {
    /// Where the object goes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub placement: Placement,
}

/// Placement: a list wins over a selector as soon as it is present, even when empty (`KubeFed`'s `GetClusterNames`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Names, if given.
    pub clusters: Option<Vec<ClusterReference>>,
    /// Selector over the labels of registrations.
    pub cluster_selector: Option<LabelSelector>,
}

/// A name in a placement list.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct ClusterReference {
    /// Name of a `KubeFedCluster`.
    #[serde(default)]
    pub name: String,
}

/// The part of a federated object's status that names who still holds it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct FederatedStatus {
    /// One entry a cluster.
    #[serde(default, deserialize_with = "null_as_default")]
    pub clusters: Vec<PlacedCluster>,
}

/// State of the propagation in one cluster.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct PlacedCluster {
    /// Name of a `KubeFedCluster`.
    #[serde(default)]
    pub name: String,
    /// Absent when in order; `WaitingForRemoval` on an unplaced name gives a loop away.
    #[serde(default)]
    pub status: String,
}
