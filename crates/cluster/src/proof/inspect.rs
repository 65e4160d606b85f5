//! Is what the server has what we ship?
//!
//! Compared is everything that decides: every shipped field must be there and equal, and nothing may be there beside it but
//! the server's own defaults, because an added condition or selector narrows a policy without changing a shipped field.
//! Messages are not compared (a chart words them for its release), nor is the switch of a durable binding, which must only
//! stand in one of its two positions.

use federation_health_api::names;
use federation_health_core::assess::Proof;
use serde_json::{Map, Value, json};

use super::{Installed, Layer, Part, Shipped, Wanted};

/// Missing or altered policies and bindings among those that are wanted; None if all is as shipped.
pub fn inspect(shipped: &Shipped, installed: &Installed, wanted: &Wanted) -> Option<Proof> {
    let (mut missing, mut altered) = (Vec::new(), Vec::new());
    for part in wanted.parts() {
        let found = faults(shipped, installed, part, &wanted.plane);
        missing.extend(found.missing);
        altered.extend(found.altered);
    }
    if !missing.is_empty() {
        return Some(Proof::Missing(missing));
    }
    (!altered.is_empty()).then_some(Proof::Altered(altered))
}

/// What is wrong with one part: kinds and names, with the field where one differs.
pub(crate) struct Faults {
    pub(crate) missing: Vec<String>,
    pub(crate) altered: Vec<String>,
}

/// Compares the policy and the binding of one part with what is shipped.
pub(crate) fn faults(shipped: &Shipped, installed: &Installed, part: Part, plane: &str) -> Faults {
    let (mut missing, mut altered) = (Vec::new(), Vec::new());
    if let Some((policy, binding)) = shipped.specs.get(&part) {
        let name = part.name();
        let (policies, bindings) = (&installed.policies, &installed.bindings);
        for (kind, served, expected) in [
            ("ValidatingAdmissionPolicy", policies.get(name), policy),
            (
                "ValidatingAdmissionPolicyBinding",
                bindings.get(name),
                binding,
            ),
        ] {
            match served {
                None => missing.push(format!("{kind} {name}")),
                Some(object) => {
                    let difference = compare(part, expected, &object["spec"], plane);
                    altered.extend(difference.map(|field| format!("{kind} {name} ({field})")));
                }
            }
        }
    }
    Faults { missing, altered }
}

/// The first field that differs.
fn compare(part: Part, expected: &Value, served: &Value, plane: &str) -> Option<String> {
    let (mut expected, mut served) = (expected.clone(), served.clone());
    if part.layer == Layer::Durable {
        if served.get("policyName").is_some() {
            let position = take_switch(&mut served);
            let dormant = json!({"matchLabels": {names::CANARY_LABEL: part.canary()}});
            if !is_blank(&position) && position != dormant {
                return Some("spec.matchResources.objectSelector".to_owned());
            }
            take_switch(&mut expected);
        }
        if let Some(list) = planes(&mut served).filter(|list| names_plane(list, plane)) {
            // Any list that names the guarded plane will do: more of them are the chart's to add.
            if let Some(shipped) = planes(&mut expected) {
                *shipped = list.clone();
            }
        }
    }
    differs(&expected, &served)
}

fn take_switch(binding: &mut Value) -> Value {
    binding
        .get_mut("matchResources")
        .and_then(Value::as_object_mut)
        .and_then(|resources| resources.remove("objectSelector"))
        .unwrap_or_default()
}

/// Expression of the variable that lists the namespaces of control planes.
fn planes(policy: &mut Value) -> Option<&mut Value> {
    policy
        .get_mut("variables")?
        .as_array_mut()?
        .iter_mut()
        .find(|variable| variable["name"] == "planes")?
        .get_mut("expression")
}

/// Whether a CEL expression is a plain list of names with this one in it.
fn names_plane(expression: &Value, plane: &str) -> bool {
    let Some(list) = expression
        .as_str()
        .and_then(|text| text.trim().strip_prefix('[')?.strip_suffix(']'))
    else {
        return false;
    };
    let name = |item: &str| {
        let item = item.trim();
        let quoted = |q: char| item.strip_prefix(q).and_then(|rest| rest.strip_suffix(q));
        let name = quoted('\'').or_else(|| quoted('"'))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
    };
    let names: Option<Vec<String>> = list.split(',').map(name).collect();
    names.is_some_and(|names| names.iter().any(|name| name == plane))
}

/// The first field of two specs that differs.
pub(super) fn differs(expected: &Value, served: &Value) -> Option<String> {
    difference("spec", expected, served)
}

fn difference(path: &str, expected: &Value, served: &Value) -> Option<String> {
    match (expected, served) {
        (Value::Object(expected), Value::Object(served)) => fields(path, expected, served),
        (Value::Array(expected), Value::Array(served)) if expected.len() == served.len() => {
            expected
                .iter()
                .zip(served)
                .enumerate()
                .find_map(|(i, (e, s))| difference(&format!("{path}[{i}]"), e, s))
        }
        (Value::String(expected), Value::String(served)) if path.ends_with(".expression") => {
            // Where a YAML writer breaks lines does not matter to CEL.
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            let (expected, served): (Vec<_>, Vec<_>) = (words(expected), words(served));
            (expected != served).then(|| path.to_owned())
        }
        _ => (expected != served).then(|| path.to_owned()),
    }
}

fn fields(
    path: &str,
    expected: &Map<String, Value>,
    served: &Map<String, Value>,
) -> Option<String> {
    let words = |key: &str| matches!(key, "message" | "messageExpression");
    let differs = expected
        .iter()
        .filter(|(key, _)| !words(key))
        .find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            match served.get(key) {
                Some(served) => difference(&path, value, served),
                None => (!is_blank(value)).then_some(path),
            }
        });
    differs.or_else(|| {
        let added = |(key, value): &(&String, &Value)| {
            !expected.contains_key(*key) && !words(key) && !is_default(key, value)
        };
        let (key, _) = served.iter().find(added)?;
        Some(format!("{path}.{key}"))
    })
}

/// What an API server fills in by itself: empty selectors, and the one match policy that misses nothing.
fn is_default(key: &str, value: &Value) -> bool {
    is_blank(value) || (key == "matchPolicy" && value == "Equivalent")
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_blank),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
