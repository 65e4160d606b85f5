//! Brakes that nothing else here meets: each says its reason, and nothing is done.

use std::{fs, path::Path};

use federation_health_core::remedy::brake::TABLE;
use federation_health_sim::{Controllers, Effect, RequestFacts};
use federation_health_tests::{
    guarded::root,
    simulated::{ALIAS, set_spec},
};

use super::*;

/// What remediation is refused for.
fn refused(reason: &'static str) -> impl Fn(&FederationHealth) -> bool {
    move |h| condition(h, "RemediationAllowed") == Some(("False".to_owned(), reason.to_owned()))
}

/// The host is registered twice: this is the reason, stays it, and nothing is done.
async fn stands(world: &World, reason: &'static str) {
    world.double().unwrap();
    let told = world.wait(reason, SOON, refused(reason)).await;
    drop(told.unwrap());
    pass(SOON).await;
    assert!(refused(reason)(&world.health().unwrap()), "{reason}");
    assert!(acts(world).is_empty(), "{reason}: {:#?}", acts(world));
}

fn protecting() -> Value {
    json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"})
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_nothing_is_done() {
    let mut none = spec("Apply", &protecting());
    none["remediation"]["limits"] = json!({"maxActionsPerHour": 0});
    stands(&cures::calm_with(none).await, "BudgetSpent").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_everything_back_gets_nothing_new() {
    let world = calm("Apply", protecting()).await;
    ask(&world, "federationhealth.io/undo", "all");
    pass(Duration::from_secs(1)).await;
    stands(&world, "UndoRequested").await;
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_contradicts_itself_is_no_leave_to_act() {
    let world = calm("Apply", protecting()).await;
    let mut invalid = spec("Apply", &protecting());
    invalid["probe"]["allowedEndpoints"] = json!(["127.0.0.0/99"]);
    set_spec(&world.sim, "default", &invalid).unwrap();
    pass(Duration::from_secs(1)).await;
    stands(&world, "InvalidSpec").await;
}

/// Placements decide what is mended: while they cannot be read, nothing is known of it.
#[tokio::test(start_paused = true)]
async fn facts_that_are_out_of_date_decide_nothing() {
    for kind in ["federatedworkspaces", "workspacetemplates"] {
        let world = calm("Apply", protecting()).await;
        world.sim.inject(move |r: &RequestFacts| {
            let read = r.user == USER && r.resource == kind;
            (read && matches!(r.verb, "watch" | "list")).then_some(Effect::Break)
        });
        world.sim.cut_watches();
        pass(Duration::from_mins(2)).await;
        stands(&world, "FactsStale").await;
    }
}

/// The object that KubeFed reads is placed on the leftover alone, and no template says so: there is no placement to mend.
#[tokio::test(start_paused = true)]
async fn what_only_the_leftover_carries_is_not_lost_with_it() {
    let mut controllers = Controllers::host();
    controllers.kubesphere_host = false;
    let world = World::calm(Setup {
        spec: Some(cures::curing()),
        controllers,
        ..Setup::default()
    })
    .await
    .unwrap();
    // Placements name the host more often than the leftover, so which of them is the leftover is proven.
    world
        .sim
        .add_workspace("billing", &["host"], &["billing-api"])
        .unwrap();
    let only = json!({"spec": {"placement": {"clusters": [{"name": ALIAS}]}}});
    world.double().unwrap();
    let admin = world.sim.admin();
    let federated = &resources::FEDERATED_WORKSPACES;
    admin.merge(federated, "", "orders", only).unwrap();
    let waits = removal_waits_for("WouldLose");
    drop(world.wait("the reason", SOON, waits).await.unwrap());
    pass(RAGE).await;
    assert!(acts(&world).is_empty(), "{:#?}", acts(&world));
    assert_eq!(cures::registered(&world).len(), 2);
    assert!(world.deletions("namespaces").is_empty());
}

fn sources(under: &Path, found: &mut String) {
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_brake_of_the_table_is_met_by_a_test() {
    let core = root().join("crates/core/src/remedy/tests.rs");
    let mut tests = fs::read_to_string(core).unwrap();
    for directory in [
        "tests/simulated",
        "tests/src/scenarios",
        "crates/core/src/remedy/tests",
    ] {
        sources(&root().join(directory), &mut tests);
    }
    for (brake, ..) in TABLE {
        let met = [format!("\"{brake}\""), format!("Reason::{brake}")];
        assert!(met.iter().any(|word| tests.contains(word)), "{brake}");
    }
}
