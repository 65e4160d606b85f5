//! Tells the API server about a Deployment's pods what a kubelet would.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;

use super::RunnerState;

/// A pod that could not be patched is looked at again then.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Keeps `status` of the Deployment's pods at Running, and Ready while a process lives. Ends with
/// its task.
pub(super) async fn mirror_readiness(
    client: Client,
    namespace: String,
    deployment: String,
    mut state: watch::Receiver<RunnerState>,
) {
    let Some(selector) = selector_of(&client, &namespace, &deployment).await else {
        return;
    };
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let (store, writer) = reflector::store();
    let config = watcher::Config::default().labels(&selector);
    let mut events = watcher(pods.clone(), config)
        .default_backoff()
        .reflect(writer)
        .boxed();
    loop {
        tokio::select! {
            event = events.next() => if event.is_none() { return },
            changed = state.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
        let ready = state.borrow().running() > 0;
        for pod in store.state() {
            if is_ready(&pod) != Some(ready) && pod.metadata.deletion_timestamp.is_none() {
                report(&pods, &pod, ready).await;
            }
        }
    }
}

async fn selector_of(client: &Client, namespace: &str, deployment: &str) -> Option<String> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    // The Deployment may be installed later; until then there is nothing to mirror.
    let found = await_condition(api, deployment, conditions::is_created())
        .await
        .ok()??;
    let labels = found.spec?.selector.match_labels?;
    let terms: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    Some(terms.join(","))
}

fn is_ready(pod: &Pod) -> Option<bool> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|entry| entry.type_ == "Ready")?;
    Some(ready.status == "True")
}

async fn report(pods: &Api<Pod>, pod: &Pod, ready: bool) {
    let Some(name) = &pod.metadata.name else {
        return;
    };
    let status = if ready { "True" } else { "False" };
    let patch = json!({ "status": {
        "phase": "Running",
        "conditions": [
            { "type": "Ready", "status": status },
            { "type": "ContainersReady", "status": status },
        ],
    }});
    // The pod may be gone by now; the next look sees whatever is true then.
    let _ = pods
        .patch_status(name, &PatchParams::default(), &Patch::Strategic(patch))
        .await;
}
