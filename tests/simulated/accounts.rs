//! Where the token of a registration was made, by the ServiceAccount in it: what tells a name that cannot be dialled.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_cluster::rbac::PROBER;
use federation_health_sim::resources;
use federation_health_tests::{
    guarded::{condition, holding, holds},
    simulated::{ALIAS, PLANE, Setup, World, is, pass, set_spec},
};
use serde_json::{Value, json};

use crate::clusters::pair;

const SECOND_ADDRESS: &str = "https://127.0.0.2:16443";
const SOON: Duration = Duration::from_secs(20);

/// Registers the host through an address at which nothing answers us.
async fn through_a_closed_door() -> World {
    let world = World::start(Setup::default()).await.unwrap();
    pass(SOON).await;
    world.sim.answer_behind(SECOND_ADDRESS);
    world.sim.join_member(PLANE, ALIAS, SECOND_ADDRESS).unwrap();
    world.sim.network().set_up(SECOND_ADDRESS, false);
    world
}

#[tokio::test(start_paused = true)]
async fn an_alias_that_nobody_can_dial_is_held_by_the_account_of_its_token() {
    let world = through_a_closed_door().await;
    let doubled = |h: &_| is(h, "ClustersUnique", "False") && holds(h) == (true, true);
    let told = world.wait("both holds", SOON, doubled).await.unwrap();
    let groups = &told.status.as_ref().unwrap().cluster_groups;
    assert!(groups[0].certain && groups[0].host, "{groups:?}");
    let evidence = format!("{:?}", groups[0].evidence);
    assert!(
        evidence.contains("By the ServiceAccount of a token"),
        "{evidence}"
    );
    // Asked for by name, in KubeFed's namespace, as its role allows.
    let asked = world.requests();
    let accounts = asked.iter().filter(|e| e.resource == "serviceaccounts");
    let mut names: Vec<&str> = accounts
        .inspect(|e| assert_eq!((e.verb, e.namespace.as_str()), ("get", PLANE)))
        .inspect(|e| {
            let covers =
                |r: &federation_health_cluster::rbac::Right| r.covers(e.verb, "", &e.resource, "");
            assert!(PROBER.rights.iter().any(covers));
        })
        .map(|e| e.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["host-kubesphere", "produce-trt-kubesphere"]);
}

/// Whoever writes a registration's Secret writes its claims: enough to hold for, and not to delete for.
#[tokio::test(start_paused = true)]
async fn what_a_token_alone_tells_is_removed_by_nobody_but_a_person() {
    let world = through_a_closed_door().await;
    let mut spec = holding();
    spec["remediation"] = json!({"mode": "Apply", "actions": {"removeStaleCluster": "Automatic"}});
    set_spec(&world.sim, "default", &spec).unwrap();
    let asks_a_person = |h: &FederationHealth| {
        condition(h, "RemediationAllowed").is_some_and(|(_, reason)| reason == "EvidenceConflicts")
    };
    let told = world
        .wait("a person to be asked", SOON, asks_a_person)
        .await;
    drop(told.unwrap());
    pass(Duration::from_mins(2)).await;
    let registered = world.sim.admin().list(&resources::KUBEFED_CLUSTERS, "");
    assert_eq!(registered.len(), 2);
    // It answers, and so there is more than the token.
    world.sim.network().set_up(SECOND_ADDRESS, true);
    let removed = |h: &FederationHealth| is(h, "Healthy", "True");
    let told = world
        .wait("the removal", Duration::from_mins(3), removed)
        .await;
    drop(told.unwrap());
    let registered = world.sim.admin().list(&resources::KUBEFED_CLUSTERS, "");
    assert_eq!(registered.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_gone_proves_the_leftover_and_is_no_evidence_that_it_leads_here() {
    let world = World::start(Setup::default()).await.unwrap();
    pass(SOON).await;
    let admin = world.sim.admin();
    world.sim.answer_behind(SECOND_ADDRESS);
    world.sim.join_member(PLANE, ALIAS, SECOND_ADDRESS).unwrap();
    world.sim.network().set_up(SECOND_ADDRESS, false);
    let account = format!("{ALIAS}-kubesphere");
    admin
        .delete(&resources::SERVICE_ACCOUNTS, PLANE, &account, Value::Null)
        .unwrap();
    pass(SOON).await;
    assert!(!is(&world.health().unwrap(), "ClustersUnique", "False"));
    // KubeSphere found this server behind it, so the missing account is one of this server's.
    let cluster = json!({
        "metadata": {"name": ALIAS}, "spec": {"joinFederation": false},
        "status": {"uid": world.sim.cluster_uid()},
    });
    admin.create(&resources::CLUSTERS, cluster).unwrap();
    let gone = |h: &federation_health_api::FederationHealth| {
        let groups = h.status.iter().flat_map(|s| &s.cluster_groups);
        let mut members = groups.flat_map(|g| &g.members);
        let sign = "Proof: the ServiceAccount of its token does not exist on this server any more.";
        members.any(|m| m.name == ALIAS && m.staleness.iter().any(|line| line == sign))
    };
    world.wait("the proof", SOON, gone).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_has_the_account_is_told_apart_by_its_lease() {
    let (host, member) = pair();
    member.clone_identity_of(&host);
    // The clone's token was made before it was one, by an account that both have.
    let admin = host.admin();
    let secret = admin
        .get(&resources::SECRETS, PLANE, "host-secret")
        .unwrap();
    let token = json!({"data": secret["data"]});
    admin
        .merge(&resources::SECRETS, PLANE, "east-secret", token)
        .unwrap();
    let _running = member.start_controllers(&federation_health_sim::Controllers::member());
    let world = World::on(host, Setup::default()).await.unwrap();
    let cloned = |h: &federation_health_api::FederationHealth| {
        serde_json::to_string(&h.status)
            .unwrap()
            .contains("ClonedIdentity")
    };
    let limit = Duration::from_secs(90);
    let told = world.wait("the clone", limit, cloned).await.unwrap();
    assert!(!is(&told, "ClustersUnique", "False"));
    let asked = world.requests();
    let read = |e: &&federation_health_sim::AuditEntry| {
        e.resource == "serviceaccounts" && e.name == "host-kubesphere" && e.code == 200
    };
    assert!(asked.iter().filter(read).count() >= 2, "through both names");
}
