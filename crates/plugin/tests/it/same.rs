//! One verdict, whoever is asked: the operator that watched, `preflight` that looks once, `analyze` that reads a recording.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::ValueEnum as _;
use federation_health_plugin::{
    Shell,
    demo::{Guard, Scenario, Stage},
    run,
};
use federation_health_sim::{Clock, Sim};
use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use crate::{Sink, transcripts::one};

/// Everything that decides, by group, version, kind and plural.
const KINDS: [(&str, &str, &str, &str); 9] = [
    (
        "core.kubefed.io",
        "v1beta1",
        "KubeFedCluster",
        "kubefedclusters",
    ),
    (
        "core.kubefed.io",
        "v1beta1",
        "KubeFedConfig",
        "kubefedconfigs",
    ),
    (
        "core.kubefed.io",
        "v1beta1",
        "FederatedTypeConfig",
        "federatedtypeconfigs",
    ),
    (
        "types.kubefed.io",
        "v1beta1",
        "FederatedWorkspace",
        "federatedworkspaces",
    ),
    (
        "tenant.kubesphere.io",
        "v1alpha2",
        "WorkspaceTemplate",
        "workspacetemplates",
    ),
    (
        "tenant.kubesphere.io",
        "v1alpha1",
        "Workspace",
        "workspaces",
    ),
    ("cluster.kubesphere.io", "v1alpha1", "Cluster", "clusters"),
    ("", "v1", "Namespace", "namespaces"),
    ("apps", "v1", "Deployment", "deployments"),
];

type Tape = Arc<Mutex<Vec<Value>>>;

/// Writes every watch event of a kind on the tape, as the real recordings were made.
async fn record(sim: Sim, resource: ApiResource, tape: Tape) {
    let api: Api<DynamicObject> = Api::all_with(sim.client_as("kubernetes-admin"), &resource);
    let params = WatchParams::default().timeout(290);
    let mut events = Box::pin(api.watch(&params, "0").await.unwrap());
    while let Some(event) = events.next().await {
        let (type_, object) = match event.unwrap() {
            WatchEvent::Added(object) => ("ADDED", object),
            WatchEvent::Modified(object) => ("MODIFIED", object),
            WatchEvent::Deleted(object) => ("DELETED", object),
            WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
        };
        let mut object = serde_json::to_value(object).unwrap();
        object["apiVersion"] = json!(resource.api_version);
        object["kind"] = json!(resource.kind);
        let line =
            json!({"t": sim.clock().now(), "kind": resource.kind, "type": type_, "object": object});
        tape.lock().unwrap().push(line);
    }
}

/// Plays a scenario with recorders running; gives the server as it then is, and the recording.
fn recorded(scenario: Scenario, seconds: u64) -> (Sim, Timestamp, Vec<Value>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stage = Stage::build(scenario, Guard::None, Clock::simulated()).unwrap();
        let tape = Tape::default();
        for (group, version, kind, plural) in KINDS {
            let api_version = [group, version].join("/");
            let resource = ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version: api_version.trim_start_matches('/').to_owned(),
                kind: kind.to_owned(),
                plural: plural.to_owned(),
            };
            tokio::spawn(record(stage.sim.clone(), resource, tape.clone()));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.start().unwrap();
        tokio::time::sleep(Duration::from_secs(7)).await;
        stage.strike().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stage.freeze();
        let tape = tape.lock().unwrap().clone();
        (stage.sim.clone(), stage.sim.clock().now(), tape)
    })
}

/// Code and subject of each finding.
fn findings(list: &Value) -> BTreeSet<(String, String)> {
    let text = |f: &Value, field: &str| f[field].as_str().unwrap().to_owned();
    let list = list.as_array().unwrap().iter();
    list.map(|f| (text(f, "code"), text(f, "subject")))
        .collect()
}

/// What `kubectl federation-health ARGUMENTS -o json` says of the server.
fn asked(sim: &Sim, now: Timestamp, arguments: &str) -> Value {
    let text = typed(sim, now, &format!("{arguments} -o json"));
    let document = text
        .rsplit_once("? ")
        .map_or(text.as_str(), |(document, _)| document);
    serde_json::from_str(document).unwrap()
}

/// What `kubectl federation-health ARGUMENTS` prints.
fn typed(sim: &Sim, now: Timestamp, arguments: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let name = format!(
        "fedhealth-same-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let kubeconfig = std::env::temp_dir().join(name);
    let text = runtime.block_on(async {
        let listening = sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        std::fs::write(&kubeconfig, listening.kubeconfig()).unwrap();
        let command = format!("kubectl federation-health {arguments}");
        one(&command, &kubeconfig, now).await
    });
    std::fs::remove_file(kubeconfig).unwrap();
    text
}

fn taped(tape: &[Value]) -> Value {
    let name = format!(
        "fedhealth-tape-{}-{:?}.jsonl",
        std::process::id(),
        std::thread::current().id()
    );
    let path = std::env::temp_dir().join(name);
    let lines: Vec<String> = tape.iter().map(ToString::to_string).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let found = analyzed(&path);
    std::fs::remove_file(path).unwrap();
    found
}

/// What `analyze` says of what `gather` wrote.
fn bundled(sim: &Sim, now: Timestamp) -> Value {
    let name = format!(
        "fedhealth-bundle-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let folder = std::env::temp_dir().join(name);
    typed(sim, now, &format!("gather --to {}", folder.display()));
    let found = analyzed(&folder);
    std::fs::remove_dir_all(folder).unwrap();
    found
}

fn analyzed(path: &std::path::Path) -> Value {
    let sink = Sink::default();
    let mut shell = Shell {
        out: Box::new(sink.clone()),
        err: Box::new(std::io::stderr()),
        ..Shell::process()
    };
    let words = ["federation-health", "analyze", "-o", "json"].map(str::to_owned);
    let words = words
        .into_iter()
        .chain([path.display().to_string()])
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(run(words, &mut shell));
    serde_json::from_str(&sink.text()).unwrap()
}

#[test]
fn a_recording_gives_the_findings_that_the_operator_gave_who_watched() {
    for (scenario, seconds) in [
        (Scenario::Doubled, 40),
        (Scenario::TwoPlanes, 8),
        (Scenario::Resurrection, 40),
        (Scenario::Misplaced, 40),
        (Scenario::RemoteMember, 40),
        (Scenario::Nowhere, 20),
        (Scenario::Healthy, 20),
    ] {
        let (sim, now, tape) = recorded(scenario, seconds);
        let operator = asked(&sim, now, "status");
        let operator = operator["status"]
            .get("findings")
            .cloned()
            .unwrap_or(json!([]));
        let offline = taped(&tape);
        assert_eq!(
            findings(&offline["findings"]),
            findings(&operator),
            "{scenario:?}"
        );
    }
}

#[test]
fn a_bundle_gives_the_findings_of_the_operator_whose_object_is_in_it() {
    for scenario in Scenario::value_variants() {
        // As below.
        let (sim, now, _) = recorded(*scenario, 90);
        let operator = asked(&sim, now, "status");
        let operator = operator["status"]
            .get("findings")
            .cloned()
            .unwrap_or(json!([]));
        let offline = bundled(&sim, now);
        assert_eq!(
            findings(&offline["findings"]),
            findings(&operator),
            "{scenario:?}"
        );
    }
}

#[test]
fn one_look_gives_the_findings_of_the_operator_but_for_what_is_history() {
    // Churn and losses are seen over time alone.
    let history =
        |f: &(String, String)| matches!(f.0.as_str(), "FH001" | "FH002" | "FH027" | "FH028");
    for scenario in [Scenario::Doubled, Scenario::TwoPlanes, Scenario::Healthy] {
        // A look counts as a minute of seeing: core tells some things only after that.
        let (sim, now, _) = recorded(scenario, 90);
        let operator = asked(&sim, now, "status");
        let operator = operator["status"]
            .get("findings")
            .cloned()
            .unwrap_or(json!([]));
        let mut expected = findings(&operator);
        expected.retain(|f| !history(f));
        let look = asked(&sim, now, "preflight");
        assert_eq!(findings(&look["findings"]), expected, "{scenario:?}");
    }
}
