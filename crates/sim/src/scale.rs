//! The scale subresource: an `autoscaling/v1` Scale is a view of an object's `spec.replicas`.

use serde_json::{Value, json};

use crate::{json, refusal::Refusal};

/// The Scale of an object.
pub(crate) fn of(object: &Value) -> Value {
    let replicas = |path: &[&str]| json::at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let wanted = replicas(&["spec", "replicas"]);
    // A client that expects a number finds none at zero.
    let spec = if wanted == 0 {
        json!({})
    } else {
        json!({"replicas": wanted})
    };
    let labels = json::at(object, &["spec", "selector", "matchLabels"]).and_then(Value::as_object);
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": json::meta(object, "name"), "namespace": json::meta(object, "namespace"),
            "uid": json::meta(object, "uid"), "resourceVersion": json::meta(object, "resourceVersion"),
            "creationTimestamp": json::meta(object, "creationTimestamp"),
        },
        "spec": spec,
        "status": {"replicas": replicas(&["status", "replicas"]), "selector": selector.join(",")},
    })
}

/// The object with the replicas that a Scale asks for, and the preconditions that it states.
pub(crate) fn with_replicas(object: &Value, scale: &Value) -> Result<Value, Refusal> {
    let replicas = json::at(scale, &["spec", "replicas"])
        .and_then(Value::as_i64)
        .unwrap_or(0);
    if replicas < 0 {
        let why =
            format!("spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0");
        let name = json::meta(object, "name");
        return Err(Refusal::invalid("Scale.autoscaling", name, &why));
    }
    let mut next = object.clone();
    json::set(&mut next, &["spec", "replicas"], json!(replicas));
    for field in ["uid", "resourceVersion"] {
        let stated = json::meta(scale, field);
        if !stated.is_empty() {
            json::set(&mut next, &["metadata", field], json!(stated));
        }
    }
    Ok(next)
}
