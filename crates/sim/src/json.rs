//! Reading and writing nested JSON by path: objects of the simulation are plain documents, as they are on the wire.

use std::cell::RefCell;

use serde_json::{Map, Value};

/// The value at `path`, if every step of it exists.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, step| v.get(*step))
}

/// The document as it goes over the wire.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    thread_local! {
        /// Grows once to the size of the largest document: a status is told to every watch, several times a second.
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        // Writing a document to memory cannot fail.
        let _ = serde_json::to_writer(&mut *scratch, value);
        scratch.clone()
    })
}

/// The text at `path`; empty when it is absent or no text, which Kubernetes treats alike.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// A field of `metadata` as text.
pub(crate) fn meta<'a>(value: &'a Value, field: &str) -> &'a str {
    text(value, &["metadata", field])
}

/// The items of the list at `path`; none when it is absent.
pub(crate) fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The value of a label.
pub(crate) fn label<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    at(value, &["metadata", "labels", key]).and_then(Value::as_str)
}

/// Whether the object is being deleted.
pub(crate) fn deleting(value: &Value) -> bool {
    !meta(value, "deletionTimestamp").is_empty()
}

/// Whether the object carries the finalizer.
pub(crate) fn has_finalizer(value: &Value, name: &str) -> bool {
    items(value, &["metadata", "finalizers"])
        .iter()
        .any(|f| f.as_str() == Some(name))
}

/// Adds a finalizer; false when it was there already.
pub(crate) fn add_finalizer(value: &mut Value, name: &str) -> bool {
    if has_finalizer(value, name) {
        return false;
    }
    let mut all = items(value, &["metadata", "finalizers"]).to_vec();
    all.push(Value::from(name));
    set(value, &["metadata", "finalizers"], Value::from(all));
    true
}

/// Takes a finalizer away; false when it was not there.
pub(crate) fn drop_finalizer(value: &mut Value, name: &str) -> bool {
    if !has_finalizer(value, name) {
        return false;
    }
    let rest: Vec<Value> = items(value, &["metadata", "finalizers"])
        .iter()
        .filter(|f| f.as_str() != Some(name))
        .cloned()
        .collect();
    if rest.is_empty() {
        remove(value, &["metadata", "finalizers"]);
    } else {
        set(value, &["metadata", "finalizers"], Value::from(rest));
    }
    true
}

/// Sets the value at `path`, making the objects on the way; what is in the way and no object is replaced.
pub(crate) fn set(value: &mut Value, path: &[&str], new: Value) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut here = value;
    for step in parents {
        here = object(here)
            .entry((*step).to_owned())
            .or_insert(Value::Null);
    }
    object(here).insert((*last).to_owned(), new);
}

/// Takes away what stands at `path`, and the labels or annotations object that becomes empty by it stays.
pub(crate) fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let mut here = value;
    for step in parents {
        here = here.get_mut(*step)?;
    }
    here.as_object_mut()?.remove(*last)
}

/// Puts `new` at `path`, or takes away what stands there.
pub(crate) fn put(value: &mut Value, path: &[&str], new: Option<Value>) {
    match new {
        Some(new) => set(value, path, new),
        None => {
            remove(value, path);
        }
    }
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // The line above made it an object.
        _ => unreachable!(),
    }
}
