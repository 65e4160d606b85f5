//! The chart against config/: one installation in two wrappings.

use std::collections::BTreeMap;

use federation_health_testbed::{binaries::Binaries, run_dir::RunDir};
use federation_health_tests::{
    bench::crowd,
    guarded::NAMESPACE,
    helm::{Helm, chart, kustomize},
    observed,
};
use serde_json::{Value, json};

/// What only Helm writes: its own marks, and the version that it stamps on everything.
const HELM_LABELS: [&str; 3] = [
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// Objects by kind, namespace and name, without what must differ.
fn normal(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for mut object in objects {
        for label in HELM_LABELS {
            remove(&mut object, "/metadata/labels", label);
        }
        remove(
            &mut object,
            "/metadata/annotations",
            "helm.sh/resource-policy",
        );
        if object["metadata"]["annotations"] == json!({}) {
            remove(&mut object, "/metadata", "annotations");
        }
        if object["kind"] == "ValidatingAdmissionPolicyBinding" {
            // The server's own defaults, which the chart has to write (see its helper `switch`).
            for default in ["matchPolicy", "namespaceSelector"] {
                remove(&mut object, "/spec/matchResources", default);
            }
        }
        words(&mut object);
        let part = |pointer| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("-")
        };
        let key = format!(
            "{} {}/{}",
            part("/kind"),
            part("/metadata/namespace"),
            part("/metadata/name")
        );
        assert!(found.insert(key.clone(), object).is_none(), "{key} twice");
    }
    found
}

fn remove(object: &mut Value, parent: &str, key: &str) {
    if let Some(map) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        map.remove(key);
    }
}

/// Where a YAML writer breaks a line, and whether it writes 5 as 5.0, says nothing.
fn words(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(items) => items.iter_mut().for_each(words),
        Value::Object(map) => map.values_mut().for_each(words),
        Value::Number(number) => *value = json!(number.as_f64()),
        _ => {}
    }
}

/// The first place at which two objects differ.
fn difference(path: &str, a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys = x.keys().chain(y.keys());
            keys.into_iter().find_map(|key| {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                difference(&format!("{path}/{key}"), &of(x), &of(y))
            })
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let pairs = x.iter().zip(y).enumerate();
            pairs
                .into_iter()
                .find_map(|(i, (a, b))| difference(&format!("{path}/{i}"), a, b))
        }
        _ => (a != b).then(|| format!("{path}: {a} in the chart, {b} in config/default")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kustomize_and_the_charts_defaults_install_the_same_objects() {
    let helm = Helm::offline().await.unwrap();
    let mut rendered = helm.render(&[]).await.unwrap();
    // Only `helm test` makes it.
    rendered.retain(|o| o["metadata"]["annotations"]["helm.sh/hook"] != "test");
    let chart = normal(rendered);
    let mut config = normal(kustomize("config/default").await.unwrap());
    // Helm makes the release's namespace itself, and cannot label it.
    config.remove(&format!("Namespace -/{NAMESPACE}")).unwrap();

    let names = |all: &BTreeMap<String, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&chart), names(&config));
    for (name, object) in &chart {
        assert_eq!(difference(name, object, &config[name]), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kustomize_and_the_charts_switches_watch_the_operator_alike() {
    let helm = Helm::offline().await.unwrap();
    let switches = "serviceMonitor.enabled=true,prometheusRule.enabled=true";
    let mut rendered = helm.render(&["--set", switches]).await.unwrap();
    rendered.retain(|o| o["apiVersion"] == "monitoring.coreos.com/v1");
    let chart = normal(rendered);
    let config = normal(kustomize("config/prometheus").await.unwrap());
    assert_eq!(chart.len(), 2, "{:?}", chart.keys());
    assert!(chart.keys().eq(config.keys()), "{:?}", config.keys());
    for (name, object) in &chart {
        assert_eq!(difference(name, object, &config[name]), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_carries_the_labels_and_stands_in_its_namespace() {
    let helm = Helm::offline().await.unwrap();
    let more = ["--values", "ci/names-values.yaml"];
    let values = federation_health_tests::helm::chart().join(more[1]);
    let objects = helm
        .render(&[more[0], &values.display().to_string()])
        .await
        .unwrap();
    for object in &objects {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "fedguard", "{object}");
        assert_eq!(
            labels["app.kubernetes.io/instance"], "federation-health",
            "{object}"
        );
        assert_eq!(labels["team"], "platform", "{object}");
        let text = object.to_string();
        // The names by which the operator finds its policies stay; those of the installation go.
        assert!(!text.contains("federation-health-system"), "{text}");
        assert!(!text.contains("federationhealth default"), "{text}");
        let is_definition = object["kind"] == "CustomResourceDefinition";
        assert!(
            is_definition || !text.contains("kube-federation-system"),
            "{text}"
        );
    }
    let find = |kind: &str, name: &str| {
        let named = |o: &&Value| o["kind"] == kind && o["metadata"]["name"] == name;
        objects
            .iter()
            .find(named)
            .unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    let binding = find(
        "ValidatingAdmissionPolicyBinding",
        "federation-health-collection-fast",
    );
    assert_eq!(binding["spec"]["paramRef"]["name"], "production");
    let guard = find(
        "ValidatingAdmissionPolicy",
        "federation-health-guard-status",
    );
    assert!(
        guard
            .to_string()
            .contains("system:serviceaccount:guards:guardian'")
    );
    let durable = find(
        "ValidatingAdmissionPolicy",
        "federation-health-federation-durable",
    );
    assert!(durable.to_string().contains("['kubefed']"));
    let subjects = &find("ClusterRoleBinding", "federation-health-observer")["subjects"];
    assert_eq!(subjects[0]["name"], "guardian");
    assert_eq!(subjects[0]["namespace"], "guards");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_nothing_to_say_about_the_metrics_of_ten_thousand_workspaces() {
    let text = crowd::exposition(10_000, 2).unwrap();
    observed::lint_text(&text).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_every_expression_of_the_dashboards() {
    let values = chart()
        .join("ci/monitoring-values.yaml")
        .display()
        .to_string();
    let helm = Helm::offline().await.unwrap();
    let objects = helm.render(&["--values", &values]).await.unwrap();
    let map = objects
        .iter()
        .find(|o| o["kind"] == "ConfigMap" && o["metadata"]["labels"]["grafana_dashboard"] == "1")
        .expect("a ConfigMap for the sidecar");
    let mut rules = Vec::new();
    for dashboard in map["data"].as_object().unwrap().values() {
        let dashboard: Value = serde_json::from_str(dashboard.as_str().unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let expression = expression
                    .replace("$__rate_interval", "1m")
                    .replace("$__range", "1h");
                rules.push(json!({"record": format!("panel:{}", rules.len()), "expr": expression}));
            }
        }
    }
    assert!(rules.len() > 20, "{}", rules.len());
    let directory = RunDir::create("dashboards").unwrap();
    directory.mark_started(true);
    let groups = json!({"groups": [{"name": "panels", "rules": rules}]});
    let file = directory.write("rules.yaml", groups.to_string()).unwrap();
    let promtool = Binaries::get().await.unwrap().path("promtool").unwrap();
    let output = tokio::process::Command::new(promtool)
        .args(["check", "rules"])
        .arg(file)
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
