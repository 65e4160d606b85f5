//! Several clusters, several control planes, several kinds: the other ways to lose something.

use std::time::Duration;

use crate::common::{DELETER, federation};
use federation_health_sim::{Clock, Controllers, KubeFedOptions, Network, Running, Sim, resources};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace};
use kube::Api;
use serde_json::{Value, json};

const PLANE: &str = "kube-federation-system";
const HOST: &str = "https://127.0.0.1:6443";
const MEMBER: &str = "https://127.0.0.1:7443";

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A host and a remote member registered as `east`.
fn pair() -> (Sim, Sim, [Running; 2]) {
    let (network, clock) = (Network::default(), Clock::simulated());
    let host = Sim::in_network(&network, clock.clone(), HOST);
    let member = Sim::in_network(&network, clock, MEMBER);
    host.install_kubesphere().unwrap();
    member.install_member().unwrap();
    host.join_member(PLANE, "east", MEMBER).unwrap();
    host.mark_ready(PLANE, "east").unwrap();
    host.add_workspace("shop", &["host", "east"], &["shop-host"])
        .unwrap();
    member.add_namespace("shop-east", "shop").unwrap();
    let running = [
        host.start_controllers(&Controllers::host()),
        member.start_controllers(&Controllers::member()),
    ];
    (host, member, running)
}

fn is_active(sim: &Sim, namespace: &str) -> bool {
    let found = sim.admin().get(&resources::NAMESPACES, "", namespace);
    found.is_some_and(|n| n["status"]["phase"] == "Active")
}

fn condition(sim: &Sim, cluster: &str) -> String {
    let cluster = sim
        .admin()
        .get(&resources::KUBEFED_CLUSTERS, PLANE, cluster)
        .unwrap();
    cluster["status"]["conditions"][0]["type"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn place(sim: &Sim, workspace: &str, clusters: &[&str]) {
    let names: Vec<Value> = clusters.iter().map(|c| json!({"name": c})).collect();
    let patch = json!({"spec": {"placement": {"clusters": names}}});
    sim.admin()
        .merge(&resources::WORKSPACE_TEMPLATES, "", workspace, patch)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_doubled_member_loses_its_namespaces_and_the_host_keeps_its_own() {
    let (host, member, _running) = pair();
    pass(5).await;
    host.join_member(PLANE, "east-old", MEMBER).unwrap();
    pass(40).await;
    assert!(is_active(&host, "shop-host"));
    assert!(!is_active(&member, "shop-east"));
    let deleter = format!("system:serviceaccount:{PLANE}:east-old-kubesphere");
    let of = |sim: &Sim| {
        sim.audit()
            .iter()
            .filter(|e| e.verb == "delete" && e.user == deleter)
            .count()
    };
    assert!(of(&member) > 10);
    assert_eq!(of(&host), 0, "the host's own audit shows nothing");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_is_offline_after_three_checks_and_ready_again_later() {
    let (host, _member, _running) = pair();
    pass(15).await;
    host.network().set_up(MEMBER, false);
    pass(12).await;
    assert_eq!(condition(&host, "east"), "Ready", "one failure is none");
    pass(25).await;
    assert_eq!(condition(&host, "east"), "Offline");
    assert!(host.dial(MEMBER).is_none());
    host.network().set_up(MEMBER, true);
    pass(15).await;
    assert_eq!(condition(&host, "east"), "Ready");
}

#[tokio::test(start_paused = true)]
async fn moving_a_placement_to_the_new_name_destroys_at_once() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(3).await;
    sim.join("produce-trt").unwrap();
    pass(1).await;
    place(&sim, "orders", &["produce-trt"]);
    pass(2).await;
    let deletion = sim
        .audit()
        .into_iter()
        .find(|e| e.verb == "delete" && e.resource == "workspaces")
        .unwrap();
    assert!(
        deletion.user.ends_with(":host-kubesphere"),
        "{}",
        deletion.user
    );
    assert!(!is_active(&sim, "ord-1"));
    assert!(is_active(&sim, "pay-1"));
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_matches_both_names_doubles_writes_but_deletes_nothing() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    for alias in ["host", "produce-trt"] {
        if alias != "host" {
            sim.join(alias).unwrap();
        }
        let labels = json!({"metadata": {"labels": {"tier": "gold"}}});
        sim.admin()
            .merge(&resources::KUBEFED_CLUSTERS, PLANE, alias, labels)
            .unwrap();
    }
    for name in ["orders", "payments"] {
        let spec = json!({"spec": {"placement": {"clusters": null, "clusterSelector": {"matchLabels": {"tier": "gold"}}}}});
        sim.admin()
            .merge(&resources::WORKSPACE_TEMPLATES, "", name, spec)
            .unwrap();
    }
    pass(60).await;
    assert_eq!(
        sim.audit()
            .iter()
            .filter(|e| e.verb == "delete" && e.resource == "workspaces")
            .count(),
        0
    );
    assert!(is_active(&sim, "ord-1") && is_active(&sim, "pay-1"));
    let federated = sim
        .admin()
        .get(&resources::FEDERATED_WORKSPACES, "", "orders")
        .unwrap();
    assert_eq!(
        federated["status"]["clusters"],
        json!([{"name": "host"}, {"name": "produce-trt"}])
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_control_plane_with_another_name_destroys_under_its_own_accounts() {
    let sim = federation();
    sim.install_plane("old-federation").unwrap();
    let mut controllers = Controllers::host();
    controllers
        .planes
        .push(KubeFedOptions::v0_8_1().in_namespace("old-federation"));
    let _running = sim.start_controllers(&controllers);
    pass(3).await;
    sim.join_member("old-federation", "produce-trt", HOST)
        .unwrap();
    pass(40).await;
    let deleter = "system:serviceaccount:old-federation:produce-trt-kubesphere";
    assert!(
        sim.audit()
            .iter()
            .any(|e| e.user == deleter && e.verb == "delete" && e.resource == "workspaces")
    );
    assert!(!is_active(&sim, "ord-1") && !is_active(&sim, "pay-1"));
}

#[tokio::test(start_paused = true)]
async fn a_doubled_cluster_loses_federated_claims_and_their_volumes_too() {
    let sim = federation();
    sim.federate("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
        .unwrap();
    let admin = sim.admin();
    let placement = json!({"clusters": [{"name": "host"}]});
    admin
        .create(&resources::FEDERATED_NAMESPACES, json!({
            "metadata": {"name": "ord-1", "namespace": "ord-1"}, "spec": {"placement": placement},
        }))
        .unwrap();
    admin
        .create(
            &resources::PERSISTENT_VOLUMES,
            json!({
                "metadata": {"name": "pv-1"}, "spec": {"persistentVolumeReclaimPolicy": "Delete"},
            }),
        )
        .unwrap();
    let claims = federation_health_sim::Resource::known(
        "types.kubefed.io",
        "v1beta1",
        "federatedpersistentvolumeclaims",
    );
    admin
        .create(
            &claims,
            json!({
                "metadata": {"name": "data", "namespace": "ord-1"},
                "spec": {"placement": placement, "template": {"spec": {"volumeName": "pv-1"}}},
            }),
        )
        .unwrap();
    let _running = sim.start_controllers(&Controllers::host());
    pass(5).await;
    let uid = || {
        sim.admin()
            .get(&resources::PERSISTENT_VOLUME_CLAIMS, "ord-1", "data")
            .map(|c| c["metadata"]["uid"].clone())
    };
    assert!(uid().is_some(), "KubeFed made the claim");
    sim.join("produce-trt").unwrap();
    pass(22).await;
    let lost = sim
        .audit()
        .into_iter()
        .find(|e| e.verb == "delete" && e.resource == "persistentvolumeclaims")
        .unwrap();
    assert_eq!(lost.user, DELETER);
    assert!(
        sim.admin()
            .get(&resources::PERSISTENT_VOLUMES, "", "pv-1")
            .is_none(),
        "the volume went with it"
    );
    let loses_namespace = sim
        .audit()
        .iter()
        .any(|e| e.user == DELETER && e.verb == "delete" && e.resource == "namespaces");
    assert!(
        !loses_namespace,
        "the host's own namespaces are spared by KubeFed itself"
    );
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_retained_outlives_its_claim() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    let admin = sim.admin();
    admin
        .create(
            &resources::PERSISTENT_VOLUMES,
            json!({
                "metadata": {"name": "pv-1"}, "spec": {"persistentVolumeReclaimPolicy": "Retain"},
            }),
        )
        .unwrap();
    admin
        .create(
            &resources::PERSISTENT_VOLUME_CLAIMS,
            json!({
                "metadata": {"name": "data", "namespace": "ord-1"}, "spec": {"volumeName": "pv-1"},
            }),
        )
        .unwrap();
    sim.join("produce-trt").unwrap();
    pass(40).await;
    assert!(
        sim.admin()
            .get(&resources::NAMESPACES, "", "ord-1")
            .is_none()
    );
    assert_eq!(
        admin
            .get(&resources::PERSISTENT_VOLUMES, "", "pv-1")
            .unwrap()["status"]["phase"],
        "Released"
    );
}

#[tokio::test(start_paused = true)]
async fn two_endpoints_of_one_cluster_show_one_lease_and_a_clone_shows_another() {
    let (network, clock) = (Network::default(), Clock::simulated());
    let host = Sim::in_network(&network, clock.clone(), HOST);
    host.answer_behind("https://127.0.0.1:8443");
    let clone = Sim::in_network(&network, clock, MEMBER);
    clone.clone_identity_of(&host);
    let _running = [
        host.start_controllers(&Controllers::member()),
        clone.start_controllers(&Controllers::member()),
    ];
    pass(5).await;
    let mut seen = Vec::new();
    for endpoint in [HOST, "https://127.0.0.1:8443/", MEMBER] {
        let client = host.dial(endpoint).unwrap();
        let namespace = Api::<Namespace>::all(client.clone())
            .get("kube-system")
            .await
            .unwrap();
        let lease = Api::<Lease>::namespaced(client, "kube-system")
            .get("kube-controller-manager")
            .await
            .unwrap();
        let holder = lease.spec.unwrap().holder_identity.unwrap();
        seen.push((
            namespace.metadata.uid.unwrap(),
            holder,
            lease.metadata.resource_version.unwrap(),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0, seen[2].0, "the clone has the same kube-system");
    assert_ne!(seen[0].1, seen[2].1, "and its own holder");
}

#[tokio::test(start_paused = true)]
async fn a_registration_comes_back_while_its_cluster_takes_part_in_the_federation() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(2).await;
    sim.admin()
        .delete(&resources::KUBEFED_CLUSTERS, PLANE, "host", Value::Null)
        .unwrap();
    pass(5).await;
    assert!(
        sim.admin()
            .get(&resources::KUBEFED_CLUSTERS, PLANE, "host")
            .is_none()
    );
    pass(120).await;
    let back = sim
        .admin()
        .get(&resources::KUBEFED_CLUSTERS, PLANE, "host")
        .unwrap();
    assert_eq!(back["metadata"]["labels"]["kubesphere.io/managed"], "true");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_whose_owner_never_existed_is_collected_and_one_with_a_live_owner_is_not() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(1).await;
    let owner = |uid: &str| json!([{"apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "name": "orders", "uid": uid}]);
    let namespace =
        |name: &str, owners: Value| json!({"metadata": {"name": name, "ownerReferences": owners}});
    let orders = sim
        .admin()
        .get(&resources::WORKSPACES, "", "orders")
        .unwrap();
    let live = orders["metadata"]["uid"].as_str().unwrap();
    sim.admin()
        .create(&resources::NAMESPACES, namespace("kept", owner(live)))
        .unwrap();
    sim.admin()
        .create(
            &resources::NAMESPACES,
            namespace("armed", owner("00000000-0000-4000-8000-000000000000")),
        )
        .unwrap();
    pass(1).await;
    assert!(is_active(&sim, "kept"));
    assert!(!is_active(&sim, "armed"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_workspace_definition_makes_the_collector_wait() {
    let sim = federation();
    sim.admin()
        .scale(
            &resources::DEPLOYMENTS,
            PLANE,
            "kubefed-controller-manager",
            0,
        )
        .unwrap();
    // The uninstall script's way: the definition goes, and nothing runs that would finish the Workspaces.
    for name in ["orders", "payments"] {
        sim.admin()
            .edit(&resources::WORKSPACES, "", name, |w| {
                w["metadata"]["finalizers"] = json!([]);
            })
            .unwrap();
    }
    sim.admin()
        .delete(
            &resources::CUSTOM_RESOURCE_DEFINITIONS,
            "",
            "workspaces.tenant.kubesphere.io",
            Value::Null,
        )
        .unwrap();
    let mut controllers = Controllers::member();
    controllers.kubesphere_binder = false;
    let _running = sim.start_controllers(&controllers);
    pass(60).await;
    assert!(
        is_active(&sim, "ord-1"),
        "an owner whose kind is unknown is not absent"
    );
}
