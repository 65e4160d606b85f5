//! Compares the answers of two servers step by step.

use serde_json::Value;

use super::{known::Known, script::Answer};

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// One text for each step whose answers differ without a reason: the step, the places, both answers.
    pub mismatches: Vec<String>,
    /// How many differences the table explained.
    pub explained: usize,
    /// Rows of the table that explained none.
    pub unused: Vec<Known>,
}

/// Compares answers to the same steps.
pub fn compare(simulated: &[Answer], real: &[Answer], known: &[Known]) -> Comparison {
    let mut found = Comparison::default();
    let mut used = vec![false; known.len()];
    for (ours, theirs) in simulated.iter().zip(real) {
        let mut places = Vec::new();
        for place in differences(&ours.value, &theirs.value) {
            let row = known
                .iter()
                .position(|k| k.explains(&theirs.step, &place.path));
            if let Some(row) = row {
                used[row] = true;
                found.explained += 1;
            } else {
                places.push(place.to_string());
            }
        }
        if !places.is_empty() {
            found.mismatches.push(format!(
                "step {:?}\n  {}\n  simulation: {}\n  real server: {}",
                theirs.step,
                places.join("\n  "),
                ours.value,
                theirs.value
            ));
        }
    }
    if simulated.len() != real.len() {
        let (ours, theirs) = (simulated.len(), real.len());
        found.mismatches.push(format!(
            "the simulation answered {ours} steps, the real server {theirs}"
        ));
    }
    let rows = known.iter().zip(used);
    found.unused = rows.filter(|(_, used)| !used).map(|(k, _)| *k).collect();
    found
}

/// A place in which two answers differ.
#[derive(Debug, PartialEq)]
struct Difference {
    path: String,
    simulated: Option<Value>,
    real: Option<Value>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |v: &Option<Value>| v.as_ref().map_or("nothing".to_owned(), Value::to_string);
        let (ours, theirs) = (text(&self.simulated), text(&self.real));
        write!(f, "{}: {ours} here, {theirs} there", self.path)
    }
}

fn differences(simulated: &Value, real: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(simulated), Some(real), &mut found);
    found
}

fn walk(path: &str, ours: Option<&Value>, theirs: Option<&Value>, found: &mut Vec<Difference>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        }
    };
    match (ours, theirs) {
        (a, b) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                walk(&below(name), a.get(name), b.get(name), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for i in 0..a.len().max(b.len()) {
                walk(&below(&i.to_string()), a.get(i), b.get(i), found);
            }
        }
        _ => found.push(Difference {
            path: path.to_owned(),
            simulated: ours.cloned(),
            real: theirs.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(value: Value) -> Vec<Answer> {
        let step = "read".to_owned();
        vec![Answer { step, value }]
    }

    #[test]
    fn a_difference_is_a_mismatch_unless_the_table_explains_its_place() {
        let ours = answer(json!({"code": 200, "body": {"a": [1, 2], "b": 1}}));
        let theirs = answer(json!({"code": 200, "body": {"a": [1], "b": 1}}));
        let explained = Known {
            step: "re*",
            path: "body/a/1",
            why: "a test",
        };
        let found = compare(&ours, &theirs, &[]);
        assert_eq!(found.mismatches.len(), 1);
        assert!(found.mismatches[0].contains("body/a/1: 2 here, nothing there"));
        let found = compare(&ours, &theirs, &[explained]);
        assert_eq!((found.mismatches.len(), found.explained), (0, 1));
        let found = compare(&ours, &ours, &[explained]);
        assert_eq!(found.unused.len(), 1);
        assert_eq!(compare(&ours, &[], &[]).mismatches.len(), 1);
    }
}
