//! What is in a namespace: counted, never read.

use federation_health_core::{id::Text, view::Contents};
use serde::Deserialize;

use super::Host;
use crate::{
    call::{Call, CallError},
    list::LIST_DEADLINE,
};

/// Group, version and plural of what runs things.
const WORKLOADS: [&str; 5] = [
    "apps/v1 deployments",
    "apps/v1 statefulsets",
    "apps/v1 daemonsets",
    "batch/v1 jobs",
    "batch/v1 cronjobs",
];

/// A list of one item, which says how many more there are.
#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    metadata: Remaining,
    items: Vec<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remaining {
    #[serde(default)]
    remaining_item_count: u64,
}

#[derive(Deserialize)]
struct Claim {
    #[serde(default)]
    status: ClaimStatus,
}

#[derive(Default, Deserialize)]
struct ClaimStatus {
    #[serde(default)]
    phase: String,
}

impl Host {
    /// Counts the workloads and the bound claims of a namespace, by six lists, all but the claims' of one item.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn contents(&self, namespace: &Text) -> Result<Contents, CallError> {
        let mut workloads = 0;
        for kind in WORKLOADS {
            let (group, plural) = kind.split_once(' ').unwrap_or((kind, ""));
            let uri = format!("/apis/{group}/namespaces/{namespace}/{plural}?limit=1");
            let list: Counted = Call::get(&self.client, uri, LIST_DEADLINE).read().await?;
            workloads += list.items.len() as u64 + list.metadata.remaining_item_count;
        }
        let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
        let claims: Vec<Claim> = self.list(&path).await?;
        let bound = claims.iter().filter(|claim| claim.status.phase == "Bound");
        Ok(Contents {
            workloads,
            bound_claims: bound.count() as u64,
        })
    }
}
