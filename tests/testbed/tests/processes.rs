//! Nothing outlives the test bed, and a Deployment's processes follow its replicas.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use federation_health_testbed::process::{Process, ProcessSpec};
use federation_health_testbed::runner::{BinaryOptions, run_binary_as_deployment};
use federation_health_testbed::wait::{self, Look};
use federation_health_testbed::{ControlPlane, ControlPlaneOptions, apply, error};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

/// Processes whose command line names the directory.
fn processes_of(dir: &Path) -> Vec<String> {
    let needle = dir.display().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&needle))
        .collect()
}

async fn wait_until_none(dir: &Path) {
    wait::until("no process to be left", SOON, || async {
        let left = processes_of(dir);
        Ok::<_, error::Error>(if left.is_empty() {
            Look::Done(())
        } else {
            Look::Pending(left.join("\n"))
        })
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_ends_when_the_test_bed_is_killed() {
    let mut bed = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg("--without-kubefed")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(bed.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let kubeconfig = line.trim().strip_prefix("export KUBECONFIG=").unwrap();
    let dir = Path::new(kubeconfig).parent().unwrap();
    assert!(processes_of(dir).len() >= 3, "{:?}", processes_of(dir));

    bed.kill().unwrap();
    bed.wait().unwrap();
    wait_until_none(dir).await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_with_its_children() {
    let dir = std::env::temp_dir().join(format!("stubborn-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut spec = ProcessSpec::new("stubborn", "sh", dir.join("log")).args([
        "-c".to_owned(),
        format!(
            "trap '' TERM; sh -c 'trap \"\" TERM; sleep 60; : {0}' & echo up; wait; : {0}",
            dir.display()
        ),
    ]);
    spec.grace = Duration::from_millis(200);
    let process = Process::spawn(spec).unwrap();
    wait::until("the process to ignore signals", SOON, || async {
        Ok::<_, error::Error>(if process.log_tail().contains("up") {
            Look::Done(())
        } else {
            Look::Pending(process.log_tail())
        })
    })
    .await
    .unwrap();
    assert!(!processes_of(&dir).is_empty());
    drop(process);
    wait_until_none(&dir).await;
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A Deployment with a ServiceAccount that may do nothing.
fn manifests(replicas: u16) -> String {
    json!({ "kind": "List", "apiVersion": "v1", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "federation-health" } },
        { "apiVersion": "v1", "kind": "ServiceAccount",
          "metadata": { "name": "operator", "namespace": "federation-health" } },
        { "apiVersion": "apps/v1", "kind": "Deployment",
          "metadata": { "name": "operator", "namespace": "federation-health" },
          "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "operator" } },
            "template": {
                "metadata": { "labels": { "app": "operator" } },
                "spec": { "serviceAccountName": "operator",
                          "containers": [{ "name": "operator", "image": "operator" }] },
            },
          } },
    ]})
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_runs_as_many_processes_as_it_wants() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    apply::yaml(&client, &manifests(2)).await.unwrap();
    let script = "echo $POD_NAME of $POD_NAMESPACE; test -r $KUBECONFIG || exit 1; exec sleep 600";
    let runner = run_binary_as_deployment(
        &plane,
        BinaryOptions {
            namespace: "federation-health".to_owned(),
            deployment: "operator".to_owned(),
            service_account: "operator".to_owned(),
            program: "sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: Vec::new(),
            max_processes: 3,
        },
    )
    .await
    .unwrap();
    runner.wait_running(2, SOON).await.unwrap();
    wait::until("the process to say who it is", SOON, || async {
        let log = std::fs::read_to_string(plane.dir().join("operator-1.log")).unwrap_or_default();
        Ok::<_, error::Error>(if log == "operator-1 of federation-health\n" {
            Look::Done(())
        } else {
            Look::Pending(log)
        })
    })
    .await
    .unwrap();

    let deployments: Api<Deployment> = Api::namespaced(client, "federation-health");
    let ready = |count: i32| {
        move |found: Option<&Deployment>| {
            let status = found.and_then(|found| found.status.as_ref());
            status.is_some_and(|status| status.ready_replicas.unwrap_or(0) == count)
        }
    };
    wait::for_object(deployments.clone(), "operator", "2 ready", SOON, ready(2))
        .await
        .unwrap();

    let first = runner.state().processes[0].unwrap();
    runner.kill(0).await.unwrap();
    wait::until("another process in the slot", SOON, || async {
        let state = runner.state();
        Ok::<_, error::Error>(match state.processes[0] {
            Some(id) if id != first => Look::Done(()),
            _ => Look::Pending(format!("{state:?}")),
        })
    })
    .await
    .unwrap();
    assert_eq!(runner.state().starts, 3);

    let scale = |replicas: u16| Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    for replicas in [0, 1] {
        deployments
            .patch_scale("operator", &PatchParams::default(), &scale(replicas))
            .await
            .unwrap();
        let count = usize::from(replicas);
        runner.wait_running(count, SOON).await.unwrap();
        wait::for_object(
            deployments.clone(),
            "operator",
            "as many ready",
            SOON,
            ready(i32::from(replicas)),
        )
        .await
        .unwrap();
    }
    runner.stop().await;
    plane.stop().await.unwrap();
}
