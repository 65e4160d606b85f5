//! The incident in virtual time, with the operator's own code.

use std::time::Duration;

use federation_health_core::time::Time;
use federation_health_sim::{Controllers, resources};
use federation_health_tests::{
    guarded::{condition, holding, holds, observing},
    simulated::{ALIAS, Setup, WORKSPACES, World, is, pass},
};
use serde_json::json;

/// KubeFed's first deletion comes 10 to 21 s after the join.
const RAGE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(5);

fn at(entry: &federation_health_sim::AuditEntry) -> Time {
    Time(entry.at.as_millisecond())
}

#[tokio::test(start_paused = true)]
async fn a_second_registration_is_named_with_all_that_it_endangers_and_held_before_the_first_deletion()
 {
    let world = World::calm(Setup::default()).await.unwrap();
    let joined = world.double().unwrap();
    let health = world
        .wait("a verdict", SOON, |h| is(h, "ClustersUnique", "False"))
        .await
        .unwrap();
    assert!(world.now().since_ms(joined) < 1_000);
    let status = health.status.clone().unwrap();
    let unique = status
        .conditions
        .iter()
        .find(|c| c.type_ == "ClustersUnique")
        .unwrap();
    for name in ["/host", "/produce-trt"] {
        assert!(unique.message.contains(name), "{}", unique.message);
    }
    let radius = status.blast_radius.unwrap();
    assert_eq!(radius.workspace_names, ["orders", "payments"]);
    let mut namespaces: Vec<&str> = WORKSPACES.iter().flat_map(|(_, n)| *n).collect();
    namespaces.sort_unstable();
    assert_eq!(radius.namespace_names, namespaces);

    world
        .wait("both holds", SOON, |h| holds(h) == (true, true))
        .await
        .unwrap();
    let held = world.now();
    pass(RAGE).await;
    let refused = world.sim.audit();
    let mut refused = refused
        .iter()
        .filter(|e| e.verb == "delete" && e.resource == "workspaces" && e.code == 403);
    let first = refused.next().expect("KubeFed never tried");
    assert!(at(first) > held);
    assert!(world.deletions("workspaces").is_empty());
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_by_itself_when_its_cause_has_been_gone_for_as_long_as_the_spec_says() {
    let mut spec = holding();
    spec["hold"]["releaseAfterSeconds"] = json!(30);
    let world = World::calm(Setup {
        spec: Some(spec),
        ..Setup::default()
    })
    .await
    .unwrap();
    world.double().unwrap();
    pass(RAGE).await;
    world.cure().unwrap();
    let cured = world.now();
    pass(Duration::from_secs(29)).await;
    assert_eq!(holds(&world.health().unwrap()), (true, true));
    world
        .wait("the end of the hold", SOON, |h| holds(h) == (false, false))
        .await
        .unwrap();
    let kept = world.now().since_ms(cured);
    assert!((30_000..32_000).contains(&kept), "{kept} ms");
    world
        .wait("a good verdict", SOON, |h| {
            is(h, "Healthy", "True") && condition(h, "Holding").is_none()
        })
        .await
        .unwrap();
    pass(Duration::from_mins(2)).await;
    assert!(world.deletions("workspaces").is_empty());
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_hold_each_lost_namespace_is_named_by_its_uid_and_recreations_are_counted_right()
{
    let world = World::calm(Setup {
        spec: Some(observing()),
        ..Setup::default()
    })
    .await
    .unwrap();
    let mut before = namespaces(&world);
    before.sort();
    world.double().unwrap();
    pass(Duration::from_mins(1)).await;
    world.cure().unwrap();
    pass(Duration::from_mins(1)).await;
    let status = world.health().unwrap().status.unwrap();
    let mut lost: Vec<(String, String)> = status
        .lost_namespaces
        .iter()
        .map(|l| (l.name.clone(), l.uid.clone()))
        .collect();
    lost.sort();
    assert_eq!(lost, before);
    // The end of an old object and the start of a new one under its name make one recreation.
    let audit = world.sim.audit();
    let created = audit
        .iter()
        .filter(|e| e.verb == "create" && e.resource == "workspaces" && e.is_effective_write());
    let recreated = created.count() - WORKSPACES.len();
    assert!(recreated > 20, "{recreated}");
    assert_eq!(status.summary.unwrap().recreations, recreated as i64);
    assert_eq!(world.sim.audit_dropped(), 0);
}

fn namespaces(world: &World) -> Vec<(String, String)> {
    let all = world.sim.admin().list(&resources::NAMESPACES, "");
    let ours = all.iter().filter(|n| {
        n["metadata"]["labels"]
            .get("kubesphere.io/workspace")
            .is_some()
    });
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    ours.map(|n| (text(&n["metadata"]["name"]), text(&n["metadata"]["uid"])))
        .collect()
}

/// A calm federation under this spec that KubeSphere has left: its finalizers stay on the Workspaces.
pub async fn without_kubesphere(spec: serde_json::Value) -> World {
    let controllers = Controllers {
        kubesphere_host: false,
        kubesphere_binder: false,
        ..Controllers::host()
    };
    let setup = Setup {
        spec: Some(spec),
        controllers,
        ..Setup::default()
    };
    let world = World::calm(setup).await.unwrap();
    let _kubesphere = world.sim.start_controllers(&Controllers::kubesphere());
    pass(SOON).await;
    world
}

/// A raging loop under this spec that leaves namespaces armed: without KubeSphere's binder nobody gives them the recreated
/// Workspace as owner.
pub async fn arming(spec: serde_json::Value, rage: Duration) -> World {
    let mut controllers = Controllers::host();
    controllers.kubesphere_binder = false;
    let world = World::calm(Setup {
        spec: Some(spec),
        controllers,
        ..Setup::default()
    })
    .await
    .unwrap();
    let admin = world.sim.admin();
    for (workspace, _) in WORKSPACES {
        admin
            .edit(&resources::WORKSPACES, "", workspace, |w| {
                w["metadata"]["finalizers"] = json!([]);
            })
            .unwrap();
    }
    world.double().unwrap();
    pass(rage).await;
    assert!(
        !world.deletions("workspaces").is_empty(),
        "it does not rage"
    );
    world
}

#[tokio::test(start_paused = true)]
async fn a_namespace_whose_owner_is_gone_blocks_the_release_until_it_is_disarmed() {
    let mut spec = holding();
    spec["hold"]["federation"] = json!("Never");
    let world = arming(spec, RAGE).await;
    assert!(world.deletions("namespaces").is_empty());
    world.cure().unwrap();
    pass(Duration::from_mins(1)).await;
    let health = world.health().unwrap();
    assert!(holds(&health).0, "released although namespaces are armed");
    let (_, reason) = condition(&health, "Holding").unwrap();
    assert_eq!(reason, "ReleaseBlocked");
    assert!(is(&health, "NamespacesSafe", "False"));
    assert!(world.deletions("namespaces").is_empty());

    for (name, _) in namespaces(&world) {
        world
            .sim
            .admin()
            .edit(&resources::NAMESPACES, "", &name, |n| {
                n["metadata"]["ownerReferences"] = json!([]);
            })
            .unwrap();
    }
    world
        .wait("the end of the hold", Duration::from_secs(40), |h| {
            holds(h) == (false, false)
        })
        .await
        .unwrap();
    pass(Duration::from_secs(30)).await;
    assert!(world.deletions("namespaces").is_empty());
}

/// Found by a schedule: with KubeSphere away nobody takes its finalizer off a Workspace that KubeFed deleted. The cause ends
/// meanwhile, and a hold that ended with it would lose the namespaces when KubeSphere comes back.
#[tokio::test(start_paused = true)]
async fn a_hold_outlives_its_cause_until_a_workspace_that_waits_for_kubesphere_has_come_back() {
    let mut spec = holding();
    spec["hold"]["federation"] = json!("Never");
    let world = without_kubesphere(spec).await;
    world.double().unwrap();
    pass(RAGE).await;
    for (name, _) in WORKSPACES {
        let live = world.sim.admin().get(&resources::WORKSPACES, "", name);
        let deleted = live.unwrap()["metadata"]["deletionTimestamp"].is_string();
        assert!(deleted, "{name} is not being deleted");
    }
    world.cure().unwrap();
    pass(Duration::from_mins(1)).await;
    let health = world.health().unwrap();
    assert!(holds(&health).0, "released while Workspaces fall");
    let (_, reason) = condition(&health, "Holding").unwrap();
    assert_eq!(reason, "ReleaseBlocked");

    let _back = world.sim.start_controllers(&Controllers::kubesphere());
    let free = |h: &_| holds(h) == (false, false);
    let limit = Duration::from_mins(2);
    world.wait("the release", limit, free).await.unwrap();
    pass(Duration::from_secs(30)).await;
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_killed_during_the_hold_leaves_it_standing_and_its_successor_ends_it() {
    let mut world = World::calm(Setup::default()).await.unwrap();
    world.double().unwrap();
    pass(RAGE).await;
    world.operator = None;
    pass(RAGE).await;
    assert_eq!(holds(&world.health().unwrap()), (true, true));
    world.restart_operator().unwrap();
    for _ in 0..600 {
        pass(Duration::from_millis(100)).await;
        let health = world.health().unwrap();
        assert_eq!(holds(&health), (true, true));
        assert!(is(&health, "ClustersUnique", "False"));
        assert!(is(&health, "Holding", "True"));
    }
    world.cure().unwrap();
    world
        .wait("the end of the hold", Duration::from_secs(20), |h| {
            holds(h) == (false, false)
        })
        .await
        .unwrap();
    assert!(world.deletions("workspaces").is_empty());
    assert!(world.deletions("namespaces").is_empty());
    assert!(world.operator.unwrap().lives(), "{ALIAS}");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_namespaces_at_risk_is_counted() {
    let world = World::calm(Setup::default()).await.unwrap();
    let (claims, deployments) = (resources::PERSISTENT_VOLUME_CLAIMS, resources::DEPLOYMENTS);
    let admin = world.sim.admin();
    let put = |resource, namespace: &str, name: &str| {
        let object = json!({"metadata": {"name": name, "namespace": namespace}});
        admin.create(resource, object).unwrap();
    };
    for (namespace, name) in [
        ("orders-api", "web"),
        ("orders-api", "jobs"),
        ("payments-api", "web"),
        ("default", "web"),
    ] {
        put(&deployments, namespace, name);
    }
    for name in ["data", "waiting"] {
        put(&claims, "orders-db", name);
    }
    admin
        .set_status(&claims, "orders-db", "data", json!({"phase": "Bound"}))
        .unwrap();
    world.double().unwrap();
    let counted = world
        .wait("the count", SOON, |h| {
            let radius = h.status.as_ref().and_then(|s| s.blast_radius.as_ref());
            radius.is_some_and(|r| r.workloads.is_some())
        })
        .await
        .unwrap();
    let radius = counted.status.unwrap().blast_radius.unwrap();
    assert_eq!((radius.workloads, radius.bound_claims), (Some(3), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_dozen_workspaces_that_loop_are_told_as_one_cause() {
    let world = World::calm(Setup {
        spec: Some(observing()),
        ..Setup::default()
    })
    .await
    .unwrap();
    for n in 0..12 {
        let name = format!("tenant-{n:02}");
        world.sim.add_workspace(&name, &["host"], &[]).unwrap();
    }
    world.double().unwrap();
    let one_cause = |h: &federation_health_api::FederationHealth| {
        let findings = h.status.iter().flat_map(|s| &s.findings);
        let mut told = findings.filter(|f| f.code == "FH028");
        told.any(|f| f.message.starts_with("14 Workspaces"))
    };
    let told = world.wait("one cause", 2 * RAGE, one_cause).await;
    drop(told.unwrap());
}
