//! Namespaces that stay members of their Workspaces while the loop rages.

use std::time::Duration;

use federation_health_testbed::{Federation, kinds};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::task::JoinHandle;

/// KubeSphere takes a namespace out of its Workspace when it meets it while the Workspace is gone. That saves the namespace,
/// and soon leaves the collector without work; as long as this lives, namespaces are put back.
pub struct KeptMembers(JoinHandle<()>);

impl KeptMembers {
    /// A few times in each pause of the loop.
    const EVERY: Duration = Duration::from_millis(500);

    /// Begins.
    pub fn keep(federation: &Federation) -> Self {
        let api: Api<Namespace> = Api::all(federation.client());
        let specs = federation.workspaces().to_vec();
        Self(tokio::spawn(async move {
            loop {
                for spec in &specs {
                    let labels = json!({kinds::WORKSPACE_LABEL: spec.name});
                    let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
                    for name in &spec.namespaces {
                        // The API server may be down: that is what is tested.
                        let _ = api.patch(name, &PatchParams::default(), &patch).await;
                    }
                }
                tokio::time::sleep(Self::EVERY).await;
            }
        }))
    }
}

impl Drop for KeptMembers {
    fn drop(&mut self) {
        self.0.abort();
    }
}
