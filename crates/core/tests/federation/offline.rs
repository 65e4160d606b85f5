//! Members that are away for days, and come back.

use federation_health_core::{
    assess::Truth,
    facts::{Probe, Readiness, Registration},
    staleness::Staleness,
    time::Time,
    words::ConditionType,
};

use crate::{
    bed::{Bed, HERE, PLANE, desired, key, registration},
    identity::probing,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MEMBERS: [(u128, &str); 6] = [
    (51, "east"),
    (52, "north"),
    (53, "south"),
    (54, "west"),
    (55, "up"),
    (56, "down"),
];
/// A third of them.
const AWAY: usize = 2;

fn registered(bed: &Bed, n: u128, name: &str, ready: bool) -> Registration {
    Registration {
        created: Some(Time(900_000_000)),
        ready: match ready {
            true => Readiness::True,
            false => Readiness::False,
        },
        unready_since: (!ready).then_some(bed.now),
        ..registration(n, &format!("https://{name}:6443"))
    }
}

/// The host and six members, each with a Workspace of its own, all of them well.
fn fleet() -> Bed {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    for (n, name) in MEMBERS {
        let facts = registered(&bed, n, name, true);
        bed.register(PLANE, name, facts);
        bed.probe(name, n, 0x100 + n);
        let shop = format!("shop-{name}");
        bed.template(&shop, Some(desired(n + 200, &[name])));
        bed.federated(&shop, Some(desired(n + 100, &[name])));
    }
    bed.pass(60_000);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    bed
}

/// Conditions that are False.
fn bad(bed: &mut Bed) -> Vec<ConditionType> {
    let judged = bed.assess();
    let bad = judged
        .conditions
        .iter()
        .filter(|c| c.status == Truth::False);
    bad.map(|c| c.type_).collect()
}

/// Nothing is told but that they do not answer, nothing is held, and none of them is a leftover.
fn only_silent(bed: &mut Bed) {
    let silent = [ConditionType::Healthy, ConditionType::ClustersReachable];
    assert_eq!(bad(bed), silent);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    assert_eq!(bed.causes(), []);
    for (_, name) in MEMBERS {
        let staleness = bed.federation.staleness(&key(PLANE, name));
        assert!(
            matches!(staleness, Staleness::InUse(_)),
            "{name}: {staleness:?}"
        );
    }
}

fn silence(bed: &mut Bed) {
    for (n, name) in &MEMBERS[..AWAY] {
        bed.probed(name, *n, Probe::Failed("Timeout"));
    }
    for (n, name) in &MEMBERS[AWAY..] {
        bed.probe(name, *n, 0x100 + n);
    }
}

#[test]
fn a_third_of_the_members_offline_for_three_days_proves_nothing() {
    // Hour by hour, and as one gap in which the operator's own machine slept.
    for steps in [72, 1] {
        let mut bed = fleet();
        for (n, name) in &MEMBERS[..AWAY] {
            let facts = registered(&bed, *n, name, false);
            bed.register(PLANE, name, facts);
        }
        for _ in 0..3 {
            silence(&mut bed);
            bed.pass(60_000);
        }
        only_silent(&mut bed);
        for _ in 0..steps {
            bed.pass(3 * DAY_MS / steps);
            silence(&mut bed);
            only_silent(&mut bed);
        }
        for (n, name) in &MEMBERS[..AWAY] {
            let facts = registered(&bed, *n, name, true);
            bed.register(PLANE, name, facts);
            bed.probe(name, *n, 0x100 + n);
        }
        for _ in 0..60 {
            assert_eq!(bed.codes(), [] as [&str; 0]);
            assert_eq!(bad(&mut bed), []);
            bed.pass(60_000);
        }
        assert!(bed.federation.ledger().incidents().is_empty());
        assert_eq!(bed.left, []);
    }
}
