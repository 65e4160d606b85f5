//! Reads, watches and discovery through the client that the operator uses.

use federation_health_sim::resources;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace},
    events::v1::Event,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams},
    discovery::Discovery,
};
use serde_json::json;

use crate::support::{config_map, kind_of, refused, server, widget, widgets};

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
