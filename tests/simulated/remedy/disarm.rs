//! Namespaces whose owner does not exist, before a hold ends.

use federation_health_tests::{
    guarded::{condition, holding, holds},
    simulated::set_spec,
};

use super::*;
use crate::incident::arming;

/// A collection hold alone, and namespaces that the loop left armed.
async fn armed(switch: &str) -> World {
    let mut spec = holding();
    spec["hold"]["federation"] = json!("Never");
    spec["remediation"] = json!({"mode": "Apply", "actions": {"disarmNamespaces": switch}});
    let world = arming(spec, RAGE).await;
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

/// Found by a schedule: only KubeFed makes the owner anew that they wait for.
#[tokio::test(start_paused = true)]
async fn namespaces_that_wait_for_their_owner_do_not_keep_kubefed_stopped() {
    let mut spec = holding();
    spec["hold"]["federation"] = json!("Never");
    let world = arming(spec.clone(), RAGE).await;
    spec["remediation"] = json!({"mode": "Apply", "actions": {"freezeControllers": "Automatic"}});
    set_spec(&world.sim, "default", &spec).unwrap();
    let freeze = |state: &'static str| {
        move |h: &FederationHealth| state_of(h, "FreezeControllers") == [state]
    };
    let limit = Duration::from_mins(2);
    world
        .wait("the freeze", limit, freeze("Verified"))
        .await
        .unwrap();
    world.cure().unwrap();
    world
        .wait("the thaw", limit, freeze("Undone"))
        .await
        .unwrap();
    let armed = condition(&world.health().unwrap(), "NamespacesSafe").unwrap();
    assert_eq!(armed.1, "NamespacesArmed");
    pass(RAGE).await;
    assert!(world.deletions("namespaces").is_empty());
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
    ask(&world, "federationhealth.io/undo", "all");
    pass(RAGE).await;
    assert!(world.deletions("namespaces").is_empty());
}
