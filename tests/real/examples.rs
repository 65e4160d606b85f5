//! The shipped manifests and examples on a real API server.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: what the server refuses here fails the test"
)]

use std::time::Duration;

use federation_health_api::{FederationHealth, FederationHealthSpec};
use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, apply,
    kubefed::{self, KubefedVersion},
    kubesphere::Kubesphere,
    wait::{self, Look},
};
use federation_health_tests::{guarded::root, manifests::files};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// A terminal of the usual width.
const COLUMNS: usize = 80;

/// A quiet server needs seconds; a machine that also compiles gets more.
const PUBLISHED_LIMIT: Duration = Duration::from_mins(1);

/// No controllers: what is asked here, the API server answers alone.
async fn server() -> ControlPlane {
    let options = ControlPlaneOptions {
        controller_manager: false,
        ..ControlPlaneOptions::default()
    };
    ControlPlane::start(options).await.unwrap()
}

async fn kubectl(plane: &ControlPlane, args: &[&str]) -> String {
    let output = plane.kubectl(args).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "kubectl {args:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// A server publishes the fields of a kind some moments after it has begun to serve it.
async fn explained(plane: &ControlPlane, field: &str) -> String {
    wait::until(
        &format!("kubectl explain {field}"),
        PUBLISHED_LIMIT,
        || async {
            let output = plane.kubectl(&["explain", field]).await?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(if output.status.success() {
                Look::Done(text)
            } else {
                Look::Pending(String::from_utf8_lossy(&output.stderr).into_owned())
            })
        },
    )
    .await
    .unwrap()
}

async fn install_definition(plane: &ControlPlane) {
    apply::file(
        &plane.client(),
        &root().join("config/crd/federationhealths.yaml"),
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_object_is_refused_in_the_words_that_it_promises() {
    let plane = server().await;
    install_definition(&plane).await;
    let directory = root().join("examples/invalid");
    let args = [
        "create",
        "--dry-run=server",
        "-f",
        directory.to_str().unwrap(),
    ];
    let output = plane.kubectl(&args).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "accepted");
    let answers = String::from_utf8_lossy(&output.stderr).replace("\n*", " *");
    let invalid = files("examples/invalid").unwrap();
    let mut wrong = Vec::new();
    for file in &invalid {
        let promised = file.refusal().unwrap();
        let told = format!("/{}\":", file.name);
        let answer = answers
            .lines()
            .find(|line| line.contains(&told))
            .unwrap_or("no answer");
        if !answer.contains(promised) {
            wrong.push(format!(
                "{}: promises {promised:?}, but: {answer}",
                file.name
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        invalid.len(),
        wrong.join("\n")
    );
    plane.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_is_accepted_with_the_defaults_that_the_operator_knows() {
    let plane = server().await;
    install_definition(&plane).await;
    for file in files("examples").unwrap() {
        let args = [
            "create",
            "--dry-run=server",
            "-o",
            "json",
            "-f",
            file.path.to_str().unwrap(),
        ];
        let stored: FederationHealth = serde_json::from_str(&kubectl(&plane, &args).await).unwrap();
        let read: FederationHealth = serde_saphyr::from_str(&file.text).unwrap();
        assert_eq!(stored.spec, read.spec, "{}", file.name);
    }
    let empty = json!({"apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHealth", "metadata": {"name": "default"}});
    let stored = apply::object(&plane.client(), &empty).await.unwrap();
    let spec = &stored.data["spec"];
    assert_eq!(
        *spec,
        serde_json::to_value(FederationHealth::default().spec).unwrap()
    );

    install_foreign_definitions(&plane).await;
    kubectl(&plane, &["create", "namespace", "kube-federation-system"]).await;
    let incident = root().join("examples/incident");
    let incident = incident.to_str().unwrap();
    let made = kubectl(&plane, &["apply", "--server-side", "-f", incident]).await;
    assert_eq!(made.lines().count(), 4, "{made}");
    plane.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn people_can_read_the_kind_and_its_table() {
    let plane = server().await;
    install_definition(&plane).await;
    let explained = explained(&plane, "federationhealth.spec.hold").await;
    for words in [
        "garbage collector's deletions",
        "KubeFed's deletions",
        "after its cause",
        "enum: Never, OnDiagnosis, Always",
    ] {
        let flat = explained.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words} in:\n{explained}");
    }
    for field in fields(&plane).await {
        let text = kubectl(&plane, &["explain", &field]).await;
        assert!(!text.contains("<no description>"), "{field}:\n{text}");
    }

    let kind: Api<FederationHealth> = Api::all(plane.client());
    kind.create(
        &PostParams::default(),
        &FederationHealth::new("default", FederationHealthSpec::default()),
    )
    .await
    .unwrap();
    // Ready is Unknown on a first visit alone, when the object is young; a year later the ages are wider.
    for (ready, wider) in [("Unknown", 0), ("True", "326d".len() - "0s".len())] {
        let status = Patch::Merge(raging_status(ready));
        kind.patch_status("default", &PatchParams::default(), &status)
            .await
            .unwrap();
        let table = kubectl(&plane, &["get", "federationhealth"]).await;
        println!("{table}");
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows[0],
            [
                "NAME", "READY", "HEALTHY", "CLUSTERS", "CHURN", "AT-RISK", "MODE", "SINCE", "AGE"
            ]
        );
        assert_eq!(
            rows[1][..7],
            [
                "default", ready, "False", "1000", "10000", "10000", "Observe"
            ]
        );
        assert!(
            table
                .lines()
                .all(|line| line.trim_end().len() + wider <= COLUMNS),
            "{table}"
        );
    }
    let wide = kubectl(&plane, &["get", "fedh", "-o", "wide"]).await;
    assert!(
        wide.contains("ClustersDoubled") && wide.contains("two registrations are one cluster"),
        "{wide}"
    );
    plane.stop().await.unwrap();
}

/// Paths of the fields of spec and status that have fields themselves.
async fn fields(plane: &ControlPlane) -> Vec<String> {
    let crd = kubectl(
        plane,
        &[
            "get",
            "crd",
            "federationhealths.federationhealth.io",
            "-o",
            "json",
        ],
    )
    .await;
    let crd: Value = serde_json::from_str(&crd).unwrap();
    let mut found = Vec::new();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    for part in ["spec", "status"] {
        nested(
            &schema[part],
            &format!("federationhealth.{part}"),
            &mut found,
        );
    }
    found
}

fn nested(schema: &Value, path: &str, found: &mut Vec<String>) {
    let schema = if schema["items"].is_object() {
        &schema["items"]
    } else {
        schema
    };
    if let Some(properties) = schema["properties"].as_object() {
        found.push(path.to_owned());
        for (name, property) in properties {
            nested(property, &format!("{path}.{name}"), found);
        }
    }
}

async fn install_foreign_definitions(plane: &ControlPlane) {
    Kubesphere::install_definitions(&plane.client())
        .await
        .unwrap();
    kubefed::install_definitions(plane.client(), KubefedVersion::V0_10_0)
        .await
        .unwrap();
}

/// The widest that each column gets.
fn raging_status(ready: &str) -> Value {
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({"type": type_, "status": status, "reason": reason, "observedGeneration": 1,
            "message": "two registrations are one cluster", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    json!({"status": {
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", ready, "Evaluating"),
            condition("Healthy", "False", "ClustersDoubled"),
        ],
        "summary": {"clusters": 1000, "workspaces": 10000, "workspacesChurning": 10000, "namespacesAtRisk": 10000, "namespacesLost": 0, "recreations": 0, "findings": 1},
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_installation_applies_in_one_go_and_grants_no_more_than_its_roles() {
    let plane = server().await;
    let base = root().join("config/default");
    let args = ["apply", "--server-side", "-k", base.to_str().unwrap()];
    let output = plane.kubectl(&args).await.unwrap();
    let first = String::from_utf8_lossy(&output.stdout);
    // The namespace warns of whatever a pod has that the strictest Pod Security forbids.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{first}");
    let objects = first.lines().count();
    assert!(objects > 30, "{first}");
    let again = kubectl(&plane, &args).await;
    assert_eq!(again.lines().count(), objects, "{again}");

    // Only of a kind that exists does kubectl know the group.
    install_foreign_definitions(&plane).await;
    let may = async |verb: &str, what: &str, namespace: &str| {
        let account = "--as=system:serviceaccount:federation-health-system:federation-health";
        let answer = plane
            .kubectl(&["auth", "can-i", verb, what, "-n", namespace, account])
            .await
            .unwrap();
        answer.status.success()
    };
    let own = "federation-health-system";
    assert!(
        !may("patch", "federationhealths/default", own).await,
        "the spec is the owner's"
    );
    let durable = "validatingadmissionpolicybindings/federation-health-collection-durable";
    assert!(may("patch", durable, own).await);
    assert!(!may("patch", "validatingadmissionpolicybindings/other", own).await);
    assert!(may("delete", "configmaps/canary-fast-collection", own).await);
    assert!(!may("delete", "configmaps/canary-fast-collection", "default").await);
    assert!(may("watch", "federatedworkspaces.types.kubefed.io", "any").await);
    assert!(!may("get", "federatedsecrets.types.kubefed.io", "any").await);
    assert!(
        !may("get", "secrets", "kube-federation-system").await,
        "probing has not been allowed"
    );
    plane.stop().await.unwrap();
}
