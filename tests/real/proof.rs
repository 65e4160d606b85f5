//! The proof of the hold against real API servers and the real collector.

use std::time::{Duration, Instant};

use federation_health_api::FederationHold;
use federation_health_cluster::{
    host::Host,
    proof::{Clients, Install, Prover, Wanted, dial_with},
};
use federation_health_core::{assess::Proof, hold::CollectionPolicy};
use federation_health_testbed::{ControlPlane, ControlPlaneOptions, apply};
use federation_health_tests::guarded::{Guarded, NAMESPACE, Options, root};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

const PLANE: &str = "kube-federation-system";
const DURABLE: &str = "federation-health-collection-durable";
const FAST: &str = "federation-health-federation-fast";
/// A fresh API server finds the parameter's kind half a minute after its start; a busy machine gets more.
const RESTART_LIMIT: Duration = Duration::from_secs(90);

fn wanted(real: bool) -> Wanted {
    Wanted {
        collection: CollectionPolicy::OnDiagnosis,
        federation: true,
        plane: PLANE.into(),
        real,
    }
}

/// The operator's own identity on a server with its manifests, but no operator.
async fn install(plane: &ControlPlane) -> Client {
    // The shipped roles have a part there.
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLANE}});
    apply::object(&plane.client(), &namespace).await.unwrap();
    let options = Options {
        operator: false,
        ..Options::default()
    };
    Guarded::install(plane, options).await.unwrap();
    let access = plane.access_as(NAMESPACE, "federation-health");
    let client = access.await.unwrap().client().await.unwrap();
    let host = Host::new(client.clone(), "default");
    assert!(host.create_switch().await.unwrap(), "there was a switch");
    client
}

fn prover(client: &Client, clients: Clients) -> Prover {
    let install = Install {
        namespace: NAMESPACE.to_owned(),
        object: "default".to_owned(),
    };
    Prover::new(client.clone(), install, clients).unwrap()
}

fn alone() -> Clients {
    Box::new(|_| None)
}

async fn timed(what: &str, prover: &Prover, wanted: &Wanted) -> Proof {
    let begun = Instant::now();
    let proof = prover.prove(wanted).await;
    println!("{what}: {} ms, {proof:?}", begun.elapsed().as_millis());
    proof
}

/// Proves until it succeeds: what was just installed is in force a second later, or half a minute after a start.
async fn proven(what: &str, prover: &Prover) {
    let deadline = Instant::now() + RESTART_LIMIT;
    loop {
        let proof = timed(what, prover, &wanted(false)).await;
        if proof == (Proof::Proven { on: 1, of: 1 }) {
            return;
        }
        assert!(
            matches!(proof, Proof::Failed(_)) && Instant::now() < deadline,
            "{proof:?}"
        );
    }
}

/// Everything the proof made is gone, and the switch is off.
pub async fn leaves_nothing(client: &Client) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let list = maps.list(&ListParams::default()).await.unwrap();
    let made: Vec<String> = list
        .items
        .into_iter()
        .filter_map(|map| map.metadata.name)
        .filter(|name| name.starts_with("canary-collector"))
        .collect();
    assert_eq!(made, Vec::<String>::new());
    let switches: Api<FederationHold> = Api::all(client.clone());
    let switch = switches.get("default").await.unwrap();
    assert!(!switch.status.unwrap().proof);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_proven_and_what_is_wrong_is_named() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let admin = plane.client();
    let client = install(&plane).await;
    let prover = prover(&client, alone());
    proven("first", &prover).await;
    assert_eq!(
        timed("with the collector", &prover, &wanted(true)).await,
        Proof::Proven { on: 1, of: 1 }
    );
    leaves_nothing(&admin).await;
    let before = prover.fingerprint(&wanted(false)).await.unwrap();

    missing_canary(&admin, &prover).await;
    switched_binding(&admin, &prover, before).await;
    altered_policy(&admin, &prover, before).await;
    missing_binding(&admin, &prover, before).await;
    two_addresses(&admin, &client).await;

    plane.stop_controller_manager().await.unwrap();
    let proof = timed("without a collector", &prover, &wanted(true)).await;
    let Proof::Failed(why) = proof else {
        panic!("{proof:?}");
    };
    assert!(why.contains("none runs here"), "{why}");
    leaves_nothing(&admin).await;
    plane.stop().await.unwrap();
}

async fn missing_canary(admin: &Client, prover: &Prover) {
    let maps: Api<ConfigMap> = Api::namespaced(admin.clone(), NAMESPACE);
    let name = "canary-fast-federation";
    maps.delete(name, &DeleteParams::default()).await.unwrap();
    let proof = timed("without a canary", prover, &wanted(false)).await;
    assert_eq!(proof, Proof::Proven { on: 1, of: 1 });
    maps.get(name).await.unwrap();
}

/// A hold that stands is proven like one that does not.
async fn switched_binding(admin: &Client, prover: &Prover, before: u64) {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(admin.clone());
    let active = json!({"spec": {"matchResources": {"objectSelector": null}}});
    bindings
        .patch(DURABLE, &PatchParams::default(), &Patch::Merge(active))
        .await
        .unwrap();
    assert_eq!(prover.fingerprint(&wanted(false)).await, Some(before));
    let proof = timed("while holding", prover, &wanted(true)).await;
    assert_eq!(proof, Proof::Proven { on: 1, of: 1 });
    leaves_nothing(admin).await;
}

async fn altered_policy(admin: &Client, prover: &Prover, before: u64) {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(admin.clone());
    let set = async |value: &str| {
        let patch = json!({"spec": {"failurePolicy": value}});
        policies
            .patch(FAST, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    };
    set("Fail").await;
    assert_ne!(prover.fingerprint(&wanted(false)).await, Some(before));
    let proof = timed("altered", prover, &wanted(false)).await;
    let expected = format!("ValidatingAdmissionPolicy {FAST} (spec.failurePolicy)");
    assert_eq!(proof, Proof::Altered(vec![expected]));
    set("Ignore").await;
    assert_eq!(prover.fingerprint(&wanted(false)).await, Some(before));
}

async fn missing_binding(admin: &Client, prover: &Prover, before: u64) {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(admin.clone());
    bindings
        .delete(DURABLE, &DeleteParams::default())
        .await
        .unwrap();
    let proof = timed("without a binding", prover, &wanted(false)).await;
    let expected = format!("ValidatingAdmissionPolicyBinding {DURABLE}");
    assert_eq!(proof, Proof::Missing(vec![expected]));
    let file = root().join("config/policies/collection-durable.yaml");
    apply::file(admin, &file).await.unwrap();
    assert_ne!(prover.fingerprint(&wanted(false)).await, Some(before));
    proven("binding made anew", prover).await;
}

/// One server that answers and one that cannot be dialled.
async fn two_addresses(admin: &Client, client: &Client) {
    slice(admin).await;
    let one = client.clone();
    let clients: Clients =
        Box::new(move |address| (address.to_string() == "192.0.2.2:6443").then(|| one.clone()));
    let proof = timed("two addresses", &prover(client, clients), &wanted(false)).await;
    assert_eq!(proof, Proof::Proven { on: 1, of: 2 });
    let slices: Api<EndpointSlice> = Api::namespaced(admin.clone(), "default");
    slices
        .delete("kubernetes", &DeleteParams::default())
        .await
        .unwrap();
}

async fn slice(admin: &Client) {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}, {"addresses": ["192.0.2.2"]}],
        "ports": [{"name": "https", "port": 6443}],
    });
    apply::object(admin, &slice).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gap_after_a_restart_is_seen_and_ends() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = install(&plane).await;
    let prover = prover(&client, alone());
    proven("before the restart", &prover).await;
    let before = fingerprint_as_admin(&plane).await;
    assert_eq!(fingerprint_as_admin(&plane).await, before);
    plane.restart_api_server().await.unwrap();
    assert_ne!(fingerprint_as_admin(&plane).await, before);
    let begun = Instant::now();
    proven("after the restart", &prover).await;
    println!("proven {:?} after the restart", begun.elapsed());
    leaves_nothing(&plane.client()).await;
    plane.stop().await.unwrap();
}

/// The administrator may read the Leases of API servers, by which a restart shows.
async fn fingerprint_as_admin(plane: &ControlPlane) -> u64 {
    let prover = prover(&plane.client(), alone());
    prover.fingerprint(&wanted(false)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_joins_counts_once_it_refuses_too() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = install(&plane).await;
    proven("one server", &prover(&client, alone())).await;
    let replica = plane.add_api_server().await.unwrap();
    let access = plane.access_as(NAMESPACE, "federation-health");
    let access = access.await.unwrap();
    let mut config = access.config().await.unwrap();
    config.tls_server_name = Some("localhost".to_owned());
    let dial = dial_with(config);
    let loopback = [&access.server, &replica.access().server]
        .map(|url| url.strip_prefix("https://").unwrap().parse().unwrap());
    // An EndpointSlice cannot name loopback: documentation addresses stand for the two servers.
    slice(&plane.client()).await;
    let clients: Clients = Box::new(move |address| {
        let first = address.to_string() == "192.0.2.1:6443";
        dial(loopback[usize::from(!first)])
    });
    let prover = prover(&client, clients);
    let deadline = Instant::now() + RESTART_LIMIT;
    loop {
        match timed("two servers", &prover, &wanted(false)).await {
            Proof::Proven { on: 2, of: 2 } => break,
            Proof::Proven { on: 1, of: 2 } if Instant::now() < deadline => {}
            other => panic!("{other:?}"),
        }
    }
    leaves_nothing(&plane.client()).await;
    drop(replica);
    plane.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_policies_is_unsupported() {
    let group = "admissionregistration.k8s.io/v1/validatingadmissionpolic";
    let plane = ControlPlane::start(ControlPlaneOptions {
        controller_manager: false,
        api_server_args: vec![
            format!("--runtime-config={group}ies=false,{group}ybindings=false"),
            "--disable-admission-plugins=ValidatingAdmissionPolicy".to_owned(),
        ],
        ..ControlPlaneOptions::default()
    })
    .await
    .unwrap();
    let prover = prover(&plane.client(), alone());
    assert_eq!(
        timed("unsupported", &prover, &wanted(true)).await,
        Proof::Unsupported
    );
    plane.stop().await.unwrap();
}
