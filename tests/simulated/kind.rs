//! The deletion of the kind FederatedWorkspace, with a KubeFed that works: what is held, and what the advice saves.

use std::time::Duration;

use federation_health_cluster::rbac::Verb;
use federation_health_sim::{Sim, resources};
use federation_health_tests::{
    guarded::{USER, condition, holding, holds, observing},
    simulated::{PLANE, Setup, WORKSPACES, World, is, pass},
};
use serde_json::{Value, json};

use crate::rights::covered;

const DEFINITION: &str = "federatedworkspaces.types.kubefed.io";
const SOON: Duration = Duration::from_secs(5);
/// KubeFed looks at an object again and again in this.
const RAGE: Duration = Duration::from_mins(2);

fn delete_kind(world: &World) {
    let definitions = &resources::CUSTOM_RESOURCE_DEFINITIONS;
    let admin = world.sim.admin();
    admin
        .delete(definitions, "", DEFINITION, Value::Null)
        .unwrap();
}

/// As the advice of FH008 and FH011 has it, on FederatedWorkspace NAME.
fn orphan(world: &World, name: &str, field: &str) {
    let patch = json!({"metadata": {field: {"kubefed.io/orphan": "true"}}});
    let admin = world.sim.admin();
    admin
        .merge(&resources::FEDERATED_WORKSPACES, "", name, patch)
        .unwrap();
}

fn lives(world: &World, name: &str) -> bool {
    let found = world.sim.admin().get(&resources::WORKSPACES, "", name);
    found.is_some_and(|w| w["metadata"]["deletionTimestamp"].is_null())
}

#[tokio::test(start_paused = true)]
async fn the_kinds_deletion_is_held_before_kubefed_deletes_a_workspace_and_the_advice_ends_it() {
    let world = World::calm(Setup::default()).await.unwrap();
    world.sim.clear_audit();
    delete_kind(&world);
    pass(RAGE).await;
    let audit = world.sim.audit();
    let held = audit
        .iter()
        .position(|e| e.user == USER && e.resource == "federationholds" && e.is_effective_write());
    let tried = audit
        .iter()
        .position(|e| e.verb == "delete" && e.resource == "workspaces");
    let (held, tried) = (held.unwrap(), tried.unwrap());
    assert!(held < tried, "{:?} then {:?}", audit[tried], audit[held]);
    assert!(world.deletions("workspaces").is_empty());
    assert!(world.deletions("namespaces").is_empty());
    let health = world.health().unwrap();
    assert_eq!(
        condition(&health, "Holding").unwrap().1,
        "FederatedKindDeleted"
    );
    let radius = health.status.unwrap().blast_radius.unwrap();
    assert_eq!((radius.workspaces, radius.namespaces), (2, 6));

    for (workspace, _) in WORKSPACES {
        orphan(&world, workspace, "annotations");
    }
    pass(RAGE).await;
    let admin = world.sim.admin();
    assert!(admin.list(&resources::FEDERATED_WORKSPACES, "").is_empty());
    world
        .wait("the hold to end by itself", RAGE, |h| {
            holds(h) == (false, false) && condition(h, "Holding").is_none()
        })
        .await
        .unwrap();
    pass(RAGE).await;
    assert!(WORKSPACES.iter().all(|(name, _)| lives(&world, name)));
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn kubefed_keeps_what_is_annotated_and_deletes_what_is_only_labelled() {
    let setup = Setup {
        spec: Some(observing()),
        ..Setup::default()
    };
    for (field, kept) in [("annotations", true), ("labels", false)] {
        let world = World::calm(setup.clone()).await.unwrap();
        orphan(&world, "orders", field);
        let admin = world.sim.admin();
        // Its template went with an uninstallation: nobody makes the object anew.
        let bare = json!({"metadata": {"finalizers": null}});
        let templates = &resources::WORKSPACE_TEMPLATES;
        admin.merge(templates, "", "orders", bare).unwrap();
        let orphans = json!({"propagationPolicy": "Orphan"});
        admin.delete(templates, "", "orders", orphans).unwrap();
        let federated = &resources::FEDERATED_WORKSPACES;
        admin.delete(federated, "", "orders", Value::Null).unwrap();
        pass(RAGE).await;
        assert!(admin.get(federated, "", "orders").is_none(), "{field}");
        assert_eq!(lives(&world, "orders"), kept, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_federated_workspace_that_is_made_anew_is_held_for_a_moment_only() {
    let world = World::calm(Setup::default()).await.unwrap();
    let admin = world.sim.admin();
    let federated = &resources::FEDERATED_WORKSPACES;
    admin.delete(federated, "", "orders", Value::Null).unwrap();
    pass(SOON).await;
    assert_eq!(world.switched(), (false, false), "{}", world.told());
    // The definition was read live, and the operator's roles let it.
    let (group, resource) = ("apiextensions.k8s.io", "customresourcedefinitions");
    let reads = world.requests().into_iter();
    assert!(
        reads
            .filter(|e| e.resource == resource)
            .any(|e| e.verb == "get")
    );
    assert!(covered(Verb::Get, group, resource, None, DEFINITION));
    let health = world.health().unwrap();
    assert!(is(&health, "WorkspacesStable", "True"));
}

/// Held or not, with a member or without: whether KubeFed is stopped for it.
#[tokio::test(start_paused = true)]
async fn kubefed_is_stopped_where_a_hold_does_not_reach_all_that_it_would_delete() {
    for (held, member, stopped) in [
        (true, false, false),
        (true, true, true),
        (false, false, true),
    ] {
        let mut spec = if held { holding() } else { observing() };
        spec["remediation"] =
            json!({"mode": "Apply", "actions": {"freezeControllers": "Automatic"}});
        let setup = Setup {
            spec: Some(spec),
            ..Setup::default()
        };
        let world = World::calm(setup).await.unwrap();
        let endpoint = "https://127.0.0.1:7443";
        let sim = &world.sim;
        let east = Sim::in_network(sim.network(), sim.clock().clone(), endpoint);
        if member {
            east.install_member().unwrap();
            sim.join_member(PLANE, "east", endpoint).unwrap();
            pass(SOON).await;
        }
        delete_kind(&world);
        pass(SOON).await;
        let admin = sim.admin();
        let manager = "kubefed-controller-manager";
        let replicas = || {
            let found = admin.get(&resources::DEPLOYMENTS, PLANE, manager).unwrap();
            found["spec"]["replicas"].as_i64().unwrap()
        };
        assert_eq!(
            replicas() == 0,
            stopped,
            "{held} {member}: {}",
            world.told()
        );
        pass(5 * RAGE).await;
        assert_eq!(
            replicas() == 0,
            stopped,
            "as long as it goes: {held} {member}"
        );
    }
}
