//! The JSON paths that printer columns use: members, indexes, `[*]`, quoted members and one equality filter.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Member(String),
    Index(usize),
    All,
    Where { path: Vec<String>, equals: String },
}

/// A parsed path. What cannot be parsed selects nothing, as an empty cell is better than a refused list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonPath(Vec<Step>);

impl JsonPath {
    /// Parses `.a.b[0].c`, `.a['b']`, `.a.b\.c`, `.a[*]`, `.a[?(@.type=="Ready")].status`, with or without braces.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim().trim_start_matches('{').trim_end_matches('}');
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = match rest.as_bytes() {
                [b'.', ..] => member(&rest[1..]),
                [b'[', ..] => bracket(&rest[1..]),
                _ => member(rest),
            };
            if let Some(step) = step {
                steps.push(step);
            }
            // A parser that consumes nothing would never end.
            if after.len() == rest.len() {
                break;
            }
            rest = after;
        }
        Self(steps)
    }

    /// Every value the path selects.
    pub(crate) fn select<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|v| step.apply(v)).collect();
        }
        found
    }
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Step::Member(name) => value.get(name).into_iter().collect(),
            Step::Index(i) => value.get(i).into_iter().collect(),
            Step::All => match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Step::Where { path, equals } => value
                .as_array()
                .into_iter()
                .flatten()
                .filter(|item| {
                    let field = path.iter().try_fold(*item, |v, name| v.get(name));
                    let text = field.map(|v| match v {
                        Value::String(s) => s.clone(),
                        other => other.to_string(),
                    });
                    text.as_ref() == Some(equals)
                })
                .collect(),
        }
    }
}

fn member(text: &str) -> (Option<Step>, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => {
                if let Some((_, escaped)) = chars.next() {
                    name.push(escaped);
                }
            }
            '.' | '[' => return (named(name), &text[i..]),
            _ => name.push(c),
        }
    }
    (named(name), "")
}

fn named(name: String) -> Option<Step> {
    match name.as_str() {
        "" => None,
        "*" => Some(Step::All),
        _ => Some(Step::Member(name)),
    }
}

fn bracket(text: &str) -> (Option<Step>, &str) {
    let close = if text.starts_with("?(") { ")]" } else { "]" };
    let Some(end) = text.find(close) else {
        return (None, "");
    };
    let (inner, rest) = (&text[..end], &text[end + close.len()..]);
    let step = if let Some(filter) = inner.strip_prefix("?(") {
        filter.split_once("==").map(|(left, right)| Step::Where {
            path: left
                .trim()
                .trim_start_matches('@')
                .split('.')
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect(),
            equals: right.trim().trim_matches(['"', '\'']).to_owned(),
        })
    } else if inner == "*" {
        Some(Step::All)
    } else if let Ok(index) = inner.parse() {
        Some(Step::Index(index))
    } else {
        named(inner.trim_matches(['"', '\'']).to_owned())
    };
    (step, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first(path: &str) -> Option<Value> {
        let object = json!({
            "metadata": {"labels": {"kubefed.io/managed": "true"}},
            "status": {"conditions": [
                {"type": "Healthy", "status": "False"}, {"type": "Ready", "status": "True"},
            ]},
        });
        JsonPath::parse(path)
            .select(&object)
            .first()
            .map(|v| (*v).clone())
    }

    #[test]
    fn a_condition_is_selected_by_its_type() {
        assert_eq!(
            first(r#".status.conditions[?(@.type=="Ready")].status"#),
            Some(json!("True"))
        );
        assert_eq!(
            first(".status.conditions[?(@.type=='Healthy')].status"),
            Some(json!("False"))
        );
        assert_eq!(
            first(r#".status.conditions[?(@.type=="Absent")].status"#),
            None
        );
    }

    #[test]
    fn dots_in_a_label_key_are_escaped_or_quoted() {
        assert_eq!(
            first(r".metadata.labels.kubefed\.io/managed"),
            Some(json!("true"))
        );
        assert_eq!(
            first(".metadata.labels['kubefed.io/managed']"),
            Some(json!("true"))
        );
    }

    #[test]
    fn an_index_selects_one_item() {
        assert_eq!(first("{.status.conditions[1].type}"), Some(json!("Ready")));
        assert_eq!(first(".status.conditions[7].type"), None);
    }

    #[test]
    fn a_broken_path_selects_nothing_and_ends() {
        assert_eq!(
            first(".status.conditions[?(@.type"),
            first(".status.conditions")
        );
    }
}
