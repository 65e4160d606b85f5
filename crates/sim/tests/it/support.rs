//! A server with a client, and the bodies that the API tests send.

use federation_health_sim::{Clock, Sim};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Error, ResourceExt,
    api::{ApiResource, DynamicObject, WatchEvent},
    core::Status,
};
use serde_json::json;

use crate::manifest;

const ADMIN: &str = "kubernetes-admin";

pub(crate) fn server() -> (Sim, Client) {
    let sim = Sim::new(Clock::simulated());
    let client = sim.client_as(ADMIN);
    (sim, client)
}

pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> Status {
    match answer {
        Err(Error::Api(status)) => *status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub(crate) fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).unwrap()
}

/// A custom resource with a status subresource whose conditions are a list map, as ours has.
pub(crate) fn widgets(sim: &Sim) -> Api<DynamicObject> {
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

pub(crate) fn widget(name: &str, spec: serde_json::Value) -> DynamicObject {
    let body = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec});
    serde_json::from_value(body).unwrap()
}

pub(crate) fn kind_of<K: ResourceExt>(event: &WatchEvent<K>) -> String {
    match event {
        WatchEvent::Added(o) => format!("ADDED {}", o.name_any()),
        WatchEvent::Modified(o) => format!("MODIFIED {}", o.name_any()),
        WatchEvent::Deleted(o) => format!("DELETED {}", o.name_any()),
        WatchEvent::Bookmark(_) => "BOOKMARK".to_owned(),
        WatchEvent::Error(e) => format!("ERROR {}", e.code),
    }
}
