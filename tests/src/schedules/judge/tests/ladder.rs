//! Rungs without their cause, ways back that are too early, cures that are not safe.

use federation_health_api::names::{JOURNAL, JOURNAL_KEY};
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::resources;
use serde_json::{Value, json};

use super::scene::{Deed, HEALTHS, Scene, TENANT};
use crate::{
    guarded::USER,
    simulated::{ALIAS, HOST, PLANE},
};

#[tokio::test(start_paused = true)]
async fn a_rung_without_its_cause_is_found() {
    for (deed, why) in [
        (Deed::shield(), "the Workspace is in no danger"),
        (Deed::freeze(), "no cause stands"),
        (Deed::retain(), "its namespace is in no danger"),
    ] {
        let scene = Scene::begin().await;
        scene.cure().await;
        scene.act(&deed).await;
        scene.is_wrong(why);

        let scene = Scene::begin().await;
        scene.hold().await;
        let hold = json!({"status": {"hold": {"collection": true, "federation": true}}});
        let switch = json!({
            "apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHold",
            "metadata": {"name": "default"}, "spec": {},
        });
        scene.sim.apply_object(switch).unwrap();
        let path = HEALTHS.replace("healths", "holds") + "/status";
        scene.send(USER, "PATCH", &path, &hold).await;
        scene.wait(7).await;
        scene.act(&deed).await;
        scene.is_wrong("a proven hold stands, so it was not needed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_nobody_asked_for_and_an_owner_that_lives_are_found() {
    let scene = Scene::begin().await;
    let canary = json!({
        "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "spec": {},
        "metadata": {
            "name": "federation-health-canary",
            "labels": {"kubefed.io/managed": "true", "federationhealth.io/canary": "workspace"},
        },
    });
    let plant = Deed {
        action: "PlantCanary",
        path: TENANT.to_owned(),
        ..Deed::shield()
    };
    let record =
        json!({"action": "PlantCanary", "name": "federation-health-canary", "state": "Intended"});
    scene.write_down(&plant).await;
    let pages = json!({"actions": [record.clone()]}).to_string();
    let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/configmaps/{JOURNAL}");
    scene
        .send(USER, "PATCH", &path, &json!({"data": {JOURNAL_KEY: pages}}))
        .await;
    let shown = json!({"status": {"actions": [record]}});
    scene
        .send(USER, "PATCH", &format!("{HEALTHS}/status"), &shown)
        .await;
    scene.send(USER, "POST", TENANT, &canary).await;
    scene.is_wrong("nobody asked for the experiment");

    let scene = Scene::begin().await;
    let owners = json!({"metadata": {"ownerReferences": []}});
    let namespace = scene.get("/api/v1/namespaces/orders-db").await;
    let from = namespace["metadata"]["ownerReferences"].to_string();
    let disarm = Deed {
        action: "DisarmNamespaces",
        path: "/api/v1/namespaces/orders-db".to_owned(),
        change: owners,
        from: from.leak(),
        to: "[]",
        state: "Intended",
    };
    scene.act(&disarm).await;
    scene.is_wrong("its owner lives");
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_is_too_early_or_not_exact_is_found() {
    for (deed, back) in [
        (Deed::shield(), Deed::unshield()),
        (Deed::freeze(), Deed::thaw()),
        (Deed::retain(), Deed::release()),
    ] {
        let scene = Scene::begin().await;
        scene.wait(6).await;
        scene.act(&deed).await;
        scene.act(&back).await;
        scene.is_wrong("the cause stands");
    }

    let scene = Scene::begin().await;
    scene.act(&Deed::freeze()).await;
    scene.cure().await;
    let three = json!({"spec": {"replicas": 3}});
    let thaw = Deed {
        from: "3",
        ..Deed::thaw()
    };
    scene
        .act(&Deed {
            change: three,
            ..thaw
        })
        .await;
    scene.is_wrong("that is not what the operator found there");

    let scene = Scene::begin().await;
    scene.act(&Deed::shield()).await;
    scene.act(&Deed::freeze()).await;
    scene.cure().await;
    scene.act(&Deed::thaw()).await;
    scene.wait(50).await;
    scene.act(&Deed::unshield()).await;
    scene.is_wrong("KubeFed was not watched for a minute after the thaw");

    let scene = Scene::begin().await;
    scene.act(&Deed::retain()).await;
    scene.cure().await;
    scene
        .send(
            "kubernetes-admin",
            "DELETE",
            "/api/v1/namespaces/orders-db",
            &Value::Null,
        )
        .await;
    scene.act(&Deed::release()).await;
    scene.is_wrong("its claim goes, and its data with it");
}

#[tokio::test(start_paused = true)]
async fn a_cure_that_is_not_safe_is_found() {
    let scene = Scene::begin().await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("nothing holds");

    let scene = Scene::begin().await;
    scene.hold().await;
    scene.place(&["host", ALIAS]).await;
    scene.wait(7).await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("a placement still names it");

    let scene = Scene::begin().await;
    scene.hold().await;
    let patch = json!({"spec": {"placement": {"clusters": [{"name": ALIAS}]}}});
    let federated = "/apis/types.kubefed.io/v1beta1/federatedworkspaces/orders";
    scene.person(federated, patch).await;
    scene.wait(7).await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("a Workspace is placed on it alone");

    let scene = Scene::begin().await;
    scene.hold().await;
    let cluster = json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster", "metadata": {"name": ALIAS},
        "spec": {"joinFederation": true, "connection": {"kubernetesAPIEndpoint": HOST}},
    });
    scene.sim.apply_object(cluster).unwrap();
    scene.wait(7).await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("its Cluster object joins the federation: it is in use");

    let scene = Scene::begin().await;
    scene.hold().await;
    let found = scene.get(&Deed::remove().path).await;
    scene.act(&Deed::remove()).await;
    let again = json!({"metadata": {"name": ALIAS, "namespace": PLANE}, "spec": found["spec"]});
    let admin = scene.sim.admin();
    admin.create(&resources::KUBEFED_CLUSTERS, again).unwrap();
    scene.act(&Deed::remove()).await;
    scene.is_wrong("it was removed before and came back");

    let scene = Scene::begin().await;
    scene.hold().await;
    scene.place(&[ALIAS, "elsewhere"]).await;
    scene.act(&Deed::fix()).await;
    let told = scene.wrong();
    assert!(
        told[0].ends_with("the journal's ConfigMap does not say so"),
        "{told:?}"
    );

    let scene = Scene::begin().await;
    scene.place(&[ALIAS]).await;
    scene.act(&Deed::fix()).await;
    scene.is_wrong("nothing holds");
}
