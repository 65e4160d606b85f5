//! Which of several names is the leftover: by proof, never by age.

use federation_health_core::{
    facts::{Change, Home, KubeSphereCluster, Probe, Registration},
    placement::{Placement, Selector},
    registry::UNREACHABLE_AFTER,
    staleness::{Sign, Staleness},
    time::Time,
};

use crate::bed::{Bed, FW, HERE, PLANE, cluster_key, desired, key, registration, text, uid};

fn cluster(bed: &mut Bed, name: &str, joins: bool) {
    let facts = KubeSphereCluster {
        joins,
        ..KubeSphereCluster::default()
    };
    bed.apply(Change::Cluster(text(name), Some(facts)));
}

fn of(bed: &Bed, name: &str) -> Staleness {
    bed.federation.staleness(&key(PLANE, name))
}

/// The incident: `host` has its Cluster and its placements, `produce-trt` has neither.
fn incident() -> Bed {
    let mut bed = Bed::quiet();
    cluster(&mut bed, "host", true);
    bed.register(
        PLANE,
        "produce-trt",
        Registration {
            host_label: false,
            ..registration(2, "https://here:6443")
        },
    );
    bed
}

#[test]
fn the_name_without_a_cluster_is_proven_stale_and_the_other_is_in_use() {
    let bed = incident();
    assert_eq!(
        of(&bed, "produce-trt"),
        Staleness::Proven(vec![Sign::NoCluster { doubled: true }, Sign::Unplaced])
    );
    assert_eq!(
        of(&bed, "host"),
        Staleness::InUse(vec![
            Sign::Joins,
            Sign::HostLabel,
            Sign::Placed { objects: 1 }
        ])
    );
}

#[test]
fn age_alone_proves_nothing() {
    for (host, other) in [(1, 2), (2, 1)] {
        let mut bed = Bed::quiet();
        for (name, n, created) in [("host", 1, host), ("other", 2, other)] {
            let facts = Registration {
                created: Some(Time(created * 86_400_000)),
                host_label: false,
                ..registration(n, "https://here:6443")
            };
            bed.register(PLANE, name, facts);
        }
        assert_eq!(of(&bed, "other"), Staleness::Unknown(vec![Sign::Unplaced]));
    }
}

#[test]
fn a_registration_older_than_its_namespace_came_back_from_the_dead() {
    let mut bed = Bed::quiet();
    let born = |ms| Home {
        created: Some(Time(ms)),
        terminating: None,
    };
    bed.register(
        PLANE,
        "old",
        Registration {
            created: Some(Time(1_000_000)),
            ..registration(2, "https://far:6443")
        },
    );
    bed.apply(Change::Home(text(PLANE), Some(born(1_000_000))));
    assert_eq!(of(&bed, "old"), Staleness::Unknown(vec![Sign::Unplaced]));
    bed.apply(Change::Home(text(PLANE), Some(born(1_090_000))));
    assert_eq!(
        of(&bed, "old"),
        Staleness::Proven(vec![Sign::Resurrected { seconds: 90 }, Sign::Unplaced])
    );
    bed.apply(Change::Home(text(PLANE), None));
    assert_eq!(of(&bed, "old"), Staleness::Unknown(vec![Sign::Unplaced]));
}

#[test]
fn proof_against_use_is_a_conflict_that_blocks() {
    let mut bed = incident();
    // Placements name the leftover more often than the name in use.
    for (n, name) in [(50, "a"), (51, "b")] {
        bed.federated(name, Some(desired(n, &["produce-trt"])));
    }
    assert!(matches!(of(&bed, "produce-trt"), Staleness::Conflicting(_)));
    bed.federated("b", Some(desired(51, &["host"])));
    assert_eq!(
        of(&bed, "produce-trt"),
        Staleness::Proven(vec![
            Sign::NoCluster { doubled: true },
            Sign::PlacedLess { objects: 1 }
        ])
    );
    cluster(&mut bed, "produce-trt", false);
    bed.register(PLANE, "produce-trt", registration(2, "https://here:6443"));
    assert_eq!(
        of(&bed, "produce-trt"),
        Staleness::Conflicting(vec![
            Sign::NotJoining,
            Sign::PlacedLess { objects: 1 },
            Sign::HostLabel
        ])
    );
}

#[test]
fn without_kubesphere_the_lack_of_a_cluster_says_nothing() {
    let mut bed = Bed::quiet();
    bed.double();
    assert!(
        matches!(of(&bed, "produce-trt"), Staleness::InUse(_)),
        "it carries the host label here"
    );
    let signs = of(&bed, "produce-trt");
    assert!(
        !signs
            .signs()
            .iter()
            .any(|s| matches!(s, Sign::NoCluster { .. }))
    );
}

#[test]
fn a_member_joined_by_hand_is_no_leftover_for_want_of_a_cluster() {
    let mut bed = Bed::quiet();
    cluster(&mut bed, "host", true);
    bed.register(PLANE, "east", registration(3, "https://east:6443"));
    assert!(matches!(of(&bed, "east"), Staleness::Unknown(_)));
    bed.federated("shop", Some(desired(60, &["host", "east"])));
    assert!(matches!(of(&bed, "east"), Staleness::InUse(_)));
}

#[test]
fn a_cluster_that_cannot_be_read_exists() {
    let mut bed = incident();
    bed.apply(Change::Malformed(
        federation_health_core::facts::Feed::Clusters,
        text("produce-trt"),
    ));
    assert_eq!(
        of(&bed, "produce-trt"),
        Staleness::Unknown(vec![Sign::Unplaced])
    );
}

#[test]
fn a_missing_secret_is_proof_only_when_it_stays_missing() {
    let mut bed = Bed::quiet();
    bed.register(PLANE, "east", registration(3, "https://east:6443"));
    for failures in 1..=3 {
        bed.probed("east", 3, Probe::Failed("SecretNotFound"));
        let proven = matches!(of(&bed, "east"), Staleness::Proven(_));
        assert_eq!(proven, failures == 3, "after {failures} failures");
    }
    bed.probe("east", 3, 0xea57);
    assert!(matches!(of(&bed, "east"), Staleness::Unknown(_)));
}

#[test]
fn a_long_outage_is_no_part_of_the_proof_that_a_secret_is_missing() {
    let mut bed = Bed::quiet();
    bed.register(PLANE, "east", registration(3, "https://east:6443"));
    for class in ["Timeout", "SecretNotFound", "Timeout", "SecretNotFound"] {
        for _ in 1..UNREACHABLE_AFTER {
            bed.probed("east", 3, Probe::Failed(class));
        }
        let found = of(&bed, "east");
        assert!(matches!(found, Staleness::Unknown(_)), "{class}: {found:?}");
    }
    bed.probed("east", 3, Probe::Failed("SecretNotFound"));
    assert!(matches!(of(&bed, "east"), Staleness::Proven(_)));
}

#[test]
fn being_offline_or_refused_is_never_proof() {
    for class in ["Unreachable", "Unauthorized", "Timeout"] {
        let mut bed = Bed::quiet();
        bed.register(PLANE, "east", registration(3, "https://east:6443"));
        for _ in 0..10 {
            bed.probed("east", 3, Probe::Failed(class));
        }
        assert!(
            matches!(of(&bed, "east"), Staleness::Unknown(_)),
            "{class}: {:?}",
            of(&bed, "east")
        );
    }
}

#[test]
fn a_selector_that_selects_everything_is_no_sign_of_use() {
    let mut bed = incident();
    let everything = federation_health_core::facts::Desired {
        placement: Placement::Selector(Selector::default()),
        ..desired(70, &[])
    };
    bed.apply(Change::Federated(
        text(FW),
        cluster_key("system-workspace"),
        Some(everything),
    ));
    assert!(matches!(of(&bed, "produce-trt"), Staleness::Proven(_)));
    bed.federated("orders", None);
    assert!(matches!(
        of(&bed, "host"),
        Staleness::InUse(signs) if signs == [Sign::Unplaced, Sign::Joins, Sign::HostLabel]
    ));
}

/// A Cluster of KubeSphere that does not join, and of which it says where it is.
fn known_to_kubesphere(bed: &mut Bed, name: &str, server: u128, host: bool) {
    let facts = KubeSphereCluster {
        reported_uid: Some(uid(server)),
        host,
        ..KubeSphereCluster::default()
    };
    bed.apply(Change::Cluster(text(name), Some(facts)));
}

#[test]
fn the_name_that_kubesphere_gives_this_server_is_in_use_whatever_else_is_said_of_it() {
    let mut bed = Bed::quiet();
    for (n, name) in [(1, "host"), (2, "produce-trt")] {
        let facts = Registration {
            host_label: false,
            ..registration(n, "https://here:6443")
        };
        bed.register(PLANE, name, facts);
    }
    bed.federated("orders", None);
    known_to_kubesphere(&mut bed, "host", HERE, false);
    let called = [Sign::NotJoining, Sign::Unplaced, Sign::HostName];
    assert_eq!(of(&bed, "host"), Staleness::Conflicting(called.into()));
    assert_eq!(
        of(&bed, "host").signs()[2].to_string(),
        "Against: KubeSphere calls this server by this name."
    );
    // Two Clusters report this server: KubeSphere renames it for ever, and neither is its name.
    known_to_kubesphere(&mut bed, "produce-trt", HERE, false);
    let leftover = Staleness::Proven(vec![Sign::NotJoining, Sign::Unplaced]);
    assert_eq!(of(&bed, "host"), leftover);
    assert_eq!(of(&bed, "produce-trt"), leftover);
    // The label decides between them, and between it and another server's UID the UID.
    known_to_kubesphere(&mut bed, "host", HERE, true);
    assert!(of(&bed, "host").signs().contains(&Sign::HostName));
    assert_eq!(of(&bed, "produce-trt"), leftover);
    known_to_kubesphere(&mut bed, "host", 0xfa4, true);
    assert!(!of(&bed, "host").signs().contains(&Sign::HostName));
    assert_eq!(of(&bed, "produce-trt"), leftover);
    known_to_kubesphere(&mut bed, "host", HERE, true);
    known_to_kubesphere(&mut bed, "produce-trt", HERE, true);
    for name in ["host", "produce-trt"] {
        assert!(!of(&bed, name).signs().contains(&Sign::HostName), "{name}");
    }
}
