//! Changing values by sets of fields: taking fields out, and laying an applied object over a live one.

use serde_json::Value;

use super::{ListKind, Shape, encoded, is_leaf, key_of, position};

/// Takes the fields of `set` out of `value`; objects that become empty by it go as well.
pub(crate) fn prune(value: &mut Value, set: &Value) {
    let Some(set) = set.as_object() else { return };
    for (name, sub) in set {
        match name.split_once(':') {
            Some(("f", field)) => prune_member(value, field, sub),
            Some(("k", key)) => prune_item(value, key, sub),
            Some((_, item)) => {
                if let (Some(list), Some(wanted)) = (value.as_array_mut(), encoded(item)) {
                    list.retain(|v| *v != wanted);
                }
            }
            None => {}
        }
    }
}

fn prune_member(value: &mut Value, field: &str, sub: &Value) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    let gone = is_leaf(sub)
        || map.get_mut(field).is_some_and(|inner| {
            prune(inner, sub);
            match inner {
                Value::Object(m) => m.is_empty(),
                Value::Array(l) => l.is_empty(),
                _ => false,
            }
        });
    if gone {
        map.remove(field);
    }
}

fn prune_item(value: &mut Value, key: &str, sub: &Value) {
    let Some(list) = value.as_array_mut() else {
        return;
    };
    if let Some(index) = position(list, key) {
        if sub.get(".").is_some() {
            list.remove(index);
        } else {
            prune(&mut list[index], sub);
        }
    }
}

/// Lays `applied` over `live`: members and list-map items are merged, all else is replaced.
pub(crate) fn overlay(live: &mut Value, applied: &Value, shape: Shape<'_>) {
    match (live, applied) {
        (Value::Object(target), Value::Object(source)) => {
            for (name, value) in source {
                match target.get_mut(name) {
                    Some(inner) => overlay(inner, value, shape.member(name)),
                    None => {
                        target.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(target), Value::Array(source)) => match shape.list() {
            ListKind::Map(keys) => {
                for item in source {
                    let wanted = key_of(item, &keys);
                    match target.iter_mut().find(|t| key_of(t, &keys) == wanted) {
                        Some(inner) => overlay(inner, item, shape.item()),
                        None => target.push(item.clone()),
                    }
                }
            }
            ListKind::Set => {
                for item in source {
                    if !target.contains(item) {
                        target.push(item.clone());
                    }
                }
            }
            ListKind::Atomic => target.clone_from(source),
        },
        (live, applied) => *live = applied.clone(),
    }
}
