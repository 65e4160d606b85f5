//! The values: each described, each in the schema, nothing else in either.

use std::{collections::BTreeSet, fs};

use federation_health_tests::{helm::chart, manifests};
use serde_json::Value;

/// Paths of what a user can set: leaves, and maps whose keys are the user's own.
fn settable(prefix: &str, value: &Value, schema: &Value, paths: &mut BTreeSet<String>) {
    let closed = schema["additionalProperties"] == Value::Bool(false);
    match value {
        Value::Object(map) if closed => {
            for (key, value) in map {
                let path = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                settable(&path, value, &schema["properties"][key], paths);
            }
        }
        _ => {
            assert!(!schema.is_null(), "{prefix} is not in values.schema.json");
            paths.insert(prefix.to_owned());
        }
    }
}

fn in_schema(prefix: &str, schema: &Value, paths: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            assert_eq!(
                schema["additionalProperties"], false,
                "{prefix} lets any key pass: a typing error would go unnoticed"
            );
            for (key, inner) in properties {
                let path = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                in_schema(&path, inner, paths);
            }
        }
        None => {
            paths.insert(prefix.to_owned());
        }
    }
}

#[test]
fn values_schema_and_the_table_of_the_readme_name_the_same() {
    let read = |name: &str| fs::read_to_string(chart().join(name)).unwrap();
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let (mut of_values, mut of_schema) = (BTreeSet::new(), BTreeSet::new());
    settable("", &values, &schema, &mut of_values);
    in_schema("", &schema, &mut of_schema);
    // The condition of a dependency is read by Helm, not by the chart.
    assert!(of_schema.remove("enabled"));
    assert_eq!(of_values, of_schema, "values.yaml, then values.schema.json");

    let readme = read("README.md");
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let of_table: BTreeSet<String> = rows.map(str::to_owned).collect();
    assert_eq!(
        of_values, of_table,
        "values.yaml, then README.md: a value lacks its `# --`"
    );
}

#[test]
fn every_value_is_used_by_a_template() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap())
            .unwrap();
    let mut templates = String::new();
    let mut directories = vec![chart().join("templates")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                templates.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut paths = BTreeSet::new();
    in_schema("", &schema, &mut paths);
    // `global` and `policies.active` are read whole or by a computed key.
    let whole = [
        "enabled",
        "global",
        "policies.active.collection",
        "policies.active.federation",
    ];
    for path in paths.iter().filter(|p| !whole.contains(&p.as_str())) {
        assert!(
            templates.contains(&format!(".Values.{path}")),
            "{path} changes nothing"
        );
    }
    assert!(templates.contains("get .root.Values.policies.active $rule"));
}

#[test]
fn artifact_hub_is_told_of_every_crd() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let meta: Value = serde_saphyr::from_str(&text).unwrap();
    let listed = meta["annotations"]["artifacthub.io/crds"].as_str().unwrap();
    let listed: Vec<Value> = serde_saphyr::from_str(listed).unwrap();
    let name = |v: &Value| v.as_str().unwrap().to_owned();
    let named: BTreeSet<String> = listed.iter().map(|c| name(&c["name"])).collect();
    let shipped = manifests::files("config/crd").unwrap().into_iter();
    let shipped: BTreeSet<String> = shipped
        .map(|file| serde_saphyr::from_str::<Value>(&file.text).unwrap())
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .map(|object| name(&object["metadata"]["name"]))
        .collect();
    assert_eq!(named, shipped);
}
