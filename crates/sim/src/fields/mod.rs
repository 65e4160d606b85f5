//! Sets of fields, in the `FieldsV1` form that managedFields carry.
//!
//! `f:name` is a member, `k:{…}` an item of a list map, `v:…` an item of a set, `.` the item itself. A
//! leaf is an empty object.

use serde_json::{Map, Value, json};

use crate::json;

mod merge;

pub(crate) use merge::{overlay, prune};

/// How the items of a list are told apart.
enum ListKind {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// Where in a kind's schema a value stands. Built-in kinds have no schema here; their lists are known by name.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    schema: &'a Value,
    name: &'a str,
}

impl<'a> Shape<'a> {
    pub(crate) fn root(schema: &'a Value) -> Self {
        Self { schema, name: "" }
    }

    fn member(self, name: &'a str) -> Self {
        let schema = json::at(self.schema, &["properties", name])
            .or_else(|| self.schema.get("additionalProperties"))
            .unwrap_or(&Value::Null);
        // Schemas of custom resources say nothing about metadata, which every kind shares.
        let schema = if name == "metadata" {
            &Value::Null
        } else {
            schema
        };
        Self { schema, name }
    }

    fn item(self) -> Self {
        Self {
            schema: self.schema.get("items").unwrap_or(&Value::Null),
            name: "",
        }
    }

    fn list(self) -> ListKind {
        if self.schema.is_null() {
            return match self.name {
                "conditions" => ListKind::Map(vec!["type".to_owned()]),
                "containers" | "initContainers" | "env" | "volumes" => {
                    ListKind::Map(vec!["name".to_owned()])
                }
                "ownerReferences" => ListKind::Map(vec!["uid".to_owned()]),
                "finalizers" => ListKind::Set,
                _ => ListKind::Atomic,
            };
        }
        match json::text(self.schema, &["x-kubernetes-list-type"]) {
            "map" => ListKind::Map(
                json::items(self.schema, &["x-kubernetes-list-map-keys"])
                    .iter()
                    .filter_map(|k| k.as_str().map(str::to_owned))
                    .collect(),
            ),
            "set" => ListKind::Set,
            _ => ListKind::Atomic,
        }
    }
}

/// Fields that belong to the server, never to a manager.
fn is_system(path: &[&str]) -> bool {
    matches!(
        path,
        ["apiVersion" | "kind"]
            | [
                "metadata",
                "name"
                    | "namespace"
                    | "uid"
                    | "resourceVersion"
                    | "creationTimestamp"
                    | "generation"
                    | "deletionTimestamp"
                    | "deletionGracePeriodSeconds"
                    | "managedFields"
                    | "selfLink"
                    | "generateName"
            ]
    )
}

/// Whose view a set is: an update owns the maps that it creates, an apply only what it puts in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Apply,
    Update,
}

/// Every field that `value` sets.
pub(crate) fn all(value: &Value, shape: Shape<'_>, view: View) -> Value {
    changed(None, value, shape, view)
}

/// Every field that `new` sets and `old` does not have, or has with another value.
pub(crate) fn changed(old: Option<&Value>, new: &Value, shape: Shape<'_>, view: View) -> Value {
    let mut path = Vec::new();
    Value::Object(walk(old, new, shape, view, &mut path).unwrap_or_default())
}

fn walk<'a>(
    old: Option<&Value>,
    new: &'a Value,
    shape: Shape<'a>,
    view: View,
    path: &mut Vec<&'a str>,
) -> Option<Map<String, Value>> {
    // Most of an object stays as it is: comparing costs less than building sets of it.
    if old == Some(new) {
        return None;
    }
    let mut set = Map::new();
    match new {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                path.push(name);
                let before = old.and_then(|o| o.get(name));
                if !is_system(path)
                    && let Some(sub) = walk(before, value, shape.member(name), view, path)
                {
                    set.insert(format!("f:{name}"), Value::Object(sub));
                }
                path.pop();
            }
            // Built-in kinds have structs, which nobody creates, and a few maps.
            let is_map =
                !shape.schema.is_null() || matches!(shape.name, "labels" | "annotations" | "data");
            let created = !path.is_empty() && is_map && old.is_none_or(|o| !o.is_object());
            own_container(&mut set, created, view);
            (!set.is_empty()).then_some(set)
        }
        Value::Array(list) => match shape.list() {
            ListKind::Map(keys) => {
                for item in list {
                    let before = old.and_then(|o| find_item(o, item, &keys));
                    let sub = walk(before, item, shape.item(), view, path);
                    if before.is_none() || sub.is_some() {
                        let mut sub = sub.unwrap_or_default();
                        if before.is_none() {
                            sub.insert(".".to_owned(), json!({}));
                        }
                        set.insert(item_name(item, &keys), Value::Object(sub));
                    }
                }
                own_container(&mut set, old.is_none_or(|o| !o.is_array()), view);
                (!set.is_empty()).then_some(set)
            }
            ListKind::Set => {
                let before = old.and_then(Value::as_array);
                for item in list
                    .iter()
                    .filter(|i| before.is_none_or(|b| !b.contains(i)))
                {
                    set.insert(format!("v:{item}"), json!({}));
                }
                own_container(&mut set, before.is_none(), view);
                (!set.is_empty()).then_some(set)
            }
            ListKind::Atomic => (old != Some(new)).then(Map::new),
        },
        _ => (old != Some(new)).then(Map::new),
    }
}

/// An update that creates a map or list owns that it exists.
fn own_container(set: &mut Map<String, Value>, created: bool, view: View) {
    if created && view == View::Update && !set.is_empty() {
        set.insert(".".to_owned(), json!({}));
    }
}

fn key_of(item: &Value, keys: &[String]) -> Value {
    keys.iter()
        .map(|k| (k.clone(), item.get(k).cloned().unwrap_or(Value::Null)))
        .collect::<Map<_, _>>()
        .into()
}

fn item_name(item: &Value, keys: &[String]) -> String {
    format!("k:{}", key_of(item, keys))
}

fn find_item<'a>(list: &'a Value, like: &Value, keys: &[String]) -> Option<&'a Value> {
    let wanted = key_of(like, keys);
    list.as_array()?
        .iter()
        .find(|item| key_of(item, keys) == wanted)
}

/// The fields of `a` that are not in `b`.
pub(crate) fn minus(a: &Value, b: &Value) -> Value {
    let (Some(left), Some(right)) = (a.as_object(), b.as_object()) else {
        return a.clone();
    };
    let mut rest = Map::new();
    for (name, sub) in left {
        match right.get(name) {
            None => {
                rest.insert(name.clone(), sub.clone());
            }
            Some(_) if is_leaf(sub) => {}
            Some(other) => {
                let sub = minus(sub, other);
                if !is_leaf(&sub) {
                    rest.insert(name.clone(), sub);
                }
            }
        }
    }
    Value::Object(rest)
}

/// The fields of `a` and those of `b`.
pub(crate) fn union(a: &mut Value, b: &Value) {
    if let (Some(left), Some(right)) = (a.as_object_mut(), b.as_object()) {
        for (name, sub) in right {
            match left.get_mut(name) {
                Some(mine) => union(mine, sub),
                None => {
                    left.insert(name.clone(), sub.clone());
                }
            }
        }
    }
}

/// Whether the set is empty, which in a tree of fields is also the form of a leaf.
pub(crate) fn is_leaf(set: &Value) -> bool {
    set.as_object().is_none_or(Map::is_empty)
}

/// Fields that two sets share and to which `live` and `applied` give different values.
pub(crate) fn contested(
    ours: &Value,
    theirs: &Value,
    live: Option<&Value>,
    applied: Option<&Value>,
) -> Value {
    let mut found = Map::new();
    let (Some(left), Some(right)) = (ours.as_object(), theirs.as_object()) else {
        return Value::Object(found);
    };
    for (name, sub) in left.iter().filter(|(name, _)| name.as_str() != ".") {
        let Some(other) = right.get(name) else {
            continue;
        };
        let (live, applied) = (step(live, name), step(applied, name));
        if is_leaf(sub) || is_leaf(other) {
            // An empty object or list only says that it exists: what others put in stays theirs.
            let nested = matches!(
                (live, applied),
                (Some(Value::Object(_)), Some(Value::Object(_)))
            ) || (is_leaf(sub) != is_leaf(other)
                && matches!(
                    (live, applied),
                    (Some(Value::Array(_)), Some(Value::Array(_)))
                ));
            if live != applied && !nested {
                // All of theirs, so that nothing below a replaced value stays theirs.
                found.insert(name.clone(), other.clone());
            }
        } else {
            let inner = contested(sub, other, live, applied);
            if !is_leaf(&inner) {
                found.insert(name.clone(), inner);
            }
        }
    }
    Value::Object(found)
}

/// The leaves of a set as people write field paths.
pub(crate) fn paths(set: &Value) -> Vec<String> {
    let Some(map) = set.as_object().filter(|m| !m.is_empty()) else {
        return vec![String::new()];
    };
    map.iter()
        .flat_map(|(name, sub)| {
            paths(sub)
                .into_iter()
                .map(move |rest| format!("{}{rest}", readable(name)))
        })
        .collect()
}

fn readable(name: &str) -> String {
    match name.split_once(':') {
        Some(("f", field)) => format!(".{field}"),
        Some((_, key)) => format!("[{key}]"),
        None => name.to_owned(),
    }
}

fn step<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    match name.split_once(':')? {
        ("f", field) => value?.get(field),
        ("k", key) => {
            let index = position(value?.as_array()?, key)?;
            value?.get(index)
        }
        (_, item) => {
            let wanted = encoded(item)?;
            value?.as_array()?.iter().find(|v| **v == wanted)
        }
    }
}

/// The item of a set whose name carries it as JSON.
fn encoded(item: &str) -> Option<Value> {
    serde_json::from_str(item).ok()
}

fn position(list: &[Value], key: &str) -> Option<usize> {
    let wanted: Value = serde_json::from_str(key).ok()?;
    let wanted = wanted.as_object()?;
    list.iter().position(|item| {
        wanted
            .iter()
            .all(|(k, v)| item.get(k).unwrap_or(&Value::Null) == v)
    })
}
