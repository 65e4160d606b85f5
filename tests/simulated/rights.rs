//! The shipped roles against the list that they are generated from, and against what the operator asks for.

use std::{collections::BTreeSet, time::Duration};

use federation_health_api::names;
use federation_health_cluster::rbac::{
    CANARIES, FEDERATED_KINDS, Holder, OBSERVER, OPERATOR_NAMESPACE, ROLES, Reach, Right, Role,
    SERVICE_ACCOUNT, Verb,
};
use federation_health_sim::{Effect, Refusal};
use federation_health_tests::{
    guarded::{USER, root},
    manifests::files,
    simulated::{Setup, World, is},
};
use k8s_openapi::api::{
    core::v1::ConfigMap,
    rbac::v1::{PolicyRule, RoleRef, Subject},
};
use kube::api::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// A Role, a ClusterRole or a binding of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    kind: String,
    metadata: ObjectMeta,
    #[serde(default)]
    rules: Vec<PolicyRule>,
    role_ref: Option<RoleRef>,
    #[serde(default)]
    subjects: Vec<Subject>,
}

/// The roles and bindings of config/rbac, each with its file.
fn shipped() -> Vec<(String, Manifest)> {
    let mut found = Vec::new();
    for file in files("config/rbac").unwrap() {
        for document in serde_saphyr::from_multiple::<Value>(&file.text).unwrap() {
            if document["apiVersion"] == "rbac.authorization.k8s.io/v1" {
                found.push((file.name.clone(), serde_json::from_value(document).unwrap()));
            }
        }
    }
    found
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn rule(right: &Right) -> PolicyRule {
    PolicyRule {
        api_groups: Some(words(&[right.group])),
        resources: Some(words(right.resources)),
        resource_names: (!right.names.is_empty()).then(|| words(right.names)),
        verbs: right.verbs.iter().map(|v| v.as_str().to_owned()).collect(),
        ..PolicyRule::default()
    }
}

fn namespace(role: &Role) -> Option<&str> {
    match role.reach {
        Reach::Cluster => None,
        Reach::Namespace(namespace) => Some(namespace),
    }
}

#[test]
fn each_role_is_shipped_as_it_is_listed_and_no_other() {
    let shipped = shipped();
    let roles: Vec<_> = shipped
        .iter()
        .filter(|(_, m)| m.role_ref.is_none())
        .collect();
    assert_eq!(roles.len(), ROLES.len());
    for role in ROLES {
        let (file, manifest) = roles
            .iter()
            .find(|(_, m)| m.metadata.name.as_deref() == Some(role.name))
            .unwrap();
        assert_eq!(*file, format!("{}.yaml", role.file));
        assert_eq!(
            manifest.metadata.namespace.as_deref(),
            namespace(role),
            "{}",
            role.name
        );
        assert_eq!(
            manifest.rules,
            role.rights.iter().map(rule).collect::<Vec<_>>(),
            "{}",
            role.name
        );
        let labels = manifest.metadata.labels.clone().unwrap_or_default();
        let aggregated: BTreeSet<&str> = labels
            .keys()
            .filter_map(|k| k.strip_prefix("rbac.authorization.k8s.io/aggregate-to-"))
            .collect();
        match role.holder {
            Holder::Operator => assert!(aggregated.is_empty()),
            Holder::Aggregated(to) => assert_eq!(aggregated, to.iter().copied().collect()),
        }
    }
}

#[test]
fn the_operator_alone_is_bound_and_to_its_own_roles_alone() {
    let shipped = shipped();
    let bindings: Vec<_> = shipped
        .iter()
        .filter_map(|(_, m)| Some((m.role_ref.as_ref()?, m)))
        .collect();
    let own: Vec<_> = ROLES
        .iter()
        .filter(|r| r.holder == Holder::Operator)
        .collect();
    assert_eq!(bindings.len(), own.len());
    for role in own {
        let (reference, binding) = bindings.iter().find(|(r, _)| r.name == role.name).unwrap();
        assert_eq!(binding.kind, format!("{}Binding", reference.kind));
        assert_eq!(
            binding.metadata.namespace.as_deref(),
            namespace(role),
            "{}",
            role.name
        );
        let [subject] = binding.subjects.as_slice() else {
            panic!("{}: {:?}", role.name, binding.subjects)
        };
        assert_eq!(subject.kind, "ServiceAccount");
        assert_eq!(subject.name, SERVICE_ACCOUNT);
        assert_eq!(subject.namespace.as_deref(), Some(OPERATOR_NAMESPACE));
    }
}

#[test]
fn no_shipped_rule_has_a_wildcard_or_reads_collections_of_secrets() {
    for (file, manifest) in shipped() {
        for rule in &manifest.rules {
            let all = [
                &rule.api_groups,
                &rule.resources,
                &rule.resource_names,
                &rule.non_resource_urls,
            ];
            let mut texts = all.into_iter().flatten().flatten().chain(&rule.verbs);
            assert!(texts.all(|text| !text.contains('*')), "{file}: {rule:?}");
            let resources = rule.resources.as_deref().unwrap_or_default();
            assert!(
                !resources.iter().any(|r| r == "federatedsecrets"),
                "{file}: {rule:?}"
            );
            if resources.iter().any(|r| r.starts_with("secrets")) {
                assert_eq!(rule.verbs, ["get"], "{file}: {rule:?}");
                assert_eq!(manifest.kind, "Role", "{file}: {rule:?}");
            }
        }
    }
}

#[test]
fn the_rights_to_read_secrets_and_to_cure_are_left_out_of_the_default_installation() {
    let of = |path: &str| -> Vec<String> {
        let text = std::fs::read_to_string(root().join(path).join("kustomization.yaml")).unwrap();
        let kustomization: Value = serde_saphyr::from_str(&text).unwrap();
        kustomization["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r.as_str().unwrap().to_owned())
            .collect()
    };
    let mut listed = of("config/rbac");
    listed.extend(["prober.yaml".to_owned(), "remediator.yaml".to_owned()]);
    listed.sort();
    let present: Vec<String> = files("config/rbac")
        .unwrap()
        .into_iter()
        .map(|f| f.name)
        .filter(|n| n != "kustomization.yaml")
        .collect();
    assert_eq!(listed, present);
    assert_eq!(
        of("config/default"),
        [
            "namespace.yaml",
            "../crd",
            "../rbac",
            "../policies",
            "../manager"
        ]
    );
}

#[test]
fn the_canaries_and_bindings_that_are_named_are_those_that_are_shipped() {
    let policies = files("config/policies").unwrap();
    let text = |name: &str| {
        policies
            .iter()
            .find(|f| f.name == name)
            .unwrap()
            .text
            .clone()
    };
    for canary in serde_saphyr::from_multiple::<ConfigMap>(&text("canaries.yaml")).unwrap() {
        let name = canary.metadata.name.unwrap();
        assert!(CANARIES.contains(&name.as_str()), "{name}");
        assert_eq!(
            canary.metadata.namespace.as_deref(),
            Some(OPERATOR_NAMESPACE)
        );
    }
    let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{SERVICE_ACCOUNT}");
    assert!(
        text("guard.yaml").contains(&format!("== '{user}'")),
        "the guards name another account"
    );
}

pub fn covered(
    verb: Verb,
    group: &str,
    resource: &str,
    namespace: Option<&str>,
    name: &str,
) -> bool {
    let held = ROLES
        .iter()
        .filter(|r| r.holder == Holder::Operator && r.file != "remediator");
    held.filter(|r| r.reach == Reach::Cluster || self::namespace(r) == namespace)
        .flat_map(|r| r.rights)
        .any(|right| right.covers(verb.as_str(), group, resource, name))
}

#[test]
fn the_operator_may_hold_and_without_the_remediators_roles_may_not_cure() {
    let policies = "admissionregistration.k8s.io";
    let bindings = "validatingadmissionpolicybindings";
    assert!(covered(
        Verb::Patch,
        names::GROUP,
        "federationhealths/status",
        None,
        "default"
    ));
    assert!(covered(
        Verb::Patch,
        policies,
        bindings,
        None,
        names::COLLECTION_DURABLE
    ));
    assert!(covered(
        Verb::Patch,
        policies,
        bindings,
        None,
        names::FEDERATION_DURABLE
    ));
    assert!(!covered(
        Verb::Patch,
        policies,
        bindings,
        None,
        names::FEDERATION_FAST
    ));
    assert!(!covered(
        Verb::Patch,
        policies,
        "validatingadmissionpolicies",
        None,
        names::COLLECTION_DURABLE
    ));
    assert!(covered(
        Verb::Delete,
        "",
        "configmaps",
        Some(OPERATOR_NAMESPACE),
        "canary-fast-collection"
    ));
    assert!(!covered(
        Verb::Delete,
        "",
        "configmaps",
        Some(OPERATOR_NAMESPACE),
        "somebody-elses"
    ));
    assert!(!covered(
        Verb::Delete,
        "",
        "configmaps",
        Some("kube-system"),
        "canary-fast-collection"
    ));
    assert!(!covered(
        Verb::Get,
        "",
        "secrets",
        Some("kube-system"),
        "token"
    ));
    for kind in FEDERATED_KINDS {
        assert!(
            covered(Verb::Watch, "types.kubefed.io", kind, None, ""),
            "{kind}"
        );
    }
    for verb in [Verb::Create, Verb::Update, Verb::Patch, Verb::Delete] {
        for (group, resource) in [
            ("", "namespaces"),
            ("tenant.kubesphere.io", "workspaces"),
            ("tenant.kubesphere.io", "workspacetemplates"),
            ("core.kubefed.io", "kubefedclusters"),
            ("apps", "deployments"),
            ("types.kubefed.io", "federatedworkspaces"),
        ] {
            assert!(
                !covered(verb, group, resource, None, ""),
                "{verb:?} {resource}"
            );
        }
    }
}

/// Kinds without which nothing can be told, or that are read to prove the hold, which the simulation takes for granted.
const NOT_OF_THE_VERDICT: [&str; 4] = [
    "federationhealths",
    "federationholds",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
];

/// A process that may not read this kind; whether its verdict then says so.
async fn is_missed(resource: &'static str) -> bool {
    let mut world = World::start(Setup::default()).await.unwrap();
    world.operator = None;
    world.sim.inject(move |request| {
        let taken = request.user == USER && request.resource == resource;
        let message = format!("{resource} is forbidden: cannot {}", request.verb);
        taken.then(|| Effect::Refuse(Refusal::new(403, "Forbidden", message)))
    });
    world.restart_operator().unwrap();
    let told = |h: &federation_health_api::FederationHealth| {
        let mut conditions = h.status.iter().flat_map(|s| &s.conditions);
        let unknown = conditions.any(|c| c.status == "Unknown" && c.reason == "Forbidden");
        unknown && !is(h, "Healthy", "True")
    };
    world
        .wait("a verdict that misses it", Duration::from_mins(1), told)
        .await
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_read_makes_the_verdict_unknown() {
    let watched = OBSERVER
        .rights
        .iter()
        .filter(|right| right.verbs.contains(&Verb::Watch))
        .flat_map(|right| right.resources)
        .filter(|kind| !NOT_OF_THE_VERDICT.contains(kind))
        // Of the federated kinds, those that this federation has.
        .filter(|kind| !FEDERATED_KINDS.contains(kind) || **kind == "federatedworkspaces");
    let mut unnoticed = Vec::new();
    for kind in watched {
        if !is_missed(kind).await {
            unnoticed.push(*kind);
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
