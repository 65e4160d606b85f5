//! What the operator's own account may change on a real API server, whatever rights it holds.

use std::time::Duration;

use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, apply,
    kubefed::{self, KubefedVersion},
    kubesphere::Kubesphere,
    wait::{self, Look},
};
use federation_health_tests::guarded::{Guarded, NAME, NAMESPACE, Options};
use http::{Request, header};
use kube::Client;
use serde_json::{Value, json};

const PLANE: &str = "kube-federation-system";
const MANAGER: &str = "kubefed-controller-manager";
/// A policy is in force within a second of its installation; a busy machine gets more.
const SOON: Duration = Duration::from_secs(30);

/// Everything that the account could reach, with all rights that there are: what is refused is refused by the fence alone.
async fn populate(client: &Client) {
    kubefed::install_definitions(client.clone(), KubefedVersion::V0_8_1)
        .await
        .unwrap();
    Kubesphere::install_definitions(client).await.unwrap();
    let labels = json!({"kubefed-control-plane": "controller-manager"});
    let deployment = |namespace: &str, replicas: u32| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": MANAGER, "namespace": namespace},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "none"}]}},
            },
        })
    };
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stopped"}}),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"},
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": "/none"},
            },
        }),
        json!({
            "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace",
            "metadata": {"name": "orders", "labels": {"kubefed.io/managed": "true"}}, "spec": {"manager": "admin"},
        }),
        json!({
            "apiVersion": "tenant.kubesphere.io/v1alpha2", "kind": "WorkspaceTemplate", "metadata": {"name": "orders"},
            "spec": {"placement": {"clusters": [{"name": "host"}]}, "template": {"spec": {"manager": "admin"}}},
        }),
        deployment(PLANE, 2),
        deployment("stopped", 0),
        kubefed_cluster(
            "host",
            json!({"labels": {"cluster-role.kubesphere.io/host": ""}}),
        ),
        kubefed_cluster(
            "kept",
            json!({"annotations": {"federationhealth.io/opt-out": "true"}}),
        ),
        kubefed_cluster("produce-trt", json!({})),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "everything"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        }),
    ];
    for object in objects {
        apply::object(client, &object).await.unwrap();
    }
}

fn kubefed_cluster(name: &str, extra: Value) -> Value {
    let mut metadata = json!({"name": name, "namespace": PLANE});
    json_patch(&mut metadata, extra);
    json!({
        "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster", "metadata": metadata,
        "spec": {"apiEndpoint": "https://127.0.0.1:1", "secretRef": {"name": "none"}},
    })
}

fn json_patch(to: &mut Value, from: Value) {
    if let (Value::Object(to), Value::Object(from)) = (to, from) {
        to.extend(from);
    }
}

/// What is tried, by dry run, so that each question leaves things as they were.
enum Try {
    Merge(&'static str, Value),
    Create(&'static str, Value),
    Delete(&'static str, Value),
}

/// None if it is allowed, else what the server says.
async fn refusal(client: &Client, attempt: &Try) -> Option<String> {
    let (method, path, body, kind) = match attempt {
        Try::Merge(path, body) => ("PATCH", path, body, "application/merge-patch+json"),
        Try::Create(path, body) => ("POST", path, body, "application/json"),
        Try::Delete(path, body) => ("DELETE", path, body, "application/json"),
    };
    let mut body = body.clone();
    // A deletion with a body reads its options there alone.
    if method == "DELETE" {
        body["dryRun"] = json!(["All"]);
    }
    let request = Request::builder()
        .method(method)
        .uri(format!("{path}?dryRun=All"))
        .header(header::CONTENT_TYPE, kind)
        .body(serde_json::to_vec(&body).unwrap())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

const VOLUME: &str = "/api/v1/persistentvolumes/data";
const SHOP: &str = "/api/v1/namespaces/shop";
const WORKSPACES: &str = "/apis/tenant.kubesphere.io/v1alpha1/workspaces";
const ORDERS: &str = "/apis/tenant.kubesphere.io/v1alpha1/workspaces/orders";
const TEMPLATE: &str = "/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates/orders";
const REGISTRATIONS: &str =
    "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters";
const RUNNING: &str =
    "/apis/apps/v1/namespaces/kube-federation-system/deployments/kubefed-controller-manager";
const RUNNING_SCALE: &str =
    "/apis/apps/v1/namespaces/kube-federation-system/deployments/kubefed-controller-manager/scale";
const STOPPED_SCALE: &str =
    "/apis/apps/v1/namespaces/stopped/deployments/kubefed-controller-manager/scale";

fn registration(name: &'static str) -> &'static str {
    match name {
        "host" => {
            "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters/host"
        }
        "kept" => {
            "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters/kept"
        }
        _ => {
            "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters/produce-trt"
        }
    }
}

fn canary(name: &str) -> Value {
    json!({
        "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace",
        "metadata": {"name": name, "labels": {"federationhealth.io/canary": "workspace", "kubefed.io/managed": "true"}},
        "spec": {},
    })
}

/// What each action needs, and what lies beside it.
fn attempts(same: &[Value]) -> Vec<(Try, bool)> {
    let policy = |to: &str| json!({"spec": {"persistentVolumeReclaimPolicy": to}});
    let replicas = |count: u32| json!({"spec": {"replicas": count}});
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let owner = json!({
        "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "name": "gone",
        "uid": "00000000-0000-4000-8000-000000000000",
    });
    vec![
        (Try::Merge(VOLUME, policy("Retain")), true),
        (Try::Merge(VOLUME, policy("Recycle")), false),
        (Try::Merge(VOLUME, labels.clone()), false),
        (
            Try::Merge(VOLUME, json!({"spec": {"capacity": {"storage": "2Gi"}}})),
            false,
        ),
        (Try::Delete(VOLUME, json!({})), false),
        (Try::Merge(RUNNING_SCALE, replicas(0)), true),
        (Try::Merge(RUNNING_SCALE, replicas(3)), false),
        (Try::Merge(STOPPED_SCALE, replicas(2)), true),
        (
            Try::Merge(RUNNING, json!({"spec": {"paused": true}})),
            false,
        ),
        (Try::Delete(RUNNING, json!({})), false),
        (
            Try::Delete(registration("produce-trt"), same[0].clone()),
            true,
        ),
        (Try::Delete(registration("produce-trt"), json!({})), false),
        (Try::Delete(registration("host"), same[1].clone()), false),
        (Try::Delete(registration("kept"), same[2].clone()), false),
        (
            Try::Merge(registration("produce-trt"), labels.clone()),
            false,
        ),
        (
            Try::Merge(SHOP, json!({"metadata": {"ownerReferences": []}})),
            true,
        ),
        (
            Try::Merge(SHOP, json!({"metadata": {"ownerReferences": [owner]}})),
            false,
        ),
        (Try::Merge(SHOP, labels.clone()), false),
        (
            Try::Create(REGISTRATIONS, kubefed_cluster("another", json!({}))),
            false,
        ),
        (
            Try::Merge(
                TEMPLATE,
                json!({"spec": {"placement": {"clusters": [{"name": "other"}]}}}),
            ),
            true,
        ),
        (
            Try::Merge(
                TEMPLATE,
                json!({"spec": {"template": {"spec": {"manager": "eve"}}}}),
            ),
            false,
        ),
        (Try::Merge(TEMPLATE, labels.clone()), false),
        (
            Try::Merge(ORDERS, json!({"metadata": {"finalizers": ["orphan"]}})),
            true,
        ),
        (
            Try::Merge(
                ORDERS,
                json!({"metadata": {"finalizers": ["example.com/other"]}}),
            ),
            false,
        ),
        (Try::Delete(SHOP, json!({})), false),
        (
            Try::Merge(
                ORDERS,
                json!({"metadata": {"labels": {"kubefed.io/managed": "false"}}}),
            ),
            true,
        ),
        (Try::Merge(ORDERS, labels), false),
        (Try::Delete(ORDERS, json!({})), false),
        (
            Try::Create(WORKSPACES, canary("federation-health-canary")),
            true,
        ),
        (Try::Create(WORKSPACES, canary("another")), false),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_account_may_change_the_fields_of_its_actions_and_nothing_else() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let admin = plane.client();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLANE}});
    apply::object(&admin, &namespace).await.unwrap();
    let options = Options {
        operator: false,
        ..Options::default()
    };
    Guarded::install(&plane, options).await.unwrap();
    populate(&admin).await;
    let access = plane.access_as(NAMESPACE, NAME).await.unwrap();
    let operator = access.client().await.unwrap();
    let mut same = Vec::new();
    for name in ["produce-trt", "host", "kept"] {
        let request = Request::get(registration(name)).body(Vec::new()).unwrap();
        let found: Value = admin.request(request).await.unwrap();
        let meta = &found["metadata"];
        same.push(json!({"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}}));
    }
    wait::until("the fence to be in force", SOON, || async {
        let said = refusal(&operator, &Try::Delete(VOLUME, json!({}))).await;
        Ok(match said {
            Some(said) if said.contains("fence of the operator") => Look::Done(()),
            said => Look::Pending(format!("{said:?}")),
        })
    })
    .await
    .unwrap();
    for (at, (attempt, allowed)) in attempts(&same).iter().enumerate() {
        let said = refusal(&operator, attempt).await;
        assert_eq!(said.is_none(), *allowed, "attempt {at}: {said:?}");
        let ours = said
            .as_ref()
            .is_none_or(|said| said.contains("of the operator)"));
        assert!(ours, "attempt {at} is refused by something else: {said:?}");
        // A person is not fenced: the same is refused to nobody else.
        if !allowed {
            let said = refusal(&admin, attempt).await.unwrap_or_default();
            assert!(!said.contains("of the operator)"), "attempt {at}: {said}");
        }
    }
    plane.stop().await.unwrap();
}
