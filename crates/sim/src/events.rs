//! Events have two API groups and one store: core/v1 is the stored shape, events.k8s.io/v1 a view of it.

use serde_json::{Value, json};

use crate::json;

/// The newer API group of events.
pub(crate) const GROUP: &str = "events.k8s.io";

/// Field of core/v1 and its name in events.k8s.io/v1.
const NAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
];

/// The stored shape of an event that came in through events.k8s.io/v1.
pub(crate) fn inward(mut event: Value) -> Value {
    for (core, newer) in NAMES {
        if let Some(value) = json::remove(&mut event, &[newer]) {
            json::set(&mut event, &[core], value);
        }
    }
    event["apiVersion"] = json!("v1");
    event
}

/// The view of a stored event through events.k8s.io/v1.
pub(crate) fn outward(mut event: Value) -> Value {
    for (core, newer) in NAMES {
        if let Some(value) = json::remove(&mut event, &[core]) {
            json::set(&mut event, &[newer], value);
        }
    }
    event["apiVersion"] = json!("events.k8s.io/v1");
    event
}
