//! What raises a hold, what keeps it and what ends it.

use federation_health_core::{
    assess::Truth,
    effect::{CauseKind, Effect, HoldImage, Rule},
    facts::{Feed, FeedState, Workspace},
    hold::CollectionPolicy,
    words::{ConditionType, Reason},
};

use crate::bed::{Bed, Feeds, RELEASE_AFTER_MS, both, cured, namespace, policy, text, uid};

#[test]
fn a_doubled_registration_holds_fast_and_durably_before_anything_is_deleted() {
    let mut bed = Bed::quiet();
    let effects = bed.double();
    assert!(
        matches!(effects[0], Effect::Raise(_)),
        "the fast layer comes first: {effects:?}"
    );
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.durable(), (true, true));
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
    assert_eq!(bed.tick(), [], "and nothing is asked for twice");
}

#[test]
fn a_rule_that_its_owner_forbids_is_never_raised() {
    for (collection, federation) in [(true, false), (false, true), (false, false)] {
        let wanted = if collection {
            CollectionPolicy::OnDiagnosis
        } else {
            CollectionPolicy::Never
        };
        let mut bed = Bed::quiet_with(policy(wanted, federation));
        bed.double();
        assert_eq!(bed.holds(), (collection, federation));
        assert_eq!(bed.durable(), (collection, federation));
    }
}

#[test]
fn always_is_the_durable_layer_alone_until_there_is_a_cause() {
    let mut bed = Bed::new(Feeds::Synced, policy(CollectionPolicy::Always, false));
    bed.host();
    bed.orders();
    assert_eq!(bed.durable(), (true, false));
    assert_eq!(bed.stored, HoldImage::default(), "status.hold is untouched");
    bed.double();
    assert_eq!(bed.holds(), (true, false));
}

#[test]
fn falling_back_from_always_waits_for_a_list_without_armed_namespaces() {
    let mut bed = Bed::new(Feeds::Synced, policy(CollectionPolicy::Always, false));
    bed.host();
    bed.orders();
    bed.policy(policy(CollectionPolicy::OnDiagnosis, false));
    assert_eq!(
        bed.durable(),
        (true, false),
        "what is armed would be collected at once"
    );
    bed.pass(RELEASE_AFTER_MS);
    assert_eq!(bed.left, [Effect::ConfirmRelease]);
    bed.confirm(&[], &[]);
    assert_eq!(bed.durable(), (false, false));
}

#[test]
fn a_hold_ends_when_its_cause_is_long_gone_and_nothing_is_armed() {
    let mut bed = cured();
    assert_eq!(bed.left, [Effect::ConfirmRelease]);
    let effects = bed.confirm(
        &[("orders-dev", namespace(40, "orders", 30))],
        &[("orders", 30)],
    );
    assert!(
        matches!(effects[0], Effect::Lower(_)),
        "a lowering has a precondition: {effects:?}"
    );
    assert_eq!(bed.holds(), (false, false));
    assert_eq!(bed.durable(), (false, false));
}

#[test]
fn an_armed_namespace_blocks_the_release_which_is_tried_again_ever_more_seldom() {
    let mut bed = cured();
    let armed = [("orders-dev", namespace(40, "orders", 29))];
    bed.confirm(&armed, &[("orders", 30)]);
    assert_eq!(bed.holds(), (true, true));
    let holding = bed.assess();
    let holding = holding
        .conditions
        .iter()
        .find(|c| c.type_.as_str() == "Holding")
        .unwrap();
    assert_eq!(holding.reason.as_str(), "ReleaseBlocked");
    assert!(
        holding.message.contains("orders-dev"),
        "{}",
        holding.message
    );
    let mut asked = Vec::new();
    for _ in 0..200 {
        bed.left.clear();
        bed.pass(1000);
        if !bed.left.is_empty() {
            asked.push(bed.now);
            bed.confirm(&armed, &[("orders", 30)]);
        }
    }
    assert!(
        (4..=10).contains(&asked.len()),
        "a list of all namespaces is not free: {asked:?}"
    );
    bed.left.clear();
    bed.pass(60_000);
    bed.confirm(&[], &[]);
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn a_workspace_that_is_being_deleted_blocks_the_release_for_its_namespaces_go_with_it() {
    let mut bed = cured();
    let owned = |owner| [("orders-dev", namespace(40, "orders", owner))];
    let going = Workspace {
        uid: uid(30),
        deleting: true,
        ..Workspace::default()
    };
    bed.confirm_among(&owned(30), &[("orders", going)]);
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.durable(), (true, true));
    bed.left.clear();
    bed.pass(60_000);
    assert_eq!(bed.left, [Effect::ConfirmRelease]);
    bed.confirm(&owned(31), &[("orders", 31)]);
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn a_cause_that_comes_back_overtakes_the_release() {
    let mut bed = cured();
    bed.double();
    bed.confirm(&[], &[]);
    assert_eq!(
        bed.holds(),
        (true, true),
        "the list answered an old question"
    );
}

#[test]
fn a_list_that_failed_ends_nothing() {
    let mut bed = cured();
    let now = bed.now;
    assert_eq!(bed.federation.confirm_release(None, now), []);
    assert_eq!(bed.holds(), (true, true));
    bed.left.clear();
    bed.pass(2000);
    assert_eq!(bed.left, [Effect::ConfirmRelease], "and is read again");
}

#[test]
fn a_stale_cache_never_lowers_a_hold() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.feed(Feed::Registrations, FeedState::Failing);
    bed.unregister(crate::bed::PLANE, "produce-trt");
    bed.pass(10 * RELEASE_AFTER_MS);
    assert_eq!(
        bed.left,
        [],
        "the registrations are not sure to be complete"
    );
    bed.feed(Feed::Registrations, FeedState::Synced);
    bed.pass(0);
    bed.pass(RELEASE_AFTER_MS - 1);
    assert_eq!(bed.left, [], "the time counts from when the end was sure");
    bed.pass(1);
    bed.feed(Feed::Workspaces, FeedState::Failing);
    bed.confirm(&[], &[]);
    assert_eq!(
        bed.holds(),
        (true, true),
        "a feed failed while the list was read"
    );
}

#[test]
fn silence_is_no_proof_that_a_cause_is_gone() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.silence(200_000);
    bed.unregister(crate::bed::PLANE, "produce-trt");
    bed.silence(10 * RELEASE_AFTER_MS);
    assert_eq!(bed.left, []);
    assert_eq!(bed.holds(), (true, true));
}

#[test]
fn a_restarted_process_takes_up_the_hold_until_it_knows_better() {
    let mut bed = Bed::quiet();
    bed.double();
    let stored = bed.stored.clone();
    let mut next = Bed::started(stored.clone(), bed.now, both());
    for rule in Rule::ALL {
        assert_eq!(next.binding(rule, Some(true)), [], "it stands as it should");
    }
    next.pass(100 * RELEASE_AFTER_MS);
    assert_eq!(next.stored, stored);
    assert_eq!(next.durable(), (true, true));
    next.sync();
    next.host();
    next.orders();
    next.pass(RELEASE_AFTER_MS);
    assert_eq!(next.left, [Effect::ConfirmRelease], "now it knows better");
}

#[test]
fn a_durable_hold_without_a_record_stands_until_a_person_ends_it() {
    let mut bed = Bed::new(Feeds::Synced, both());
    bed.binding(Rule::Collection, None);
    bed.binding(Rule::Collection, Some(true));
    assert_eq!(bed.causes(), [CauseKind::Unrecorded]);
    bed.pass(100 * RELEASE_AFTER_MS);
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.left, []);
    bed.policy(policy(CollectionPolicy::Never, false));
    bed.policy(both());
    assert_eq!(bed.holds(), (false, false));
    assert_eq!(bed.durable(), (false, false));
}

#[test]
fn a_named_cause_accounts_for_a_hold_without_a_record() {
    let mut bed = Bed::quiet();
    bed.binding(Rule::Federation, None);
    bed.binding(Rule::Federation, Some(true));
    bed.double();
    bed.tick();
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
}

#[test]
fn nothing_falls_while_the_owners_wishes_are_unknown() {
    // An object whose spec is invalid after a restart: its hold is seen, its policy is not.
    let mut bed = Bed::quiet();
    bed.double();
    let mut federation = federation_health_core::federation::Federation::default();
    assert_eq!(
        federation.observe_hold(bed.stored.clone(), [false; 2], 9, true, bed.now),
        []
    );
    assert_eq!(
        federation.observe_binding(Rule::Collection, Some(true), bed.now),
        []
    );
    assert_eq!(federation.tick(bed.now.plus_ms(1_000_000)), []);
}

#[test]
fn nothing_durable_falls_because_the_switch_vanished() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.federation.switch_vanished();
    bed.unregister(crate::bed::PLANE, "produce-trt");
    assert_eq!(bed.pass(10 * RELEASE_AFTER_MS), []);
    assert_eq!(bed.durable(), (true, true));
    bed.stored = HoldImage::default();
    bed.observe(true);
    assert_eq!(
        bed.holds(),
        (true, true),
        "a new switch takes the hold up again"
    );
}

#[test]
fn without_a_switch_the_durable_layer_holds_alone() {
    let mut bed = Bed::quiet();
    bed.federation.switch_vanished();
    bed.double();
    assert_eq!(bed.durable(), (true, true));
}

#[test]
fn without_the_owners_wishes_nothing_is_held_anew_and_nothing_falls() {
    let mut bed = Bed::quiet();
    bed.federation.object_vanished();
    bed.double();
    assert_eq!(
        (bed.holds(), bed.durable()),
        ((false, false), (false, false))
    );

    let mut bed = Bed::quiet();
    bed.double();
    bed.federation.object_vanished();
    bed.unregister(crate::bed::PLANE, "produce-trt");
    assert_eq!(bed.pass(10 * RELEASE_AFTER_MS), []);
    assert_eq!((bed.holds(), bed.durable()), ((true, true), (true, true)));
}

#[test]
fn a_release_by_the_switch_takes_both_layers_of_that_rule_and_says_so() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.released = [true, false];
    bed.observe(false);
    assert_eq!((bed.holds(), bed.durable()), ((false, true), (false, true)));
    let judged = bed.assess();
    let ready = judged.condition(ConditionType::HoldReady).unwrap();
    assert_eq!(
        (ready.status, ready.reason),
        (Truth::False, Reason::ReleasedByHand)
    );
    bed.released = [false, false];
    bed.observe(false);
    assert_eq!((bed.holds(), bed.durable()), ((true, true), (true, true)));
}

#[test]
fn a_persons_release_beats_every_cause_and_ends_what_has_no_other_end() {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    bed.still_wished("orders");
    bed.double();
    bed.policy(policy(CollectionPolicy::Never, false));
    assert_eq!(bed.holds(), (false, false));
    assert_eq!(bed.durable(), (false, false));
    bed.policy(both());
    assert_eq!(
        bed.holds(),
        (true, true),
        "the doubled registration still stands"
    );
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
}

#[test]
fn a_request_holds_until_it_ends_and_is_then_released_by_a_list_as_any_hold() {
    let mut bed = Bed::quiet();
    let until = bed.now.plus_ms(60_000);
    let mut wish = both();
    wish.hold.requests = vec![(text("upgrade"), text("because"), until)];
    bed.policy(wish.clone());
    assert_eq!(bed.causes(), [CauseKind::Requested]);
    assert_eq!(bed.durable(), (true, true));
    bed.pass(59_999);
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.assess().next, Some(until));
    bed.pass(1);
    assert_eq!(
        bed.left,
        [Effect::ConfirmRelease],
        "at once, but not blindly"
    );
    bed.confirm(&[], &[]);
    assert_eq!(bed.holds(), (false, false));
    bed.policy(wish);
    assert_eq!(
        bed.holds(),
        (false, false),
        "an expired request stays expired"
    );
}

#[test]
fn a_withdrawn_request_leaves_other_causes_in_force() {
    let mut bed = Bed::quiet();
    let mut wish = both();
    wish.hold.requests = vec![(text("upgrade"), text("because"), bed.now.plus_ms(60_000))];
    bed.policy(wish);
    bed.double();
    bed.policy(both());
    bed.pass(RELEASE_AFTER_MS);
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.left, []);
}
