//! Label and field selectors.

use serde_json::Value;

use crate::{json, refusal::Refusal};

#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// Which objects a list or watch covers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(Vec<String>, String, bool)>,
}

impl Selector {
    /// Parses `labelSelector` and `fieldSelector` of a request.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, Refusal> {
        Ok(Self {
            labels: parse_labels(labels)?,
            fields: parse_fields(fields)?,
        })
    }

    /// Whether everything is selected, so that no object needs to be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|r| r.matches(object))
            && self.fields.iter().all(|(path, value, equal)| {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                (json::text(object, &path) == value) == *equal
            })
    }
}

impl Requirement {
    fn matches(&self, object: &Value) -> bool {
        match self {
            Self::In(key, values) => {
                json::label(object, key).is_some_and(|v| values.iter().any(|w| w == v))
            }
            Self::NotIn(key, values) => {
                json::label(object, key).is_none_or(|v| values.iter().all(|w| w != v))
            }
            Self::Exists(key) => json::label(object, key).is_some(),
            Self::Absent(key) => json::label(object, key).is_none(),
        }
    }
}

/// `metav1.LabelSelector` as KubeFed's placements and admission bindings use it.
pub(crate) fn label_selector_matches(selector: &Value, object: &Value) -> bool {
    let equal = json::at(selector, &["matchLabels"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .all(|(key, value)| json::label(object, key) == value.as_str());
    equal
        && json::items(selector, &["matchExpressions"])
            .iter()
            .all(|e| {
                let key = json::text(e, &["key"]).to_owned();
                let values = json::items(e, &["values"])
                    .iter()
                    .filter_map(|v| v.as_str().map(str::to_owned))
                    .collect();
                match json::text(e, &["operator"]) {
                    "In" => Requirement::In(key, values).matches(object),
                    "NotIn" => Requirement::NotIn(key, values).matches(object),
                    "Exists" => Requirement::Exists(key).matches(object),
                    "DoesNotExist" => Requirement::Absent(key).matches(object),
                    _ => false,
                }
            })
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Refusal> {
    split_outside_parentheses(text)
        .into_iter()
        .map(|part| {
            requirement(part.trim()).ok_or_else(|| {
                Refusal::bad_request(format!(
                    "unable to parse requirement: {part:?} of the label selector"
                ))
            })
        })
        .collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    let key = |text: &str| {
        let text = text.trim();
        let plain = !text.is_empty() && !text.contains([' ', '(', ')', '=', '!', ',']);
        plain.then(|| text.to_owned())
    };
    if let Some((left, right)) = part.split_once("!=") {
        return Some(Requirement::NotIn(
            key(left)?,
            vec![right.trim().to_owned()],
        ));
    }
    if let Some((left, right)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(key(left)?, vec![right.trim().to_owned()]));
    }
    if let Some((left, values)) = part.split_once('(') {
        let values = values.strip_suffix(')')?;
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        let left = left.trim();
        return match left.rsplit_once(' ')? {
            (name, "in") => Some(Requirement::In(key(name)?, values)),
            (name, "notin") => Some(Requirement::NotIn(key(name)?, values)),
            _ => None,
        };
    }
    match part.strip_prefix('!') {
        Some(name) => Some(Requirement::Absent(key(name)?)),
        None => Some(Requirement::Exists(key(part)?)),
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|p| !p.trim().is_empty());
    parts
}

/// Fields that may be selected: the two every kind has, and those that core kinds add for kubectl.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "status.phase",
    "type",
    "reason",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "regarding.kind",
    "regarding.name",
    "regarding.namespace",
    "regarding.uid",
];

fn parse_fields(text: &str) -> Result<Vec<(Vec<String>, String, bool)>, Refusal> {
    text.split(',')
        .filter(|p| !p.trim().is_empty())
        .map(|part| {
            let (field, value, equal) = if let Some((f, v)) = part.split_once("!=") {
                (f, v, false)
            } else if let Some((f, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (f, v, true)
            } else {
                return Err(Refusal::bad_request(format!(
                    "invalid field selector: {part:?}"
                )));
            };
            let field = field.trim();
            if !FIELDS.contains(&field) {
                return Err(Refusal::bad_request(format!(
                    "field label not supported: {field}"
                )));
            }
            // Events are stored once, in their core/v1 shape.
            let stored = field.replacen("regarding.", "involvedObject.", 1);
            let path = stored.split('.').map(str::to_owned).collect();
            Ok((path, value.trim().to_owned(), equal))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(labels: &str) -> bool {
        let object =
            json!({"metadata": {"name": "pay-1", "labels": {"app": "web", "tier": "gold"}}});
        Selector::parse(labels, "").unwrap().matches(&object)
    }

    #[test]
    fn label_requirements_follow_the_grammar_of_kubectl() {
        for yes in [
            "app=web",
            "app==web,tier!=silver",
            "app in (api, web)",
            "other notin (a)",
            "tier",
            "!other",
            "",
        ] {
            assert!(selects(yes), "{yes} should select");
        }
        for no in [
            "app=api",
            "app!=web",
            "app in (api)",
            "app notin (web,api)",
            "other",
            "!app",
        ] {
            assert!(!selects(no), "{no} should not select");
        }
    }

    #[test]
    fn a_selector_that_cannot_be_parsed_is_a_bad_request() {
        assert_eq!(Selector::parse("app in web", "").unwrap_err().code, 400);
        assert_eq!(
            Selector::parse("", "spec.manager=admin").unwrap_err().code,
            400
        );
    }
}
