//! What the chart renders, before a real API server: every combination is accepted as a dry run.

use std::fs;

use federation_health_testbed::{ControlPlane, ControlPlaneOptions, apply};
use federation_health_tests::{
    guarded::root,
    helm::{Helm, chart},
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};

/// The Prometheus Operator's kinds are not installed here; promtool reads what is in them (scripts/chart-test).
const FOREIGN: &str = "monitoring.coreos.com/v1";

async fn namespace(client: &Client, name: &str) {
    let restricted = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    apply::object(client, &restricted).await.unwrap();
}

/// Server-side apply as a dry run with strict validation: an unknown field is refused.
async fn accepted(client: &Client, object: &Value, what: &str) {
    let parsed: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let kind = GroupVersionKind::try_from(parsed.types.clone().unwrap()).unwrap();
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match &parsed.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = parsed.metadata.name.clone().unwrap();
    let mut params = PatchParams::apply("helm").validation_strict();
    params.dry_run = true;
    let answer = api.patch(&name, &params, &Patch::Apply(&parsed)).await;
    answer.unwrap_or_else(|e| panic!("{what}: {} {name}: {e}", kind.kind));
}

/// The pod of a Deployment, as its ReplicaSet would make it.
fn pod(deployment: &Value) -> Value {
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("as-made");
    pod["metadata"]["namespace"] = deployment["metadata"]["namespace"].clone();
    pod
}

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_is_accepted_and_its_pod_is_restricted() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    for name in [
        "federation-health-system",
        "guards",
        "monitoring",
        "kube-federation-system",
        "rival",
        "kubefed",
    ] {
        namespace(&client, name).await;
    }
    for definition in fs::read_dir(root().join("config/crd")).unwrap() {
        let path = definition.unwrap().path();
        if !path.ends_with("kustomization.yaml") {
            apply::file(&client, &path).await.unwrap();
        }
    }
    // The pod's account has to exist before a pod is admitted.
    for (namespace, name) in [
        ("federation-health-system", "federation-health"),
        ("federation-health-system", "provided"),
        ("guards", "guardian"),
    ] {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}});
        apply::object(&client, &account).await.unwrap();
    }

    let helm = Helm::on(&plane).await.unwrap();
    let mut combinations = 0;
    for entry in fs::read_dir(chart().join("ci")).unwrap() {
        let values = entry.unwrap().path().display().to_string();
        combinations += 1;
        for object in helm.render(&["--values", &values]).await.unwrap() {
            if object["apiVersion"] == FOREIGN {
                continue;
            }
            accepted(&client, &object, &values).await;
            if object["kind"] == "Deployment" {
                accepted(&client, &pod(&object), &values).await;
            }
        }
    }
    assert!(combinations >= 12, "{combinations}");
    // The judge judges: without its security context the same pod is refused.
    let rendered = helm.render(&[]).await.unwrap();
    let mut bare = pod(rendered.iter().find(|o| o["kind"] == "Deployment").unwrap());
    bare["spec"]["containers"][0]["securityContext"] = json!({});
    let pods: Api<DynamicObject> = Api::namespaced_with(
        client,
        "federation-health-system",
        &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod")),
    );
    let refused = pods
        .patch(
            "as-made",
            &PatchParams::apply("helm").dry_run(),
            &Patch::Apply(&bare),
        )
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("violates PodSecurity"),
        "{refused}"
    );
    plane.stop().await.unwrap();
}
