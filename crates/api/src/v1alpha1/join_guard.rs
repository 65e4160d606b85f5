//! The join guard: whether the API server refuses a second registration of one endpoint.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the API server does when a KubeFedCluster is created at, or moved to, an endpoint that is registered already.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum JoinGuard {
    /// Nothing. Not `Off`, which YAML 1.1 reads as a boolean.
    #[default]
    Never,
    /// It lets the registration pass, with a warning to whoever asked.
    Warn,
    /// It refuses the registration. The same CA alone is a warning still, since companies share CAs.
    Deny,
}

/// What a new registration is compared with. The policies of the join guard read it, so that it works without the operator.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JoinGuardStatus {
    /// Registered endpoints (host:port and path, in one written form), each with the oldest registration that has it:
    /// its name, with its namespace before it if that is not the guarded federation's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 2048))]
    pub endpoints: BTreeMap<String, String>,
    /// Registered CA bundles, by 32 characters out of the last certificate's signature, each with the oldest registration
    /// that has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 2048))]
    pub authorities: BTreeMap<String, String>,
}
