//! Creating objects: what kube-apiserver's registry does between a request and its storage.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    admission,
    call::{Call, Verb},
    change::manager,
    defaults, events, json,
    kinds::{self, Kind},
    managed,
    refusal::Refusal,
    reply::Reply,
    state::{Key, Served, State},
};

/// An object as a request sends it, in the shape in which it is stored.
pub(crate) fn inward(kind: &Kind, call: &Call) -> Result<Value, Refusal> {
    let body = &call.body;
    if !body.is_object() {
        return Err(Refusal::bad_request(
            "the body must be one JSON or YAML object",
        ));
    }
    let expected = kind.api_version(&call.target.version);
    let (version, name) = (
        json::text(body, &["apiVersion"]),
        json::text(body, &["kind"]),
    );
    if kind.custom && call.verb == Verb::Create && name.is_empty() {
        return Err(Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{body}' ({body})",
            kind.kind
        )));
    }
    // Clients of typed languages leave both out of built-in kinds; the path says them.
    if (!version.is_empty() && version != expected) || (!name.is_empty() && name != kind.kind) {
        return Err(Refusal::bad_request(format!(
            "{name} in version {version:?} cannot be handled as a {}: expected {expected}",
            kind.kind
        )));
    }
    let mut object = body.clone();
    if kind.group == events::GROUP {
        object = events::inward(object);
    } else {
        object["apiVersion"] = json!(kind.api_version(kind.storage()));
    }
    object["kind"] = json!(kind.kind);
    Ok(object)
}

/// Carries out `create`.
pub(crate) fn create(state: &mut State, call: &Call, served: &Served) -> Result<Reply, Refusal> {
    let kind = served.kind.clone();
    if kind.plural == "selfsubjectaccessreviews" {
        let mut review = call.body.clone();
        review["apiVersion"] = json!("authorization.k8s.io/v1");
        review["kind"] = json!(kind.kind);
        review["status"] = json!({"allowed": true});
        return Ok(Reply::raw(201, review));
    }
    let object = inward(&kind, call)?;
    with_owner(state, call, served, object, None)
}

/// Creates an object; an apply brings the managedFields it computed.
pub(crate) fn with_owner(
    state: &mut State,
    call: &Call,
    served: &Served,
    mut object: Value,
    owned: Option<Value>,
) -> Result<Reply, Refusal> {
    let kind = served.kind.clone();
    let version = kind
        .version(&call.target.version)
        .ok_or_else(Refusal::page_not_found)?;
    name_and_place(state, call, &kind, &mut object)?;
    let key = Key::of(&object);
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ] {
        json::remove(&mut object, &["metadata", field]);
    }
    if matches!(
        json::at(&object, &["metadata", "creationTimestamp"]),
        Some(Value::Null)
    ) {
        json::remove(&mut object, &["metadata", "creationTimestamp"]);
    }
    if version.status && kind.plural != "namespaces" {
        json::remove(&mut object, &["status"]);
    }
    let stamp = state.clock.stamp();
    if kind.plural == "namespaces" && kind.group.is_empty() {
        json::set(
            &mut object,
            &["metadata", "labels", "kubernetes.io/metadata.name"],
            json!(key.name),
        );
    }
    defaults::fill(&mut object, &version.schema);
    let managed = owned.unwrap_or_else(|| {
        managed::after_update(
            None,
            &object,
            &version.schema,
            &manager(call, &kind, &stamp).get(),
        )
    });
    let uid = state.new_uid();
    json::set(&mut object, &["metadata", "uid"], json!(uid));
    json::set(
        &mut object,
        &["metadata", "creationTimestamp"],
        json!(stamp),
    );
    if kind.generation {
        json::set(&mut object, &["metadata", "generation"], json!(1));
    }
    json::put(
        &mut object,
        &["metadata", "managedFields"],
        Some(managed).filter(|m| m != &json!([])),
    );
    complete(&kind, &mut object, &stamp)?;
    admission::admit(state, call, &kind, &key, Some(&object), None)?;
    if state.get(served.collection, &key).is_some() {
        return Err(Refusal::already_exists(
            &kind.group,
            &kind.plural,
            &key.name,
        ));
    }
    let object = if call.dry_run() {
        Arc::new(object)
    } else {
        state.store(served, object)
    };
    Ok(Reply::object(201, served, &call.target.version, object))
}

fn name_and_place(
    state: &mut State,
    call: &Call,
    kind: &Kind,
    object: &mut Value,
) -> Result<(), Refusal> {
    let prefix = json::meta(object, "generateName").to_owned();
    if json::meta(object, "name").is_empty() && !prefix.is_empty() {
        let name = format!("{prefix}{}", state.new_suffix());
        json::set(object, &["metadata", "name"], json!(name));
    }
    let name = json::meta(object, "name").to_owned();
    if name.is_empty() {
        return Err(Refusal::invalid(
            &kind.qualified_kind(),
            "",
            "metadata.name: Required value: name or generateName is required",
        ));
    }
    if !valid_name(kind, &name) {
        let why = format!("metadata.name: Invalid value: {name:?}: {SUBDOMAIN}");
        return Err(Refusal::invalid(&kind.qualified_kind(), &name, &why));
    }
    if !json::meta(object, "resourceVersion").is_empty() {
        // kube-apiserver answers 500 without a reason here.
        return Err(Refusal::new(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let stated = json::meta(object, "namespace");
    if !kind.namespaced {
        json::remove(object, &["metadata", "namespace"]);
        return Ok(());
    }
    let namespace = call.target.namespace.clone();
    if !stated.is_empty() && stated != namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    match state.find("", "namespaces", "", &namespace) {
        None => return Err(Refusal::not_found("", "namespaces", &namespace)),
        Some(home) if json::deleting(home) => {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            let cause = json!({
                "reason": "NamespaceTerminating", "field": "metadata.namespace",
                "message": format!("namespace {namespace} is being terminated"),
            });
            let refusal = Refusal::forbidden(&kind.group, &kind.plural, &name, &why);
            return Err(refusal.with_causes(vec![cause]));
        }
        Some(_) => {}
    }
    json::set(object, &["metadata", "namespace"], json!(namespace));
    Ok(())
}

/// What kube-apiserver says about a name that is none.
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
    '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
    validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn valid_name(kind: &Kind, name: &str) -> bool {
    // RBAC names are path segments only: `kubefed-controller-manager:host-kubesphere` is one.
    if kind.group == "rbac.authorization.k8s.io" {
        return !name.contains(['/', '%']);
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 253
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
}

/// What the registry of a built-in kind adds.
fn complete(kind: &Kind, object: &mut Value, stamp: &str) -> Result<(), Refusal> {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "namespaces") => {
            json::set(object, &["spec", "finalizers"], json!(["kubernetes"]));
            json::set(object, &["status", "phase"], json!("Active"));
        }
        ("apps", "deployments" | "statefulsets" | "replicasets")
            if json::at(object, &["spec", "replicas"]).is_none() =>
        {
            json::set(object, &["spec", "replicas"], json!(1));
        }
        ("", "persistentvolumeclaims") => json::set(object, &["status", "phase"], json!("Pending")),
        ("apiextensions.k8s.io", _) => {
            let name = json::meta(object, "name").to_owned();
            let defined = kinds::from_definition(object)
                .map_err(|why| Refusal::invalid(&kind.qualified_kind(), &name, &why))?;
            let status = kinds::accepted(object, &defined, stamp);
            json::set(object, &["status"], status);
        }
        _ => {}
    }
    Ok(())
}
