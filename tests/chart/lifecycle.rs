//! A release's life: install, upgrade, roll back, uninstall, install again.

use std::time::Duration;

use federation_health_api::{FederationHealth, names::COLLECTION_DURABLE};
use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, apply,
    wait::{self, Look},
};
use federation_health_tests::{
    guarded::{NAMESPACE, root, set_spec},
    helm::{Helm, RELEASE, chart},
};
use k8s_openapi::{
    api::{
        admissionregistration::v1::ValidatingAdmissionPolicyBinding,
        apps::v1::Deployment,
        core::v1::{Namespace, Pod},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

/// The Deployment's controller needs a moment.
const SOON: Duration = Duration::from_secs(30);

/// Switches the durable layer as the operator does.
pub async fn switch(client: &Client, active: bool) {
    let selector = match active {
        true => json!(null),
        false => json!({"matchLabels": {"federationhealth.io/canary": "durable-collection"}}),
    };
    let patch = json!({"spec": {"matchResources": {"objectSelector": selector}}});
    let params = PatchParams {
        field_manager: Some("federation-health-hold".to_owned()),
        ..PatchParams::default()
    };
    bindings(client)
        .patch(COLLECTION_DURABLE, &params, &Patch::Merge(patch))
        .await
        .unwrap();
}

fn bindings(client: &Client) -> Api<ValidatingAdmissionPolicyBinding> {
    Api::all(client.clone())
}

/// The durable binding matches everything.
pub async fn is_active(client: &Client) -> bool {
    let binding = bindings(client).get(COLLECTION_DURABLE).await.unwrap();
    let selector = binding
        .spec
        .and_then(|s| s.match_resources)
        .and_then(|m| m.object_selector);
    selector.is_none_or(|s| s.match_labels.is_none() && s.match_expressions.is_none())
}

/// The namespace admits restricted pods alone; a pod of the Deployment is there.
async fn admitted_pod(client: &Client) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let of_release = ListParams::default().labels("app.kubernetes.io/instance=federation-health");
    wait::until("a pod of the Deployment", SOON, || async {
        let found = pods.list(&of_release).await.map(|l| l.items.len());
        Ok(match found {
            Ok(1..) => Look::Done(()),
            other => Look::Pending(format!("{other:?}")),
        })
    })
    .await
    .unwrap();
}

/// Names of all CRDs of the server, sorted.
pub async fn crd_names(client: &Client) -> Vec<String> {
    let all: Api<CustomResourceDefinition> = Api::all(client.clone());
    let items = all.list(&ListParams::default()).await.unwrap().items;
    items.into_iter().filter_map(|c| c.metadata.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_lives_and_dies_without_touching_what_is_the_users() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    let restricted = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    apply::object(&client, &restricted).await.unwrap();
    let helm = Helm::on(&plane).await.unwrap();

    let notes = helm.apply("install", &chart(), &[]).await.unwrap();
    assert!(
        notes.contains("kubectl get federationhealth default -o wide"),
        "{notes}"
    );
    assert!(!notes.contains("WARNING"), "{notes}");
    admitted_pod(&client).await;
    assert!(!is_active(&client).await, "shipped dormant");
    let crds = crd_names(&client).await;
    assert!(!crds.is_empty());

    let spec = json!({"hold": {"collection": "OnDiagnosis"}});
    set_spec(&client, &spec).await.unwrap();
    let objects: Api<FederationHealth> = Api::all(client.clone());
    let born = objects.get("default").await.unwrap().metadata.uid;

    // An upgrade during a hold keeps it.
    switch(&client, true).await;
    let next = helm.package("0.1.1").await.unwrap();
    helm.apply("upgrade", &next, &["--set", "log.format=text"])
        .await
        .unwrap();
    assert!(is_active(&client).await, "the upgrade ended a hold");
    assert_eq!(args(&client).await.last().unwrap(), "--log-format=text");

    // A rollback applies what was stored, the dormant position: it must not end the hold unseen.
    let refused = helm
        .run(&["rollback", RELEASE, "1", "--namespace", NAMESPACE])
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("conflict with \"federation-health-hold\""),
        "{refused}"
    );
    assert!(is_active(&client).await, "the rollback ended a hold");
    switch(&client, false).await;
    helm.run(&["rollback", RELEASE, "1", "--namespace", NAMESPACE])
        .await
        .unwrap();
    assert_eq!(args(&client).await.last().unwrap(), "--log-format=json");
    assert!(!is_active(&client).await);
    let kept = objects.get("default").await.unwrap();
    assert_eq!(kept.metadata.uid, born, "the object was made anew");
    assert_eq!(kept.metadata.finalizers, None);

    helm.run(&["uninstall", RELEASE, "--namespace", NAMESPACE])
        .await
        .unwrap();
    assert_eq!(crd_names(&client).await, crds, "uninstalling took a CRD");
    assert_eq!(objects.get("default").await.unwrap().metadata.uid, born);
    assert_eq!(
        bindings(&client).get_opt(COLLECTION_DURABLE).await.unwrap(),
        None
    );

    // The CRDs that stayed are taken over by the next installation, and the object is left alone.
    let always = "defaultInstance.spec.hold.collection=Always";
    helm.apply("install", &chart(), &["--set", always])
        .await
        .unwrap();
    let again = objects.get("default").await.unwrap();
    assert_eq!(again.metadata.uid, born);
    assert_eq!(
        serde_json::to_value(again.spec.hold.collection).unwrap(),
        json!("OnDiagnosis")
    );
    nothing_hangs(&helm, &client, crds).await;
    plane.stop().await.unwrap();
}

/// Without the operator everything that it and the chart made can be deleted: nothing waits for a finalizer of ours.
async fn nothing_hangs(helm: &Helm, client: &Client, crds: Vec<String>) {
    helm.run(&["uninstall", RELEASE, "--namespace", NAMESPACE])
        .await
        .unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for name in crds {
        definitions
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .delete(NAMESPACE, &DeleteParams::default())
        .await
        .unwrap();
    wait::until("the end of CRDs and namespace", SOON, || async {
        let left = crd_names(client).await;
        let namespace = namespaces.get_opt(NAMESPACE).await.unwrap();
        Ok(match (left.is_empty(), namespace) {
            (true, None) => Look::Done(()),
            (_, namespace) => Look::Pending(format!("{left:?}, {:?}", namespace.map(|n| n.status))),
        })
    })
    .await
    .unwrap();
}

async fn args(client: &Client) -> Vec<String> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let spec = deployments.get(RELEASE).await.unwrap().spec.unwrap();
    spec.template.spec.unwrap().containers[0]
        .args
        .clone()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_object_with_a_spec_is_made_once_and_then_belongs_to_its_owner() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    let helm = Helm::on(&plane).await.unwrap();
    let both = "defaultInstance.spec.hold.collection=OnDiagnosis";
    helm.apply("install", &chart(), &["--create-namespace", "--set", both])
        .await
        .unwrap();
    let objects: Api<FederationHealth> = Api::all(client.clone());
    let made = objects.get("default").await.unwrap();
    assert_eq!(
        serde_json::to_value(made.spec.hold.collection).unwrap(),
        json!("OnDiagnosis")
    );
    assert!(!args(&client).await.contains(&"--create-default".to_owned()));

    let release = json!({"spec": {"hold": {"collection": "Never"}}});
    objects
        .patch("default", &PatchParams::default(), &Patch::Merge(release))
        .await
        .unwrap();
    helm.apply("upgrade", &chart(), &["--set", both])
        .await
        .unwrap();
    let kept = objects.get("default").await.unwrap();
    assert_eq!(kept.metadata.uid, made.metadata.uid);
    assert_eq!(
        serde_json::to_value(kept.spec.hold.collection).unwrap(),
        json!("Never")
    );
    plane.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_the_durable_policies_alone_and_they_refuse() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    let helm = Helm::on(&plane).await.unwrap();
    let member = [
        "--create-namespace",
        "--set",
        "policies.only=true,policies.active.federation=true",
    ];
    let notes = helm.apply("install", &chart(), &member).await.unwrap();
    assert!(
        notes.contains("federation: deletions are refused"),
        "{notes}"
    );
    assert!(notes.contains("collection: dormant"), "{notes}");
    assert_eq!(crd_names(&client).await, Vec::<String>::new());

    let plane_namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-federation-system"}});
    apply::object(&client, &plane_namespace).await.unwrap();
    let managed = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "federated", "namespace": "default", "labels": {"kubefed.io/managed": "true"}}});
    apply::object(&client, &managed).await.unwrap();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "member-kubesphere", "namespace": "kube-federation-system"}});
    apply::object(&client, &account).await.unwrap();
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "kubefed"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "member-kubesphere", "namespace": "kube-federation-system"}]});
    apply::object(&client, &binding).await.unwrap();
    let kubefed = plane
        .access_as("kube-federation-system", "member-kubesphere")
        .await
        .unwrap();
    let theirs: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(kubefed.client().await.unwrap(), "default");
    wait::until("a refusal", SOON, || async {
        let dry = kube::api::DeleteParams::default().dry_run();
        Ok(match theirs.delete("federated", &dry).await {
            Err(error) if error.to_string().contains("federation-health holds") => Look::Done(()),
            other => Look::Pending(format!("{other:?}")),
        })
    })
    .await
    .unwrap();
    helm.apply("upgrade", &chart(), &["--set", "policies.only=true"])
        .await
        .unwrap();
    wait::until("the end of the hold", SOON, || async {
        let dry = kube::api::DeleteParams::default().dry_run();
        Ok(match theirs.delete("federated", &dry).await {
            Ok(_) => Look::Done(()),
            Err(error) => Look::Pending(error.to_string()),
        })
    })
    .await
    .unwrap();
    plane.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kustomize_installs_everything_at_once_and_again() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let directory = root().join("config/default").display().to_string();
    let apply = ["apply", "--server-side", "-k", &directory];
    for time in ["first", "second"] {
        let output = plane.kubectl(&apply).await.unwrap();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the {time} time: {why}");
    }
    admitted_pod(&plane.client()).await;
    plane.stop().await.unwrap();
}
