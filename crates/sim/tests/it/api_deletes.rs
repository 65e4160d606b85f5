//! Deletions, and writes that are only tried, through the client that the operator uses.

use std::time::Duration;

use federation_health_sim::Controllers;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
};
use serde_json::json;

use crate::support::{config_map, refused, server, widget, widgets};

#[tokio::test(start_paused = true)]
async fn deletion_waits_for_finalizers_and_takes_no_new_ones() {
    let (sim, _) = server();
    let api = widgets(&sim);
    let mut body = widget("a", json!({}));
    body.metadata.finalizers = Some(vec!["example.io/keep".to_owned()]);
    api.create(&PostParams::default(), &body).await.unwrap();
    let deleting = api
        .delete("a", &DeleteParams::default())
        .await
        .unwrap()
        .left()
        .unwrap();
    assert!(deleting.metadata.deletion_timestamp.is_some());
    assert_eq!(deleting.metadata.generation, Some(2));
    let more = json!({"metadata": {"finalizers": ["example.io/keep", "example.io/more"]}});
    assert_eq!(
        refused(
            api.patch("a", &PatchParams::default(), &Patch::Merge(more))
                .await
        )
        .code,
        422
    );
    let none = json!({"metadata": {"finalizers": null}});
    api.patch("a", &PatchParams::default(), &Patch::Merge(none))
        .await
        .unwrap();
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn preconditions_protect_what_was_recreated() {
    let (_, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let old = api
        .create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let new = api
        .create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let with = |uid: Option<String>| {
        let preconditions = Preconditions {
            uid,
            resource_version: None,
        };
        DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        }
    };
    let status = refused(api.delete("a", &with(old.uid())).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    api.delete("a", &with(new.uid())).await.unwrap();
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn propagation_policies_become_finalizers_and_background_takes_them_away() {
    let (sim, _) = server();
    let api = widgets(&sim);
    for (name, policy, finalizer) in [
        ("a", PropagationPolicy::Orphan, "orphan"),
        ("b", PropagationPolicy::Foreground, "foregroundDeletion"),
    ] {
        api.create(&PostParams::default(), &widget(name, json!({})))
            .await
            .unwrap();
        let params = DeleteParams {
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        let deleting = api.delete(name, &params).await.unwrap().left().unwrap();
        assert_eq!(deleting.finalizers(), [finalizer]);
    }
    let mut held = widget("c", json!({}));
    held.metadata.finalizers = Some(vec!["orphan".to_owned()]);
    api.create(&PostParams::default(), &held).await.unwrap();
    assert!(
        api.delete("c", &DeleteParams::background())
            .await
            .unwrap()
            .is_right()
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answers_as_the_write_would_and_changes_nothing() {
    let (sim, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let before = sim.resource_version();
    let create = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    assert!(
        api.create(&create, &config_map("b"))
            .await
            .unwrap()
            .uid()
            .is_some()
    );
    assert_eq!(
        refused(api.create(&create, &config_map("a")).await).code,
        409
    );
    let patch = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let patched = api
        .patch("a", &patch, &Patch::Merge(json!({"data": {"a": "2"}})))
        .await
        .unwrap();
    assert_eq!(patched.data.unwrap()["a"], "2");
    api.delete("a", &DeleteParams::default().dry_run())
        .await
        .unwrap();
    assert_eq!(sim.resource_version(), before);
    assert_eq!(api.get("a").await.unwrap().data.unwrap()["a"], "1");
    let tried = sim.audit().into_iter().filter(|e| e.dry_run).count();
    assert_eq!(tried, 4, "each try is in the audit trail as one");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_terminates_refuses_new_content_and_goes_with_its_contents() {
    let (sim, client) = server();
    let _running = sim.start_controllers(&Controllers::member());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let body: Namespace = serde_json::from_value(json!({"metadata": {"name": "team"}})).unwrap();
    namespaces
        .create(&PostParams::default(), &body)
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "team");
    maps.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    namespaces
        .delete("team", &DeleteParams::default())
        .await
        .unwrap();
    let namespace = namespaces.get("team").await.unwrap();
    assert_eq!(
        namespace.status.unwrap().phase.as_deref(),
        Some("Terminating")
    );
    let status = refused(maps.create(&PostParams::default(), &config_map("b")).await);
    assert_eq!(status.code, 403);
    assert!(
        status.message.contains("because it is being terminated"),
        "{}",
        status.message
    );
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(namespaces.get_opt("team").await.unwrap().is_none());
    assert!(maps.get_opt("a").await.unwrap().is_none());
}
