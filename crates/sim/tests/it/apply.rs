//! Server-side apply: who owns which field, and what an apply takes away.

use crate::support;
use federation_health_sim::Sim;
use kube::{
    Api, Error,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

/// A server and one kind; the server lives as long as the test holds it.
fn widgets() -> (Sim, Api<DynamicObject>) {
    let (sim, _) = support::server();
    let api = support::widgets(&sim);
    (sim, api)
}

fn body(content: Value) -> Value {
    let mut body =
        json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "a"}});
    json_patch::merge(&mut body, &content);
    body
}

async fn apply(
    api: &Api<DynamicObject>,
    manager: &str,
    content: Value,
) -> Result<DynamicObject, Error> {
    api.patch(
        "a",
        &PatchParams::apply(manager),
        &Patch::Apply(body(content)),
    )
    .await
}

async fn apply_status(api: &Api<DynamicObject>, manager: &str, status: Value) -> DynamicObject {
    let params = PatchParams::apply(manager).force();
    api.patch_status("a", &params, &Patch::Apply(body(json!({"status": status}))))
        .await
        .unwrap()
}

fn managers(object: &DynamicObject) -> Vec<(String, String)> {
    let entries = object.metadata.managed_fields.clone().unwrap_or_default();
    let pair = |e: k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| {
        (
            e.manager.unwrap_or_default(),
            e.subresource.unwrap_or_default(),
        )
    };
    let mut pairs: Vec<_> = entries.into_iter().map(pair).collect();
    pairs.sort();
    pairs
}

#[tokio::test(start_paused = true)]
async fn an_apply_creates_what_does_not_exist() {
    let (_sim, api) = widgets();
    let made = apply(&api, "me", json!({"spec": {"size": 1}}))
        .await
        .unwrap();
    assert_eq!(made.data["spec"]["size"], 1);
    assert_eq!(managers(&made), [("me".to_owned(), String::new())]);
    let entry = &made.metadata.managed_fields.unwrap()[0];
    assert_eq!(entry.operation.as_deref(), Some("Apply"));
}

#[tokio::test(start_paused = true)]
async fn what_a_manager_no_longer_sends_is_removed_unless_another_owns_it() {
    let (_sim, api) = widgets();
    apply(
        &api,
        "me",
        json!({"spec": {"size": 1, "color": "red", "shape": "round"}}),
    )
    .await
    .unwrap();
    apply(&api, "you", json!({"spec": {"color": "red"}}))
        .await
        .unwrap();
    let left = apply(&api, "me", json!({"spec": {"size": 1}}))
        .await
        .unwrap();
    assert_eq!(left.data["spec"], json!({"size": 1, "color": "red"}));
}

#[tokio::test(start_paused = true)]
async fn another_managers_field_conflicts_until_it_is_forced() {
    let (_sim, api) = widgets();
    apply(&api, "me", json!({"spec": {"size": 1, "color": "red"}}))
        .await
        .unwrap();
    let Err(Error::Api(status)) = apply(&api, "you", json!({"spec": {"size": 2}})).await else {
        panic!("the conflict was not seen");
    };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let causes = status.details.unwrap().causes;
    assert_eq!((causes.len(), causes[0].field.as_str()), (1, ".spec.size"));
    assert!(causes[0].message.contains("me"));

    let params = PatchParams::apply("you").force();
    let forced = api
        .patch(
            "a",
            &params,
            &Patch::Apply(body(json!({"spec": {"size": 2}}))),
        )
        .await
        .unwrap();
    assert_eq!(forced.data["spec"], json!({"size": 2, "color": "red"}));
    // The field has changed hands: what the first manager no longer sends stays.
    let left = apply(&api, "me", json!({"spec": {"color": "red"}}))
        .await
        .unwrap();
    assert_eq!(left.data["spec"]["size"], 2);
}

#[tokio::test(start_paused = true)]
async fn two_managers_keep_their_own_conditions_of_one_list() {
    let (_sim, api) = widgets();
    apply(&api, "person", json!({"spec": {}})).await.unwrap();
    let condition = |name: &str, status: &str| json!({"type": name, "status": status});
    apply_status(&api, "ours", json!({"phase": "x", "conditions": [condition("Ready", "True"), condition("Healthy", "True")]})).await;
    apply_status(
        &api,
        "theirs",
        json!({"conditions": [condition("Held", "True")]}),
    )
    .await;
    let left = apply_status(
        &api,
        "ours",
        json!({"conditions": [condition("Ready", "False")]}),
    )
    .await;
    let conditions = left.data["status"]["conditions"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(
        conditions,
        [condition("Ready", "False"), condition("Held", "True")]
    );
    assert_eq!(
        left.data["status"].get("phase"),
        None,
        "a field no longer sent is gone"
    );
    assert!(managers(&left).contains(&("theirs".to_owned(), "status".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_merge_patch_of_the_hold_survives_the_status_apply_and_keeps_its_owner() {
    let (_sim, api) = widgets();
    apply(&api, "person", json!({"spec": {}})).await.unwrap();
    apply_status(&api, "operator", json!({"phase": "Calm"})).await;
    let hold = json!({"status": {"hold": {"collection": true, "reason": "DuplicateCluster"}}});
    let params = PatchParams {
        field_manager: Some("operator-hold".to_owned()),
        ..PatchParams::default()
    };
    api.patch_status("a", &params, &Patch::Merge(hold))
        .await
        .unwrap();
    let left = apply_status(&api, "operator", json!({"phase": "Alarm"})).await;
    assert_eq!(
        left.data["status"],
        json!({"phase": "Alarm", "hold": {"collection": true, "reason": "DuplicateCluster"}})
    );
    assert!(managers(&left).contains(&("operator-hold".to_owned(), "status".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn items_of_a_set_belong_to_who_added_them() {
    let (_sim, api) = widgets();
    let finalizers = |names: &[&str]| json!({"metadata": {"finalizers": names}});
    apply(&api, "me", finalizers(&["example.io/a", "example.io/b"]))
        .await
        .unwrap();
    apply(&api, "you", finalizers(&["example.io/c"]))
        .await
        .unwrap();
    let left = apply(&api, "me", finalizers(&["example.io/b"]))
        .await
        .unwrap();
    assert_eq!(
        left.metadata.finalizers.unwrap(),
        ["example.io/b", "example.io/c"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_without_keys_is_replaced_as_a_whole() {
    let (_sim, api) = widgets();
    apply(&api, "person", json!({"spec": {}})).await.unwrap();
    apply_status(&api, "ours", json!({"tags": ["a", "b"]})).await;
    let left = apply_status(&api, "ours", json!({"tags": ["c"]})).await;
    assert_eq!(left.data["status"]["tags"], json!(["c"]));
    let left = apply_status(&api, "ours", json!({})).await;
    assert_eq!(left.data["status"].get("tags"), None);
}

#[tokio::test(start_paused = true)]
async fn an_apply_of_nothing_takes_away_only_what_was_its_own() {
    let (_sim, api) = widgets();
    apply(&api, "person", json!({"spec": {}})).await.unwrap();
    apply_status(
        &api,
        "theirs",
        json!({"conditions": [{"type": "Held", "status": "True"}]}),
    )
    .await;
    apply_status(&api, "ours", json!({"phase": "x"})).await;
    apply_status(&api, "ours", json!({})).await;
    let left = api
        .patch_status(
            "a",
            &PatchParams::apply("ours").force(),
            &Patch::Apply(body(json!({}))),
        )
        .await
        .unwrap();
    assert_eq!(
        left.data["status"],
        json!({"conditions": [{"type": "Held", "status": "True"}]})
    );
    assert_eq!(
        managers(&left)
            .iter()
            .filter(|(name, _)| name == "ours")
            .count(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn an_apply_of_the_object_says_nothing_about_status_and_the_other_way_round() {
    let (_sim, api) = widgets();
    apply(
        &api,
        "me",
        json!({"spec": {"size": 1}, "status": {"phase": "Lies"}}),
    )
    .await
    .unwrap();
    let with_status = apply_status(&api, "me", json!({"phase": "True"})).await;
    assert_eq!(
        (
            &with_status.data["spec"]["size"],
            &with_status.data["status"]["phase"]
        ),
        (&json!(1), &json!("True"))
    );
    let again = apply(&api, "me", json!({"spec": {"size": 1}}))
        .await
        .unwrap();
    assert_eq!(again.data["status"]["phase"], "True");
}

#[tokio::test(start_paused = true)]
async fn an_apply_without_manager_kind_or_object_is_refused() {
    let (_sim, api) = widgets();
    apply(&api, "me", json!({"spec": {}})).await.unwrap();
    let code = |answer: Result<DynamicObject, Error>| match answer {
        Err(Error::Api(status)) => status.code,
        other => panic!("expected a refusal, got {other:?}"),
    };
    let bare = json!({"spec": {"size": 1}});
    let params = PatchParams::apply("me");
    assert_eq!(
        code(api.patch("a", &params, &Patch::Apply(bare)).await),
        400
    );
    let managed = body(json!({"metadata": {"managedFields": []}}));
    assert_eq!(
        code(api.patch("a", &params, &Patch::Apply(managed)).await),
        400
    );
    let status = body(json!({"status": {}}));
    assert_eq!(
        code(
            api.patch_status("absent", &params, &Patch::Apply(status))
                .await
        ),
        404
    );
}
