//! The API's semantics, through the client that the operator uses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test's helpers fail as tests do, and take literals"
)]

mod common;

use std::time::Duration;

use common::manifest;
use federation_health_sim::{Clock, Sim, resources};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace},
    events::v1::Event,
};
use kube::{
    Api, Client, Error, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
        PropagationPolicy, WatchEvent, WatchParams,
    },
    core::Status,
    discovery::Discovery,
};
use serde_json::json;

const ADMIN: &str = "kubernetes-admin";

fn server() -> (Sim, Client) {
    let sim = Sim::new(Clock::simulated());
    let client = sim.client_as(ADMIN);
    (sim, client)
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> Status {
    match answer {
        Err(Error::Api(status)) => *status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).unwrap()
}

/// A custom resource with a status subresource whose conditions are a list map, as ours has.
fn widgets(sim: &Sim) -> Api<DynamicObject> {
    sim.apply(manifest::WIDGETS).unwrap();
    let resource = ApiResource {
        group: "example.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "example.io/v1".to_owned(),
        kind: "Widget".to_owned(),
        plural: "widgets".to_owned(),
    };
    Api::all_with(sim.client_as(ADMIN), &resource)
}

fn widget(name: &str, spec: serde_json::Value) -> DynamicObject {
    let body = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec});
    serde_json::from_value(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_created_object_gets_uid_version_time_and_is_read_back() {
    let (_, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let made = api
        .create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    assert_eq!(made.uid().unwrap().len(), 36);
    assert_eq!(
        made.creation_timestamp().unwrap().0.to_string(),
        "2026-11-23T06:24:00Z"
    );
    let read = api.get("a").await.unwrap();
    assert_eq!(read, made);
    let entry = &made.metadata.managed_fields.unwrap()[0];
    assert_eq!(entry.operation.as_deref(), Some("Update"));
}

#[tokio::test(start_paused = true)]
async fn generate_name_makes_distinct_names() {
    let (_, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let body: ConfigMap =
        serde_json::from_value(json!({"metadata": {"generateName": "x-"}})).unwrap();
    let first = api
        .create(&PostParams::default(), &body)
        .await
        .unwrap()
        .name_any();
    let second = api
        .create(&PostParams::default(), &body)
        .await
        .unwrap()
        .name_any();
    assert!(
        first.starts_with("x-") && first.len() == 7 && first != second,
        "{first} {second}"
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_refused_as_kube_apiserver_refuses_them() {
    let (sim, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();

    let status = refused(api.get("b").await);
    assert_eq!(
        (status.code, status.reason.as_str(), status.message.as_str()),
        (404, "NotFound", "configmaps \"b\" not found")
    );
    let status = refused(api.create(&PostParams::default(), &config_map("a")).await);
    assert_eq!(
        (status.code, status.reason.as_str()),
        (409, "AlreadyExists")
    );
    let status = refused(
        api.create(&PostParams::default(), &config_map("Not A Name"))
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let elsewhere: Api<ConfigMap> = Api::namespaced(client.clone(), "absent");
    let status = refused(
        elsewhere
            .create(&PostParams::default(), &config_map("a"))
            .await,
    );
    assert_eq!(
        (status.code, status.message.as_str()),
        (404, "namespaces \"absent\" not found")
    );

    let widgets = widgets(&sim);
    let status = refused(
        widgets
            .replace("a", &PostParams::default(), &widget("a", json!({})))
            .await,
    );
    assert_eq!(status.code, 404);
    widgets
        .create(&PostParams::default(), &widget("a", json!({})))
        .await
        .unwrap();
    let status = refused(
        widgets
            .replace("a", &PostParams::default(), &widget("a", json!({})))
            .await,
    );
    assert_eq!(
        (status.code, status.reason.as_str()),
        (422, "Invalid"),
        "an update needs a resourceVersion"
    );
    let status = refused(
        widgets
            .patch(
                "a",
                &PatchParams::default(),
                &Patch::Strategic(json!({"spec": {}})),
            )
            .await,
    );
    assert_eq!(
        (status.code, status.reason.as_str()),
        (415, "UnsupportedMediaType")
    );
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_that_do_not_exist_are_404_and_405() {
    let (_, client) = server();
    for (method, path, code) in [
        ("GET", "/apis/absent.io/v1/things", 404),
        (
            "GET",
            "/api/v1/namespaces/default/status/more/parts/still",
            404,
        ),
        ("POST", "/api/v1/namespaces/default", 405),
        (
            "DELETE",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            405,
        ),
        ("GET", "/nonsense", 404),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .body(b"{}".to_vec())
            .unwrap();
        let status = refused(client.request_text(request).await);
        assert_eq!(status.code, code, "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_no_json_or_another_kind_are_bad_requests() {
    let (_, client) = server();
    for body in [
        "{",
        "[]",
        r#"{"kind":"Secret","metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","namespace":"other"}}"#,
    ] {
        let request = http::Request::post("/api/v1/namespaces/default/configmaps")
            .header("content-type", "application/json")
            .body(body.as_bytes().to_vec())
            .unwrap();
        assert_eq!(
            refused(client.request_text(request).await).code,
            400,
            "{body}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_with_an_old_version_conflicts_and_changes_nothing() {
    let (_, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let first = api
        .create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let mut newer = first.clone();
    newer
        .data
        .as_mut()
        .unwrap()
        .insert("b".to_owned(), "2".to_owned());
    let newer = api
        .replace("a", &PostParams::default(), &newer)
        .await
        .unwrap();
    let mut stale = first;
    stale.data = None;
    let status = refused(api.replace("a", &PostParams::default(), &stale).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let patch =
        json!({"metadata": {"resourceVersion": stale.resource_version()}, "data": {"c": "3"}});
    assert_eq!(
        refused(
            api.patch("a", &PatchParams::default(), &Patch::Merge(patch))
                .await
        )
        .code,
        409
    );
    assert_eq!(api.get("a").await.unwrap(), newer);
}

#[tokio::test(start_paused = true)]
async fn a_write_without_a_difference_is_no_write() {
    let (sim, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let made = api
        .create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let before = sim.resource_version();
    let patched = api
        .patch(
            "a",
            &PatchParams::default(),
            &Patch::Merge(json!({"data": {"a": "1"}})),
        )
        .await
        .unwrap();
    assert_eq!(patched, made);
    let apply = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"z": "9"}});
    let params = PatchParams::apply("me");
    let applied = api
        .patch("a", &params, &Patch::Apply(&apply))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let again = api
        .patch("a", &params, &Patch::Apply(&apply))
        .await
        .unwrap();
    assert_eq!(applied, again);
    assert_eq!(sim.resource_version(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn json_patches_test_before_they_change() {
    let (_, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let patch = |value: &str| {
        let body = json!([
            {"op": "test", "path": "/data/a", "value": value}, {"op": "replace", "path": "/data/a", "value": "2"},
        ]);
        http::Request::patch("/api/v1/namespaces/default/configmaps/a")
            .header("content-type", "application/json-patch+json")
            .body(body.to_string().into_bytes())
            .unwrap()
    };
    assert_eq!(refused(client.request_text(patch("7")).await).code, 422);
    let patched: ConfigMap = client.request(patch("1")).await.unwrap();
    assert_eq!(patched.data.unwrap()["a"], "2");
}

#[tokio::test(start_paused = true)]
async fn status_and_spec_are_written_apart_and_only_spec_counts_as_a_generation() {
    let (sim, _) = server();
    let api = widgets(&sim);
    let mut body = widget("a", json!({"size": 1}));
    body.data["status"] = json!({"phase": "Lies"});
    let made = api.create(&PostParams::default(), &body).await.unwrap();
    assert_eq!(
        (made.metadata.generation, made.data.get("status")),
        (Some(1), None)
    );

    let both = json!({"spec": {"size": 2}, "status": {"phase": "Lies"}});
    let patched = api
        .patch("a", &PatchParams::default(), &Patch::Merge(&both))
        .await
        .unwrap();
    assert_eq!(
        (patched.metadata.generation, patched.data.get("status")),
        (Some(2), None)
    );
    let status = json!({"spec": {"size": 9}, "status": {"phase": "Good"}});
    let patched = api
        .patch_status("a", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    assert_eq!(patched.metadata.generation, Some(2));
    assert_eq!(
        (
            &patched.data["spec"]["size"],
            &patched.data["status"]["phase"]
        ),
        (&json!(2), &json!("Good"))
    );
    let labelled = api
        .patch(
            "a",
            &PatchParams::default(),
            &Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}})),
        )
        .await
        .unwrap();
    assert_eq!(labelled.metadata.generation, Some(2));
}

#[tokio::test(start_paused = true)]
async fn the_scale_subresource_reads_and_writes_replicas() {
    let (sim, client) = server();
    sim.install_kubesphere().unwrap();
    let api: Api<Deployment> = Api::namespaced(client, "kube-federation-system");
    let name = "kubefed-controller-manager";
    let scale = api.get_scale(name).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(2));
    let outdated = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 0}});
    assert_eq!(
        refused(
            api.patch_scale(name, &PatchParams::default(), &Patch::Merge(outdated))
                .await
        )
        .code,
        409
    );
    let patch = json!({"metadata": {"resourceVersion": scale.metadata.resource_version}, "spec": {"replicas": 0}});
    let scaled = api
        .patch_scale(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(0));
    let deployment = api.get(name).await.unwrap();
    assert_eq!(
        (
            deployment.spec.unwrap().replicas,
            deployment.metadata.generation
        ),
        (Some(0), Some(2))
    );
}

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
        let preconditions = kube::api::Preconditions {
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
    let _running = sim.start_controllers(&federation_health_sim::Controllers::member());
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

#[tokio::test(start_paused = true)]
async fn a_definition_serves_its_kind_at_once_and_takes_its_objects_with_it() {
    let (sim, client) = server();
    let api = widgets(&sim);
    api.create(&PostParams::default(), &widget("a", json!({})))
        .await
        .unwrap();
    let crd = sim
        .admin()
        .get(
            &resources::CUSTOM_RESOURCE_DEFINITIONS,
            "",
            "widgets.example.io",
        )
        .unwrap();
    assert_eq!(crd["status"]["conditions"][1]["type"], "Established");
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let (found, capabilities) = discovery
        .resolve_gvk(&kube::core::GroupVersionKind::gvk(
            "example.io",
            "v1",
            "Widget",
        ))
        .unwrap();
    assert_eq!(
        (found.plural.as_str(), capabilities.subresources.len()),
        ("widgets", 1)
    );
    let aggregated = Discovery::new(client).run_aggregated().await.unwrap();
    assert!(
        aggregated
            .resolve_gvk(&kube::core::GroupVersionKind::gvk(
                "apps",
                "v1",
                "Deployment"
            ))
            .is_some()
    );

    sim.admin()
        .delete(
            &resources::CUSTOM_RESOURCE_DEFINITIONS,
            "",
            "widgets.example.io",
            json!(null),
        )
        .unwrap();
    assert_eq!(refused(api.get("a").await).code, 404);
    assert_eq!(refused(api.list(&ListParams::default()).await).code, 404);
    let again = widgets(&sim);
    assert!(
        again
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_an_old_page_token_is_expired() {
    let (sim, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    for i in 0..7 {
        api.create(&PostParams::default(), &config_map(&format!("m-{i}")))
            .await
            .unwrap();
    }
    let mut names = Vec::new();
    let mut params = ListParams::default().limit(3);
    loop {
        let page = api.list(&params).await.unwrap();
        names.extend(page.items.iter().map(ResourceExt::name_any));
        match page.metadata.continue_.clone().filter(|c| !c.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names, (0..7).map(|i| format!("m-{i}")).collect::<Vec<_>>());
    let page = api.list(&ListParams::default().limit(3)).await.unwrap();
    assert_eq!(page.metadata.remaining_item_count, Some(4));
    api.create(&PostParams::default(), &config_map("n"))
        .await
        .unwrap();
    sim.compact();
    let old = ListParams::default()
        .limit(3)
        .continue_token(&page.metadata.continue_.unwrap());
    let status = refused(api.list(&old).await);
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

#[tokio::test(start_paused = true)]
async fn selectors_choose_what_lists_and_watches_show() {
    let (sim, client) = server();
    let api: Api<Namespace> = Api::all(client);
    for (name, team) in [("a", "red"), ("b", "blue")] {
        let body = json!({"metadata": {"name": name, "labels": {"team": team}}});
        api.create(
            &PostParams::default(),
            &serde_json::from_value(body).unwrap(),
        )
        .await
        .unwrap();
    }
    let names = |list: kube::core::ObjectList<Namespace>| {
        list.items
            .iter()
            .map(ResourceExt::name_any)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(
            api.list(&ListParams::default().labels("team in (red)"))
                .await
                .unwrap()
        ),
        ["a"]
    );
    assert_eq!(
        names(
            api.list(&ListParams::default().fields("metadata.name=b"))
                .await
                .unwrap()
        ),
        ["b"]
    );

    let version = sim.resource_version().to_string();
    let stream = api
        .watch(&WatchParams::default().labels("team=red"), &version)
        .await
        .unwrap();
    for (name, team) in [("b", "red"), ("a", "green"), ("b", "red")] {
        let patch = json!({"metadata": {"labels": {"team": team, "n": name}}});
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }
    let seen: Vec<String> = stream
        .take(2)
        .map_ok(|event| kind_of(&event))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(seen, ["ADDED b", "DELETED a"]);
}

fn kind_of<K: ResourceExt>(event: &WatchEvent<K>) -> String {
    match event {
        WatchEvent::Added(o) => format!("ADDED {}", o.name_any()),
        WatchEvent::Modified(o) => format!("MODIFIED {}", o.name_any()),
        WatchEvent::Deleted(o) => format!("DELETED {}", o.name_any()),
        WatchEvent::Bookmark(_) => "BOOKMARK".to_owned(),
        WatchEvent::Error(e) => format!("ERROR {}", e.code),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_sends_what_happens_bookmarks_each_minute_and_ends_at_its_time() {
    let (sim, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let version = sim.resource_version().to_string();
    let stream = api
        .watch(&WatchParams::default().timeout(150), &version)
        .await
        .unwrap();
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let seen: Vec<String> = stream.map_ok(|e| kind_of(&e)).try_collect().await.unwrap();
    // One bookmark a minute, and one with the end.
    assert_eq!(
        seen,
        ["ADDED a", "DELETED a", "BOOKMARK", "BOOKMARK", "BOOKMARK"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_the_history_ends_with_an_error_event_and_a_current_one_goes_on() {
    let (sim, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let old = sim.resource_version().to_string();
    let lagging = api.watch(&WatchParams::default(), &old).await.unwrap();
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let now = sim.resource_version().to_string();
    let current = api.watch(&WatchParams::default(), &now).await.unwrap();
    sim.compact();
    api.create(&PostParams::default(), &config_map("b"))
        .await
        .unwrap();
    // kube-apiserver answers 200 and says it in the stream.
    let late = api.watch(&WatchParams::default(), &old).await.unwrap();
    for stream in [lagging, late] {
        let seen: Vec<String> = stream.map_ok(|e| kind_of(&e)).try_collect().await.unwrap();
        assert_eq!(seen, ["ERROR 410"]);
    }
    let seen: Vec<String> = current
        .take(1)
        .map_ok(|e| kind_of(&e))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(seen, ["ADDED b"]);
}

#[tokio::test(start_paused = true)]
async fn cut_watches_break_and_new_ones_go_on_where_they_were() {
    let (sim, client) = server();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let version = sim.resource_version().to_string();
    let mut stream = api
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    sim.cut_watches();
    assert!(
        !matches!(stream.next().await, Some(Ok(_))),
        "the connection is broken"
    );
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let stream = api
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    let seen: Vec<String> = stream
        .take(1)
        .map_ok(|e| kind_of(&e))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(seen, ["ADDED a"]);
}

#[tokio::test(start_paused = true)]
async fn events_of_both_groups_are_the_same_events() {
    let (sim, client) = server();
    let api: Api<Event> = Api::namespaced(client, "default");
    let body = json!({
        "metadata": {"name": "e"}, "reason": "Held", "note": "deletions are held", "type": "Warning", "action": "Hold",
        "eventTime": "2026-11-23T06:24:00.000000Z", "reportingController": "federation-health",
        "regarding": {"kind": "FederationHealth", "name": "default"},
    });
    api.create(
        &PostParams::default(),
        &serde_json::from_value(body).unwrap(),
    )
    .await
    .unwrap();
    let core = sim.admin().get(&resources::EVENTS, "default", "e").unwrap();
    assert_eq!(
        (
            core["message"].as_str(),
            core["involvedObject"]["name"].as_str()
        ),
        (Some("deletions are held"), Some("default"))
    );
    api.patch(
        "e",
        &PatchParams::default(),
        &Patch::Merge(json!({"note": "more"})),
    )
    .await
    .unwrap();
    assert_eq!(api.get("e").await.unwrap().note.as_deref(), Some("more"));
}
