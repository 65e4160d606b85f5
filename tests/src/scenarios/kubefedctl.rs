//! KubeFed's own program, as it comes with a release.

use std::process::Output;

use federation_health_testbed::{
    ControlPlane,
    binaries::Binaries,
    error::{Attempt as _, Result},
};
use serde_json::{Value, json};

/// `kubefedctl join` of 0.10.0; that of 0.8.1 waits for token Secrets which Kubernetes no longer makes.
pub async fn join(
    host: &ControlPlane,
    member: &ControlPlane,
    name: &str,
    host_name: &str,
) -> Result<Output> {
    let kubeconfig = host.dir().join("kubefedctl.json");
    let both = merged(host, member)?.to_string();
    std::fs::write(&kubeconfig, both).attempt(|| "write the kubeconfig for kubefedctl")?;
    tokio::process::Command::new(Binaries::get().await?.path("hyperfed-0.10.0")?)
        .args(["kubefedctl", "join", name, "--kubeconfig"])
        .arg(kubeconfig)
        .args(["--host-cluster-context=host", "--cluster-context=member"])
        .arg(format!("--host-cluster-name={host_name}"))
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .attempt(|| format!("run kubefedctl join {name}"))
}

/// One kubeconfig with the contexts `host` and `member`.
fn merged(host: &ControlPlane, member: &ControlPlane) -> Result<Value> {
    let (mut clusters, mut users, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, plane) in [("host", host), ("member", member)] {
        let one: Value = serde_json::from_str(&plane.access().kubeconfig())
            .attempt(|| format!("read the kubeconfig of {name}"))?;
        clusters.push(json!({"name": name, "cluster": one["clusters"][0]["cluster"]}));
        users.push(json!({"name": name, "user": one["users"][0]["user"]}));
        contexts.push(json!({"name": name, "context": {"cluster": name, "user": name}}));
    }
    Ok(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "host",
        "clusters": clusters, "users": users, "contexts": contexts,
    }))
}
