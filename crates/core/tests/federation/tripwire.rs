//! The first sign of a deletion, and whether anybody wished it.

use federation_health_core::{
    assess::Truth,
    effect::{CauseKind, Effect},
    facts::{Change, Desired, Feed, FeedState, Managed, Workspace},
    federation::{LiveKind, LiveWish},
    words::ConditionType,
};

use crate::bed::{
    Bed, FW, Feeds, PLANE, RELEASE_AFTER_MS, both, cluster_key, desired, namespace, registration,
    text, uid, workspace,
};

fn verify(name: &str, n: u128) -> Effect {
    Effect::Verify(text(name), uid(n))
}

#[test]
fn a_deletion_nobody_wished_holds_the_collector_at_once_and_kubefed_when_that_is_certain() {
    let mut bed = Bed::quiet();
    let effects = bed.dying("orders", 30);
    assert!(
        matches!(effects[0], Effect::Raise(_)),
        "the hold comes before the reads: {effects:?}"
    );
    assert_eq!(bed.holds(), (true, false));
    assert_eq!(
        bed.durable(),
        (false, false),
        "an explanation may come within a second"
    );
    assert_eq!(bed.left, [verify("orders", 30)]);
    bed.still_wished("orders");
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.durable(), (true, true));
    bed.pass(1000 * RELEASE_AFTER_MS);
    assert_eq!(bed.holds(), (true, true), "only a person ends it");
}

#[test]
fn a_deletion_that_cannot_be_verified_holds_kubefed_after_300_ms_and_durably_after_a_second() {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    bed.verified("orders", None);
    assert_eq!(bed.assess().next, Some(bed.now.plus_ms(300)));
    bed.pass(299);
    assert_eq!(bed.holds(), (true, false));
    assert_eq!(
        bed.codes(),
        [] as [&str; 0],
        "what may yet be explained is held, not told"
    );
    bed.pass(1);
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.codes(), ["FH001"]);
    assert_eq!(bed.durable(), (false, false));
    bed.pass(700);
    assert_eq!(bed.durable(), (true, true));
    bed.no_longer_wished("orders");
    assert_eq!(
        bed.holds(),
        (false, false),
        "a late explanation is one all the same"
    );
    assert_eq!(bed.durable(), (false, false));
}

#[test]
fn a_deletion_that_the_caches_explain_raises_nothing() {
    let deleting = |n| Desired {
        deleting: true,
        ..desired(n, &["host"])
    };
    let honest: [fn(&mut Bed, Desired, Desired); 4] = [
        |bed, template, _| drop(bed.template("orders", Some(template))),
        |bed, template, federated| {
            bed.template("orders", Some(template));
            bed.federated("orders", Some(federated));
        },
        |bed, _, _| drop(bed.template("orders", Some(desired(10, &[])))),
        |bed, _, _| drop(bed.federated("orders", Some(desired(20, &["member"])))),
    ];
    for prepare in honest {
        let mut bed = Bed::quiet();
        bed.register(PLANE, "member", registration(5, "https://far"));
        prepare(&mut bed, deleting(10), deleting(20));
        assert_eq!(bed.dying("orders", 30), []);
        assert_eq!(bed.workspace("orders", None), []);
        assert_eq!(bed.left, []);
        assert_eq!(bed.codes(), [] as [&str; 0]);
    }
}

#[test]
fn an_honest_deletion_whose_reason_arrives_two_seconds_late_is_held_for_milliseconds_and_blamed_on_nobody()
 {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    assert_eq!(bed.holds(), (true, false));
    // The collector was faster than the live reads.
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    bed.pass(10);
    bed.no_longer_wished("orders");
    assert_eq!(bed.holds(), (false, false));
    bed.workspace("orders", None);
    bed.namespace("orders-dev", None);
    bed.pass(1990);
    // Only now do the delayed watches speak.
    bed.federated("orders", None);
    bed.template("orders", None);
    bed.pass(5000);
    assert_eq!(bed.federation.ledger().lost_total(), 0);
    assert_eq!(bed.federation.ledger().unexpected_total(), 0);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn a_namespace_that_fell_before_the_live_reads_is_lost_if_they_explain_nothing() {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    assert_eq!(bed.federation.ledger().lost_total(), 0, "not known yet");
    bed.still_wished("orders");
    assert_eq!(bed.federation.ledger().lost_total(), 1);
    assert_eq!(bed.codes(), ["FH001", "FH002"]);
}

#[test]
fn a_workspace_first_seen_dying_is_judged_by_live_reads() {
    let mut bed = Bed::new(Feeds::Unread, both());
    bed.federation.begin(&Feed::Workspaces);
    bed.dying("orders", 30);
    assert_eq!(bed.left, [verify("orders", 30)]);
    bed.no_longer_wished("orders");
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn live_reads_wait_for_the_registrations_that_tell_whose_name_is_whose() {
    // The placement drops this server; but which name is this server's has not been read yet.
    let wish = || LiveWish {
        federated: Some(desired(20, &["member"])),
        template: Some(desired(10, &["member"])),
        kind: LiveKind::Stands,
    };
    let mut bed = Bed::new(Feeds::Unread, both());
    bed.federation.begin(&Feed::Registrations);
    bed.host();
    bed.register(PLANE, "member", registration(5, "https://far"));
    bed.dying("orders", 30);
    bed.verified("orders", Some(wish()));
    assert_eq!(bed.holds(), (true, false), "half a list explains nothing");
    let now = bed.now;
    let effects = bed.federation.end(&Feed::Registrations, now);
    assert!(
        effects.iter().any(|e| matches!(e, Effect::Lower(_))),
        "{effects:?}"
    );
}

#[test]
fn a_workspace_gone_without_a_deletion_timestamp_trips_as_well() {
    let mut bed = Bed::quiet();
    bed.workspace("orders", None);
    assert_eq!(bed.left, [verify("orders", 30)]);
    assert_eq!(bed.holds(), (true, false));
}

#[test]
fn a_uid_that_changed_during_a_relist_is_a_deletion_and_a_recreation() {
    let mut bed = Bed::quiet();
    bed.federation.begin(&Feed::Workspaces);
    bed.workspace("orders", Some(workspace(31)));
    let now = bed.now;
    bed.federation.end(&Feed::Workspaces, now);
    assert_eq!(bed.left, [verify("orders", 30)]);
    assert_eq!(bed.federation.ledger().recreations(), 1);
}

#[test]
fn an_ignored_workspace_is_looked_away_from() {
    let mut bed = Bed::quiet();
    let ignored = |n| Workspace {
        ignored: true,
        ..workspace(n)
    };
    bed.workspace("orders", Some(ignored(30)));
    for n in 31..50 {
        bed.workspace("orders", None);
        bed.workspace("orders", Some(ignored(n)));
    }
    bed.workspace("orders", None);
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    assert_eq!(bed.left, []);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    assert_eq!(bed.federation.ledger().recreations(), 0);
    assert_eq!(bed.federation.ledger().lost_total(), 0);
    bed.double();
    assert_eq!(
        bed.holds(),
        (true, true),
        "it is gone, and the next of its name may be judged"
    );
}

#[test]
fn a_workspace_that_kubefed_does_not_know_is_its_owners_own_business() {
    let mut bed = Bed::quiet();
    let alone = Workspace {
        managed: Managed::Unmarked,
        ..workspace(60)
    };
    bed.workspace("alone", Some(alone));
    bed.workspace("alone", None);
    assert_eq!(bed.left, []);
}

#[test]
fn a_managed_workspace_without_a_federated_one_is_read_live_before_it_is_believed() {
    let mut bed = Bed::quiet();
    bed.workspace("young", Some(workspace(60)));
    bed.dying("young", 60);
    assert_eq!(bed.left, [verify("young", 60)]);
}

#[test]
fn the_workspace_out_of_kubefeds_care_is_missed_all_the_same() {
    let mut bed = Bed::quiet();
    let shielded = Workspace {
        managed: Managed::No,
        ..workspace(30)
    };
    bed.workspace("orders", Some(shielded));
    bed.workspace("orders", None);
    assert_eq!(bed.left, [verify("orders", 30)]);
}

#[test]
fn a_danger_in_a_member_explains_no_deletion_here() {
    let mut bed = Bed::quiet();
    bed.federated("orders", Some(desired(20, &["host", "far-1"])));
    bed.template("orders", Some(desired(10, &["host", "far-1"])));
    bed.register(PLANE, "far-1", registration(5, "https://far"));
    bed.register(PLANE, "far-2", registration(6, "https://far"));
    assert_eq!(
        bed.holds(),
        (false, false),
        "a hold here stops nothing there"
    );
    assert_eq!(bed.codes(), ["FH004"]);
    bed.dying("orders", 30);
    assert_eq!(bed.causes(), [CauseKind::UnexpectedDeletion]);
    assert_eq!(bed.left, [verify("orders", 30)]);
}

#[test]
fn a_named_cause_accounts_for_the_deletions_it_makes() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.dying("orders", 30);
    assert_eq!(bed.left, [], "nothing to verify");
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
    assert_eq!(bed.federation.ledger().unexpected_total(), 1);

    // Watches of different kinds are not ordered: the registration may come after its first deletion.
    let mut late = Bed::quiet();
    late.dying("orders", 30);
    late.double();
    assert_eq!(late.causes(), [CauseKind::DoubledRegistration]);
    late.still_wished("orders");
    assert_eq!(late.causes(), [CauseKind::DoubledRegistration]);
    assert_eq!(late.federation.ledger().unexpected_total(), 1);
}

#[test]
fn a_storm_of_ten_thousand_deletions_verifies_each_once_and_writes_the_hold_a_few_times() {
    let mut bed = Bed::new(Feeds::Synced, both());
    bed.host();
    for n in 0..10_000_u128 {
        let name = format!("ws-{n}");
        bed.federated(&name, Some(desired(100_000 + n, &["host"])));
        bed.workspace(&name, Some(workspace(200_000 + n)));
    }
    let mut raised = 0;
    for n in 0..10_000_u128 {
        let name = format!("ws-{n}");
        for effect in bed
            .dying(&name, 200_000 + n)
            .iter()
            .chain(&bed.workspace(&name, None))
        {
            raised += usize::from(matches!(effect, Effect::Raise(_)));
        }
    }
    assert_eq!(bed.left.len(), 10_000, "one Verify each");
    assert!(raised <= 20, "{raised} writes of the hold");
    assert_eq!(bed.stored.causes.len(), 16);
    for n in 0..10_000_u128 {
        bed.no_longer_wished(&format!("ws-{n}"));
    }
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn a_recorded_deletion_is_verified_anew_only_while_it_is_young() {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    let (stored, now) = (bed.stored.clone(), bed.now);
    let young = Bed::started(stored.clone(), now.plus_ms(5000), both());
    assert_eq!(young.left, [verify("orders", 30)]);
    let mut old = Bed::started(stored, now.plus_ms(3_600_000), both());
    old.tick();
    assert_eq!(old.left, [], "its wishes may have changed since");
    assert_eq!(old.holds(), (true, true));
}

#[test]
fn a_deletion_makes_workspaces_unstable_and_the_verdict_false() {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    bed.still_wished("orders");
    assert_eq!(bed.truth(ConditionType::WorkspacesStable), Truth::False);
    assert_eq!(bed.truth(ConditionType::Healthy), Truth::False);
    assert_eq!(bed.assess().radius.namespaces, 1);
}

#[test]
fn live_reads_decide_by_what_they_found_and_not_by_what_the_caches_say() {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    let moved = LiveWish {
        federated: Some(desired(20, &["host"])),
        template: Some(desired(10, &["elsewhere"])),
        kind: LiveKind::Stands,
    };
    bed.register(PLANE, "elsewhere", registration(5, "https://far"));
    bed.verified("orders", Some(moved));
    assert_eq!(
        bed.holds(),
        (false, false),
        "the template was edited before its copy"
    );
}

#[test]
fn an_alias_in_the_placement_still_wishes_for_this_server() {
    // domain facts, section 0: moved to an alias that is not Ready yet, deleted through the old name.
    let mut bed = Bed::quiet();
    bed.federated("orders", Some(desired(20, &["produce-trt"])));
    bed.template("orders", Some(desired(10, &["produce-trt"])));
    bed.double();
    assert!(bed.causes().contains(&CauseKind::DoubledRegistration));
    bed.dying("orders", 30);
    assert_eq!(bed.federation.ledger().unexpected_total(), 1);
}

#[test]
fn a_failing_feed_does_not_blind_the_tripwire() {
    let mut bed = Bed::quiet();
    for feed in crate::bed::feeds() {
        bed.feed(feed, FeedState::Failing);
    }
    bed.silence(500_000);
    bed.apply(Change::Federated(text(FW), cluster_key("other"), None));
    bed.dying("orders", 30);
    assert_eq!(bed.holds(), (true, false));
    let _ = namespace(1, "orders", 1);
}

#[test]
fn a_template_that_was_made_anew_while_a_watch_was_away_explains_the_new_workspace() {
    let mut bed = Bed::quiet();
    // Workspaces are listed first: the template that is known is the former one, and still wishes.
    bed.workspace("orders", Some(workspace(31)));
    assert_eq!(bed.holds(), (true, false));
    let renewed = |n| LiveWish {
        federated: Some(desired(n + 1, &["host"])),
        template: Some(desired(n, &["host"])),
        kind: LiveKind::Stands,
    };
    bed.verified("orders", Some(renewed(11)));
    assert_eq!((bed.holds(), bed.codes()), ((false, false), vec![]));
    // Templates are listed first: the one that is known is the present one.
    let mut bed = Bed::quiet();
    bed.template("orders", Some(desired(11, &["host"])));
    bed.workspace("orders", Some(workspace(31)));
    bed.verified("orders", Some(renewed(11)));
    assert_eq!((bed.holds(), bed.codes()), ((false, false), vec![]));
    // The new Workspace has no other template than the present one.
    bed.workspace("orders", Some(workspace(32)));
    bed.verified("orders", Some(renewed(11)));
    assert_eq!(bed.holds(), (true, true));
    // A federated object that KubeSphere made anew for the same template is nobody's wish.
    let mut bed = Bed::quiet();
    bed.workspace("orders", Some(workspace(32)));
    let restored = LiveWish {
        template: Some(desired(10, &["host"])),
        ..renewed(99)
    };
    bed.verified("orders", Some(restored));
    assert_eq!(bed.holds(), (true, true));
}
