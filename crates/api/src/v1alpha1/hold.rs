//! The switch of the hold, an object of its own.
//!
//! An API server needs 17 ms for a write to an object of 146 KB and 5 ms for one of 1 KB (measured), and the garbage
//! collector comes 10 ms after the first deletion: the switch must stay small whatever else there is to say.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::HoldStatus;

/// What a person allows the hold of the FederationHealth of the same name.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "federationhealth.io",
    version = "v1alpha1",
    kind = "FederationHold",
    plural = "federationholds",
    status = "FederationHoldStatus",
    shortname = "fedhold",
    category = "federation",
    derive = "PartialEq",
    derive = "Default",
    doc = "FederationHold is the switch of the hold of the FederationHealth of the same name: the admission policies read it as their parameter. The operator creates it and writes its status. A person writes its spec to release a hold, also while no operator runs.",
    printcolumn(
        name = "Collection",
        type_ = "boolean",
        json_path = ".status.hold.collection"
    ),
    printcolumn(
        name = "Federation",
        type_ = "boolean",
        json_path = ".status.hold.federation"
    ),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.hold.reason"),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.hold.since"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct FederationHoldSpec {
    /// `Never` releases the hold on the garbage collector at once, and forbids another, whatever the FederationHealth says.
    #[serde(default)]
    pub collection: Permission,
    /// `Never` releases the hold on KubeFed at once, and forbids another, whatever the FederationHealth says.
    #[serde(default)]
    pub federation: Permission,
}

/// Whether a rule may hold.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Permission {
    /// As the FederationHealth asks for.
    #[default]
    Allowed,
    /// Never; a hold that stands is released.
    Never,
}

/// The switch. Written by the operator alone.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationHoldStatus {
    /// What is held, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// A proof runs: the dry-run deletion of the canaries is refused.
    #[serde(default)]
    pub proof: bool,
}
