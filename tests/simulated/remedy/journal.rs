//! The journal and its two places: lost, restored, written by another version, or too small.

use federation_health_api::names::{JOURNAL, JOURNAL_KEY};
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_tests::simulated::{ALIAS, set_spec};

use super::{
    cures::{calm_with, curing},
    volumes::policy,
    *,
};

const HEALTHS: &federation_health_sim::Resource = &resources::FEDERATION_HEALTHS;

fn freezing() -> Value {
    spec("Apply", &json!({"freezeControllers": "Automatic"}))
}

/// A federation whose KubeFed had three replicas and is frozen. Without the policies, so that a test may write any status.
async fn frozen() -> World {
    let world = World::calm(Setup {
        spec: Some(freezing()),
        policies: false,
        ..Setup::default()
    })
    .await
    .unwrap();
    let admin = world.sim.admin();
    let ours = json!({"metadata": {"name": OPERATOR_NAMESPACE}});
    admin.create(&resources::NAMESPACES, ours).unwrap();
    admin
        .scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 3)
        .unwrap();
    pass(SOON).await;
    world.double().unwrap();
    frozen_is(&world, "Verified", SOON).await;
    assert_eq!(replicas(&world), 0);
    world
}

async fn frozen_is(world: &World, state: &str, limit: Duration) {
    let all = |h: &FederationHealth| state_of(h, "FreezeControllers") == [state];
    let end = world.wait(state, limit, all).await;
    assert!(end.is_ok(), "not {state}:\n{}", world.told());
}

fn journal(world: &World) -> Option<Value> {
    let admin = world.sim.admin();
    let found = admin.get(&resources::CONFIG_MAPS, OPERATOR_NAMESPACE, JOURNAL)?;
    Some(Value::clone(&found))
}

fn pages(world: &World) -> Value {
    let text = journal(world).unwrap()["data"][JOURNAL_KEY].clone();
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

fn delete_journal(world: &World) {
    let admin = world.sim.admin();
    let place = (OPERATOR_NAMESPACE, JOURNAL);
    let gone = admin.delete(&resources::CONFIG_MAPS, place.0, place.1, Value::Null);
    gone.unwrap();
}

/// The FederationHealth as a backup has it, and as it comes back: with its status or without.
fn recreate_health(world: &World, status: bool) {
    let admin = world.sim.admin();
    let old = admin.get(HEALTHS, "", "default").unwrap();
    admin.delete(HEALTHS, "", "default", Value::Null).unwrap();
    set_spec(&world.sim, "default", &freezing()).unwrap();
    if status {
        let written = admin.set_status(HEALTHS, "", "default", old["status"].clone());
        written.unwrap();
    }
}

/// The ConfigMap as it comes back from this copy.
fn restore_journal(world: &World, copy: &Value) {
    let object = json!({
        "metadata": {"name": JOURNAL, "namespace": OPERATOR_NAMESPACE},
        "data": copy["data"],
    });
    let admin = world.sim.admin();
    admin.create(&resources::CONFIG_MAPS, object).unwrap();
}

#[tokio::test(start_paused = true)]
async fn either_place_alone_is_enough_for_a_successor_to_thaw_exactly() {
    for lost in ["ConfigMap", "FederationHealth"] {
        let mut world = frozen().await;
        world.operator = None;
        match lost {
            "ConfigMap" => delete_journal(&world),
            _ => recreate_health(&world, false),
        }
        world.restart_operator().unwrap();
        pass(SOON).await;
        assert_eq!(replicas(&world), 0, "{lost}: the danger lasts");
        world.cure().unwrap();
        frozen_is(&world, "Undone", Duration::from_mins(1)).await;
        assert_eq!(replicas(&world), 3, "{lost}");
        assert!(journal(&world).is_some(), "{lost}: both places again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_deleted_is_made_anew_with_all_that_status_has_no_room_for() {
    let world = calm(
        "Apply",
        json!({"retainVolumes": "Automatic", "freezeControllers": "Automatic"}),
    )
    .await;
    let namespaces = WORKSPACES.iter().flat_map(|(_, namespaces)| namespaces);
    let claims = namespaces.flat_map(|n| (0..7).map(move |i| (n, format!("data-{i}"))));
    let volumes: Vec<String> = claims
        .map(|(namespace, claim)| world.sim.add_volume(namespace, &claim, "Delete").unwrap())
        .collect();
    let with = |policy_is: &str| {
        let has = |v: &&String| policy(&world, v).as_deref() == Some(policy_is);
        volumes.iter().filter(has).count()
    };
    world.double().unwrap();
    pass(RAGE).await;
    assert_eq!(with("Retain"), 42);
    let health = world.health().unwrap();
    assert_eq!(
        state_of(&health, "FreezeControllers"),
        ["Verified"],
        "shown before all"
    );
    delete_journal(&world);
    world.cure().unwrap();
    pass(Duration::from_mins(3)).await;
    assert_eq!(with("Delete"), 42);
    assert_eq!(pages(&world)["actions"].as_array().unwrap().len(), 43);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_the_journal_is_told_and_not_resumed() {
    for restored in ["ConfigMap", "FederationHealth", "both"] {
        let mut world = frozen().await;
        let copy = journal(&world).unwrap();
        let object = pages(&world)["object"].clone();
        assert_eq!(object, copy["metadata"]["uid"], "it says whose it is");
        world.operator = None;
        // Much later: nothing is in danger, and a person has stopped KubeFed for a reason of their own.
        world.cure().unwrap();
        delete_journal(&world);
        recreate_health(&world, restored != "ConfigMap");
        if restored != "FederationHealth" {
            restore_journal(&world, &copy);
        }
        world.restart_operator().unwrap();
        frozen_is(&world, "Expired", SOON).await;
        pass(Duration::from_mins(3)).await;
        assert_eq!(replicas(&world), 0, "{restored}");
        // What was told once is no restore to the next process.
        world.restart_operator().unwrap();
        pass(SOON).await;
        frozen_is(&world, "Expired", SOON).await;
        let uid = &journal(&world).unwrap()["metadata"]["uid"];
        assert_eq!(&pages(&world)["object"], uid, "{restored}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_stands_is_told_by_an_operator_that_only_looks() {
    let mut world = frozen().await;
    world.operator = None;
    let wrote = |w: &World| {
        let requests = w.requests();
        let to = |e: &&AuditEntry| e.is_effective_write() && e.resource != "federationhealths";
        requests.iter().filter(to).count()
    };
    let before = wrote(&world);
    let mut spec = freezing();
    spec["remediation"]["mode"] = json!("Observe");
    set_spec(&world.sim, "default", &spec).unwrap();
    world.restart_operator().unwrap();
    pass(SOON).await;
    let told = |w: &World| is(&w.health().unwrap(), "Remediating", "True");
    let standing = |w: &World| metrics(w).contains("remediation_acts_standing 1");
    assert!(told(&world) && standing(&world));
    pass(RAGE).await;
    assert!(told(&world));
    world.cure().unwrap();
    pass(SOON).await;
    let admin = world.sim.admin();
    admin
        .scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 3)
        .unwrap();
    pass(RAGE).await;
    assert!(
        !told(&world) && !standing(&world),
        "a person's thaw is seen"
    );
    assert_eq!(wrote(&world), before, "and nothing is written");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_newer_version_outlives_this_one_and_keeps_it_from_new_acts() {
    let mut world = frozen().await;
    world.operator = None;
    let mut found = pages(&world);
    let mut line = found["actions"][0].clone();
    line["id"] = json!(7);
    line["state"] = json!("Parked");
    line["newer"] = json!({"than": "this"});
    found["actions"].as_array_mut().unwrap().push(line.clone());
    let data = json!({"data": {JOURNAL_KEY: found.to_string()}});
    let admin = world.sim.admin();
    let merged = admin.merge(&resources::CONFIG_MAPS, OPERATOR_NAMESPACE, JOURNAL, data);
    merged.unwrap();
    world.restart_operator().unwrap();
    let reason =
        |h: &FederationHealth| condition(h, "RemediationAllowed").map(|(_, reason)| reason);
    let refused = |h: &FederationHealth| reason(h).as_deref() == Some("JournalUnavailable");
    let health = world.wait("the refusal", SOON, refused).await.unwrap();
    let conditions = health.status.unwrap().conditions;
    let told = conditions
        .iter()
        .find(|c| c.type_ == "RemediationAllowed")
        .unwrap();
    assert!(told.message.contains("in state Parked"), "{}", told.message);
    world.cure().unwrap();
    let thawed = |h: &FederationHealth| state_of(h, "FreezeControllers") == ["Undone", "Parked"];
    world
        .wait("the thaw", Duration::from_mins(1), thawed)
        .await
        .unwrap();
    assert_eq!(replicas(&world), 3);
    assert!(pages(&world)["actions"].as_array().unwrap().contains(&line));
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_no_record_has_room_for_is_left_to_a_person_and_bricks_nothing() {
    let world = calm_with(curing()).await;
    let admin = world.sim.admin();
    let labels: serde_json::Map<String, Value> = (0..200)
        .map(|i| (format!("team-{i}"), json!("x".repeat(60))))
        .collect();
    let large = json!({"metadata": {"labels": labels}});
    world.double().unwrap();
    admin
        .merge(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS, large)
        .unwrap();
    pass(RAGE).await;
    let health = world.health().unwrap();
    let refused = |h: &FederationHealth| condition(h, "RemediationAllowed").unwrap().1;
    assert_eq!(refused(&health), "TooLong", "{}", world.told());
    assert!(world.deletions("kubefedclusters").is_empty());
    assert!(metrics(&world).contains("remediation_refusals_total{brake=\"TooLong\"} 1"));
}
