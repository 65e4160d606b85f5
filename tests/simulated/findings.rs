//! The smaller faults, each made on a simulated federation and named by the operator.

use std::{collections::BTreeSet, time::Duration};

use federation_health_api::v1alpha1::FindingStatus;
use federation_health_core::assess::Proof;
use federation_health_operator::events::Events;
use federation_health_sim::{Clock, Controllers, Network, Resource, Sim, resources};
use federation_health_tests::{
    guarded::{USER, holds, observing},
    simulated::{ALIAS, HOST, PLANE, Setup, WORKSPACES, World, is, pass},
};
use serde_json::{Value, json};

const MEMBER: &str = "https://127.0.0.1:7443";
const MINUTE: Duration = Duration::from_mins(1);
/// What two watches could contradict each other in is told after a minute.
const SETTLED: Duration = Duration::from_secs(70);
const LONG: Duration = Duration::from_mins(12);
const ROLES: Resource = Resource::known("rbac.authorization.k8s.io", "v1", "clusterroles");

/// A host on which nothing moves by itself: no KubeFed runs.
fn still() -> Setup {
    Setup {
        spec: Some(observing()),
        controllers: Controllers {
            planes: Vec::new(),
            ..Controllers::host()
        },
        ..Setup::default()
    }
}

fn observed() -> Setup {
    Setup {
        spec: Some(observing()),
        ..Setup::default()
    }
}

/// The finding of this code, once it is told.
async fn named(world: &World, code: &str, limit: Duration) -> FindingStatus {
    let found = |h: &federation_health_api::FederationHealth| {
        let findings = h.status.as_ref().map_or(&[][..], |s| &s.findings);
        findings.iter().find(|f| f.code == code).cloned()
    };
    // Coarse steps: what takes minutes to be told need not be looked for every few milliseconds.
    let end = tokio::time::Instant::now() + limit;
    let finding = loop {
        let health = world.health().unwrap();
        if let Some(finding) = found(&health) {
            break finding;
        }
        let late = tokio::time::Instant::now() >= end;
        assert!(!late, "no finding {code}: {:#?}", health.status);
        pass(limit / 100).await;
    };
    assert!(
        finding
            .next
            .as_ref()
            .is_some_and(|next| next.starts_with("kubectl "))
    );
    finding
}

fn told(world: &World, code: &str) -> bool {
    let health = world.health().unwrap();
    let findings = health.status.map(|s| s.findings).unwrap_or_default();
    findings.iter().any(|f| f.code == code)
}

fn host() -> Sim {
    let sim = Sim::in_network(&Network::default(), Clock::simulated(), HOST);
    sim.install_kubesphere().unwrap();
    for (workspace, namespaces) in WORKSPACES {
        sim.add_workspace(workspace, &["host"], &namespaces)
            .unwrap();
    }
    sim
}

#[tokio::test(start_paused = true)]
async fn a_resurrected_registration_is_named_before_kubefed_runs() {
    let sim = host();
    sim.join(ALIAS).unwrap();
    pass(MINUTE).await;
    sim.force_finalize(PLANE).unwrap();
    pass(MINUTE).await;
    sim.apply_object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLANE}}))
        .unwrap();
    let world = World::on(sim, still()).await.unwrap();
    let finding = named(&world, "FH006", SETTLED).await;
    assert!(finding.evidence[0].contains("older than namespace"));
    assert!(is(
        &world.health().unwrap(),
        "RegistrationsCurrent",
        "False"
    ));
    assert!(world.deletions("workspaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_leftover_of_the_incident_is_proven_and_the_host_is_in_use() {
    let world = World::calm(still()).await.unwrap();
    world.double().unwrap();
    let finding = named(&world, "FH007", SETTLED).await;
    assert_eq!(finding.subject, format!("KubeFedCluster {PLANE}/{ALIAS}"));
    let groups = world.health().unwrap().status.unwrap().cluster_groups;
    let verdict = |name: &str| {
        let member = groups[0].members.iter().find(|m| m.name == name);
        member.unwrap().staleness[0].clone()
    };
    assert_eq!(verdict(ALIAS), "Stale, proven.");
    assert_eq!(verdict("host"), "In use.");
    let host = groups[0].members.iter().find(|m| m.name == "host");
    let called = "Against: KubeSphere calls this server by this name.";
    assert!(host.unwrap().staleness.iter().any(|sign| sign == called));
}

#[tokio::test(start_paused = true)]
async fn a_leftover_that_placements_name_is_a_conflict() {
    let sim = host();
    sim.join(ALIAS).unwrap();
    for name in ["a", "b", "c"] {
        sim.add_workspace(name, &[ALIAS], &[]).unwrap();
    }
    let world = World::on(sim, still()).await.unwrap();
    named(&world, "FH026", SETTLED).await;
    assert!(!told(&world, "FH007"));
}

#[tokio::test(start_paused = true)]
async fn a_federated_workspace_that_an_uninstallation_left_is_named() {
    let sim = host();
    let old = json!({
        "metadata": {"name": "old", "finalizers": ["kubefed.io/sync-controller"]},
        "spec": {"placement": {"clusters": [{"name": "host"}]}},
    });
    sim.admin()
        .create(&resources::FEDERATED_WORKSPACES, old)
        .unwrap();
    let world = World::on(sim, still()).await.unwrap();
    let finding = named(&world, "FH008", SETTLED).await;
    assert_eq!(finding.evidence, ["old"]);
    assert_eq!(finding.severity, "High");
}

fn grant(sim: &Sim, account: &str) {
    let role = json!({"metadata": {"name": format!("kubefed-controller-manager:{account}")}});
    sim.admin().create(&ROLES, role).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_member_of_two_hosts_is_named() {
    let sim = host();
    grant(&sim, "host-kubesphere");
    grant(&sim, "prod-fed-eu");
    let world = World::on(sim, still()).await.unwrap();
    let finding = named(&world, "FH010", SETTLED).await;
    assert!(finding.evidence[0].contains("prod-fed-eu"));
    let health = world.health().unwrap();
    assert!(is(&health, "ControlPlaneUnique", "Unknown"));
    assert_eq!(holds(&health), (false, false));
}

#[tokio::test(start_paused = true)]
async fn rights_that_stay_after_a_removal_are_listed() {
    let sim = host();
    grant(&sim, "host-kubesphere");
    grant(&sim, "produce-trt-kubesphere");
    let world = World::on(sim, still()).await.unwrap();
    let finding = named(&world, "FH020", SETTLED).await;
    assert_eq!(finding.evidence, ["Accounts: produce-trt-kubesphere."]);
    assert!(
        is(&world.health().unwrap(), "Healthy", "True"),
        "advice is no alarm"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deletion_of_the_federated_kind_is_named() {
    let world = World::calm(still()).await.unwrap();
    let admin = world.sim.admin();
    let name = "federatedworkspaces.types.kubefed.io";
    let cleanup =
        json!({"metadata": {"finalizers": ["customresourcecleanup.apiextensions.k8s.io"]}});
    let definitions = &resources::CUSTOM_RESOURCE_DEFINITIONS;
    admin.merge(definitions, "", name, cleanup).unwrap();
    admin.delete(definitions, "", name, Value::Null).unwrap();
    let finding = named(&world, "FH011", Duration::from_secs(2)).await;
    assert_eq!(finding.severity, "Critical");
    assert!(
        finding.evidence[0].contains("deletionTimestamp"),
        "before the first object goes"
    );
    assert!(world.deletions("workspaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_member_that_blocks_deletions_is_named() {
    let sim = host();
    let member = Sim::in_network(sim.network(), sim.clock().clone(), MEMBER);
    member.install_member().unwrap();
    sim.join_member(PLANE, "east", MEMBER).unwrap();
    sim.add_workspace("shop", &["east"], &[]).unwrap();
    sim.network().set_up(MEMBER, false);
    let world = World::on(sim, still()).await.unwrap();
    let delete = |resource| {
        world
            .sim
            .admin()
            .delete(resource, "", "shop", Value::Null)
            .unwrap();
    };
    delete(&resources::FEDERATED_WORKSPACES);
    let finding = named(&world, "FH012", LONG).await;
    assert!(finding.evidence.iter().any(|line| line.contains("east")));
    assert!(finding.evidence.iter().any(|line| line.contains("shop")));
}

fn scale_kubefed(world: &World, replicas: u32) {
    let admin = world.sim.admin();
    let manager = "kubefed-controller-manager";
    admin
        .scale(&resources::DEPLOYMENTS, PLANE, manager, replicas)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stopped_kubefed_is_named() {
    let world = World::calm(observed()).await.unwrap();
    scale_kubefed(&world, 0);
    let finding = named(&world, "FH013", Duration::from_mins(3)).await;
    assert!(finding.evidence.iter().any(|line| line.contains("host")));
    scale_kubefed(&world, 1);
    world
        .wait("a good verdict", MINUTE, |h| is(h, "Healthy", "True"))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flapping_member_is_named() {
    let sim = host();
    let member = Sim::in_network(sim.network(), sim.clock().clone(), MEMBER);
    member.install_member().unwrap();
    sim.join_member(PLANE, "east", MEMBER).unwrap();
    sim.mark_ready(PLANE, "east").unwrap();
    let world = World::on(sim, observed()).await.unwrap();
    for _ in 0..3 {
        for up in [false, true] {
            assert!(!told(&world, "FH014"));
            world.sim.network().set_up(MEMBER, up);
            pass(MINUTE).await;
        }
    }
    named(&world, "FH014", MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_cluster_object_for_the_host_is_named() {
    let world = World::calm(still()).await.unwrap();
    let twin = json!({
        "metadata": {"name": "host-again"},
        "spec": {"joinFederation": false, "connection": {"kubernetesAPIEndpoint": HOST}},
        "status": {"uid": world.sim.cluster_uid()},
    });
    world
        .sim
        .admin()
        .create(&resources::CLUSTERS, twin)
        .unwrap();
    let finding = named(&world, "FH015", SETTLED).await;
    assert_eq!(finding.subject, "Clusters host and host-again");
}

#[tokio::test(start_paused = true)]
async fn a_fight_over_a_namespaces_owner_is_named() {
    let world = World::calm(observed()).await.unwrap();
    for _ in 0..3 {
        assert!(!told(&world, "FH016"));
        let unowned = json!({"metadata": {"ownerReferences": null}});
        let admin = world.sim.admin();
        admin
            .merge(&resources::NAMESPACES, "", "orders-web", unowned)
            .unwrap();
        pass(Duration::from_secs(5)).await;
    }
    let finding = named(&world, "FH016", Duration::from_secs(2)).await;
    assert_eq!(finding.evidence, ["orders-web"]);
}

fn system_workspace(sim: &Sim, managed: &str) {
    let object = json!({
        "metadata": {"name": "system-workspace", "labels": {"kubefed.io/managed": managed}},
        "spec": {"manager": "admin"},
    });
    sim.admin().create(&resources::WORKSPACES, object).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_system_workspace_without_its_shield_is_named() {
    let sim = host();
    system_workspace(&sim, "true");
    let world = World::on(sim, still()).await.unwrap();
    named(&world, "FH018", SETTLED).await;
}

#[tokio::test(start_paused = true)]
async fn a_system_workspace_with_its_shield_raises_nothing() {
    let sim = host();
    system_workspace(&sim, "false");
    let world = World::on(sim, still()).await.unwrap();
    pass(SETTLED).await;
    assert!(!told(&world, "FH018"));
}

#[tokio::test(start_paused = true)]
async fn a_control_planes_namespace_that_hangs_is_named() {
    let sim = host();
    sim.install_plane("old-federation").unwrap();
    let world = World::on(sim, still()).await.unwrap();
    let admin = world.sim.admin();
    admin
        .delete(&resources::NAMESPACES, "", "old-federation", Value::Null)
        .unwrap();
    let finding = named(&world, "FH019", LONG).await;
    assert!(finding.subject.contains("old-federation"));
    assert!(finding.evidence[0].contains("FederatedTypeConfigs"));
}

#[tokio::test(start_paused = true)]
async fn kubespheres_warnings_about_a_member_are_advice() {
    let world = World::calm(observed()).await.unwrap();
    let warning = json!({"status": {"conditions": [
        {"type": "KubeConfigCertExpiresInSevenDays", "status": "True"},
        {"type": "Federated", "status": "False"},
    ]}});
    let admin = world.sim.admin();
    admin
        .merge(&resources::CLUSTERS, "", "host", warning)
        .unwrap();
    let finding = named(&world, "FH021", Duration::from_secs(2)).await;
    assert_eq!(finding.severity, "Low");
    named(&world, "FH022", LONG).await;
    assert!(is(&world.health().unwrap(), "Healthy", "True"));
}

/// Events leave by a task of their own, which needs no time where answers need none.
const SENT: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_new_finding_is_told_once_on_every_object_that_it_is_about() {
    let world = World::calm(still()).await.unwrap();
    world.double().unwrap();
    named(&world, "FH007", SETTLED).await;
    let now = world.now();
    let assessment = {
        let operator = world.operator.as_ref().unwrap();
        let mut federation = operator.engine.federation();
        federation.assess(now, &Proof::default())
    };
    let events = Events::new(world.sim.client_as(USER), "test");
    events.found(None, &assessment);
    pass(SENT).await;
    let told = || -> BTreeSet<(String, String, String)> {
        let list = world.sim.admin().list(&resources::EVENTS, "");
        let text =
            |event: &Value, path: &str| event.pointer(path).unwrap().as_str().unwrap().to_owned();
        // KubeFed's own have no action.
        let ours = list.iter().filter(|e| e.get("action").is_some());
        ours.map(|e| {
            assert!(!text(e, "/involvedObject/uid").is_empty());
            (
                text(e, "/involvedObject/kind"),
                text(e, "/involvedObject/name"),
                text(e, "/action"),
            )
        })
        .collect()
    };
    let expected = [
        ("KubeFedCluster", "host", "FH004"),
        ("KubeFedCluster", ALIAS, "FH004"),
        ("KubeFedCluster", ALIAS, "FH007"),
        ("WorkspaceTemplate", "orders", "FH004"),
        ("WorkspaceTemplate", "payments", "FH004"),
        ("Namespace", "orders-web", "FH004"),
    ]
    .map(|(kind, name, code)| (kind.to_owned(), name.to_owned(), code.to_owned()));
    assert_eq!(told(), expected.into());
    let before = world.health().unwrap().status;
    let count = world.requests().len();
    events.found(before.as_ref(), &assessment);
    pass(SENT).await;
    assert_eq!(
        world.requests().len(),
        count,
        "what is in status was told already"
    );
    // It was less bad when it was told first: nothing was placed on it yet.
    let mut milder = before;
    for finding in milder.iter_mut().flat_map(|status| &mut status.findings) {
        finding.severity = "High".to_owned();
    }
    events.found(milder.as_ref(), &assessment);
    pass(SENT).await;
    assert!(world.requests().len() > count);
}
