//! Writes through the client that the operator uses.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::support::{config_map, refused, server, widget, widgets};

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
    // Zero is left out of what the server writes.
    assert_eq!(scaled.spec.unwrap().replicas, None);
    let deployment = api.get(name).await.unwrap();
    assert_eq!(
        (
            deployment.spec.unwrap().replicas,
            deployment.metadata.generation
        ),
        (Some(0), Some(2))
    );
}
