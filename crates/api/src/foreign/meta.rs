//! The metadata that is read of every object.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The part of `metadata` that facts are made of; `managedFields` and annotations are skipped while decoding.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Object name; empty only in malformed objects.
    #[serde(default)]
    pub name: String,
    /// Namespace, absent for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// UID given by the API server.
    pub uid: Option<String>,
    /// Opaque version; comparable as an integer within one kind of one server (Kubernetes ≥ 1.35 promises it).
    pub resource_version: Option<String>,
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// RFC 3339 time of creation.
    pub creation_timestamp: Option<String>,
    /// RFC 3339 time at which deletion was asked for.
    pub deletion_timestamp: Option<String>,
    /// Labels.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// Finalizers.
    #[serde(default, deserialize_with = "null_as_default")]
    pub finalizers: Vec<String>,
    /// Owners.
    #[serde(default, deserialize_with = "null_as_default")]
    pub owner_references: Vec<OwnerView>,
}

/// One owner reference.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OwnerView {
    /// Group and version of the owner.
    #[serde(default)]
    pub api_version: String,
    /// Kind of the owner.
    #[serde(default)]
    pub kind: String,
    /// Name of the owner.
    #[serde(default)]
    pub name: String,
    /// UID of the owner; the garbage collector goes by it.
    #[serde(default)]
    pub uid: String,
}

/// An object of which nothing but metadata is read (Workspace, Namespace).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Object {
    /// Its metadata.
    #[serde(default)]
    pub metadata: Meta,
}

/// Reads `null` like an absent field: KubeFed and older Go clients write explicit nulls.
pub(crate) fn null_as_default<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}
