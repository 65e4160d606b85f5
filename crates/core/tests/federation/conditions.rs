//! Unknown, False and True, and nothing in between.

use federation_health_core::{
    assess::{Assessment, Truth},
    facts::{Change, Desired, Feed, FeedState, Report},
    words::{ConditionType, Reason},
};

use crate::bed::{
    Bed, FW, Feeds, PLANE, both, cluster_key, desired, feeds, registration, text, workspace,
};

fn reason(assessment: &Assessment, type_: ConditionType) -> (Truth, Reason) {
    let condition = assessment.condition(type_).unwrap();
    (condition.status, condition.reason)
}

#[test]
fn nothing_is_healthy_before_it_was_read() {
    let mut bed = Bed::new(Feeds::Unread, both());
    for feed in feeds() {
        bed.feed(feed, FeedState::Pending);
    }
    let judged = bed.assess();
    assert_eq!(judged.findings, []);
    for type_ in [
        ConditionType::Ready,
        ConditionType::Healthy,
        ConditionType::ClustersUnique,
        ConditionType::WorkspacesStable,
        ConditionType::NamespacesSafe,
    ] {
        assert_eq!(
            judged.condition(type_).unwrap().status,
            Truth::Unknown,
            "{type_:?}"
        );
    }
}

#[test]
fn a_watch_that_fails_for_a_moment_changes_nothing_that_can_be_seen() {
    let mut bed = Bed::quiet();
    bed.double();
    let before = bed.assess();
    for feed in feeds() {
        bed.feed(feed, FeedState::Failing);
    }
    bed.silence(1000);
    let during = bed.assess();
    assert_eq!(during.conditions, before.conditions);
    assert_eq!(during.findings, before.findings);
    assert_eq!(during.groups, before.groups);
    for feed in feeds() {
        bed.feed(feed, FeedState::Synced);
    }
    assert_eq!(bed.assess().conditions, before.conditions);
}

#[test]
fn a_watch_that_is_silent_for_too_long_is_unknown_and_says_so() {
    let mut bed = Bed::quiet();
    let at = bed.assess().next.unwrap();
    bed.silence(at.since_ms(bed.now));
    let judged = bed.assess();
    assert_eq!(
        reason(&judged, ConditionType::NamespacesSafe),
        (Truth::Unknown, Reason::WatchNotSynced)
    );
    bed.pass(0);
    assert_eq!(bed.truth(ConditionType::NamespacesSafe), Truth::True);
}

#[test]
fn a_finding_outlives_the_feed_it_came_from() {
    let mut bed = Bed::quiet();
    bed.double();
    let since = bed.assess().findings[0].1;
    bed.feed(Feed::Registrations, FeedState::Forbidden);
    bed.silence(500_000);
    let judged = bed.assess();
    assert_eq!(
        reason(&judged, ConditionType::ClustersUnique),
        (Truth::False, Reason::DoubledRegistration)
    );
    assert_eq!(judged.findings[0].1, since);
}

#[test]
fn missing_kinds_and_missing_rights_are_unknown_each_with_its_own_reason() {
    let mut bed = Bed::quiet();
    bed.feed(Feed::Registrations, FeedState::NotInstalled);
    bed.feed(Feed::Namespaces, FeedState::Forbidden);
    bed.feed(Feed::Clusters, FeedState::NotInstalled);
    bed.feed(Feed::Templates, FeedState::NotInstalled);
    let judged = bed.assess();
    assert_eq!(
        reason(&judged, ConditionType::ClustersUnique),
        (Truth::Unknown, Reason::CRDNotInstalled)
    );
    assert_eq!(
        reason(&judged, ConditionType::NamespacesSafe),
        (Truth::Unknown, Reason::Forbidden)
    );
    assert_eq!(
        reason(&judged, ConditionType::WorkspacesStable),
        (Truth::True, Reason::AsExpected),
        "a federation without KubeSphere has no templates"
    );
    assert_eq!(
        judged.condition(ConditionType::Ready).unwrap().status,
        Truth::True
    );
    bed.feed(Feed::Templates, FeedState::Forbidden);
    let judged = bed.assess();
    assert_eq!(
        reason(&judged, ConditionType::WorkspacesStable),
        (Truth::Unknown, Reason::Forbidden)
    );
}

#[test]
fn an_unreadable_object_is_named_until_it_can_be_read_or_is_gone() {
    let mut bed = Bed::quiet();
    let feed = Feed::Federated(text(FW));
    bed.apply(Change::Malformed(feed.clone(), text("orders")));
    assert_eq!(
        reason(&bed.assess(), ConditionType::WorkspacesStable),
        (Truth::Unknown, Reason::MalformedObject)
    );
    bed.federation.begin(&feed);
    assert_eq!(
        reason(&bed.assess(), ConditionType::WorkspacesStable).1,
        Reason::MalformedObject,
        "a relist does not make it blink"
    );
    bed.apply(Change::Malformed(feed.clone(), text("orders")));
    let now = bed.now;
    bed.federation.end(&feed, now);
    assert_eq!(
        reason(&bed.assess(), ConditionType::WorkspacesStable).1,
        Reason::MalformedObject
    );
    bed.federated("orders", Some(desired(20, &["host"])));
    assert_eq!(bed.truth(ConditionType::WorkspacesStable), Truth::True);
}

#[test]
fn an_unreadable_registration_keeps_what_was_known_of_it_and_every_hold() {
    let mut bed = Bed::quiet();
    bed.double();
    bed.federation.begin(&Feed::Registrations);
    bed.register(PLANE, "host", registration(1, "https://here:6443"));
    bed.apply(Change::Malformed(Feed::Registrations, text("produce-trt")));
    let now = bed.now;
    bed.federation.end(&Feed::Registrations, now);
    bed.pass(1_000_000);
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.left, []);
    assert!(bed.codes().contains(&"FH004"));
}

#[test]
fn a_half_read_list_of_registrations_judges_nothing_until_it_is_complete() {
    let mut bed = Bed::quiet();
    bed.federation.begin(&Feed::Registrations);
    assert_eq!(
        bed.double(),
        [],
        "one pass when the list is complete, not one for each of a thousand"
    );
    bed.register(PLANE, "host", registration(1, "https://here:6443"));
    let now = bed.now;
    let effects = bed.federation.end(&Feed::Registrations, now);
    assert!(!effects.is_empty());
    assert!(bed.codes().contains(&"FH004"));
}

#[test]
fn the_oldest_list_is_that_of_a_feed_in_order_that_was_not_read_for_longest() {
    let mut bed = Bed::quiet();
    let first = bed.now;
    assert_eq!(bed.federation.oldest_list(), Some(first));
    bed.pass(1_000_000);
    let left_out = Feed::Workspaces;
    for feed in feeds().into_iter().filter(|feed| *feed != left_out) {
        bed.federation.begin(&feed);
        bed.federation.end(&feed, bed.now);
    }
    assert_eq!(bed.federation.oldest_list(), Some(first));
    // A feed that is not in order has an alert of its own.
    bed.apply(Change::Feed(left_out, FeedState::Forbidden));
    assert_eq!(bed.federation.oldest_list(), Some(bed.now));
}

#[test]
fn a_storm_does_not_hide_its_cause() {
    let mut bed = Bed::quiet();
    let teams: Vec<(u128, String)> = (0..40).map(|n| (n, format!("team-{n:02}"))).collect();
    for (n, name) in &teams {
        bed.federated(name, Some(desired(100_000 + n, &["host"])));
        bed.workspace(name, Some(workspace(200_000 + n)));
    }
    bed.double();
    for (n, name) in &teams {
        for round in 1..4 {
            bed.workspace(name, None);
            bed.workspace(name, Some(workspace(200_000 + n + round * 1000)));
        }
    }
    let judged = bed.assess();
    let codes: Vec<&str> = judged.findings.iter().map(|(f, _)| f.code).collect();
    assert!(judged.findings_total > 40, "{}", judged.findings_total);
    assert_eq!(codes.len(), 20);
    assert!(codes.contains(&"FH004"), "the cause is cut off: {codes:?}");
    let severities: Vec<_> = judged.findings.iter().map(|(f, _)| f.severity).collect();
    assert!(severities.is_sorted(), "worst first: {severities:?}");
}

#[test]
fn the_whole_assessment_fits_the_object_in_the_worst_case() {
    let mut bed = Bed::new(Feeds::Synced, both());
    bed.host();
    let long = "n".repeat(200);
    for n in 0..1000_u128 {
        let door = format!("https://{long}-{}", n % 300);
        bed.register(PLANE, &format!("{long}-{n}"), registration(5000 + n, &door));
    }
    let plan = |n: u128| Desired {
        generation: n as i64,
        ..desired(100_000 + n, &["host", &format!("{long}-{}", n % 300)])
    };
    for n in 0..10_000_u128 {
        let name = format!("{long}-{n:05}");
        bed.federated(&name, Some(plan(n)));
        bed.workspace(&name, Some(workspace(200_000 + n)));
        bed.namespace(
            &format!("{name}-dev"),
            Some(crate::bed::namespace(300_000 + n, &name, 200_000 + n)),
        );
        for round in 1..4_u128 {
            bed.workspace(&name, None);
            bed.workspace(&name, Some(workspace(200_000 + n + round * 1_000_000)));
        }
        let parties = (0..20).map(|party| (text(&format!("{long}-{party}")), Report::Waits));
        let key = cluster_key(&name);
        bed.apply(Change::Witness(text(FW), key, parties.collect()));
        bed.dying_namespace(&format!("{name}-dev"), 300_000 + n, &name, 200_000 + n);
    }
    let judged = bed.assess();
    assert!(judged.findings_total > 100);
    let bytes = wire_bytes(&bed, &judged);
    assert!(
        bytes < 120 * 1024,
        "{bytes} bytes; etcd and a person read the rest of the 128 KiB"
    );
    assert!(
        bytes > 60 * 1024,
        "{bytes} bytes: this is no worst case any more"
    );
}

/// An upper bound of what the index writes of it: text, quotes, and the names of fields.
fn wire_bytes(bed: &Bed, judged: &Assessment) -> usize {
    let lines = |lines: &[String]| lines.iter().map(|l| l.len() + 3).sum::<usize>();
    let conditions: usize = judged
        .conditions
        .iter()
        .map(|c| 160 + c.message.len())
        .sum();
    let findings: usize = judged
        .findings
        .iter()
        .map(|(f, _)| 150 + f.subject.len() + f.message.len() + f.next.len() + lines(&f.evidence))
        .sum();
    let groups: usize = judged
        .groups
        .iter()
        .map(|g| {
            let members = g
                .members
                .iter()
                .map(|m| 160 + m.key.namespace.len() + m.key.name.len() + lines(&m.staleness));
            60 + lines(&g.evidence) + members.sum::<usize>()
        })
        .sum();
    let names = |names: &[federation_health_core::id::Text]| {
        names.iter().map(|n| n.len() + 3).sum::<usize>()
    };
    let radius = &judged.radius;
    let risk = 160
        + names(&radius.workspace_names)
        + names(&radius.namespace_names)
        + lines(&radius.object_names);
    let ledger = bed.federation.ledger();
    let lost: usize = ledger
        .lost()
        .iter()
        .map(|l| 110 + l.name.len() + l.workspace.len())
        .sum();
    // As many incidents as spec may ask for.
    let incidents: usize = ledger
        .incidents()
        .iter()
        .take(20)
        .map(|(name, i)| 180 + name.len() + i.parties.iter().map(|p| p.len() + 3).sum::<usize>())
        .sum();
    let hold: usize = 200
        + bed.stored.message.len()
        + bed
            .stored
            .causes
            .iter()
            .map(|c| 110 + c.subject.len())
            .sum::<usize>();
    let suspects: usize = bed
        .federation
        .suspects(bed.now)
        .map(|(name, _)| name.len() + 38)
        .sum();
    // What the index cuts them to.
    let suspects = suspects.min(14 << 10);
    conditions + findings + groups + risk + lost + incidents + hold + suspects
}

#[test]
fn equal_facts_give_equal_judgements() {
    let mut bed = Bed::quiet();
    bed.double();
    let first = bed.assess();
    assert_eq!(bed.assess(), first);
    assert_eq!(bed.tick(), []);
    bed.apply(Change::Federated(
        text(FW),
        cluster_key("orders"),
        Some(desired(20, &["host"])),
    ));
    assert_eq!(bed.assess(), first);
}
