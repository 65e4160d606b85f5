//! Kubernetes' volumes.

use serde::Deserialize;

use super::Meta;

/// A PersistentVolume.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct PersistentVolume {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// What it is to be.
    #[serde(default)]
    pub spec: VolumeSpec,
    /// What it is.
    #[serde(default)]
    pub status: VolumeStatus,
}

/// Policy and claim.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSpec {
    /// `Retain`, `Delete` or `Recycle`.
    #[serde(default)]
    pub persistent_volume_reclaim_policy: String,
    /// The claim that has it.
    pub claim_ref: Option<ClaimReference>,
}

/// A claim.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct ClaimReference {
    /// Namespace.
    #[serde(default)]
    pub namespace: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// UID.
    #[serde(default)]
    pub uid: String,
}

/// How far it is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct VolumeStatus {
    /// `Bound` while its claim exists.
    #[serde(default)]
    pub phase: String,
}
