//! Remediation in virtual time, with the operator's own code: what it does, and above all what it never does.

mod brakes;
mod crashes;
mod cures;
mod disarm;
mod doubts;
mod experiment;
mod failing;
mod journal;
mod reasons;
mod remote;
mod rights;
mod stories;
mod volumes;

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_sim::{AuditEntry, resources};
use federation_health_tests::{
    guarded::{USER, condition},
    simulated::{PLANE, Setup, WORKSPACES, World, is, is_acted_on, pass},
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);
/// KubeFed's first deletion comes 10 to 21 s after the join; an unhindered loop rages many times in this.
const RAGE: Duration = Duration::from_mins(2);
const MANAGER: &str = "kubefed-controller-manager";

/// No hold at all: what most installations below Kubernetes 1.30 have.
fn spec(mode: &str, actions: &Value) -> Value {
    json!({
        "probe": {"mode": "Probe", "allowedEndpoints": ["127.0.0.0/8"]},
        "hold": {"collection": "Never", "federation": "Never", "releaseAfterSeconds": 5},
        "remediation": {"mode": mode, "actions": actions},
    })
}

async fn calm(mode: &str, actions: Value) -> World {
    World::calm(Setup {
        spec: Some(spec(mode, &actions)),
        ..Setup::default()
    })
    .await
    .unwrap()
}

fn replicas(world: &World) -> i64 {
    let found = world
        .sim
        .admin()
        .get(&resources::DEPLOYMENTS, PLANE, MANAGER)
        .unwrap();
    found["spec"]["replicas"].as_i64().unwrap()
}

fn managed(world: &World, workspace: &str) -> Option<String> {
    let found = world
        .sim
        .admin()
        .get(&resources::WORKSPACES, "", workspace)
        .unwrap();
    found["metadata"]["labels"]["kubefed.io/managed"]
        .as_str()
        .map(str::to_owned)
}

fn uids(world: &World) -> Vec<String> {
    let admin = world.sim.admin();
    let all = [
        admin.list(&resources::WORKSPACES, ""),
        admin.list(&resources::NAMESPACES, ""),
    ];
    all.iter()
        .flatten()
        .map(|o| o["metadata"]["uid"].as_str().unwrap().to_owned())
        .collect()
}

fn annotate(
    world: &World,
    resource: &federation_health_sim::Resource,
    namespace: &str,
    name: &str,
    annotation: &str,
    value: &str,
) {
    let patch = json!({"metadata": {"annotations": {annotation: value}}});
    world
        .sim
        .admin()
        .merge(resource, namespace, name, patch)
        .unwrap();
}

/// A person's word on the FederationHealth.
fn ask(world: &World, annotation: &str, value: &str) {
    let healths = &resources::FEDERATION_HEALTHS;
    annotate(world, healths, "", "default", annotation, value);
}

/// Writes of the operator to what is not its own.
fn acts(world: &World) -> Vec<AuditEntry> {
    let mut found = world.requests();
    found.retain(|e| e.is_effective_write() && is_acted_on(&e.resource));
    found
}

fn metrics(world: &World) -> String {
    let metrics = &world.operator.as_ref().unwrap().metrics;
    String::from_utf8(metrics.text().unwrap()).unwrap()
}

/// What the alert on changes that stay too long counts.
fn standing(world: &World) -> u64 {
    let text = metrics(world);
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("federationhealth_remediation_acts_standing "));
    value.unwrap().parse().unwrap()
}

fn state_of(health: &FederationHealth, action: &str) -> Vec<String> {
    let actions = health.status.iter().flat_map(|s| &s.actions);
    actions
        .filter(|a| a.action == action)
        .map(|a| a.state.clone())
        .collect()
}

/// Waits until both Workspaces are shielded, and seen to be.
async fn both_shielded(world: &World) {
    let both = |h: &FederationHealth| state_of(h, "ShieldWorkspaces") == ["Verified", "Verified"];
    world.wait("both shields", SOON, both).await.unwrap();
}

/// The removal of the leftover is planned, and this stands against it.
fn removal_waits_for(reason: &'static str) -> impl Fn(&FederationHealth) -> bool {
    move |h| {
        let plan = h.status.as_ref().and_then(|s| s.plan.as_ref());
        let mut steps = plan.into_iter().flat_map(|plan| &plan.steps);
        steps.any(|s| s.action == "RemoveStaleCluster" && s.blocked_by.as_deref() == Some(reason))
    }
}

/// A person approves the plan of this object for ten minutes.
fn approve(world: &World, health: FederationHealth) {
    let until = world.sim.clock().now() + Duration::from_mins(10);
    let plan = health.status.unwrap().plan.unwrap().id;
    ask(
        world,
        "federationhealth.io/approve",
        &format!("{plan}@{until}"),
    );
}

fn nothing_was_lost(world: &World, before: &[String]) {
    assert_eq!(uids(world), before);
    assert!(world.deletions("workspaces").is_empty());
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_freeze_alone_saves_everything_and_the_thaw_puts_back_exactly_what_was() {
    let world = calm("Apply", json!({"freezeControllers": "Automatic"})).await;
    world
        .sim
        .admin()
        .scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 3)
        .unwrap();
    pass(SOON).await;
    let before = uids(&world);
    world.double().unwrap();
    let frozen = world
        .wait("the freeze, seen", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    assert_eq!(replicas(&world), 0);
    assert_eq!(standing(&world), 1);
    assert!(is(&frozen, "Remediating", "True"));
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    world.cure().unwrap();
    world
        .wait("the thaw", Duration::from_mins(1), |h| {
            state_of(h, "FreezeControllers") == ["Undone"]
        })
        .await
        .unwrap();
    assert_eq!(replicas(&world), 3);
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    assert_eq!(acts(&world).len(), 2, "{:#?}", acts(&world));
    assert!(condition(&world.health().unwrap(), "Remediating").is_none());
}

#[tokio::test(start_paused = true)]
async fn shields_go_up_before_the_first_deletion_and_the_former_labels_come_back() {
    let world = calm(
        "Apply",
        json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"}),
    )
    .await;
    let before = uids(&world);
    world.double().unwrap();
    world
        .wait("both shields, seen", SOON, |h| {
            state_of(h, "ShieldWorkspaces") == ["Verified", "Verified"]
        })
        .await
        .unwrap();
    pass(RAGE).await;
    for (workspace, _) in WORKSPACES {
        assert_eq!(managed(&world, workspace).as_deref(), Some("false"));
    }
    assert_ne!(
        replicas(&world),
        0,
        "a freeze harms more than the shield that was enough"
    );
    nothing_was_lost(&world, &before);
    world.cure().unwrap();
    world
        .wait("the end of the shields", Duration::from_mins(1), |h| {
            state_of(h, "ShieldWorkspaces") == ["Undone", "Undone"]
        })
        .await
        .unwrap();
    pass(RAGE).await;
    for (workspace, _) in WORKSPACES {
        assert_eq!(managed(&world, workspace).as_deref(), Some("true"));
    }
    nothing_was_lost(&world, &before);
    assert_eq!(acts(&world).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_plans_the_same_and_changes_nothing() {
    let all = json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"});
    let dry = calm("DryRun", all.clone()).await;
    let live = calm("Apply", all).await;
    dry.double().unwrap();
    let health = dry
        .wait("a tried plan", SOON, |h| {
            let plan = h.status.as_ref().and_then(|s| s.plan.as_ref());
            plan.is_some_and(|p| p.steps.iter().all(|s| s.dry_run.is_some()))
        })
        .await
        .unwrap();
    let plan = health.status.unwrap().plan.unwrap();
    assert_eq!(plan.blocked_by.as_deref(), Some("DryRun"));
    let planned: Vec<(String, String)> = plan
        .steps
        .iter()
        .filter(|s| s.blocked_by.is_none())
        .map(|s| (s.action.clone(), s.name.clone()))
        .collect();
    for step in &plan.steps {
        assert_eq!(step.dry_run.as_deref(), Some("Accepted"), "{step:?}");
    }
    assert!(acts(&dry).is_empty());
    live.double().unwrap();
    let health = live
        .wait("the acts", SOON, |h| {
            state_of(h, "ShieldWorkspaces") == ["Verified", "Verified"]
        })
        .await
        .unwrap();
    let done: Vec<(String, String)> = health
        .status
        .unwrap()
        .actions
        .iter()
        .map(|a| (a.action.clone(), a.name.clone()))
        .collect();
    assert_eq!(planned, done);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_rages_already_is_frozen_first() {
    let world = World::start(Setup {
        spec: Some(spec(
            "Apply",
            &json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"}),
        )),
        ..Setup::default()
    })
    .await
    .unwrap();
    let mut world = world;
    world.operator = None;
    world.double().unwrap();
    pass(Duration::from_secs(40)).await;
    assert!(
        !world.deletions("workspaces").is_empty(),
        "it does not rage"
    );
    world.restart_operator().unwrap();
    world
        .wait("the freeze", Duration::from_secs(40), |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    let frozen = world.deletions("workspaces").len();
    pass(RAGE).await;
    assert_eq!(world.deletions("workspaces").len(), frozen);
}

#[tokio::test(start_paused = true)]
async fn every_act_is_written_down_in_both_places_before_it_happens_and_read_live_before_it_is_written()
 {
    let world = calm("Apply", json!({"shieldWorkspaces": "Automatic"})).await;
    world.double().unwrap();
    world
        .wait("the shields", SOON, |h| {
            state_of(h, "ShieldWorkspaces") == ["Verified", "Verified"]
        })
        .await
        .unwrap();
    let audit = world.sim.audit();
    let ours: Vec<&AuditEntry> = audit
        .iter()
        .filter(|e| e.user == USER && e.verb != "watch" && e.verb != "list")
        .collect();
    let first = ours
        .iter()
        .position(|e| e.resource == "workspaces" && e.verb == "patch")
        .unwrap();
    let before = |resource: &str, sub: &str| {
        ours[..first]
            .iter()
            .any(|e| e.resource == resource && e.subresource == sub && e.is_effective_write())
    };
    assert!(before("configmaps", ""), "the ConfigMap");
    assert!(before("federationhealths", "status"), "status.actions");
    for (at, write) in ours
        .iter()
        .enumerate()
        .filter(|(_, e)| e.resource == "workspaces" && e.verb == "patch")
    {
        let read = ours[at - 1];
        assert_eq!((read.verb, &read.name), ("get", &write.name));
    }
}
