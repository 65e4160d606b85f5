//! The shipped examples against our own types and rules.

use std::collections::BTreeSet;

use federation_health_api::{FederationHealth, foreign, v1alpha1::definition};
use federation_health_core::{
    assess::{Proof, Truth},
    facts::{Change, Feed, FeedState},
    federation::Federation,
    objects::FEDERATED_WORKSPACE,
    time::Time,
    words::ConditionType,
};
use federation_health_index::{facts, policy};
use federation_health_tests::{
    guarded::root,
    manifests::{File, files},
};
use serde_json::Value;

/// Which field a server would drop, not refuse, is known to the server alone: `kubectl apply` asks it to be strict.
const BY_SERVER_ALONE: &str = "unknown field";

fn parse(file: &File) -> Result<FederationHealth, String> {
    serde_saphyr::from_str(&file.text).map_err(|error| error.to_string())
}

#[test]
fn every_example_is_accepted() {
    let examples: Vec<File> = files("examples")
        .unwrap()
        .into_iter()
        .chain(files("config/samples").unwrap())
        .collect();
    let mut seen = BTreeSet::new();
    for file in examples.iter().filter(|f| f.name != "kustomization.yaml") {
        let object = parse(file).unwrap_or_else(|error| panic!("{}: {error}", file.name));
        policy::settings(&object).unwrap_or_else(|error| panic!("{}: {error}", file.name));
        assert_eq!(
            object.metadata.name.as_deref(),
            Some("default"),
            "{}: the policies read `default`",
            file.name
        );
        assert!(file.refusal().is_none(), "{}", file.name);
        assert!(
            file.text.starts_with("# "),
            "{}: says nothing of what it does",
            file.name
        );
        seen.insert(file.name.as_str());
    }
    assert_eq!(
        seen,
        BTreeSet::from([
            "always.yaml",
            "federationhealth.yaml",
            "hold.yaml",
            "join-guard.yaml",
            "observe.yaml",
            "request.yaml"
        ])
    );
}

#[test]
fn the_observing_example_writes_out_the_defaults() {
    let examples = files("examples").unwrap();
    let observe = examples.iter().find(|f| f.name == "observe.yaml").unwrap();
    assert_eq!(
        parse(observe).unwrap().spec,
        FederationHealth::default().spec
    );
}

#[test]
fn what_the_api_server_refuses_is_refused_without_it() {
    let invalid = files("examples/invalid").unwrap();
    assert!(invalid.len() >= 80, "{} examples", invalid.len());
    let mut accepted = Vec::new();
    for file in &invalid {
        let message = file
            .refusal()
            .unwrap_or_else(|| panic!("{}: the first line tells no message", file.name));
        let refused = parse(file)
            .and_then(|object| policy::settings(&object).map_err(|e| e.to_string()))
            .is_err();
        if !refused && !message.starts_with(BY_SERVER_ALONE) {
            accepted.push(&file.name);
        }
    }
    assert!(
        accepted.is_empty(),
        "accepted although a server refuses them: {accepted:?}"
    );
}

/// Each bound and rule of the CRD's spec, as the server's message names it.
fn rules(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    for (key, text) in [
        ("minimum", "greater than or equal to"),
        ("maximum", "less than or equal to"),
        ("minLength", "at least"),
        ("maxLength", "more than"),
        ("maxItems", "at most"),
        ("maxProperties", "at most"),
        ("enum", "supported values"),
    ] {
        if schema.get(key).is_some() {
            found.push((path.to_owned(), text.to_owned()));
        }
    }
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        found.push((
            path.to_owned(),
            rule["message"].as_str().unwrap().to_owned(),
        ));
    }
    for field in schema["required"].as_array().into_iter().flatten() {
        found.push((
            format!("{path}.{}", field.as_str().unwrap()),
            "Required value".to_owned(),
        ));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        rules(property, &format!("{path}.{name}"), found);
    }
    if schema["items"].is_object() {
        rules(&schema["items"], &format!("{path}[]"), found);
    }
}

#[test]
fn every_rule_of_the_crd_has_an_example_that_breaks_it() {
    let crd = serde_json::to_value(definition()).unwrap();
    let mut wanted = Vec::new();
    rules(
        &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"],
        "spec",
        &mut wanted,
    );
    assert!(wanted.len() > 60, "{} rules", wanted.len());
    let examples = files("examples/invalid").unwrap();
    let messages: Vec<&str> = examples.iter().filter_map(File::refusal).collect();
    let lacking: Vec<_> = wanted
        .iter()
        .filter(|(path, text)| {
            let field = path.replace("[]", "[0]");
            // A bound's message begins with its field, a rule's is one of a kind.
            let names = |m: &str| {
                let rest = m.strip_prefix(&field).unwrap_or_default();
                rest.starts_with(": ") || rest.starts_with(" in body")
            };
            !messages
                .iter()
                .any(|m| m == text || names(m) && m.contains(text.as_str()))
        })
        .collect();
    assert!(lacking.is_empty(), "no example breaks: {lacking:#?}");
}

#[test]
fn the_shipped_crd_is_the_generated_one() {
    let text = std::fs::read_to_string(root().join("config/crd/federationhealths.yaml")).unwrap();
    let shipped: Value = serde_saphyr::from_str(&text).unwrap();
    // Through text, as crdgen does it: YAML has one kind of number, JSON two.
    let generated = serde_saphyr::to_string(&definition()).unwrap();
    assert_eq!(
        shipped,
        serde_saphyr::from_str::<Value>(&generated).unwrap()
    );
}

#[test]
fn the_incident_is_named_from_its_manifests_alone() {
    let read =
        |name: &str| std::fs::read_to_string(root().join("examples/incident").join(name)).unwrap();
    let registrations: Vec<foreign::KubeFedCluster> =
        serde_saphyr::from_multiple(&read("registrations.yaml")).unwrap();
    let templates: Vec<foreign::FederatedObject> =
        serde_saphyr::from_multiple(&read("workspaces.yaml")).unwrap();
    let now = Time(1_000_000);
    let mut federation = Federation::default();
    let object = parse(
        files("examples")
            .unwrap()
            .iter()
            .find(|f| f.name == "observe.yaml")
            .unwrap(),
    )
    .unwrap();
    federation.set_policy(policy::settings(&object).unwrap().policy, now);
    for feed in [
        Feed::Registrations,
        Feed::Configs,
        Feed::Types,
        Feed::Clusters,
        Feed::Templates,
        Feed::Workspaces,
        Feed::Namespaces,
        Feed::Controllers,
        Feed::Federated(FEDERATED_WORKSPACE.into()),
    ] {
        federation.apply(Change::Feed(feed, FeedState::Synced), now);
    }
    for registration in &registrations {
        let (key, facts) = facts::registration(registration);
        federation.apply(Change::Registration(key, Some(facts)), now);
    }
    for template in &templates {
        let (key, desired) = facts::desired(template).unwrap();
        federation.apply(
            Change::Template(key.name.clone(), Some(desired.clone())),
            now,
        );
        // KubeSphere copies a template's placement to the FederatedWorkspace of its name.
        federation.apply(
            Change::Federated(FEDERATED_WORKSPACE.into(), key, Some(desired)),
            now,
        );
    }
    let assessment = federation.assess(now, &Proof::default());
    let unique = assessment.condition(ConditionType::ClustersUnique).unwrap();
    assert_eq!(unique.status, Truth::False, "{unique:?}");
    for name in ["host", "produce-trt"] {
        assert!(unique.message.contains(name), "{}", unique.message);
    }
    let finding = &assessment.findings[0].0;
    println!("{finding:#?}\n{:?}", assessment.radius);
    let told = format!("{finding:?}");
    for name in ["orders", "payments"] {
        assert!(told.contains(name), "{told}");
    }
}
