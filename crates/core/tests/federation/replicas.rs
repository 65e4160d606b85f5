//! Two replicas judge the same federation, each with its own eyes, and write one switch.

use federation_health_core::effect::Effect;

use crate::bed::{Bed, PLANE, RELEASE_AFTER_MS, namespace};

fn is_write(effect: &Effect) -> bool {
    matches!(effect, Effect::Raise(_) | Effect::Lower(_))
}

/// The one tells the other what the switch says now.
fn told(from: &Bed, to: &mut Bed) -> Vec<Effect> {
    let effects = to.foreign(from.stored.clone());
    effects.into_iter().filter(is_write).collect()
}

#[test]
fn what_one_replica_released_the_other_does_not_hold_again() {
    let (mut first, mut other) = (Bed::quiet(), Bed::quiet());
    first.double();
    assert_eq!(told(&first, &mut other), []);
    other.double();
    first.unregister(PLANE, "produce-trt");
    other.pass(700);
    other.unregister(PLANE, "produce-trt");

    first.pass(RELEASE_AFTER_MS);
    first.confirm(
        &[("orders-dev", namespace(40, "orders", 30))],
        &[("orders", 30)],
    );
    assert_eq!(first.holds(), (false, false));
    assert_eq!(told(&first, &mut other), [], "gone for the other one too");
    assert_eq!(other.pass(RELEASE_AFTER_MS), []);
    assert_eq!(other.holds(), (false, false));
    assert_eq!(other.durable(), (false, false));
}

#[test]
fn what_stands_for_one_replica_is_held_although_the_other_releases() {
    let (mut awake, mut blind) = (Bed::quiet(), Bed::quiet());
    awake.double();
    told(&awake, &mut blind);
    // To the other one the cause never stood.
    blind.pass(RELEASE_AFTER_MS);
    blind.pass(RELEASE_AFTER_MS);
    blind.confirm(&[], &[]);
    assert_eq!(blind.holds(), (false, false));
    assert!(matches!(told(&blind, &mut awake)[..], [Effect::Raise(_)]));
    assert_eq!(awake.holds(), (true, true));
}

#[test]
fn two_replicas_that_saw_a_cause_at_different_seconds_do_not_correct_each_other() {
    let (mut first, mut late) = (Bed::quiet(), Bed::quiet());
    late.now = late.now.plus_ms(1_500);
    first.double();
    late.double();
    assert_ne!(first.stored, late.stored, "each tells its own time");
    assert_eq!(told(&late, &mut first), []);
    assert_eq!(told(&first, &mut late), []);
}
