//! Tables: what `kubectl get` prints, computed by the server from the kind's columns.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    clock, json,
    kinds::{Column, Kind},
};

/// What each row carries beside its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    None,
    Metadata,
    Object,
}

/// The table of some objects.
pub(crate) fn of(
    kind: &Kind,
    version: &str,
    objects: &[Arc<Value>],
    detail: Detail,
    now: Timestamp,
) -> Value {
    let columns: &[Column] = kind.version(version).map_or(&[], |v| v.columns.as_slice());
    let mut definitions = vec![json!({
        "name": "Name", "type": "string", "format": "name", "priority": 0,
        "description": "Name must be unique within a namespace.",
    })];
    definitions.extend(columns.iter().map(|c| {
        json!({
            "name": c.name, "type": c.kind, "format": "", "priority": c.priority,
            "description": c.description,
        })
    }));
    let rows: Vec<Value> = objects
        .iter()
        .map(|o| row(columns, o, detail, now))
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": ""},
        "columnDefinitions": definitions, "rows": rows,
    })
}

fn row(columns: &[Column], object: &Arc<Value>, detail: Detail, now: Timestamp) -> Value {
    let mut cells = vec![json!(json::meta(object, "name"))];
    cells.extend(columns.iter().map(|c| cell(c, object, now)));
    let mut row = json!({"cells": cells});
    match detail {
        Detail::None => {}
        Detail::Metadata => {
            row["object"] = json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            });
        }
        Detail::Object => row["object"] = Value::clone(object),
    }
    row
}

fn cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    let found = column.path.select(object);
    let Some(first) = found.first() else {
        // A column of text is empty, others have no value; this is what custom resources print.
        return if column.kind == "date" {
            json!("<unknown>")
        } else {
            Value::Null
        };
    };
    match column.kind.as_str() {
        "date" => json!(age(first, now)),
        "integer" | "number" | "boolean" if !first.is_null() => (*first).clone(),
        _ => json!(found.iter().map(|v| plain(v)).collect::<Vec<_>>().join(",")),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn age(value: &Value, now: Timestamp) -> String {
    match value.as_str().and_then(|t| t.parse::<Timestamp>().ok()) {
        Some(at) => human(clock::age(now, at).as_secs()),
        None => "<unknown>".to_owned(),
    }
}

/// An age as kubectl writes it: two units while small, one when large.
pub fn human(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: u64, unit: char, small: u64, lesser: char| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{lesser}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, 'y', days % 365, 'd'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        for (seconds, text) in [
            (41, "41s"),
            (125, "2m5s"),
            (700, "11m"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (172_800, "2d"),
            (1_036_800, "12d"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }
}
