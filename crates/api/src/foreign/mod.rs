//! Views of kinds that belong to others: only the fields that are read, all optional, unknown ones skipped.
//!
//! A whole object never reaches our memory: deserializing into these drops templates, managed fields and data at once.

mod kubefed;
mod kubesphere;
mod meta;
mod volume;

pub use kubefed::{
    ClusterReference, EventView, FederatedObject, FederatedSpec, FederatedStatus,
    FederatedTypeConfig, FederatedTypeConfigSpec, InvolvedObject, KubeFedCluster,
    KubeFedClusterSpec, KubeFedClusterStatus, KubeFedConfig, LocalSecretReference, PlacedCluster,
    Placement, ResourceType, StatusCondition,
};
pub use kubesphere::{
    Cluster, ClusterConnection, ClusterSpec, ClusterStatus, DeploymentView, ReplicaSpec,
    ReplicaStatus,
};
pub use meta::{Meta, Object, OwnerView};
pub use volume::{ClaimReference, PersistentVolume, VolumeSpec, VolumeStatus};
