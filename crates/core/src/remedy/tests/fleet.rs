//! Clusters that turn bad together.

use super::*;
use crate::{
    facts::{Readiness, Registration},
    id::RegistrationKey,
    registry::Registry,
    remedy::{brake::FLEET_WINDOW_MS, fleet::Fleet},
};

fn key(name: &str) -> RegistrationKey {
    RegistrationKey {
        namespace: Text::from("kube-federation-system"),
        name: Text::from(name),
    }
}

fn at_most(max_unhealthy_percent: i64) -> RemedyPolicy {
    RemedyPolicy {
        max_unhealthy_percent,
        ..RemedyPolicy::default()
    }
}

#[test]
fn clusters_that_turned_bad_together_are_counted_and_one_that_never_was_good_is_not() {
    let mut registry = Registry::default();
    let mut fleet = Fleet::default();
    let facts = |n: u128, ready| Registration {
        uid: Uid::from(n),
        ready,
        ..Registration::default()
    };
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        registry.put(key(name), facts(n as u128, Readiness::True), NOW);
    }
    registry.put(key("new"), facts(9, Readiness::Absent), NOW);
    let third = at_most(34);
    fleet.observe(&registry, NOW);
    assert_eq!(fleet.brake(&registry, &third, NOW), None);
    // KubeFed has looked at it by now.
    let looked = Registration {
        unready_since: Some(NOW),
        ..facts(9, Readiness::False)
    };
    registry.put(key("new"), looked, NOW);
    fleet.observe(&registry, NOW);
    let none = fleet.brake(&registry, &at_most(1), NOW);
    assert_eq!(none, None, "it never was good");
    registry.put(key("a"), facts(0, Readiness::False), NOW);
    fleet.observe(&registry, NOW);
    let brake = fleet.brake(&registry, &third, NOW);
    assert_eq!(brake, None, "one of four is a quarter");
    registry.put(key("b"), facts(1, Readiness::Unknown), NOW);
    fleet.observe(&registry, NOW);
    let brake = |bad, of| Brake::FleetUnhealthy {
        bad,
        of,
        max_percent: 34,
    };
    assert_eq!(fleet.brake(&registry, &third, NOW), Some(brake(2, 4)));
    let later = NOW.plus_ms(FLEET_WINDOW_MS);
    assert_eq!(fleet.brake(&registry, &third, later), None);

    // Known to be offline: one of the three others is a third, and of the two others a half.
    let known = |names: &[&str]| RemedyPolicy {
        expected_offline: names.iter().map(|name| Text::from(*name)).collect(),
        ..third.clone()
    };
    assert_eq!(fleet.brake(&registry, &known(&["a"]), NOW), None);
    let half = fleet.brake(&registry, &known(&["a", "c"]), NOW);
    assert_eq!(half, Some(brake(1, 2)));
}

#[test]
fn a_fleet_that_turned_bad_before_a_restart_is_not_forgotten() {
    let mut registry = Registry::default();
    let minutes = |n: i64| Some(NOW.plus_ms(-n * 60_000));
    for (n, (name, ready, since)) in [
        ("good", Readiness::True, minutes(2)),
        ("fell", Readiness::False, minutes(2)),
        ("is-long-dead", Readiness::False, minutes(16)),
        ("never-looked-at", Readiness::Absent, None),
    ]
    .into_iter()
    .enumerate()
    {
        let facts = Registration {
            uid: Uid::from(n as u128),
            ready,
            unready_since: since.filter(|_| ready != Readiness::True),
            ..Registration::default()
        };
        registry.put(key(name), facts, NOW);
    }
    let mut restarted = Fleet::default();
    restarted.observe(&registry, NOW);
    let brake = Brake::FleetUnhealthy {
        bad: 1,
        of: 4,
        max_percent: 20,
    };
    assert_eq!(restarted.brake(&registry, &at_most(20), NOW), Some(brake));
    assert_eq!(restarted.brake(&registry, &at_most(25), NOW), None);
}
