//! What is counted: recreations by UID, lost namespaces once each, armed ones in time.

use federation_health_core::{
    assess::Truth,
    facts::{Change, Desired, Feed, FeedState, Namespace},
    ledger::{Incident, Restored},
    time::Time,
    words::ConditionType,
};

use crate::bed::{
    Bed, Feeds, PLANE, both, desired, namespace, policy, registration, text, uid, workspace,
};

fn recreations(bed: &Bed) -> u64 {
    bed.federation.ledger().recreations()
}

#[test]
fn a_recreation_is_counted_once_whatever_order_its_events_come_in() {
    let orders: [fn(&mut Bed); 7] = [
        |bed| {
            bed.dying("orders", 30);
            bed.workspace("orders", None);
            bed.workspace("orders", Some(workspace(31)));
        },
        // DELETED was missed.
        |bed| {
            bed.dying("orders", 30);
            bed.workspace("orders", Some(workspace(31)));
        },
        // Everything but the new one was missed.
        |bed| drop(bed.workspace("orders", Some(workspace(31)))),
        // The deletionTimestamp was missed.
        |bed| {
            bed.workspace("orders", None);
            bed.workspace("orders", Some(workspace(31)));
        },
        // The new one dies at first sight.
        |bed| {
            bed.workspace("orders", None);
            bed.dying("orders", 31);
        },
        |bed| drop(bed.dying("orders", 31)),
        // Told twice.
        |bed| {
            bed.dying("orders", 30);
            bed.dying("orders", 30);
            bed.workspace("orders", None);
            bed.workspace("orders", None);
            bed.workspace("orders", Some(workspace(31)));
            bed.workspace("orders", Some(workspace(31)));
        },
    ];
    for (case, play) in orders.iter().enumerate() {
        let mut bed = Bed::quiet();
        play(&mut bed);
        assert_eq!(recreations(&bed), 1, "case {case}");
        bed.federation.begin(&Feed::Workspaces);
        let now = bed.now;
        bed.federation.end(&Feed::Workspaces, now);
        bed.workspace("orders", Some(workspace(32)));
        assert_eq!(recreations(&bed), 2, "case {case}, after a relist");
    }
}

#[test]
fn a_loop_is_churn_and_stays_one_until_it_has_been_quiet() {
    let mut bed = Bed::quiet_with(policy(
        federation_health_core::hold::CollectionPolicy::Never,
        false,
    ));
    bed.double();
    for n in 31..40 {
        bed.dying("orders", n - 1);
        bed.workspace("orders", None);
        bed.workspace("orders", Some(workspace(n)));
        bed.pass(400);
    }
    assert_eq!(recreations(&bed), 9);
    let judged = bed.assess();
    assert_eq!(judged.churning, 1);
    assert!(
        judged
            .findings
            .iter()
            .any(|(f, _)| f.reason.as_str() == "Churning"),
        "{judged:?}"
    );
    // A slow fight comes again at its own pace: the finding does not blink in between.
    bed.pass(16 * 60_000);
    assert!(bed.codes().contains(&"FH001"));
}

#[test]
fn recreations_that_somebody_wished_are_no_incident() {
    let mut bed = Bed::quiet();
    bed.namespace("orders-dev", None);
    for n in 31..38 {
        bed.template("orders", None);
        bed.federated("orders", None);
        bed.workspace("orders", None);
        bed.no_longer_wished("orders");
        bed.federated("orders", Some(desired(n + 100, &["host"])));
        bed.template("orders", Some(desired(n + 200, &["host"])));
        bed.workspace("orders", Some(workspace(n)));
        bed.pass(60_000);
    }
    assert_eq!(recreations(&bed), 7, "they are counted");
    assert_eq!(bed.codes(), [] as [&str; 0], "and blamed on nobody");
}

#[test]
fn a_lost_namespace_is_counted_once_with_its_uid() {
    let mut bed = Bed::quiet_with(policy(
        federation_health_core::hold::CollectionPolicy::Never,
        false,
    ));
    bed.double();
    bed.dying("orders", 30);
    bed.workspace("orders", None);
    bed.workspace("orders", Some(workspace(31)));
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    // KubeSphere unbinds it and binds it to the new UID while it terminates.
    bed.apply(Change::NamespaceLeft(text("orders-dev")));
    bed.dying_namespace("orders-dev", 40, "orders", 31);
    bed.namespace("orders-dev", None);
    bed.namespace("orders-dev", None);
    let ledger = bed.federation.ledger();
    assert_eq!(ledger.lost_total(), 1);
    assert_eq!(ledger.lost()[0].uid, uid(40));
    assert_eq!(ledger.incidents()[&text("orders")].lost, 1);
    assert!(bed.codes().contains(&"FH002"));
}

#[test]
fn a_namespace_whose_whole_death_was_missed_is_lost_all_the_same() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.workspace("orders", Some(workspace(31)));
    bed.namespace("orders-dev", Some(namespace(41, "orders", 31)));
    assert_eq!(bed.federation.ledger().lost()[0].uid, uid(40));
    bed.federation.begin(&Feed::Namespaces);
    bed.workspace("orders", Some(workspace(32)));
    let now = bed.now;
    bed.federation.end(&Feed::Namespaces, now);
    assert_eq!(bed.federation.ledger().lost_total(), 2);
}

#[test]
fn a_project_that_its_owner_deletes_alone_is_not_lost() {
    let mut bed = Bed::quiet();
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    bed.namespace("orders-dev", None);
    assert_eq!(bed.federation.ledger().lost_total(), 0);
}

#[test]
fn a_namespace_that_leaves_its_workspace_lives() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.dying("orders", 30);
    bed.apply(Change::NamespaceLeft(text("orders-dev")));
    assert_eq!(bed.federation.ledger().lost_total(), 0);
}

#[test]
fn namespaces_of_an_honestly_deleted_workspace_may_take_their_time_to_go() {
    let mut bed = Bed::quiet();
    let deleting = Desired {
        deleting: true,
        ..desired(20, &["host"])
    };
    bed.template("orders", None);
    bed.federated("orders", Some(deleting));
    bed.dying("orders", 30);
    bed.workspace("orders", None);
    bed.federated("orders", None);
    bed.pass(30_000);
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    assert_eq!(bed.federation.ledger().lost_total(), 0);
}

#[test]
fn nothing_is_lost_or_armed_by_lists_that_are_read_in_another_order() {
    let mut bed = Bed::new(Feeds::Unread, both());
    bed.federation.begin(&Feed::Namespaces);
    bed.namespace("orders-dev", Some(namespace(40, "orders", 30)));
    bed.dying_namespace("orders-old", 41, "orders", 30);
    let now = bed.now;
    bed.federation.end(&Feed::Namespaces, now);
    bed.pass(10_000);
    assert_eq!(
        bed.codes(),
        [] as [&str; 0],
        "every owner looks absent before the Workspaces are read"
    );
    bed.federation.begin(&Feed::Workspaces);
    bed.workspace("orders", Some(workspace(30)));
    let now = bed.now;
    bed.federation.end(&Feed::Workspaces, now);
    bed.sync_rest();
    assert_eq!(
        bed.federation.ledger().lost_total(),
        0,
        "a project deleted alone, before our start"
    );
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn an_armed_namespace_is_told_once_it_has_had_time_to_be_bound_again() {
    let mut bed = Bed::quiet();
    bed.namespace("orders-dev", Some(namespace(40, "orders", 29)));
    assert_eq!(bed.codes(), [] as [&str; 0]);
    assert_eq!(bed.assess().next, Some(bed.now.plus_ms(2000)));
    bed.pass(2000);
    assert_eq!(bed.codes(), ["FH003"]);
    bed.namespace("orders-dev", Some(namespace(40, "orders", 30)));
    assert_eq!(bed.codes(), [] as [&str; 0]);
    let foreign = Namespace {
        other_owner: true,
        ..namespace(40, "orders", 29)
    };
    bed.namespace("orders-dev", Some(foreign));
    bed.pass(2000);
    assert_eq!(bed.codes(), [] as [&str; 0], "another owner keeps it");
}

#[test]
fn namespaces_bound_anew_while_the_workspaces_watch_is_away_are_not_told_but_unknown() {
    let mut bed = Bed::quiet();
    let safe = |bed: &mut Bed| bed.truth(ConditionType::NamespacesSafe);
    bed.feed(Feed::Workspaces, FeedState::Failing);
    assert_eq!(safe(&mut bed), Truth::True, "no flicker for a connection");
    // An honest recreation, of which the namespace's watch alone tells.
    bed.namespace("orders-dev", Some(namespace(40, "orders", 31)));
    bed.pass(10_000);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    assert_eq!(safe(&mut bed), Truth::Unknown);
    // It is back, and what it missed follows.
    bed.feed(Feed::Workspaces, FeedState::Synced);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    assert_eq!(bed.assess().next, Some(bed.now.plus_ms(2000)));
    bed.workspace("orders", Some(workspace(31)));
    bed.verified("orders", None);
    assert_eq!(safe(&mut bed), Truth::True);
    // Without its kind no owner exists: the collector comes with the definition.
    bed.namespace("orders-dev", Some(namespace(40, "orders", 29)));
    bed.feed(Feed::Workspaces, FeedState::NotInstalled);
    bed.pass(2000);
    assert!(bed.codes().contains(&"FH003"), "{:?}", bed.codes());
    bed.feed(Feed::Workspaces, FeedState::Forbidden);
    assert!(!bed.codes().contains(&"FH003"));
    assert_eq!(safe(&mut bed), Truth::Unknown);
}

#[test]
fn a_restart_counts_nothing_twice() {
    let incident = Incident {
        first: Time(999_990_000),
        last: Time(999_999_000),
        recreations: 5,
        parties: std::collections::BTreeSet::new(),
        lost: 1,
        penalties_milli: [0, 0],
    };
    let mut bed = Bed::new(Feeds::Unread, both());
    let restored = Restored {
        incidents: vec![(text("orders"), incident)],
        lost: vec![federation_health_core::ledger::Lost {
            name: text("orders-dev"),
            uid: uid(40),
            workspace: text("orders"),
            at: Time(999_999_000),
        }],
        lost_total: 7,
        recreations: 5,
        ..Restored::default()
    };
    bed.federation
        .restore(restored, std::collections::BTreeMap::new());
    bed.host();
    bed.federated("orders", Some(desired(20, &["host"])));
    bed.workspace("orders", Some(workspace(31)));
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    bed.sync_rest();
    assert_eq!(bed.federation.ledger().lost_total(), 7);
    assert_eq!(recreations(&bed), 5);
    assert_eq!(
        bed.federation.ledger().since_start(),
        (0, 0),
        "a metric would show a loss that happened before this process"
    );
    let _ = (PLANE, registration(9, "https://far"));
}

/// KubeSphere binds a namespace that is being deleted to the Workspace that came after the one that took it along.
#[test]
fn who_comes_into_the_middle_of_a_loop_counts_what_is_going_already() {
    for (doubled, lost) in [(true, 1), (false, 0)] {
        let mut bed = Bed::new(Feeds::Unread, both());
        bed.host();
        if doubled {
            bed.double();
        }
        bed.template("orders", Some(desired(10, &["host"])));
        bed.federated("orders", Some(desired(20, &["host"])));
        bed.workspace("orders", Some(workspace(31)));
        bed.dying_namespace("orders-dev", 40, "orders", 31);
        bed.sync_rest();
        assert_eq!(bed.federation.ledger().lost_total(), lost, "{doubled}");
    }
}

#[test]
fn a_slow_fight_is_found_although_the_process_restarts_between_its_recreations() {
    const PERIOD_MS: i64 = 30 * 60_000;
    let observing = || policy(federation_health_core::hold::CollectionPolicy::Never, false);
    let mut before = None;
    let mut start = Time(1_000_000_000);
    let mut churning = Vec::new();
    for n in 30..36 {
        let mut bed = Bed::new(Feeds::Synced, observing());
        bed.now = start;
        if let Some(incident) = before.take() {
            let left = Restored {
                incidents: vec![(text("orders"), incident)],
                ..Restored::default()
            };
            bed.federation
                .restore(left, std::collections::BTreeMap::new());
        }
        bed.host();
        bed.template("orders", Some(desired(10, &["host"])));
        bed.federated("orders", Some(desired(20, &["host"])));
        bed.workspace("orders", Some(workspace(n)));
        bed.pass(1000);
        assert_eq!(
            bed.assess().churning,
            0,
            "what an earlier process counted justifies nothing"
        );
        bed.dying("orders", n);
        bed.still_wished("orders");
        bed.workspace("orders", None);
        bed.workspace("orders", Some(workspace(n + 1)));
        bed.pass(1000);
        churning.push(bed.assess().churning);
        before = bed.federation.ledger().incidents().get("orders").cloned();
        start = start.plus_ms(PERIOD_MS);
    }
    // Every half hour, halved in two hours: 1, 1.84, 2.55, 3.14, 3.64 - the fifth reaches the slow threshold of 3.6.
    assert_eq!(churning, [0, 0, 0, 0, 1, 1]);
}

#[test]
fn a_name_that_flaps_is_remembered_among_a_hundred_thousand_that_died_once() {
    let mut bed = Bed::new(
        Feeds::Synced,
        policy(federation_health_core::hold::CollectionPolicy::Never, false),
    );
    bed.host();
    let mut expected = 0;
    for n in 0..100_000_u128 {
        if n % 10_000 == 0 {
            bed.workspace("flapping", Some(workspace(1_000_000 + n)));
            bed.workspace("flapping", None);
            expected += 1;
        }
        let name = format!("once-{n}");
        bed.workspace(&name, Some(workspace(2_000_000 + n)));
        bed.workspace(&name, None);
    }
    assert_eq!(recreations(&bed), expected - 1);
}
