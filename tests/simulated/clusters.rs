//! Several clusters and control planes: which names are one cluster, and what may be held.

use std::time::Duration;

use federation_health_sim::{
    Clock, Controllers, Effect, KubeFedOptions, Network, Running, Sim, resources,
};
use federation_health_tests::{
    guarded::{USER, condition, holding, holds, observing},
    simulated::{HOST, PLANE, Setup, WORKSPACES, World, is, pass},
};
use serde_json::json;

pub const MEMBER: &str = "https://127.0.0.1:7443";
const SECOND_ADDRESS: &str = "https://127.0.0.2:16443";
const SOON: Duration = Duration::from_secs(20);

/// A host with Workspaces of its own, and a remote member `east` that shares one.
pub fn pair() -> (Sim, Sim) {
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
    (host, member)
}

async fn guarded(host: Sim, member: &Sim) -> (World, Running) {
    let running = member.start_controllers(&Controllers::member());
    let world = World::on(host, Setup::default()).await.unwrap();
    (world, running)
}

#[tokio::test(start_paused = true)]
async fn a_doubled_member_is_named_and_not_held_on_the_host() {
    let (host, member) = pair();
    let (world, _running) = guarded(host, &member).await;
    world
        .wait("a good verdict", SOON, |h| is(h, "Healthy", "True"))
        .await
        .unwrap();
    world.sim.join_member(PLANE, "east-old", MEMBER).unwrap();
    let health = world
        .wait("a verdict", SOON, |h| is(h, "ClustersUnique", "False"))
        .await
        .unwrap();
    let finding = &health.status.as_ref().unwrap().findings[0];
    assert!(
        finding.subject.contains("east") && finding.subject.contains("east-old"),
        "{finding:?}"
    );
    let told = format!("{finding:?}");
    assert!(told.contains("shop"), "{told}");
    pass(Duration::from_mins(1)).await;
    assert_eq!(holds(&world.health().unwrap()), (false, false));
    let ours = |e: &federation_health_sim::AuditEntry| {
        e.user == federation_health_tests::guarded::USER
            && !matches!(e.verb, "get" | "list" | "watch")
    };
    assert!(
        !member.audit().iter().any(ours),
        "the operator wrote to a member"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_a_finding_and_not_the_same_cluster() {
    let (host, member) = pair();
    member.clone_identity_of(&host);
    let (world, _running) = guarded(host, &member).await;
    let health = world
        .wait("the clone to be named", Duration::from_secs(90), |h| {
            serde_json::to_string(&h.status)
                .unwrap()
                .contains("ClonedIdentity")
        })
        .await
        .unwrap();
    pass(Duration::from_mins(2)).await;
    let later = world.health().unwrap();
    for health in [health, later] {
        assert_eq!(holds(&health), (false, false));
        assert_ne!(
            condition(&health, "ClustersUnique").unwrap().1,
            "DoubledRegistration"
        );
    }
}

/// Registers the host through another address; `shared` gives it the authority of the first.
async fn through_another_address(spec: serde_json::Value, shared: bool) -> World {
    let setup = Setup {
        spec: Some(spec),
        ..Setup::default()
    };
    let world = World::start(setup).await.unwrap();
    pass(SOON).await;
    world.sim.answer_behind(SECOND_ADDRESS);
    world
        .sim
        .join_member(PLANE, "produce-trt", SECOND_ADDRESS)
        .unwrap();
    if shared {
        let admin = world.sim.admin();
        let host = admin
            .get(&resources::KUBEFED_CLUSTERS, PLANE, "host")
            .unwrap();
        let ca = json!({"spec": {"caBundle": host["spec"]["caBundle"]}});
        admin
            .merge(&resources::KUBEFED_CLUSTERS, PLANE, "produce-trt", ca)
            .unwrap();
    }
    world
}

#[tokio::test(start_paused = true)]
async fn through_another_address_probing_is_certain_before_the_first_deletion() {
    let spec = holding();
    for shared in [true, false] {
        let world = through_another_address(spec.clone(), shared).await;
        world
            .wait("both holds", Duration::from_secs(5), |h| {
                holds(h) == (true, true)
            })
            .await
            .unwrap();
        // The hold does not wait for the verdict to be written.
        let health = world
            .wait("a verdict", Duration::from_secs(1), |h| {
                is(h, "ClustersUnique", "False")
            })
            .await
            .unwrap();
        let groups = &health.status.as_ref().unwrap().cluster_groups;
        assert!(groups[0].certain && groups[0].host, "{groups:?}");
        pass(Duration::from_secs(30)).await;
        assert!(world.deletions("workspaces").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_endpoint_in_disguise_is_held_and_never_dialled() {
    for disguise in ["?x", "#x", "/a/.."] {
        let world = World::start(Setup::default()).await.unwrap();
        pass(SOON).await;
        let admin = world.sim.admin();
        let host = admin.get(&resources::KUBEFED_CLUSTERS, PLANE, "host");
        let mut spec = host.unwrap()["spec"].clone();
        spec["apiEndpoint"] = json!(format!("{HOST}{disguise}"));
        let alias = json!({"metadata": {"name": "produce-trt", "namespace": PLANE}, "spec": spec});
        admin.create(&resources::KUBEFED_CLUSTERS, alias).unwrap();
        let doubled = |h: &_| is(h, "ClustersUnique", "False") && holds(h) == (true, true);
        world.wait("both holds", SOON, doubled).await.unwrap();
        let silent = |h: &_| is(h, "ClustersReachable", "False");
        world.wait("no probe", SOON, silent).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn through_another_address_offline_only_suspects_and_holds_nothing_for_it() {
    let mut spec = holding();
    spec["probe"] = json!({"mode": "Offline"});
    let world = through_another_address(spec, true).await;
    let health = world
        .wait("a suspicion", Duration::from_secs(5), |h| {
            condition(h, "ClustersUnique").is_some_and(|(_, reason)| reason == "SuspectedDuplicate")
        })
        .await
        .unwrap();
    assert!(
        is(&health, "ClustersUnique", "Unknown"),
        "{:#?}",
        health.status
    );
    assert_eq!(holds(&health), (false, false));
    // KubeFed's first deletion springs the tripwire, which needs no identity.
    pass(Duration::from_secs(40)).await;
    assert!(holds(&world.health().unwrap()).0);
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn offline_dials_nobody_and_reads_no_secret() {
    let mut spec = observing();
    spec["probe"] = json!({"mode": "Offline"});
    let world = through_another_address(spec, true).await;
    pass(SOON).await;
    let asked = world.requests();
    assert!(
        asked
            .iter()
            .all(|e| !["secrets", "leases"].contains(&e.resource.as_str()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_answer_is_unreachable_and_nothing_more() {
    let (host, member) = pair();
    let (world, _running) = guarded(host, &member).await;
    world
        .wait("a good verdict", SOON, |h| is(h, "Healthy", "True"))
        .await
        .unwrap();
    world.sim.network().set_up(MEMBER, false);
    let health = world
        .wait("silence to be told", Duration::from_mins(2), |h| {
            is(h, "ClustersReachable", "False")
        })
        .await
        .unwrap();
    assert!(!is(&health, "ClustersUnique", "False"));
    assert_eq!(holds(&health), (false, false));
    world.sim.network().set_up(MEMBER, true);
    world
        .wait("a good verdict", Duration::from_mins(2), |h| {
            is(h, "Healthy", "True")
        })
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_control_plane_is_named_before_its_first_deletion_and_its_accounts_are_held() {
    let rival = "old-federation";
    let sim = Sim::in_network(&Network::default(), Clock::simulated(), HOST);
    sim.install_kubesphere().unwrap();
    for (workspace, namespaces) in WORKSPACES {
        sim.add_workspace(workspace, &["host"], &namespaces)
            .unwrap();
    }
    sim.install_plane(rival).unwrap();
    let mut controllers = Controllers::host();
    controllers
        .planes
        .push(KubeFedOptions::v0_8_1().in_namespace(rival));
    let setup = Setup {
        controllers,
        ..Setup::default()
    };
    let world = World::on(sim, setup).await.unwrap();
    pass(SOON).await;
    world.sim.join_member(rival, "produce-trt", HOST).unwrap();
    let health = world
        .wait("a verdict", Duration::from_secs(5), |h| {
            is(h, "ControlPlaneUnique", "False") && holds(h) == (true, true)
        })
        .await
        .unwrap();
    let hold = health.status.unwrap().hold.unwrap();
    assert!(hold.namespaces.iter().any(|n| n == rival), "{hold:?}");
    pass(Duration::from_secs(45)).await;
    assert!(world.deletions("workspaces").is_empty());
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_join_guards_list_follows_the_registrations_and_outlives_the_operator() {
    let mut spec = observing();
    spec["joinGuard"] = json!("Deny");
    let setup = Setup {
        spec: Some(spec),
        ..Setup::default()
    };
    let mut world = World::start(setup).await.unwrap();
    let owner = |h: &federation_health_api::FederationHealth| {
        let list = h.status.as_ref()?.join_guard.as_ref()?;
        list.endpoints.get("127.0.0.1:6443").cloned()
    };
    let told = |h: &_| is(h, "JoinGuardReady", "False") && owner(h).as_deref() == Some("host");
    world
        .wait("the list, and its missing policies", SOON, told)
        .await
        .unwrap();
    let clusters = "kubefedclusters";
    world.sim.inject(move |request| {
        let blind = request.user == USER && request.resource == clusters;
        blind.then_some(Effect::Break)
    });
    world.restart_operator().unwrap();
    pass(SOON).await;
    assert!(
        told(&world.health().unwrap()),
        "an emptied list lets all pass"
    );
}
