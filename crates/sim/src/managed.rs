//! managedFields: who set which field. Server-side apply needs it; other writes only keep it.

use serde_json::{Value, json};

use crate::{
    fields::{self, Shape, View},
    json,
    refusal::Refusal,
};

/// Who writes, and how.
pub(crate) struct Manager<'a> {
    pub(crate) name: &'a str,
    pub(crate) apply: bool,
    pub(crate) api_version: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) stamp: &'a str,
}

impl Manager<'_> {
    fn operation(&self) -> &'static str {
        if self.apply { "Apply" } else { "Update" }
    }

    fn is(&self, entry: &Value) -> bool {
        json::text(entry, &["manager"]) == self.name
            && json::text(entry, &["operation"]) == self.operation()
            && json::text(entry, &["subresource"]) == self.subresource
    }

    fn entry(&self, set: &Value) -> Value {
        let mut entry = json!({
            "manager": self.name, "operation": self.operation(), "apiVersion": self.api_version,
            "time": self.stamp, "fieldsType": "FieldsV1", "fieldsV1": set,
        });
        if !self.subresource.is_empty() {
            entry["subresource"] = json!(self.subresource);
        }
        entry
    }
}

fn entries(object: &Value) -> Vec<Value> {
    json::items(object, &["metadata", "managedFields"]).to_vec()
}

/// The managedFields after a write that is no apply: what changed belongs to the writer, what is gone to nobody.
pub(crate) fn after_update(
    old: Option<&Value>,
    new: &Value,
    schema: &Value,
    manager: &Manager<'_>,
) -> Value {
    let shape = Shape::root(schema);
    let changed = fields::changed(old, new, shape, View::Update);
    // Seen from the new object: what the old one has and it has not, or has otherwise.
    let gone = old.map_or(json!({}), |old| {
        fields::changed(Some(new), old, shape, View::Update)
    });
    let mut kept = Vec::new();
    let mut mine = changed.clone();
    for mut entry in old.map(entries).unwrap_or_default() {
        let set = fields::minus(&entry["fieldsV1"], &gone);
        if manager.is(&entry) {
            let mut set = set;
            fields::union(&mut set, &changed);
            mine = set;
            continue;
        }
        let set = fields::minus(&set, &changed);
        if !fields::is_leaf(&set) {
            entry["fieldsV1"] = set;
            kept.push(entry);
        }
    }
    if !fields::is_leaf(&mine) {
        kept.push(manager.entry(&mine));
    }
    ordered(kept)
}

/// Server-side apply: the new object with its managedFields, or the conflict with other managers.
pub(crate) fn apply(
    live: &Value,
    applied: &Value,
    schema: &Value,
    manager: &Manager<'_>,
    force: bool,
) -> Result<Value, Refusal> {
    let shape = Shape::root(schema);
    let wanted = fields::all(applied, shape, View::Apply);
    let (mine, mut others): (Vec<Value>, Vec<Value>) =
        entries(live).into_iter().partition(|e| manager.is(e));

    let mut causes = Vec::new();
    for other in &mut others {
        let contested = fields::contested(&wanted, &other["fieldsV1"], Some(live), Some(applied));
        if fields::is_leaf(&contested) {
            continue;
        }
        let message = format!("conflict with {}", described(other));
        causes.extend(fields::paths(&contested).into_iter().map(
            |field| json!({"reason": "FieldManagerConflict", "message": message, "field": field}),
        ));
        other["fieldsV1"] = fields::minus(&other["fieldsV1"], &contested);
    }
    if !causes.is_empty() && !force {
        let message = conflict_message(&causes);
        return Err(Refusal::new(409, "Conflict", message).with_causes(causes));
    }
    others.retain(|e| !fields::is_leaf(&e["fieldsV1"]));

    let mut next = live.clone();
    let unchanged = mine.first().is_some_and(|e| e["fieldsV1"] == wanted);
    if let Some(before) = mine.first().filter(|_| !unchanged) {
        let mut dropped = fields::minus(&before["fieldsV1"], &wanted);
        for other in &others {
            dropped = fields::minus(&dropped, &other["fieldsV1"]);
        }
        fields::prune(&mut next, &dropped);
    }
    fields::overlay(&mut next, applied, shape);

    let entry = match mine.into_iter().next() {
        Some(entry) if unchanged => entry,
        _ => manager.entry(&wanted),
    };
    let mut all = others;
    all.push(entry);
    json::set(&mut next, &["metadata", "managedFields"], ordered(all));
    Ok(next)
}

/// One conflict in one line, more of them as a list for each manager.
fn conflict_message(causes: &[Value]) -> String {
    let (with, field) = (
        |c: &Value| json::text(c, &["message"]).to_owned(),
        |c: &Value| json::text(c, &["field"]).to_owned(),
    );
    if let [only] = causes {
        return format!(
            "Apply failed with 1 conflict: {}: {}",
            with(only),
            field(only)
        );
    }
    let mut lines: Vec<String> = Vec::new();
    let mut manager = String::new();
    for cause in causes {
        if with(cause) != manager {
            manager = with(cause);
            let many = manager.replacen("conflict", "conflicts", 1);
            lines.push(format!("{many}:"));
        }
        lines.push(format!("- {}", field(cause)));
    }
    let (count, lines) = (causes.len(), lines.join("\n"));
    format!("Apply failed with {count} conflicts: {lines}")
}

/// A manager as the message of a conflict names it.
fn described(entry: &Value) -> String {
    let mut text = format!("{:?}", json::text(entry, &["manager"]));
    let subresource = json::text(entry, &["subresource"]);
    if !subresource.is_empty() {
        text = format!("{text} with subresource {subresource:?}");
    }
    if json::text(entry, &["operation"]) == "Update" {
        text = format!("{text} using {}", json::text(entry, &["apiVersion"]));
    }
    text
}

/// Entries as the server keeps them: applies first, then by time and name, and none without a field.
fn ordered(mut entries: Vec<Value>) -> Value {
    entries.retain(|e| !fields::is_leaf(&e["fieldsV1"]));
    let key = |e: &Value| {
        ["operation", "time", "manager", "subresource"].map(|f| json::text(e, &[f]).to_owned())
    };
    entries.sort_by_cached_key(key);
    Value::from(entries)
}
