//! Server-side apply: an object or its status by field ownership.

use serde_json::Value;
use serde_json::json;

use crate::{
    call::Call,
    change::{Part, Pending, manager},
    create::{self, inward},
    json,
    kinds::Version,
    managed,
    refusal::Refusal,
    reply::Reply,
    state::{Key, Served, State},
};

/// Carries out an apply patch; an object that does not exist is created.
pub(crate) fn apply(state: &mut State, call: &Call, served: &Served) -> Result<Reply, Refusal> {
    if call.query.get("fieldManager").is_empty() {
        return Err(Refusal::invalid(
            "PatchOptions.meta.k8s.io",
            "",
            "fieldManager: Required value: is required for apply patch",
        ));
    }
    if ["apiVersion", "kind"]
        .iter()
        .any(|f| json::text(&call.body, &[f]).is_empty())
    {
        return Err(Refusal::bad_request(
            "apiVersion and kind are required in an apply patch",
        ));
    }
    if json::at(&call.body, &["metadata", "managedFields"]).is_some() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let mut applied = inward(&served.kind, call)?;
    json::set(&mut applied, &["metadata", "name"], json!(call.target.name));
    let stamp = state.clock.stamp();
    let owner = manager(call, &served.kind, &stamp);
    let kind = served.kind.clone();
    let version = kind
        .version(&call.target.version)
        .ok_or_else(Refusal::page_not_found)?;
    let exists = state
        .get(
            served.collection,
            &Key::new(&*call.target.namespace, &*call.target.name),
        )
        .is_some();
    if !exists && call.target.subresource.is_empty() {
        if json::meta(&call.body, "name").is_empty() {
            let name = &call.target.name;
            return Err(Refusal::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        let seed = json!({"metadata": {}});
        let mut fresh = managed::apply(&seed, &applied, &version.schema, &owner.get(), true)?;
        let entries = json::remove(&mut fresh, &["metadata", "managedFields"]);
        return create::with_owner(state, call, served, fresh, entries);
    }
    let change = Pending::open(state, call, served)?;
    restrict(change.part, version, &mut applied);
    let new = managed::apply(
        &change.old,
        &applied,
        &version.schema,
        &owner.get(),
        call.query.flag("force"),
    )?;
    change.commit(state, new)
}

/// An apply to one part says nothing about the other.
fn restrict(part: Part, version: &Version, applied: &mut Value) {
    match part {
        Part::Status => {
            let stated = ["uid", "resourceVersion"].map(|field| {
                let value = json::at(applied, &["metadata", field]).cloned();
                (field, value)
            });
            let map = applied.as_object_mut().into_iter();
            map.for_each(|m| {
                m.retain(|k, _| matches!(k.as_str(), "apiVersion" | "kind" | "status"));
            });
            // What it states as a precondition holds for a status as well.
            for (field, value) in stated.into_iter().filter(|(_, value)| value.is_some()) {
                json::put(applied, &["metadata", field], value);
            }
        }
        _ if version.status => {
            json::remove(applied, &["status"]);
        }
        _ => {}
    }
}
