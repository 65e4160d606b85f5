//! Faults on the wire, the watcher that survives them, tables, and the socket.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::federation;
use crate::manifest;
use federation_health_sim::{Clock, Effect, Refusal, Sim};
use futures::TryStreamExt;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Config, Error,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use crate::support::config_map;
use tower::ServiceExt;

#[tokio::test(start_paused = true)]
async fn faults_delay_refuse_and_break_only_what_they_name() {
    let sim = Sim::new(Clock::simulated());
    sim.inject(|facts| match (facts.verb, facts.name.as_str()) {
        ("get", "slow") => Some(Effect::Delay(Duration::from_secs(7))),
        ("get", "refused") => Some(Effect::Refuse(Refusal::new(
            429,
            "TooManyRequests",
            "later",
        ))),
        ("get", "broken") => Some(Effect::Break),
        ("delete", "unsure") => Some(Effect::BreakAnswer),
        _ => None,
    });
    let api: Api<ConfigMap> = Api::namespaced(sim.client_as("me"), "default");
    for name in ["slow", "unsure", "plain"] {
        api.create(&PostParams::default(), &config_map(name))
            .await
            .unwrap();
    }
    let before = sim.clock().now();
    api.get("slow").await.unwrap();
    assert_eq!(sim.clock().now().duration_since(before).as_secs(), 7);
    assert!(matches!(api.get("refused").await, Err(Error::Api(status)) if status.code == 429));
    assert!(matches!(api.get("broken").await, Err(Error::Service(_))));
    assert!(
        api.delete("unsure", &DeleteParams::default())
            .await
            .is_err()
    );
    assert!(
        api.get_opt("unsure").await.unwrap().is_none(),
        "done, although the answer was lost"
    );
    api.get("plain").await.unwrap();
    let refused = sim.audit().into_iter().find(|e| e.code == 429).unwrap();
    assert_eq!(
        (
            refused.user.as_str(),
            refused.name.as_str(),
            refused.message.as_str()
        ),
        ("me", "refused", "later")
    );
    sim.clear_faults();
    assert!(matches!(api.get("broken").await, Err(Error::Api(status)) if status.code == 404));
}

/// What a reflector would hold: names and versions, kept by a watcher with back-off.
fn follow(client: Client) -> Arc<Mutex<BTreeMap<String, String>>> {
    let held = Arc::new(Mutex::new(BTreeMap::new()));
    let copy = held.clone();
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    tokio::spawn(async move {
        let mut stream = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
        let key = |o: &ConfigMap| {
            (
                o.metadata.name.clone().unwrap(),
                o.metadata.resource_version.clone().unwrap(),
            )
        };
        loop {
            match stream.try_next().await {
                Ok(Some(watcher::Event::Init)) => copy.lock().unwrap().clear(),
                Ok(Some(watcher::Event::Apply(o) | watcher::Event::InitApply(o))) => {
                    let (name, version) = key(&o);
                    copy.lock().unwrap().insert(name, version);
                }
                Ok(Some(watcher::Event::Delete(o))) => {
                    copy.lock().unwrap().remove(&key(&o).0);
                }
                Ok(Some(watcher::Event::InitDone)) | Err(_) => {}
                Ok(None) => return,
            }
        }
    });
    held
}

#[tokio::test(start_paused = true)]
async fn a_watcher_holds_the_truth_through_cuts_compactions_and_restarts() {
    let sim = Sim::new(Clock::simulated());
    let held = follow(sim.client_as("watcher"));
    let api: Api<ConfigMap> = Api::namespaced(sim.client_as("writer"), "default");
    for round in 0..12 {
        api.create(&PostParams::default(), &config_map(&format!("m-{round}")))
            .await
            .unwrap();
        if round >= 3 {
            api.delete(&format!("m-{}", round - 3), &DeleteParams::default())
                .await
                .unwrap();
        }
        match round % 4 {
            0 => sim.cut_watches(),
            1 => sim.compact(),
            2 => sim.restart_api_server(),
            _ => {}
        }
        tokio::time::sleep(Duration::from_secs(3 * round)).await;
    }
    tokio::time::sleep(Duration::from_mins(2)).await;
    let list = api.list(&ListParams::default()).await.unwrap();
    let truth: BTreeMap<String, String> = list
        .items
        .into_iter()
        .map(|o| {
            (
                o.metadata.name.unwrap(),
                o.metadata.resource_version.unwrap(),
            )
        })
        .collect();
    assert_eq!(truth.len(), 3);
    assert_eq!(*held.lock().unwrap(), truth);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_watch_shows_later_what_a_read_shows_now() {
    let sim = Sim::new(Clock::simulated());
    let held = follow(sim.client_as("watcher"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    sim.lag_watches("configmaps", Duration::from_secs(4));
    let api: Api<ConfigMap> = Api::namespaced(sim.client_as("writer"), "default");
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(held.lock().unwrap().is_empty() && api.get("a").await.is_ok());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(held.lock().unwrap().contains_key("a"));
    sim.lag_watches("configmaps", Duration::ZERO);
    api.delete("a", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(held.lock().unwrap().is_empty());
}

async fn table(sim: &Sim, path: &str) -> Value {
    let request = http::Request::get(path)
        .header(
            "accept",
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        )
        .body(String::new())
        .unwrap();
    let answer = sim
        .service_as("kubernetes-admin")
        .oneshot(request)
        .await
        .unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn tables_show_the_columns_of_the_definition_with_ages_and_priorities() {
    let sim = Sim::new(Clock::simulated());
    sim.apply(manifest::WIDGETS).unwrap();
    sim.apply("{apiVersion: example.io/v1, kind: Widget, metadata: {name: a}, spec: {size: 4}}")
        .unwrap();
    let widgets = federation_health_sim::Resource::known("example.io", "v1", "widgets");
    let since = "2026-11-23T06:24:00Z";
    let status = json!({"conditions": [{"type": "Ready", "status": "True", "message": "fine", "lastTransitionTime": since}]});
    sim.admin().set_status(&widgets, "", "a", status).unwrap();
    tokio::time::sleep(Duration::from_secs(125)).await;
    let table = table(&sim, "/apis/example.io/v1/widgets").await;
    let names: Vec<(&str, i64)> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), c["priority"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("Name", 0),
            ("Ready", 0),
            ("Size", 0),
            ("Since", 0),
            ("Message", 1)
        ]
    );
    assert_eq!(
        table["rows"][0]["cells"],
        json!(["a", "True", 4, "2m5s", "fine"])
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test(start_paused = true)]
async fn a_table_of_an_object_without_status_has_empty_cells() {
    let sim = Sim::new(Clock::simulated());
    sim.apply(manifest::WIDGETS).unwrap();
    sim.apply("{apiVersion: example.io/v1, kind: Widget, metadata: {name: a}}")
        .unwrap();
    let table = table(&sim, "/apis/example.io/v1/widgets/a").await;
    assert_eq!(
        table["rows"][0]["cells"],
        json!(["a", null, null, "<unknown>", null])
    );
}

#[tokio::test]
async fn a_real_client_reads_watches_and_writes_through_the_socket() {
    let sim = Sim::new(Clock::wall());
    let listening = sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let uri: http::Uri = format!("http://{}", listening.address()).parse().unwrap();
    let client = Client::try_from(Config::new(uri)).unwrap();
    let version = client.apiserver_version().await.unwrap();
    assert_eq!(version.minor, "37");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    assert!(namespaces.get("kube-system").await.is_ok());
    let held = follow(client.clone());
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    api.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    let apply = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}});
    let written = api
        .patch("a", &PatchParams::apply("test"), &Patch::Apply(apply))
        .await
        .unwrap();
    let wanted = written.metadata.resource_version.unwrap();
    for _ in 0..200 {
        if held.lock().unwrap().get("a") == Some(&wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "the watch through the socket did not show the write: {:?}",
        held.lock().unwrap()
    );
}

#[tokio::test]
async fn the_socket_listens_on_loopback_only() {
    let sim = federation();
    let error = sim.serve(([0, 0, 0, 0], 0).into()).await.unwrap_err();
    assert!(error.to_string().contains("loopback only"), "{error}");
}
