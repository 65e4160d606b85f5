//! What is written and read back: other writers, failures, bounds.

use federation_health_core::{
    effect::{CauseKind, CauseView, Effect, HoldImage},
    facts::Change,
    federation::Policy,
    federation::{LiveKind, LiveWish},
    time::Time,
};

use crate::bed::{Bed, Feeds, RELEASE_AFTER_MS, both, cured, registration, text};

#[test]
fn another_replicas_hold_is_taken_up_and_not_lowered() {
    let mut bed = Bed::quiet();
    let image = HoldImage {
        collection: true,
        since: Some(Time(bed.now.0 / 1000 * 1000)),
        reason: Some(CauseKind::UnexpectedDeletion),
        causes: vec![CauseView {
            kind: CauseKind::UnexpectedDeletion,
            subject: text("orders"),
            uid: Some(crate::bed::uid(30)),
        }],
        ..HoldImage::default()
    };
    bed.foreign(image);
    assert!(bed.holds().0, "it saw the deletion before this one did");
    assert_eq!(
        bed.left,
        [Effect::Verify(text("orders"), crate::bed::uid(30))]
    );
    bed.no_longer_wished("orders");
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn a_hold_that_a_person_wrote_without_a_cause_is_theirs_to_end() {
    let mut bed = Bed::quiet();
    bed.foreign(HoldImage {
        collection: true,
        ..HoldImage::default()
    });
    bed.pass(100 * RELEASE_AFTER_MS);
    assert_eq!(bed.causes(), [CauseKind::Unrecorded]);
    assert_eq!(bed.left, []);
}

#[test]
fn our_own_release_is_not_taken_for_somebody_elses_hold() {
    let mut bed = cured();
    let held = bed.stored.clone();
    let now = bed.now;
    let effects = bed
        .federation
        .confirm_release(Some((&[], &std::collections::BTreeMap::new())), now);
    assert!(matches!(effects[0], Effect::Lower(_)));
    // A write of the rest of status arrives before our lowering is through: it still says what was held.
    let again = bed
        .federation
        .observe_hold(held, [false; 2], 1_000, false, now);
    assert!(
        again.iter().all(|e| !matches!(e, Effect::Raise(_))),
        "the old record is not a new cause: {again:?}"
    );
}

#[test]
fn a_lowering_that_failed_is_planned_again() {
    let mut bed = cured();
    let now = bed.now;
    let effects = bed
        .federation
        .confirm_release(Some((&[], &std::collections::BTreeMap::new())), now);
    let Effect::Lower(image) = &effects[0] else {
        panic!("{effects:?}");
    };
    let more = bed.federation.hold_written(image, None, now);
    assert_eq!(more, [], "whoever failed sets the pace");
    let effects = bed.federation.tick(now);
    assert!(
        matches!(effects[0], Effect::Lower(_)),
        "with a precondition again: {effects:?}"
    );
}

/// A deletion is held, and found to be wished while a second write of the same hold is still under way.
#[test]
fn an_answer_to_an_earlier_order_does_not_pass_for_the_lowering_that_came_after_it() {
    let mut bed = Bed::quiet();
    let now = bed.now;
    let gone = Change::Workspace(text("orders"), None);
    let effects = bed.federation.apply(gone, now);
    let Some(Effect::Raise(raised)) = effects.first().cloned() else {
        panic!("{effects:?}");
    };
    let wished_away = LiveWish {
        federated: None,
        template: None,
        kind: LiveKind::Unread,
    };
    let effects = bed
        .federation
        .verified(&text("orders"), Some(wished_away), now);
    let Some(Effect::Lower(lowered)) = effects.first().cloned() else {
        panic!("{effects:?}");
    };
    assert_eq!(bed.federation.hold_written(&raised, Some(7), now), []);
    // Somebody else's write came between: the precondition fails.
    assert_eq!(bed.federation.hold_written(&lowered, None, now), []);
    let effects = bed.federation.tick(now);
    assert_eq!(effects.first(), Some(&Effect::Lower(lowered)));
}

#[test]
fn a_binding_that_does_not_follow_is_asked_again_after_a_pause() {
    let mut bed = Bed::quiet();
    let change = Change::Registration(
        crate::bed::key(crate::bed::PLANE, "produce-trt"),
        Some(registration(2, "https://here:6443")),
    );
    let effects = bed.federation.apply(change, bed.now);
    let asked = |effects: &[Effect]| {
        effects
            .iter()
            .filter(|e| matches!(e, Effect::Durable(_, true)))
            .count()
    };
    assert_eq!(asked(&effects), 2);
    assert_eq!(asked(&bed.federation.tick(bed.now.plus_ms(1999))), 0);
    assert_eq!(asked(&bed.federation.tick(bed.now.plus_ms(2000))), 2);
}

#[test]
fn the_federation_rule_covers_the_guarded_plane_whatever_else_there_is() {
    let mut bed = Bed::quiet();
    for n in 0..40 {
        bed.register(
            &format!("a-{n:02}"),
            "left-over",
            registration(100 + n, &format!("https://far-{n}")),
        );
    }
    bed.double();
    assert_eq!(bed.stored.namespaces.len(), 16);
    assert!(bed.stored.namespaces.contains(&text(crate::bed::PLANE)));

    let mut early = Bed::new(Feeds::Unread, both());
    early.dying("orders", 30);
    early.pass(300);
    assert_eq!(
        early.stored.namespaces,
        [text(crate::bed::PLANE)],
        "before anything else is read"
    );
}

#[test]
fn what_was_written_reads_back_without_a_difference() {
    let mut bed = Bed::quiet();
    bed.now = bed.now.plus_ms(123);
    let long = "x".repeat(250);
    bed.register(
        crate::bed::PLANE,
        &long,
        registration(2, "https://here:6443"),
    );
    bed.register(
        crate::bed::PLANE,
        &format!("y{long}"),
        registration(3, "https://here:6443"),
    );
    assert!(bed.stored.message.len() <= 1024);
    assert!(bed.stored.causes.iter().all(|c| c.subject.len() <= 512));
    assert_eq!(
        bed.stored.since.unwrap().0 % 1000,
        0,
        "the API keeps whole seconds"
    );
    assert_eq!(bed.observe(false), []);
}

#[test]
fn an_unchanged_policy_changes_nothing() {
    let mut bed = Bed::quiet();
    bed.double();
    let same: Policy = both();
    assert_eq!(bed.policy(same), []);
}
