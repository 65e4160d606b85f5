//! What a restart takes up of the damped counts, and what it is worth.

use federation_health_core::{
    hold::CollectionPolicy,
    id::Text,
    ledger::{MAX_SUSPECTS, Restored, Suspect},
    time::Time,
};

use crate::bed::{Bed, Feeds, desired, policy, workspace};

const HOUR_MS: i64 = 3_600_000;

fn name(n: u128) -> String {
    format!("team-{n:03}")
}

/// A process that has just started, with what an earlier one left, on a federation of so many Workspaces.
fn started(now: Time, left: Vec<(Text, Suspect)>, names: u128, generation: u128) -> Bed {
    let mut bed = Bed::new(Feeds::Synced, policy(CollectionPolicy::Never, false));
    bed.now = now;
    let left = Restored {
        suspects: left,
        ..Restored::default()
    };
    bed.federation
        .restore(left, std::collections::BTreeMap::new());
    bed.host();
    for n in 0..names {
        bed.federated(&name(n), Some(desired(10_000 + n, &["host"])));
        bed.workspace(&name(n), Some(workspace(generation * 1_000_000 + n)));
    }
    bed
}

fn recreate(bed: &mut Bed, names: u128, generation: u128) {
    for n in 0..names {
        bed.workspace(&name(n), Some(workspace(generation * 1_000_000 + n)));
    }
}

fn left(bed: &Bed) -> Vec<(Text, Suspect)> {
    let suspects = bed.federation.suspects(bed.now);
    suspects.map(|(name, s)| (name.clone(), s)).collect()
}

#[test]
fn two_hundred_and_fifty_six_names_are_remembered_and_justify_nothing_until_they_are_seen_again() {
    const NAMES: u128 = MAX_SUSPECTS as u128;
    let mut before = started(Time(1_000_000_000), Vec::new(), NAMES, 1);
    for generation in [2, 3] {
        recreate(&mut before, NAMES, generation);
        before.pass(60_000);
    }
    let remembered = left(&before);
    assert_eq!(remembered.len(), MAX_SUSPECTS);
    assert_eq!(before.assess().churning, 0, "two recreations are no churn");

    // Three restarts without an event lose nothing and change nothing.
    let mut now = before.now;
    let mut after = remembered.clone();
    for _ in 0..3 {
        now = now.plus_ms(1000);
        let bed = started(now, after, NAMES, 3);
        after = left(&bed);
        assert_eq!(after, remembered);
    }
    let mut bed = started(now, after, NAMES, 3);
    bed.pass(1000);
    let judged = bed.assess();
    assert_eq!((judged.churning, judged.findings_total), (0, 0));
    assert_eq!(bed.causes(), []);

    // The third recreation within minutes is seen by this process: the third is a fight.
    recreate(&mut bed, NAMES, 4);
    bed.pass(1000);
    assert_eq!(bed.assess().churning, MAX_SUSPECTS);
    let mut forgetful = started(now, Vec::new(), NAMES, 3);
    recreate(&mut forgetful, NAMES, 4);
    forgetful.pass(1000);
    assert_eq!(
        forgetful.assess().churning,
        0,
        "it is the memory that tells"
    );
}

#[test]
fn of_more_names_than_are_remembered_the_heaviest_are() {
    let mut bed = started(Time(1_000_000_000), Vec::new(), 400, 1);
    recreate(&mut bed, 400, 2);
    bed.pass(1000);
    recreate(&mut bed, 100, 3);
    let remembered = left(&bed);
    assert!(
        (200..=MAX_SUSPECTS).contains(&remembered.len()),
        "{}",
        remembered.len()
    );
    for n in 0..100 {
        let found = remembered.iter().find(|(known, _)| **known == *name(n));
        assert!(
            found.is_some_and(|(_, s)| s.penalties_milli[1] > 1900),
            "{n}: {found:?}"
        );
    }
}

#[test]
fn a_name_is_remembered_until_its_counts_are_spent_and_told_anew_by_the_hour() {
    // 277,777 whole hours after 1970.
    let mut bed = started(Time(277_777 * HOUR_MS), Vec::new(), 1, 1);
    recreate(&mut bed, 1, 2);
    let first = left(&bed);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].1.penalties_milli, [1000, 1000]);
    // From 1 to 0.375 are 1.415 half-lives of two hours: 2 h 50 min, and the next whole hour tells.
    bed.now = bed.now.plus_ms(3 * HOUR_MS - 1);
    assert_eq!(left(&bed), first);
    bed.now = bed.now.plus_ms(1);
    assert_eq!(left(&bed), []);
}

#[test]
fn what_was_recreated_with_its_template_is_not_remembered() {
    let mut bed = started(Time(1_000_000_000), Vec::new(), 1, 1);
    for round in 0..3 {
        bed.workspace(&name(0), None);
        bed.federated(&name(0), Some(desired(20_000 + round, &["host"])));
        recreate(&mut bed, 1, 2 + round);
        bed.pass(60_000);
    }
    assert_eq!(left(&bed), [], "three quarters are less than one");
}
