//! The policies beside the hold: as shipped for one account and object, and every way of not being so.

use serde_json::json;

use super::super::{
    Installed,
    guards::{FENCE, FILES, JOIN, OBJECTS, all, altered, fenced},
    shipped,
};

const OWN: &str = "system:serviceaccount:guards:watchman";

/// As the chart makes them for another namespace, account and object.
fn served() -> Installed {
    let mut installed = Installed::default();
    for mut document in shipped::documents(&FILES).unwrap() {
        shipped::replace(
            &mut document,
            "federation-health-system:federation-health",
            "guards:watchman",
        );
        if document["spec"]["paramRef"].is_object() {
            document["spec"]["paramRef"]["name"] = json!("other");
        }
        let name = document["metadata"]["name"].as_str().unwrap().to_owned();
        match document["kind"].as_str().unwrap() {
            "ValidatingAdmissionPolicy" => installed.policies.insert(name, document),
            _ => installed.bindings.insert(name, document),
        };
    }
    installed
}

fn faults(installed: &Installed, account: &str, object: &str) -> Vec<String> {
    let found = all()
        .into_iter()
        .flat_map(|name| altered(installed, name, account, object).unwrap());
    found.collect()
}

#[test]
fn every_policy_of_the_files_is_looked_at_and_as_shipped() {
    let installed = served();
    let names: Vec<&str> = installed.policies.keys().map(String::as_str).collect();
    let mut known = all();
    known.sort_unstable();
    assert_eq!(names, known, "a policy that nobody compares");
    assert_eq!(faults(&installed, OWN, "other"), Vec::<String>::new());
    assert_eq!(fenced(&installed), Some(OWN));
}

#[test]
fn a_fence_around_another_account_is_none() {
    let found = faults(&served(), "system:serviceaccount:guards:other", "other");
    for name in FENCE.into_iter().chain([OBJECTS[1]]) {
        assert!(found.iter().any(|f| f.contains(name)), "{name}: {found:?}");
    }
}

#[test]
fn a_join_guard_that_reads_another_object_is_told() {
    let found = faults(&served(), OWN, "default");
    let expected =
        JOIN.map(|name| format!("ValidatingAdmissionPolicyBinding {name} (spec.paramRef.name)"));
    assert_eq!(found, expected);
}

#[test]
fn what_is_loosened_is_named_with_its_field() {
    let mut installed = served();
    installed.policies.get_mut(FENCE[1]).unwrap()["spec"]["failurePolicy"] = json!("Ignore");
    installed.bindings.get_mut(FENCE[2]).unwrap()["spec"]["validationActions"] = json!(["Audit"]);
    installed.bindings.get_mut(OBJECTS[0]).unwrap()["spec"]["matchResources"] =
        json!({"objectSelector": {"matchLabels": {"a": "b"}}});
    assert_eq!(
        faults(&installed, OWN, "other"),
        [
            format!(
                "ValidatingAdmissionPolicyBinding {} (spec.matchResources)",
                OBJECTS[0]
            ),
            format!(
                "ValidatingAdmissionPolicy {} (spec.failurePolicy)",
                FENCE[1]
            ),
            format!(
                "ValidatingAdmissionPolicyBinding {} (spec.validationActions[0])",
                FENCE[2]
            ),
        ]
    );
}
