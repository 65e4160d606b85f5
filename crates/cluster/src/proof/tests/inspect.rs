//! Each alteration of a policy or binding, and what is none.

use federation_health_core::{assess::Proof, hold::CollectionPolicy};
use serde_json::{Value, json};

use super::super::{Install, Installed, Server, Shipped, fingerprint, inspect};
use super::{both, install, wanted};

const POLICY: &str = "ValidatingAdmissionPolicy";
const BINDING: &str = "ValidatingAdmissionPolicyBinding";
const FAST: &str = "federation-health-collection-fast";
const DURABLE: &str = "federation-health-collection-durable";
const PLANES: &str = "federation-health-federation-durable";

/// As a server has it: with its defaults, a kustomization's labels, and metadata.
fn served(install: &Install) -> Installed {
    let shipped = Shipped::for_install(install).unwrap();
    let mut installed = Installed::default();
    for (part, (policy, binding)) in &shipped.specs {
        let (mut policy, mut binding) = (policy.clone(), binding.clone());
        let constraints = policy["matchConstraints"].as_object_mut().unwrap();
        for key in ["namespaceSelector", "objectSelector"] {
            constraints.entry(key).or_insert(json!({}));
        }
        constraints.insert("matchPolicy".to_owned(), json!("Equivalent"));
        if binding.get("matchResources").is_some() {
            binding["matchResources"]["matchPolicy"] = json!("Equivalent");
            binding["matchResources"]["namespaceSelector"] = json!({});
        }
        let object = |spec: Value| {
            let metadata = json!({"name": part.name(), "uid": part.canary(), "resourceVersion": "9",
                "labels": {"app.kubernetes.io/name": "federation-health"}});
            json!({"metadata": metadata, "spec": spec, "status": {"observedGeneration": 1}})
        };
        installed
            .policies
            .insert(part.name().to_owned(), object(policy));
        installed
            .bindings
            .insert(part.name().to_owned(), object(binding));
    }
    installed
}

fn judge(change: impl FnOnce(&mut Installed)) -> Option<Proof> {
    let mut installed = served(&install());
    change(&mut installed);
    inspect(
        &Shipped::for_install(&install()).unwrap(),
        &installed,
        &both(),
    )
}

fn policy<'a>(installed: &'a mut Installed, name: &str) -> &'a mut Value {
    &mut installed.policies.get_mut(name).unwrap()["spec"]
}

fn binding<'a>(installed: &'a mut Installed, name: &str) -> &'a mut Value {
    &mut installed.bindings.get_mut(name).unwrap()["spec"]
}

fn altered(kind: &str, name: &str, field: &str) -> Proof {
    Proof::Altered(vec![format!("{kind} {name} (spec.{field})")])
}

#[test]
fn what_the_server_adds_by_itself_is_no_alteration() {
    assert_eq!(judge(|_| ()), None);
}

#[test]
fn each_field_that_decides_is_compared() {
    let set: [(&str, &str, Value); 9] = [
        (FAST, "failurePolicy", json!("Fail")),
        (FAST, "paramKind.kind", json!("ConfigMap")),
        (FAST, "matchConstraints.matchPolicy", json!("Exact")),
        (
            FAST,
            "matchConstraints.namespaceSelector",
            json!({"matchLabels": {"a": "b"}}),
        ),
        (
            FAST,
            "matchConstraints.excludeResourceRules",
            json!([{"resources": ["*"]}]),
        ),
        (
            PLANES,
            "matchConstraints.objectSelector.matchExpressions",
            json!([]),
        ),
        (DURABLE, "failurePolicy", json!("Ignore")),
        (DURABLE, "matchConditions", json!([])),
        (DURABLE, "validations", json!([])),
    ];
    for (name, field, value) in set {
        let pointer = format!("/{}", field.replace('.', "/"));
        let found = judge(|i| {
            let spec = policy(i, name);
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            spec.pointer_mut(parent).unwrap()[key] = value;
        });
        assert_eq!(found, Some(altered(POLICY, name, field)));
    }
}

#[test]
fn rules_conditions_variables_and_validations_are_compared_one_by_one() {
    let found = judge(|i| {
        policy(i, FAST)["matchConstraints"]["resourceRules"][0]["operations"] = json!(["UPDATE"]);
    });
    assert_eq!(
        found,
        Some(altered(
            POLICY,
            FAST,
            "matchConstraints.resourceRules[0].operations[0]"
        ))
    );
    let found = judge(|i| {
        policy(i, FAST)["matchConstraints"]["resourceRules"][0]["resourceNames"] = json!(["one"]);
    });
    assert_eq!(
        found,
        Some(altered(
            POLICY,
            FAST,
            "matchConstraints.resourceRules[0].resourceNames"
        ))
    );
    let found = judge(|i| policy(i, FAST)["matchConditions"][1]["expression"] = json!("false"));
    assert_eq!(
        found,
        Some(altered(POLICY, FAST, "matchConditions[1].expression"))
    );
    let found = judge(|i| policy(i, FAST)["variables"][2]["expression"] = json!("false"));
    assert_eq!(
        found,
        Some(altered(POLICY, FAST, "variables[2].expression"))
    );
    let found = judge(|i| policy(i, FAST)["validations"][1]["expression"] = json!("true"));
    assert_eq!(
        found,
        Some(altered(POLICY, FAST, "validations[1].expression"))
    );
    let found = judge(|i| policy(i, FAST)["validations"][1]["reason"] = json!("Invalid"));
    assert_eq!(found, Some(altered(POLICY, FAST, "validations[1].reason")));
}

#[test]
fn words_and_line_breaks_may_differ() {
    let found = judge(|i| {
        let spec = policy(i, FAST);
        spec["validations"][0]["message"] = json!("of a release");
        spec["validations"][1]["messageExpression"] = json!("'of a release'");
        let expression = &mut spec["matchConditions"][0]["expression"];
        *expression = json!(expression.as_str().unwrap().replace(' ', "\n  "));
    });
    assert_eq!(found, None);
}

#[test]
fn bindings_are_compared() {
    let found = judge(|i| binding(i, FAST)["validationActions"] = json!(["Audit"]));
    assert_eq!(found, Some(altered(BINDING, FAST, "validationActions[0]")));
    let found = judge(|i| binding(i, FAST)["paramRef"]["parameterNotFoundAction"] = json!("Deny"));
    assert_eq!(
        found,
        Some(altered(BINDING, FAST, "paramRef.parameterNotFoundAction"))
    );
    let found = judge(|i| binding(i, FAST)["paramRef"]["name"] = json!("another"));
    assert_eq!(found, Some(altered(BINDING, FAST, "paramRef.name")));
    let found = judge(|i| {
        binding(i, FAST)["matchResources"] = json!({"objectSelector": {"matchLabels": {"a": "b"}}});
    });
    assert_eq!(found, Some(altered(BINDING, FAST, "matchResources")));
    let found = judge(|i| binding(i, DURABLE)["policyName"] = json!("another"));
    assert_eq!(found, Some(altered(BINDING, DURABLE, "policyName")));
    let found = judge(|i| {
        binding(i, DURABLE)["matchResources"]["namespaceSelector"] =
            json!({"matchLabels": {"a": "b"}});
    });
    assert_eq!(
        found,
        Some(altered(
            BINDING,
            DURABLE,
            "matchResources.namespaceSelector"
        ))
    );
}

#[test]
fn the_switch_has_two_positions() {
    for active in [json!({}), json!(null)] {
        assert_eq!(
            judge(|i| binding(i, DURABLE)["matchResources"]["objectSelector"] = active),
            None
        );
    }
    assert_eq!(
        judge(|i| drop(
            binding(i, DURABLE)
                .as_object_mut()
                .unwrap()
                .remove("matchResources")
        )),
        None
    );
    let broken = json!({"matchLabels": {"federationhealth.io/canary": "durable-federation"}});
    let found = judge(|i| binding(i, DURABLE)["matchResources"]["objectSelector"] = broken);
    assert_eq!(
        found,
        Some(altered(BINDING, DURABLE, "matchResources.objectSelector"))
    );
}

#[test]
fn the_durable_federation_policy_names_the_guarded_plane() {
    let planes =
        |text: &str| judge(|i| policy(i, PLANES)["variables"][1]["expression"] = json!(text));
    let wrong = Some(altered(POLICY, PLANES, "variables[1].expression"));
    assert_eq!(
        planes("['old-federation', \"kube-federation-system\"]"),
        None
    );
    assert_eq!(planes("[ 'kube-federation-system' ]"), None);
    assert_eq!(planes("['old-federation']"), wrong);
    assert_eq!(planes("[]"), wrong);
    assert_eq!(planes("['kube-federation-system'].filter(p, false)"), wrong);
    assert_eq!(
        planes("['kube-federation-system', 'a'].filter(p, p == 'a')+['b']"),
        wrong
    );
}

#[test]
fn an_installation_elsewhere_is_compared_with_its_own_values() {
    let elsewhere = Install {
        namespace: "guards".to_owned(),
        object: "production".to_owned(),
    };
    let shipped = Shipped::for_install(&elsewhere).unwrap();
    assert_eq!(inspect(&shipped, &served(&elsewhere), &both()), None);
    let found = inspect(&shipped, &served(&install()), &both());
    let Some(Proof::Altered(names)) = found else {
        panic!("{found:?}");
    };
    assert_eq!(
        names.len(),
        6,
        "four conditions and two parameters: {names:?}"
    );
}

#[test]
fn only_wanted_rules_matter_and_missing_comes_before_altered() {
    let shipped = Shipped::for_install(&install()).unwrap();
    let mut installed = served(&install());
    installed.policies.remove(FAST);
    installed.bindings.remove(DURABLE);
    binding(&mut installed, PLANES)["policyName"] = json!("another");
    let found = inspect(&shipped, &installed, &both());
    let missing = vec![format!("{POLICY} {FAST}"), format!("{BINDING} {DURABLE}")];
    assert_eq!(found, Some(Proof::Missing(missing)));
    let federation = inspect(&shipped, &installed, &wanted(CollectionPolicy::Never, true));
    assert_eq!(federation, Some(altered(BINDING, PLANES, "policyName")));
    let always = inspect(
        &shipped,
        &installed,
        &wanted(CollectionPolicy::Always, false),
    );
    assert_eq!(
        always,
        Some(Proof::Missing(vec![format!("{BINDING} {DURABLE}")]))
    );
}

#[test]
fn a_fingerprint_follows_what_a_proof_rests_on() {
    let print = |change: fn(&mut Installed)| {
        let mut installed = served(&install());
        change(&mut installed);
        fingerprint(&installed, &Server::default())
    };
    let first = print(|_| ());
    let same: [fn(&mut Installed); 3] = [
        |i| binding(i, DURABLE)["matchResources"]["objectSelector"] = json!({}),
        |i| i.policies.get_mut(FAST).unwrap()["metadata"]["resourceVersion"] = json!("10"),
        |i| i.policies.get_mut(FAST).unwrap()["status"] = json!({}),
    ];
    let other: [fn(&mut Installed); 5] = [
        |i| drop(i.policies.remove(FAST)),
        |i| i.policies.get_mut(FAST).unwrap()["metadata"]["uid"] = json!("new"),
        |i| policy(i, FAST)["failurePolicy"] = json!("Fail"),
        |i| policy(i, PLANES)["matchConstraints"]["objectSelector"] = json!({}),
        |i| binding(i, FAST)["paramRef"]["name"] = json!("another"),
    ];
    for change in same {
        assert_eq!(print(change), first);
    }
    for (i, change) in other.into_iter().enumerate() {
        assert_ne!(print(change), first, "{i}");
    }
}
