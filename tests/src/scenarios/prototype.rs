//! The prototype that the tripwire is measured against: no judgement at all. It watches Workspaces and writes the hold
//! at the first deletionTimestamp.

use federation_health_api::FederationHold;
use federation_health_testbed::error::{Attempt as _, Result};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, Request as Paths, WatchParams},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A running prototype. Dropping it ends it.
pub struct Prototype(JoinHandle<()>);

impl Prototype {
    /// Starts it with a client that may write the status.
    ///
    /// # Errors
    /// The watch cannot be opened.
    pub async fn start(client: Client) -> Result<Self> {
        let attempt = || "watch Workspaces as the prototype";
        let workspaces = Paths::new("/apis/tenant.kubesphere.io/v1alpha1/workspaces");
        let list = workspaces.list(&ListParams::default()).attempt(attempt)?;
        let list: Value = client.request(list).await.attempt(attempt)?;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("0");
        let watch = workspaces
            .watch(&WatchParams::default(), version)
            .attempt(attempt)?;
        let mut lines = client.request_stream(watch).await.attempt(attempt)?.lines();
        let objects: Api<FederationHold> = Api::all(client);
        // The operator's connection is warm as well.
        objects.get("default").await.attempt(attempt)?;
        let hold =
            Patch::Merge(json!({"status": {"hold": {"collection": true, "federation": true}}}));
        Ok(Self(tokio::spawn(async move {
            while let Ok(Some(line)) = lines.try_next().await {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["type"] == "MODIFIED"
                    && event["object"]["metadata"]["deletionTimestamp"].is_string()
                {
                    // The audit log tells what became of it.
                    let _ = objects
                        .patch_status("default", &PatchParams::default(), &hold)
                        .await;
                }
            }
        })))
    }
}

impl Drop for Prototype {
    fn drop(&mut self) {
        self.0.abort();
    }
}
