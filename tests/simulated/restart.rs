//! What a restarted operator knows, and does not know.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use federation_health_api::FederationHealth;
use federation_health_sim::{Effect, RequestFacts, resources};
use federation_health_tests::{
    guarded::{condition, holding, holds, observing},
    simulated::{Setup, World, is, pass, set_spec},
};
use serde_json::{Value, json};

/// Three times as many as incidents are shown.
const NAMES: usize = 30;
const SOON: Duration = Duration::from_secs(30);

fn names() -> impl Iterator<Item = String> {
    (0..NAMES).map(|n| format!("team-{n:02}"))
}

fn uids(world: &World) -> BTreeMap<String, Value> {
    let found = |name: String| {
        let object = world.sim.admin().get(&resources::WORKSPACES, "", &name)?;
        let going = object["metadata"].get("deletionTimestamp").is_some();
        (!going).then(|| (name, object["metadata"]["uid"].clone()))
    };
    names().filter_map(found).collect()
}

/// Somebody deletes every Workspace, and KubeFed makes them again.
async fn recreate(world: &World) {
    let before = uids(world);
    for name in names() {
        let admin = world.sim.admin();
        admin
            .delete(&resources::WORKSPACES, "", &name, Value::Null)
            .unwrap();
    }
    let anew = |world: &World| {
        let now = uids(world);
        now.len() == NAMES && names().all(|name| now[&name] != before[&name])
    };
    let end = tokio::time::Instant::now() + SOON;
    while !anew(world) {
        assert!(
            tokio::time::Instant::now() < end,
            "KubeFed did not make them again"
        );
        pass(Duration::from_millis(100)).await;
    }
    pass(Duration::from_secs(15)).await;
}

/// Workspaces that churn by the operator's word.
fn churning(world: &World) -> i64 {
    let status = world.health().unwrap().status.unwrap();
    status.summary.unwrap().workspaces_churning
}

#[tokio::test(start_paused = true)]
async fn names_beyond_the_incidents_that_are_shown_are_remembered_over_a_restart() {
    let setup = Setup {
        spec: Some(observing()),
        ..Setup::default()
    };
    let mut world = World::calm(setup).await.unwrap();
    for name in names() {
        world.sim.add_workspace(&name, &["host"], &[]).unwrap();
    }
    pass(SOON).await;
    for _ in 0..2 {
        recreate(&world).await;
    }
    let status = world.health().unwrap().status.unwrap();
    assert!(status.incidents.len() < NAMES, "all are shown anyway");
    assert_eq!(status.incidents.len() + status.suspects.len(), NAMES);
    assert_eq!(churning(&world), 0, "two recreations are no churn");

    for _ in 0..3 {
        world.restart_operator().unwrap();
        pass(SOON).await;
    }
    let after = world.health().unwrap().status.unwrap();
    assert_eq!(after.suspects, status.suspects);
    assert_eq!(churning(&world), 0, "what is remembered justifies nothing");

    recreate(&world).await;
    assert_eq!(churning(&world), NAMES as i64, "the third was seen of each");
}

/// Status and generation as they were written, by condition.
type Written = Arc<Mutex<Vec<(i64, BTreeMap<String, String>)>>>;

fn written(world: &World) -> Written {
    let written = Written::default();
    let seen = written.clone();
    world.sim.admit(move |review| {
        if (review.resource, review.subresource) == ("federationhealths", "status") {
            let status = review.object.map_or(&Value::Null, |o| &o["status"]);
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let told = conditions.map(|c| (text(&c["type"]), text(&c["status"])));
            let of = status["observedGeneration"].as_i64().unwrap_or_default();
            seen.lock().unwrap().push((of, told.collect()));
        }
        None
    });
    written
}

/// An object that comes long after the process asks for a hold and for every federated kind: what is known of those is waited
/// for, and no condition is good before it is known.
#[tokio::test(start_paused = true)]
async fn an_object_that_comes_late_is_not_called_healthy_before_it_is_known() {
    for spec in [holding(), observing()] {
        let world = World::start(Setup {
            spec: None,
            ..Setup::default()
        })
        .await
        .unwrap();
        let claims = ("PersistentVolumeClaim", "persistentvolumeclaims");
        world.sim.federate("", "v1", claims.0, claims.1).unwrap();
        // Each kind takes a while to be read.
        world.sim.inject(|r: &RequestFacts| {
            let list = r.verb == "list" && r.resource.starts_with("federatedpersistent");
            list.then_some(Effect::DelayAnswer(Duration::from_millis(300)))
        });
        pass(Duration::from_mins(1)).await;
        let written = written(&world);
        set_spec(&world.sim, "default", &spec).unwrap();
        let good = |h: &FederationHealth| is(h, "Healthy", "True");
        drop(world.wait("a good verdict", SOON, good).await.unwrap());
        pass(SOON).await;
        let written = written.lock().unwrap();
        assert!(!written.is_empty());
        for (of, told) in written.iter() {
            let unknown: Vec<&String> = told.keys().filter(|t| told[*t] == "Unknown").collect();
            assert!(
                unknown.is_empty(),
                "generation {of}: {unknown:?} of {told:?}"
            );
        }
    }
}

/// A kind's rules may become stricter, and an API server below 1.25 knows none of them.
#[tokio::test(start_paused = true)]
async fn a_start_on_a_spec_that_makes_no_sense_lets_no_hold_fall_and_holds_what_else_it_asks_for() {
    let senseless = json!(["not an address"]);
    for asks in [true, false] {
        let mut world = World::calm(Setup::default()).await.unwrap();
        world.double().unwrap();
        let held = |h: &FederationHealth| holds(h) == (true, true);
        let told = world.wait("both holds", SOON, held).await;
        drop(told.unwrap());
        let mut spec = if asks { holding() } else { observing() };
        spec["probe"]["allowedEndpoints"] = senseless.clone();
        set_spec(&world.sim, "default", &spec).unwrap();
        world.restart_operator().unwrap();
        pass(Duration::from_mins(2)).await;
        let health = world.health().unwrap();
        assert_eq!(condition(&health, "Ready").unwrap().1, "InvalidSpec");
        assert_eq!(world.switched(), (true, true), "asks: {asks}");
        assert!(!world.deletions("workspaces").iter().any(|e| e.code == 200));
        world.cure().unwrap();
        let end = "the holds' end, as any other's";
        let free = |h: &FederationHealth| holds(h) == (false, false);
        let told = world.wait(end, Duration::from_mins(6), free).await;
        drop(told.unwrap());
    }
    let mut spec = holding();
    spec["probe"]["allowedEndpoints"] = senseless;
    let setup = Setup {
        spec: Some(spec),
        ..Setup::default()
    };
    let world = World::start(setup).await.unwrap();
    pass(Duration::from_secs(15)).await;
    world.double().unwrap();
    let held = |h: &FederationHealth| holds(h) == (true, true);
    let told = world.wait("the hold that it asks for", SOON, held).await;
    drop(told.unwrap());
}
