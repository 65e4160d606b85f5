//! `KubeSphere`'s Cluster and the Deployment fields that tell whether a controller runs.

use serde::Deserialize;

use super::{
    kubefed::StatusCondition,
    meta::{Meta, null_as_default},
};

/// `clusters.cluster.kubesphere.io`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Cluster {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// Wish to be federated and the connection.
    #[serde(default)]
    pub spec: ClusterSpec,
    /// What `KubeSphere` learned of the cluster.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: ClusterStatus,
}

/// Spec of a [`Cluster`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// While true, a missing registration of this name is created again every two minutes.
    #[serde(default)]
    pub join_federation: bool,
    /// How the cluster is reached.
    #[serde(default, deserialize_with = "null_as_default")]
    pub connection: ClusterConnection,
}

/// Connection of a [`Cluster`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct ClusterConnection {
    /// URL of the API server.
    #[serde(default, rename = "kubernetesAPIEndpoint")]
    pub kubernetes_api_endpoint: String,
}

/// Status of a [`Cluster`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct ClusterStatus {
    /// UID of the cluster's kube-system namespace.
    #[serde(default)]
    pub uid: String,
    /// Conditions.
    #[serde(default, deserialize_with = "null_as_default")]
    pub conditions: Vec<StatusCondition>,
}

/// A Deployment, as far as it tells whether its program runs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct DeploymentView {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// Wished replicas.
    #[serde(default)]
    pub spec: ReplicaSpec,
    /// Living replicas.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: ReplicaStatus,
}

/// Wished replicas; Kubernetes reads an absent value as 1.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct ReplicaSpec {
    /// Replicas.
    pub replicas: Option<i32>,
}

/// Living replicas.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// Available replicas.
    #[serde(default)]
    pub available_replicas: i32,
}
