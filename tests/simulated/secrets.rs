//! Canaries in everything that is secret: none of them is ever told, by log, metric, status, event or any other write.

use std::time::Duration;

use federation_health_api::names::REPORTING_CONTROLLER;
use federation_health_operator::events::Events;
use federation_health_sim::{Agent, Resource, Sim, resources};
use federation_health_tests::{
    guarded::{USER, holding},
    logs::Log,
    simulated::{HOST, Operator, PLANE, Setup, World, is, pass},
};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// What no text of ours may contain, in this form or in base64.
const CANARY: &str = "canary-9c41f7";
const SOON: Duration = Duration::from_secs(60);
/// Everything that the operator can write, and more.
const KINDS: &[&Resource] = &[
    &resources::FEDERATION_HEALTHS,
    &resources::FEDERATION_HOLDS,
    &resources::CONFIG_MAPS,
    &resources::EVENTS,
    &resources::LEASES,
    &resources::KUBEFED_CLUSTERS,
    &resources::WORKSPACES,
    &resources::NAMESPACES,
];

/// The canary at each of the three alignments of base64, without what its neighbours decide.
fn forms() -> Vec<String> {
    let mut forms = vec![CANARY.to_owned()];
    for shift in 0..3 {
        let text = format!("{}{CANARY}", "-".repeat(shift));
        let encoded = serde_json::to_value(ByteString(text.into_bytes())).unwrap();
        let encoded = encoded.as_str().unwrap().trim_end_matches('=');
        let from = if shift == 0 { 0 } else { 4 };
        forms.push(encoded[from..encoded.len() - 2].to_owned());
    }
    forms
}

fn planted(extra: &str) -> Value {
    serde_json::to_value(ByteString(format!("{CANARY}.{extra}").into_bytes())).unwrap()
}

/// A ServiceAccount's token, whose claims are read: all of them but the account's name and namespace are canaries.
fn jwt(account: &str) -> Value {
    let part = |value: Value| {
        let encoded = serde_json::to_value(ByteString(value.to_string().into_bytes())).unwrap();
        let text = encoded.as_str().unwrap().trim_end_matches('=').to_owned();
        text.replace('+', "-").replace('/', "_")
    };
    let claims = json!({
        "iss": CANARY, "sub": format!("{CANARY}:{account}"), "jti": CANARY,
        "kubernetes.io/serviceaccount/namespace": PLANE,
        "kubernetes.io/serviceaccount/secret.name": CANARY,
        "kubernetes.io/serviceaccount/service-account.name": account,
        "kubernetes.io/serviceaccount/service-account.uid": "0b8f2f2e-7f6d-4f9e-9b1a-1c2d3e4f5a6b",
    });
    let [header, claims, signature] = [json!({"kid": CANARY}), claims, json!(CANARY)].map(part);
    let token = format!("{header}.{claims}.{signature}");
    serde_json::to_value(ByteString(token.into_bytes())).unwrap()
}

/// The Secret's token and key, its annotation, and what kubectl keeps of a registration and a Cluster.
fn plant(admin: &Agent, name: &str) {
    let applied = json!({"kubectl.kubernetes.io/last-applied-configuration": CANARY});
    let secret = json!({
        "metadata": {"annotations": applied},
        "data": {"token": planted("token"), "ca.key": planted("key")},
    });
    admin
        .merge(
            &resources::SECRETS,
            PLANE,
            &format!("{name}-secret"),
            secret,
        )
        .unwrap();
    let registration = json!({"metadata": {"annotations": applied}});
    admin
        .merge(&resources::KUBEFED_CLUSTERS, PLANE, name, registration)
        .unwrap();
}

/// A Cluster of KubeSphere carries a whole kubeconfig; one has it where a map belongs.
fn plant_kubeconfigs(admin: &Agent) {
    let connection = |value: Value| json!({"joinFederation": true, "connection": value});
    let whole = json!({"type": "direct", "kubernetesAPIEndpoint": HOST, "kubeconfig": planted("kubeconfig")});
    for (name, connection) in [
        ("east", connection(whole)),
        (
            "broken",
            connection(json!(format!("apiVersion: v1 {CANARY}"))),
        ),
    ] {
        let cluster = json!({"metadata": {"name": name}, "spec": connection});
        admin.create(&resources::CLUSTERS, cluster).unwrap();
    }
}

/// Everything there is to read after a run.
fn told(world: &World, log: &Log) -> Vec<(String, String)> {
    let mut all = vec![("the log".to_owned(), log.text())];
    let operator = world.operator.as_ref().unwrap();
    let metrics = String::from_utf8(operator.metrics.text().unwrap()).unwrap();
    all.push(("the metrics".to_owned(), metrics));
    let written = |object: &Value| {
        let mut object = object.clone();
        // What others wrote there, and we planted.
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("annotations");
        }
        object.to_string()
    };
    for kind in KINDS {
        for object in world.sim.admin().list(kind, "") {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            all.push((format!("{} {name}", kind.plural()), written(&object)));
        }
    }
    all
}

fn start(sim: &Sim) -> Operator {
    let events = Events::new(sim.client_as(USER), "pod-1");
    Operator::start_with(sim, |around| around.events = events).unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_canary_in_a_secret_is_told_by_log_metric_status_or_event() {
    let log = Log::listen();
    let setup = Setup {
        spec: Some({
            let mut spec = holding();
            spec["joinGuard"] = json!("Deny");
            spec["remediation"] = json!({"mode": "DryRun"});
            spec
        }),
        ..Setup::default()
    };
    let mut world = World::start(setup).await.unwrap();
    world.operator = None;
    let admin = world.sim.admin();
    plant(&admin, "host");
    plant_kubeconfigs(&admin);
    world.operator = Some(start(&world.sim));
    pass(SOON).await;

    world.double().unwrap();
    plant(&admin, federation_health_tests::simulated::ALIAS);
    let doubled = |h: &_| is(h, "ClustersUnique", "False");
    world.wait("a verdict", SOON, doubled).await.unwrap();
    // A token whose account is looked for, here and in vain.
    let account = format!("{}-kubesphere", federation_health_tests::simulated::ALIAS);
    let named = json!({"data": {"token": jwt(&account)}});
    let secret = format!("{}-secret", federation_health_tests::simulated::ALIAS);
    admin
        .merge(&resources::SECRETS, PLANE, &secret, named)
        .unwrap();
    pass(2 * SOON).await;
    let looked = |e: &federation_health_sim::AuditEntry| {
        e.resource == "serviceaccounts" && e.name == account && e.code == 200
    };
    assert!(world.requests().iter().any(looked), "no claim was read");
    // A member that does not answer, and a token that cannot be one.
    world.sim.network().set_up(HOST, false);
    pass(SOON).await;
    world.sim.network().set_up(HOST, true);
    let torn = json!({"data": {"token": planted("two words\nand lines")}});
    admin
        .merge(&resources::SECRETS, PLANE, "host-secret", torn)
        .unwrap();
    pass(2 * SOON).await;
    world.operator = Some(start(&world.sim));
    pass(SOON).await;

    let read = |e: &&federation_health_sim::AuditEntry| e.resource == "secrets" && e.verb == "get";
    assert!(
        world.requests().iter().filter(read).count() > 4,
        "the canaries were not read"
    );
    let events = admin.list(&resources::EVENTS, "");
    assert!(
        events
            .iter()
            .any(|e| e.to_string().contains(REPORTING_CONTROLLER)),
        "no event of ours: {events:?}"
    );
    let all = told(&world, &log);
    assert!(
        all[0].1.contains("an object cannot be read"),
        "the broken Cluster was not read"
    );
    for (what, text) in &all {
        for form in forms() {
            if let Some(at) = text.find(&form) {
                let bytes = &text.as_bytes()[at.saturating_sub(300)..(at + 100).min(text.len())];
                let around = String::from_utf8_lossy(bytes);
                panic!("{what} tells {form}: {around}");
            }
        }
    }
}
