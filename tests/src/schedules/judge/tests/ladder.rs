//! Rungs without their cause, ways back that are too early, cures that are not safe.

use federation_health_api::names::{JOURNAL, JOURNAL_KEY};
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::resources;
use serde_json::{Value, json};

use super::scene::{Deed, HEALTHS, Scene, TENANT};
use crate::{
    guarded::USER,
    simulated::{ALIAS, HOST},
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
    let namespace = scene.get("/api/v1/namespaces/orders-db").await;
    scene.act(&Deed::disarm(&namespace)).await;
    scene.is_wrong("its owner lives");

    for (wished, why) in [(true, ""), (false, "nobody wishes for its Workspace")] {
        let scene = Scene::begin().await;
        let namespace = scene.get("/api/v1/namespaces/orders-db").await;
        let admin = scene.sim.admin();
        let path = format!("{TENANT}/orders");
        let free = json!({"metadata": {"finalizers": null}});
        scene.person(&path, free.clone()).await;
        let orphans = json!({"propagationPolicy": "Background"});
        admin
            .delete(&resources::WORKSPACES, "", "orders", orphans.clone())
            .unwrap();
        if !wished {
            let kind = &resources::FEDERATED_WORKSPACES;
            admin.merge(kind, "", "orders", free).unwrap();
            admin.delete(kind, "", "orders", orphans).unwrap();
        }
        scene.act(&Deed::disarm(&namespace)).await;
        if wished {
            scene.is_right();
        } else {
            scene.is_wrong(why);
        }
    }
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
    scene.act(&Deed::remove()).await;
    scene.wait(600).await;
    scene.double().await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("it was removed before and came back");

    let scene = Scene::begin().await;
    scene.hold().await;
    scene.place(&[ALIAS, "elsewhere"]).await;
    let loses_one = Deed {
        from: "elsewhere,produce-trt",
        ..Deed::fix()
    };
    scene.act(&loses_one).await;
    scene.is_wrong("the leftover's name is not just replaced by the other");

    let scene = Scene::begin().await;
    scene.hold().await;
    scene.place(&["elsewhere"]).await;
    let other = Deed {
        from: "elsewhere",
        ..Deed::fix()
    };
    scene.act(&other).await;
    scene.is_wrong("it is not placed on the leftover");

    let scene = Scene::begin().await;
    scene.hold().await;
    scene.place(&[ALIAS]).await;
    scene.cure().await;
    scene.act(&Deed::fix()).await;
    scene.is_wrong("no cluster is registered twice");

    let scene = Scene::begin().await;
    scene.place(&[ALIAS]).await;
    scene.act(&Deed::fix()).await;
    scene.is_wrong("nothing holds");
}

/// Without a hold a cure needs a person, and that nothing can fall meanwhile.
#[tokio::test(start_paused = true)]
async fn an_approved_cure_without_a_hold_needs_a_stopped_control_plane() {
    for (stopped, right) in [(None, false), (Some(30), false), (Some(44), true)] {
        let scene = Scene::begin().await;
        scene.place(&[ALIAS]).await;
        let approval = json!({"actions": {"fixPlacement": "Approval"}});
        scene.respec(json!({"remediation": approval})).await;
        scene.wait(7).await;
        if let Some(seconds) = stopped {
            scene.act(&Deed::freeze()).await;
            scene.wait(seconds).await;
        }
        scene.approve(&Deed::fix(), "the-plan", 600).await;
        scene.act(&Deed::fix()).await;
        if right {
            scene.is_right();
        } else {
            scene.is_wrong("nothing holds");
        }
    }
}
