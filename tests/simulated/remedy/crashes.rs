//! Processes that die around a write, and two that live at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use federation_health_sim::Effect;
use federation_health_tests::simulated::Operator;

use super::{
    cures::{calm_with, curing, registered},
    *,
};

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
            assert_eq!(replicas(&world), 2, "{kill:?} {k}");
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
    assert_eq!(replicas(&world), 2);
    assert_eq!(acts(&world).len(), 2);
    nothing_was_lost(&world, &before);
    assert!(second.lives());
}
