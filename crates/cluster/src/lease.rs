//! The operator's Lease: read, made and written with its resourceVersion as precondition.

use std::time::Duration;

use federation_health_core::{
    id::Text,
    lease::{DURATION_MS, LeaseView},
    time::Time,
};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use crate::call::{Call, CallError, JSON, MERGE};

/// A request about the Lease; three of them fit between two renewals.
const DEADLINE: Duration = Duration::from_secs(3);
/// Name of the Lease.
pub const NAME: &str = "federation-health";

/// The Lease in the operator's namespace.
#[derive(Clone)]
pub struct Leases {
    client: Client,
    path: String,
}

impl Leases {
    /// Over a client without retries.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            path: format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"),
        }
    }

    /// Reads it; None if there is none.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read(&self) -> Result<Option<LeaseView>, CallError> {
        let call = Call::get(&self.client, format!("{}/{NAME}", self.path), DEADLINE);
        Ok(call.find::<Value>().await?.as_ref().map(view))
    }

    /// Makes it, or takes or renews it if it still has this resourceVersion.
    ///
    /// # Errors
    /// See [`CallError`]; a conflict means that another process was faster.
    pub async fn write(
        &self,
        holder: &str,
        version: Option<&str>,
        now: Time,
    ) -> Result<LeaseView, CallError> {
        let stamp = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let spec = json!({
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION_MS / 1000,
            "renewTime": format!("{stamp:.6}"),
        });
        let call = match version {
            None => {
                let body = json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME}, "spec": spec,
                });
                let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
                Call::post(&self.client, self.path.clone(), body, DEADLINE)
            }
            Some(version) => {
                let body = json!({"metadata": {"resourceVersion": version}, "spec": spec});
                let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
                let mut call = Call::patch(
                    &self.client,
                    format!("{}/{NAME}", self.path),
                    MERGE,
                    body,
                    DEADLINE,
                );
                call.accept = JSON;
                call
            }
        };
        call.read::<Value>().await.map(|object| view(&object))
    }
}

fn view(object: &Value) -> LeaseView {
    let text = |value: &Value| Text::from(value.as_str().unwrap_or_default());
    LeaseView {
        holder: text(&object["spec"]["holderIdentity"]),
        version: text(&object["metadata"]["resourceVersion"]),
        duration_ms: object["spec"]["leaseDurationSeconds"]
            .as_i64()
            .unwrap_or_default()
            .saturating_mul(1000),
    }
}
