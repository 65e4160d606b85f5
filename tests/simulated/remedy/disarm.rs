//! Namespaces whose owner does not exist, before a hold ends.

use federation_health_sim::Controllers;
use federation_health_tests::guarded::{holding, holds};

use super::*;

/// A collection hold alone, and nobody who binds namespaces again: the loop leaves them armed.
async fn armed(switch: &str) -> World {
    let mut controllers = Controllers::host();
    controllers.kubesphere_binder = false;
    let mut spec = holding();
    spec["hold"]["federation"] = json!("Never");
    spec["remediation"] = json!({"mode": "Apply", "actions": {"disarmNamespaces": switch}});
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
    pass(RAGE).await;
    assert!(
        !world.deletions("workspaces").is_empty(),
        "it does not rage"
    );
    world.cure().unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn armed_namespaces_are_disarmed_and_the_hold_ends_without_a_loss() {
    let world = armed("Automatic").await;
    let disarmed = |h: &FederationHealth| {
        let states = state_of(h, "DisarmNamespaces");
        states.len() >= 6
            && states
                .iter()
                .all(|state| state == "Verified" || state == "Failed")
    };
    world
        .wait("six namespaces disarmed", Duration::from_mins(2), disarmed)
        .await
        .unwrap();
    world
        .wait("the end of the hold", Duration::from_mins(2), |h| {
            holds(h) == (false, false)
        })
        .await
        .unwrap();
    pass(RAGE).await;
    assert!(world.deletions("namespaces").is_empty());
    let reads_before_writes = world.requests();
    for (at, write) in reads_before_writes.iter().enumerate() {
        if write.verb == "patch" && write.resource == "namespaces" {
            let read = &reads_before_writes[at - 1];
            assert_eq!((read.verb, read.resource.as_str()), ("get", "workspaces"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_disarmed_is_never_armed_again_on_a_persons_word() {
    let world = armed("Automatic").await;
    world
        .wait("the end of the hold", Duration::from_mins(3), |h| {
            holds(h) == (false, false)
        })
        .await
        .unwrap();
    let patch = json!({"metadata": {"annotations": {"federationhealth.io/undo": "all"}}});
    let admin = world.sim.admin();
    admin
        .merge(&resources::FEDERATION_HEALTHS, "", "default", patch)
        .unwrap();
    pass(RAGE).await;
    assert!(world.deletions("namespaces").is_empty());
}
