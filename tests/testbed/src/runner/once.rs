//! What a kubelet would do for one pod that ends: its program runs once.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::conditions;
use serde_json::json;

use crate::control_plane::ControlPlane;
use crate::error::{Attempt as _, Error, Result};
use crate::wait;

/// Waits for a pod, runs `program` with its only container's arguments and its account's rights, and tells the API server
/// how that ended. Of the environment it gets what it gives as text, and its namespace.
pub async fn run_pod_once(
    plane: &ControlPlane,
    namespace: &str,
    name: &str,
    program: &Path,
    limit: Duration,
) -> Result<Output> {
    let pods: Api<Pod> = Api::namespaced(plane.client(), namespace);
    let what = format!("pod {namespace}/{name}");
    let found = wait::for_object(pods.clone(), name, &what, limit, conditions::is_created());
    let spec = found.await?.and_then(|pod| pod.spec);
    let Some((spec, container)) =
        spec.and_then(|s| Some((s.clone(), s.containers.into_iter().next()?)))
    else {
        return Err(Error::refused(format!("{what} has no container")));
    };
    let account = spec.service_account_name.unwrap_or_default();
    let kubeconfig = plane
        .kubeconfig_for_service_account(namespace, &account)
        .await?;
    let output = tokio::process::Command::new(program)
        .args(container.args.iter().flatten())
        .envs(texts(&container))
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAMESPACE", namespace)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(limit, output)
        .await
        .attempt(|| format!("wait for the program of {what}"))?
        .attempt(|| format!("run {} for {what}", program.display()))?;
    let phase = if output.status.success() {
        "Succeeded"
    } else {
        "Failed"
    };
    let ended = json!({
        "exitCode": output.status.code().unwrap_or(-1),
        "reason": if output.status.success() { "Completed" } else { "Error" },
    });
    let status = json!({"status": {
        "phase": phase,
        "containerStatuses": [{
            "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": ended},
        }],
    }});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .attempt(|| format!("say that {what} is {phase}"))?;
    Ok(output)
}

fn texts(container: &Container) -> impl Iterator<Item = (&String, &String)> {
    let variables = container.env.iter().flatten();
    variables.filter_map(|variable| Some((&variable.name, variable.value.as_ref()?)))
}
