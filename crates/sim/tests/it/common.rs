//! What the tests of this crate share: the federation of the recording, and its events.
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use federation_health_sim::{Clock, Sim};
use futures::TryStreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, WatchEvent, WatchParams},
};
use serde_json::Value;

/// Who deletes in the loop.
pub(crate) const DELETER: &str =
    "system:serviceaccount:kube-federation-system:produce-trt-kubesphere";
/// Who creates in the loop.
pub(crate) const CREATOR: &str = "system:serviceaccount:kube-federation-system:host-kubesphere";

/// The federation of the recording: two Workspaces with three namespaces each, placed on `host`.
pub(crate) fn federation() -> Sim {
    let sim = Sim::new(Clock::simulated());
    sim.install_kubesphere().unwrap();
    sim.add_workspace("orders", &["host"], &["ord-1", "ord-2", "ord-3"])
        .unwrap();
    sim.add_workspace("payments", &["host"], &["pay-1", "pay-2", "pay-3"])
        .unwrap();
    sim
}

/// One watch event, reduced to what a comparison reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Milliseconds since the Unix epoch.
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) what: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) deleting: bool,
    pub(crate) owner: String,
    pub(crate) ready: bool,
    /// Names and states of `FederatedWorkspace.status.clusters[]`.
    pub(crate) clusters: Vec<String>,
}

/// The recorded incident, from the join to the end of the last namespace; later cycles are left out.
pub(crate) fn recorded() -> Vec<Event> {
    include_str!("../fixtures/incident-kubefed-0.8.1.jsonl")
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let at: Timestamp = text("t").replace("+00:00", "Z").parse().unwrap();
            Event {
                at: at.as_millisecond(),
                kind: text("kind"),
                what: text("type"),
                name: text("name"),
                uid: text("uid"),
                deleting: row["deleting"].as_bool().unwrap_or(false),
                owner: text("owner"),
                ready: row["ready"].as_bool().unwrap_or(false),
                clusters: states(&row["clusters"]),
            }
        })
        .collect()
}

fn states(clusters: &Value) -> Vec<String> {
    let list = clusters.as_array().into_iter().flatten();
    let state = |c: &Value| {
        let status = c["status"].as_str().unwrap_or("OK");
        format!("{} {status}", c["name"].as_str().unwrap())
    };
    // KubeFed keeps them in a map: their order says nothing.
    let mut states: Vec<String> = list.map(state).collect();
    states.sort();
    states
}

/// Watches the kinds of the recording through real clients from now on.
pub(crate) async fn record(sim: &Sim) -> Arc<Mutex<Vec<Event>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    for (group, version, kind, plural) in [
        (
            "tenant.kubesphere.io",
            "v1alpha1",
            "Workspace",
            "workspaces",
        ),
        (
            "types.kubefed.io",
            "v1beta1",
            "FederatedWorkspace",
            "federatedworkspaces",
        ),
        (
            "core.kubefed.io",
            "v1beta1",
            "KubeFedCluster",
            "kubefedclusters",
        ),
        ("", "v1", "Namespace", "namespaces"),
    ] {
        let api_version = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::all_with(sim.client_as("system:recorder"), &resource);
        let version = sim.resource_version().to_string();
        let mut stream = Box::pin(api.watch(&WatchParams::default(), &version).await.unwrap());
        let (events, clock, kind) = (events.clone(), sim.clock().clone(), kind.to_owned());
        tokio::spawn(async move {
            while let Ok(Some(event)) = stream.try_next().await {
                let (what, object) = match event {
                    WatchEvent::Added(o) => ("ADDED", o),
                    WatchEvent::Modified(o) => ("MODIFIED", o),
                    WatchEvent::Deleted(o) => ("DELETED", o),
                    _ => continue,
                };
                let at = clock.now().as_millisecond();
                events
                    .lock()
                    .unwrap()
                    .push(observed(at, &kind, what, &object));
            }
        });
    }
    events
}

fn observed(at: i64, kind: &str, what: &str, object: &DynamicObject) -> Event {
    let owners = object.metadata.owner_references.clone().unwrap_or_default();
    let conditions = object.data["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Event {
        at,
        kind: kind.to_owned(),
        what: what.to_owned(),
        name: object.metadata.name.clone().unwrap(),
        uid: object.metadata.uid.clone().unwrap(),
        deleting: object.metadata.deletion_timestamp.is_some(),
        owner: owners.first().map(|o| o.uid.clone()).unwrap_or_default(),
        ready: conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True"),
        clusters: states(&object.data["status"]["clusters"]),
    }
}

/// The first cycle of one Workspace, in milliseconds since the epoch.
pub(crate) struct Story {
    pub(crate) joined: i64,
    pub(crate) ready: i64,
    pub(crate) deleting: i64,
    pub(crate) deleted: i64,
    /// First of its namespaces Terminating.
    pub(crate) terminating: i64,
    pub(crate) added: i64,
    /// First of its namespaces that names the new UID.
    pub(crate) rebound: i64,
    /// Last of its namespaces gone.
    pub(crate) gone: i64,
    pub(crate) namespaces: BTreeSet<String>,
    /// Whether the federated status showed the other name as waiting for the removal.
    pub(crate) placement_seen: bool,
}

/// Finds the first cycle of a Workspace in a run.
pub(crate) fn story(events: &[Event], workspace: &str) -> Story {
    let prefix = &workspace[..3];
    let first = |what: &str, wanted: &dyn Fn(&&Event) -> bool| {
        events
            .iter()
            .find(wanted)
            .unwrap_or_else(|| panic!("{workspace}: {what} does not happen"))
            .clone()
    };
    let of = |kind: &'static str, what: &'static str| {
        move |e: &&Event| e.kind == kind && e.what == what && e.name == *workspace
    };
    let alias = |e: &&Event| e.kind == "KubeFedCluster" && e.name == "produce-trt";
    let namespace = |e: &&Event| e.kind == "Namespace" && e.name.starts_with(&format!("{prefix}-"));
    let added = first("its return", &|e| of("Workspace", "ADDED")(e));
    let lost: Vec<&Event> = events
        .iter()
        .filter(|e| namespace(e) && e.what == "DELETED")
        .collect();
    Story {
        joined: first("the join", &|e| alias(e) && e.what == "ADDED").at,
        ready: first("readiness", &|e| alias(e) && e.ready).at,
        deleting: first("its deletion", &|e| {
            of("Workspace", "MODIFIED")(e) && e.deleting
        })
        .at,
        deleted: first("its end", &|e| of("Workspace", "DELETED")(e)).at,
        terminating: first("a terminating namespace", &|e| namespace(e) && e.deleting).at,
        rebound: first("a bound namespace", &|e| {
            namespace(e) && e.owner == added.uid
        })
        .at,
        added: added.at,
        gone: lost
            .iter()
            .map(|e| e.at)
            .max()
            .expect("namespaces are lost"),
        namespaces: lost.iter().map(|e| e.name.clone()).collect(),
        placement_seen: events.iter().any(|e| {
            e.kind == "FederatedWorkspace"
                && e.name == workspace
                && e.clusters == ["host OK", "produce-trt WaitingForRemoval"]
        }),
    }
}
