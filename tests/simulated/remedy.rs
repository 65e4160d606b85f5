//! Remediation in virtual time, with the operator's own code: what it does, and above all what it never does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use federation_health_api::FederationHealth;
use federation_health_core::remedy::brake::TABLE;
use federation_health_sim::{AuditEntry, Effect, resources};
use federation_health_tests::{
    guarded::{USER, condition, root},
    simulated::{Operator, PLANE, Setup, WORKSPACES, World, is, pass},
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

/// Writes of the operator to what is not its own.
fn acts(world: &World) -> Vec<AuditEntry> {
    let mut found = world.requests();
    found.retain(|e| {
        e.is_effective_write()
            && matches!(
                e.resource.as_str(),
                "workspaces"
                    | "deployments"
                    | "namespaces"
                    | "workspacetemplates"
                    | "kubefedclusters"
                    | "persistentvolumes"
            )
    });
    found
}

fn state_of(health: &FederationHealth, action: &str) -> Vec<String> {
    let actions = health.status.iter().flat_map(|s| &s.actions);
    actions
        .filter(|a| a.action == action)
        .map(|a| a.state.clone())
        .collect()
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
        .scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 2)
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
    assert_eq!(replicas(&world), 2);
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
async fn nothing_is_done_by_default_and_the_reason_is_said() {
    for (mode, actions, reason) in [
        ("Observe", json!({"freezeControllers": "Automatic"}), None),
        ("Apply", json!({}), Some("ActionNever")),
        (
            "Apply",
            json!({"shieldWorkspaces": "Approval", "freezeControllers": "Approval"}),
            Some("NotApproved"),
        ),
    ] {
        let world = calm(mode, actions).await;
        world.double().unwrap();
        pass(Duration::from_secs(1)).await;
        let health = world.health().unwrap();
        let found = condition(&health, "RemediationAllowed").map(|(_, reason)| reason);
        assert_eq!(found.as_deref(), reason, "{mode}");
        pass(RAGE).await;
        assert!(acts(&world).is_empty());
    }
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

async fn planned(world: &World) -> String {
    let health = world
        .wait("a plan", SOON, |h| {
            h.status.as_ref().is_some_and(|s| s.plan.is_some())
        })
        .await
        .unwrap();
    health.status.unwrap().plan.unwrap().id
}

#[tokio::test(start_paused = true)]
async fn an_approval_counts_for_its_plan_until_it_expires() {
    let world = calm("Apply", json!({"freezeControllers": "Approval"})).await;
    let before = uids(&world);
    world.double().unwrap();
    let id = planned(&world).await;
    let approve = |value: &str| {
        annotate(
            &world,
            &resources::FEDERATION_HEALTHS,
            "",
            "default",
            "federationhealth.io/approve",
            value,
        )
    };
    let at = |seconds: i64| {
        (world.sim.clock().now() + Duration::from_secs(seconds.unsigned_abs())).to_string()
    };
    for wrong in [
        format!("{id}@2020-01-01T00:00:00Z"),
        id.clone(),
        format!("0123456789@{}", at(600)),
        format!("{id}@{}", at(200_000)),
    ] {
        approve(&wrong);
        pass(Duration::from_secs(1)).await;
        let health = world.health().unwrap();
        assert_eq!(
            condition(&health, "RemediationAllowed").unwrap().1,
            "NotApproved",
            "{wrong}"
        );
        assert!(acts(&world).is_empty(), "{wrong}");
    }
    approve(&format!("{id}@{}", at(600)));
    world
        .wait("the freeze", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
}

#[tokio::test(start_paused = true)]
async fn a_pause_an_opt_out_and_a_keeper_are_each_respected() {
    let all = json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"});
    let world = calm("Apply", all.clone()).await;
    let mut paused = spec("Apply", &all);
    paused["remediation"]["pauseRequests"] =
        json!([{"name": "night-shift", "reason": "change freeze"}]);
    federation_health_tests::simulated::set_spec(&world.sim, "default", &paused).unwrap();
    pass(Duration::from_secs(1)).await;
    world.double().unwrap();
    pass(Duration::from_secs(1)).await;
    let health = world.health().unwrap();
    assert_eq!(
        condition(&health, "RemediationAllowed").unwrap().1,
        "Paused"
    );
    assert!(is(&health, "Paused", "True"));
    pass(SOON).await;
    assert!(acts(&world).is_empty());

    let world = calm("Apply", json!({"shieldWorkspaces": "Automatic"})).await;
    annotate(
        &world,
        &resources::WORKSPACES,
        "",
        "orders",
        "federationhealth.io/opt-out",
        "true",
    );
    world.double().unwrap();
    world
        .wait("the other's shield", SOON, |h| {
            state_of(h, "ShieldWorkspaces") == ["Verified"]
        })
        .await
        .unwrap();
    assert_eq!(managed(&world, "orders").as_deref(), Some("true"));
    assert_eq!(managed(&world, "payments").as_deref(), Some("false"));

    let world = calm("Apply", json!({"freezeControllers": "Automatic"})).await;
    annotate(
        &world,
        &resources::DEPLOYMENTS,
        PLANE,
        MANAGER,
        "argocd.argoproj.io/tracking-id",
        "kubefed",
    );
    world.double().unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!(
        condition(&world.health().unwrap(), "RemediationAllowed")
            .unwrap()
            .1,
        "KeptByAnother"
    );
    assert!(acts(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_scales_kubefed_back_is_not_fought() {
    let world = calm("Apply", json!({"freezeControllers": "Automatic"})).await;
    world.double().unwrap();
    world
        .wait("the freeze", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    pass(Duration::from_secs(10)).await;
    world
        .sim
        .admin()
        .scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 1)
        .unwrap();
    world
        .wait("the latch", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Contested"]
        })
        .await
        .unwrap();
    pass(Duration::from_mins(11)).await;
    assert_eq!(acts(&world).len(), 1, "one act, and never again");
    let health = world.health().unwrap();
    assert_eq!(
        condition(&health, "RemediationAllowed").unwrap().1,
        "Contested"
    );
    assert!(world.operator.as_ref().unwrap().lives());
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

/// Both holds and every cure, all by itself.
fn curing() -> Value {
    let mut spec = spec(
        "Apply",
        &json!({"fixPlacement": "Automatic", "removeStaleCluster": "Automatic"}),
    );
    spec["hold"] =
        json!({"collection": "OnDiagnosis", "federation": "OnDiagnosis", "releaseAfterSeconds": 5});
    spec
}

async fn calm_with(spec: Value) -> World {
    World::calm(Setup {
        spec: Some(spec),
        ..Setup::default()
    })
    .await
    .unwrap()
}

fn registered(world: &World) -> Vec<String> {
    let all = world.sim.admin().list(&resources::KUBEFED_CLUSTERS, "");
    all.iter()
        .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn under_a_proven_hold_the_leftover_is_removed_and_the_hold_ends_by_itself() {
    let world = calm_with(curing()).await;
    let before = uids(&world);
    world.double().unwrap();
    world
        .wait("the removal", Duration::from_secs(20), |h| {
            state_of(h, "RemoveStaleCluster") == ["Verified"]
        })
        .await
        .unwrap();
    assert_eq!(registered(&world), ["host"]);
    world
        .wait("rest", Duration::from_mins(2), |h| {
            is(h, "Healthy", "True") && condition(h, "Holding").is_none()
        })
        .await
        .unwrap();
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    let kept = &world.health().unwrap().status.unwrap().actions[0].from;
    let manifest: Value = serde_json::from_str(kept).unwrap();
    assert_eq!(manifest["metadata"]["name"], "produce-trt");
    assert!(manifest["data"].is_null() && manifest["spec"]["secretRef"]["name"].is_string());
    assert_eq!(acts(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_hold_nothing_that_cannot_be_taken_back_is_done() {
    let world = calm(
        "Apply",
        json!({"fixPlacement": "Automatic", "removeStaleCluster": "Automatic"}),
    )
    .await;
    world.double().unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!(
        condition(&world.health().unwrap(), "RemediationAllowed")
            .unwrap()
            .1,
        "NotHeld"
    );
    pass(RAGE).await;
    assert!(acts(&world).is_empty());
    assert_eq!(registered(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_placed_on_the_leftover_alone_gets_its_placement_first_and_nothing_is_deleted()
{
    let mut paused = curing();
    paused["remediation"]["pauseRequests"] =
        json!([{"name": "test", "reason": "the placement is edited first"}]);
    let world = calm_with(paused).await;
    world.double().unwrap();
    world
        .wait("the hold", SOON, |h| is(h, "Holding", "True"))
        .await
        .unwrap();
    let before = uids(&world);
    let patch = json!({"spec": {"placement": {"clusters": [{"name": "produce-trt"}]}}});
    world
        .sim
        .admin()
        .merge(&resources::WORKSPACE_TEMPLATES, "", "orders", patch)
        .unwrap();
    pass(Duration::from_secs(1)).await;
    let unpaused = json!({"spec": {"remediation": {"pauseRequests": null}}});
    world
        .sim
        .admin()
        .merge(&resources::FEDERATION_HEALTHS, "", "default", unpaused)
        .unwrap();
    world
        .wait("the removal", Duration::from_mins(5), |h| {
            state_of(h, "RemoveStaleCluster") == ["Verified"]
        })
        .await
        .unwrap();
    let writes: Vec<(String, String)> = acts(&world)
        .iter()
        .map(|e| (e.resource.clone(), e.name.clone()))
        .collect();
    let of = |resource: &str, name: &str| (resource.to_owned(), name.to_owned());
    assert_eq!(
        writes,
        [
            of("workspacetemplates", "orders"),
            of("kubefedclusters", "produce-trt")
        ]
    );
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
}

#[tokio::test(start_paused = true)]
async fn of_two_names_in_use_none_is_removed() {
    let world = calm_with(curing()).await;
    world
        .sim
        .apply_object(json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": "produce-trt"}, "spec": {"joinFederation": true},
        }))
        .unwrap();
    world.double().unwrap();
    pass(RAGE).await;
    assert!(acts(&world).is_empty());
    assert_eq!(registered(&world).len(), 2);
}

/// Kills the operator around its `k`th write to anything that is not its own status: before it is sent, after it is
/// committed but before the answer, or after the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kill {
    Before,
    Unanswered,
    After,
}

async fn killed(kill: Kill, k: usize, spec: Value) -> (World, usize) {
    let mut world = calm_with(spec).await;
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    world.sim.inject(move |request| {
        let write = request.user == USER
            && matches!(request.verb, "patch" | "create" | "delete" | "update")
            && !matches!(
                request.resource.as_str(),
                "leases" | "federationholds" | "events"
            )
            && (request.resource != "federationhealths" || request.subresource != "status");
        if !write || seen.fetch_add(1, Ordering::Relaxed) + 1 != k {
            return None;
        }
        match kill {
            Kill::Before => Some(Effect::Break),
            Kill::Unanswered => Some(Effect::BreakAnswer),
            Kill::After => None,
        }
    });
    world.double().unwrap();
    let mut cured = false;
    // Watched closely, so that the operator dies before it can do anything more.
    for turn in 0..3000 {
        if count.load(Ordering::Relaxed) >= k {
            world.sim.clear_faults();
            world.restart_operator().unwrap();
            break;
        }
        if turn == 1500 && !cured {
            cured = true;
            let _ = world.cure();
        }
        pass(Duration::from_millis(2)).await;
    }
    let reached = count.load(Ordering::Relaxed);
    pass(Duration::from_secs(8)).await;
    let _ = world.cure();
    (world, reached)
}

#[tokio::test(start_paused = true)]
async fn killed_around_any_write_of_a_freeze_its_successor_comes_to_the_same_end() {
    for kill in [Kill::Before, Kill::Unanswered, Kill::After] {
        for k in 1..=6 {
            let (world, reached) = killed(
                kill,
                k,
                spec("Apply", &json!({"freezeControllers": "Automatic"})),
            )
            .await;
            if reached < k {
                break;
            }
            world
                .wait("rest", Duration::from_mins(5), |h| {
                    is(h, "Healthy", "True") && condition(h, "Remediating").is_none()
                })
                .await
                .unwrap_or_else(|error| panic!("{kill:?} {k}: {error}"));
            assert_eq!(replicas(&world), 1, "{kill:?} {k}");
            let scales = acts(&world);
            assert!(
                scales.len() <= 4 && scales.len().is_multiple_of(2),
                "{kill:?} {k}: {scales:#?}"
            );
            assert!(world.deletions("namespaces").is_empty(), "{kill:?} {k}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_around_any_write_of_a_removal_nothing_is_deleted_twice() {
    for kill in [Kill::Before, Kill::Unanswered, Kill::After] {
        for k in 1..=6 {
            let (world, reached) = killed(kill, k, curing()).await;
            if reached < k {
                break;
            }
            world
                .wait("rest", Duration::from_mins(5), |h| {
                    is(h, "Healthy", "True") && condition(h, "Holding").is_none()
                })
                .await
                .unwrap_or_else(|error| panic!("{kill:?} {k}: {error}"));
            assert_eq!(registered(&world), ["host"], "{kill:?} {k}");
            assert!(acts(&world).len() <= 1, "{kill:?} {k}: {:#?}", acts(&world));
            assert!(world.deletions("namespaces").is_empty(), "{kill:?} {k}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_acts_and_the_other_finishes_when_it_dies() {
    let mut world = calm("Apply", json!({"freezeControllers": "Automatic"})).await;
    let second =
        Operator::start_with(&world.sim, |around| around.instance = "pod-2".to_owned()).unwrap();
    pass(SOON).await;
    let before = uids(&world);
    world.double().unwrap();
    world
        .wait("the freeze", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    pass(SOON).await;
    assert_eq!(acts(&world).len(), 1);
    world.operator = None;
    world.cure().unwrap();
    world
        .wait("the thaw by the other", Duration::from_mins(2), |h| {
            state_of(h, "FreezeControllers") == ["Undone"]
        })
        .await
        .unwrap();
    assert_eq!(replicas(&world), 1);
    assert_eq!(acts(&world).len(), 2);
    nothing_was_lost(&world, &before);
    assert!(second.lives());
}

#[test]
fn the_documented_brakes_are_those_of_the_code() {
    let text = std::fs::read_to_string(root().join("docs/remediation.md")).unwrap();
    let (_, rest) = text.split_once("<!-- brakes: generated from crates/core/src/remedy/brake.rs -->\n").unwrap();
    let (documented, _) = rest.split_once("<!-- /brakes -->").unwrap();
    let mut table = "| brake | it holds while | it ends |\n|---|---|---|\n".to_owned();
    for (brake, holds, ends) in TABLE {
        table.push_str(&format!("| `{brake}` | {holds} | {ends} |\n"));
    }
    assert_eq!(documented, table, "replace the table by the one on the right");
}
