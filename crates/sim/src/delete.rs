//! Deleting objects: finalizers, propagation, preconditions, namespaces and definitions.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    admission,
    call::Call,
    json, read,
    refusal::Refusal,
    reply::Reply,
    state::{Key, Served, State, is_definition},
};

/// Finalizer that keeps dependents: the garbage collector takes their owner reference off and then this.
pub(crate) const ORPHAN: &str = "orphan";
/// Finalizer that lets the garbage collector delete dependents first.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of a definition whose objects are still being deleted.
const DEFINITION_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Whether nothing keeps a deleted object any more.
pub(crate) fn is_released(object: &Value) -> bool {
    let namespace = json::text(object, &["kind"]) == "Namespace";
    json::items(object, &["metadata", "finalizers"]).is_empty()
        && (!namespace || json::items(object, &["spec", "finalizers"]).is_empty())
}

/// Carries out `delete`.
pub(crate) fn delete(state: &mut State, call: &Call, served: &Served) -> Result<Reply, Refusal> {
    let kind = &served.kind;
    let key = Key::new(&*call.target.namespace, &*call.target.name);
    let old = state
        .get(served.collection, &key)
        .cloned()
        .ok_or_else(|| Refusal::not_found(&kind.group, &kind.plural, &key.name))?;
    preconditions(call, served, &old)?;
    admission::admit(state, call, kind, &key, None, Some(&old))?;
    let mut next = Value::clone(&old);
    if !json::deleting(&old) {
        propagate(&mut next, policy(call)?);
        if is_definition(kind) && has_instances(state, &old) {
            json::add_finalizer(&mut next, DEFINITION_CLEANUP);
        }
    }
    if is_released(&next) {
        let last = if call.dry_run() {
            Arc::new(next)
        } else {
            state.remove(served, next)
        };
        return Ok(Reply::raw(200, success(served, &last)));
    }
    if json::deleting(&old) {
        return Ok(Reply::object(200, served, &call.target.version, old));
    }
    mark(state, served, &mut next);
    let marked = if call.dry_run() {
        Arc::new(next)
    } else {
        state.store(served, next)
    };
    if is_definition(kind) && !call.dry_run() {
        delete_instances(state, &marked);
    }
    Ok(Reply::object(200, served, &call.target.version, marked))
}

/// Carries out `deletecollection`: every object of the list by itself, as the API server does.
pub(crate) fn delete_collection(
    state: &mut State,
    call: &Call,
    served: &Served,
) -> Result<Reply, Refusal> {
    let selected = read::select(state, call, served)?;
    let version = state.version;
    for object in &selected {
        let mut one = call.clone();
        json::meta(object, "namespace").clone_into(&mut one.target.namespace);
        json::meta(object, "name").clone_into(&mut one.target.name);
        delete(state, &one, served)?;
    }
    Ok(Reply::List {
        kind: served.kind.clone(),
        version: call.target.version.clone(),
        items: selected,
        resource_version: version,
        next: String::new(),
        remaining: 0,
    })
}

fn mark(state: &State, served: &Served, object: &mut Value) {
    json::set(
        object,
        &["metadata", "deletionTimestamp"],
        json!(state.clock.stamp()),
    );
    if served.kind.plural == "namespaces" && served.kind.group.is_empty() {
        json::set(object, &["status", "phase"], json!("Terminating"));
        return;
    }
    json::set(
        object,
        &["metadata", "deletionGracePeriodSeconds"],
        json!(0),
    );
    // The registry counts the deletion as a change of what is desired.
    if let Some(generation) = json::at(object, &["metadata", "generation"]).and_then(Value::as_i64)
    {
        json::set(object, &["metadata", "generation"], json!(generation + 1));
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Policy {
    Unstated,
    Background,
    Foreground,
    Orphan,
}

fn policy(call: &Call) -> Result<Policy, Refusal> {
    let stated = match json::text(&call.body, &["propagationPolicy"]) {
        "" => call.query.get("propagationPolicy"),
        stated => stated,
    };
    match stated {
        "" if call.body["orphanDependents"].as_bool() == Some(true) => Ok(Policy::Orphan),
        "" => Ok(Policy::Unstated),
        "Background" => Ok(Policy::Background),
        "Foreground" => Ok(Policy::Foreground),
        "Orphan" => Ok(Policy::Orphan),
        other => Err(Refusal::invalid(
            "DeleteOptions.meta.k8s.io",
            "",
            &format!(
                "propagationPolicy: Unsupported value: {other:?}: \
                 supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            ),
        )),
    }
}

/// An unstated policy honours finalizers that are there; a stated one replaces them.
fn propagate(object: &mut Value, policy: Policy) {
    let (orphan, foreground) = match policy {
        Policy::Unstated => return,
        Policy::Background => (false, false),
        Policy::Foreground => (false, true),
        Policy::Orphan => (true, false),
    };
    for (name, wanted) in [(ORPHAN, orphan), (FOREGROUND, foreground)] {
        if wanted {
            json::add_finalizer(object, name);
        } else {
            json::drop_finalizer(object, name);
        }
    }
}

fn preconditions(call: &Call, served: &Served, old: &Value) -> Result<(), Refusal> {
    for (field, label, since) in [
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ] {
        let wanted = json::text(&call.body, &["preconditions", field]);
        let actual = json::meta(old, field);
        if !wanted.is_empty() && wanted != actual {
            let why = format!(
                "the {label} in the precondition ({wanted}) does not match the {label} in record ({actual}). \
                 The object might have been {since}"
            );
            let kind = &served.kind;
            // For custom resources this refusal names the kind.
            let named = if kind.custom {
                &kind.kind
            } else {
                &kind.plural
            };
            return Err(Refusal::conflict(
                &kind.group,
                named,
                &call.target.name,
                &why,
            ));
        }
    }
    Ok(())
}

fn success(served: &Served, object: &Value) -> Value {
    let mut details = json!({
        "name": json::meta(object, "name"), "kind": served.kind.plural, "uid": json::meta(object, "uid"),
    });
    if !served.kind.group.is_empty() {
        details["group"] = json!(served.kind.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

fn instances_of(state: &State, definition: &Value) -> Option<Served> {
    let (group, plural) = (
        json::text(definition, &["spec", "group"]),
        json::text(definition, &["spec", "names", "plural"]),
    );
    state.lookup(group, plural).cloned()
}

fn has_instances(state: &State, definition: &Value) -> bool {
    instances_of(state, definition)
        .is_some_and(|s| !state.collections[s.collection].objects.is_empty())
}

/// The definition's own finalizer deletes below the API: no admission sees it.
fn delete_instances(state: &mut State, definition: &Value) {
    let Some(served) = instances_of(state, definition) else {
        return;
    };
    let all: Vec<Arc<Value>> = state.collections[served.collection]
        .objects
        .values()
        .cloned()
        .collect();
    for object in all {
        let mut next = Value::clone(&object);
        if is_released(&next) {
            state.remove(&served, next);
        } else if !json::deleting(&object) {
            mark(state, &served, &mut next);
            state.store(&served, next);
        }
    }
}
