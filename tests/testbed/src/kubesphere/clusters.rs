//! The Cluster controller: unjoins a deleted Cluster, and registers again what should be there.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};

use super::{add, remove, unless_gone};
use crate::error::{Attempt, Result};
use crate::kinds;

const FINALIZER: &str = "finalizer.cluster.kubesphere.io";

/// Registrations as last seen, by name: what the original builds from the Cluster's kubeconfig.
type Seen = BTreeMap<String, DynamicObject>;

pub(super) async fn run(client: Client, resync: Duration) {
    let clusters = watcher(
        kinds::all(&client, &kinds::cluster()),
        watcher::Config::default(),
    )
    .default_backoff()
    .applied_objects();
    let registrations = watcher(
        kinds::within(&client, &kinds::kubefed_cluster(), kinds::KUBEFED_NAMESPACE),
        watcher::Config::default(),
    )
    .default_backoff()
    .applied_objects();
    let (mut clusters, mut registrations) = (clusters.boxed(), registrations.boxed());
    let mut seen = Seen::new();
    let mut tick = tokio::time::interval(resync);
    loop {
        // A failure of any of these is tried again at the next event or resync, as in the original.
        tokio::select! {
            Some(Ok(registration)) = registrations.next() => {
                seen.insert(registration.name_any(), registration);
            }
            Some(Ok(cluster)) = clusters.next() => {
                let _ = keep_finalizer(&client, cluster).await;
            }
            _ = tick.tick() => {
                let _ = register_missing(&client, &seen).await;
            }
        }
    }
}

async fn keep_finalizer(client: &Client, mut cluster: DynamicObject) -> Result<()> {
    let name = cluster.name_any();
    let attempt = || format!("reconcile Cluster {name}");
    let deleting = cluster.metadata.deletion_timestamp.is_some();
    let changed = if deleting {
        let registrations =
            kinds::within(client, &kinds::kubefed_cluster(), kinds::KUBEFED_NAMESPACE);
        let deleted = registrations.delete(&name, &DeleteParams::default()).await;
        unless_gone(deleted).attempt(attempt)?;
        remove(&mut cluster.metadata.finalizers, FINALIZER)
    } else {
        add(&mut cluster.metadata.finalizers, FINALIZER)
    };
    if changed {
        let stored = kinds::all(client, &kinds::cluster())
            .replace(&name, &PostParams::default(), &cluster)
            .await;
        unless_gone(stored).attempt(attempt)?;
    }
    Ok(())
}

async fn register_missing(client: &Client, seen: &Seen) -> Result<()> {
    let clusters = kinds::all(client, &kinds::cluster())
        .list(&ListParams::default())
        .await
        .attempt(|| "list Clusters")?;
    let registrations = kinds::within(client, &kinds::kubefed_cluster(), kinds::KUBEFED_NAMESPACE);
    for cluster in clusters {
        let name = cluster.name_any();
        let wanted = cluster.data["spec"]["joinFederation"] == true
            && cluster.metadata.deletion_timestamp.is_none();
        let attempt = || format!("register Cluster {name} again");
        let Some(last) = seen.get(&name).filter(|_| wanted) else {
            continue;
        };
        if registrations
            .get_opt(&name)
            .await
            .attempt(attempt)?
            .is_none()
        {
            let mut again = DynamicObject::new(&name, &kinds::kubefed_cluster());
            again.metadata.labels.clone_from(&last.metadata.labels);
            again.data = serde_json::json!({ "spec": last.data["spec"] });
            registrations
                .create(&PostParams::default(), &again)
                .await
                .attempt(attempt)?;
        }
    }
    Ok(())
}
