//! Faults of clusters: KubeSphere's view of them, what is left in them, their credentials.

use federation_health_core::{
    assess::Truth,
    facts::{Change, KubeSphereCluster, Registration},
    words::ConditionType,
};

use crate::{
    bed::{Bed, HERE, PLANE, key, registration, text, uid},
    faults::{MINUTE, told, words},
};

fn cluster(bed: &mut Bed, name: &str, n: u128, host: bool) {
    let facts = KubeSphereCluster {
        reported_uid: Some(uid(n)),
        joins: true,
        host,
        ..KubeSphereCluster::default()
    };
    bed.apply(Change::Cluster(text(name), Some(facts)));
}

/// What two watches may contradict each other about is told after a minute.
fn settle(bed: &mut Bed) {
    bed.assess();
    bed.pass(MINUTE);
}

#[test]
fn two_clusters_with_one_uid_are_twins() {
    let mut bed = Bed::quiet();
    cluster(&mut bed, "host", HERE, true);
    cluster(&mut bed, "again", HERE, false);
    settle(&mut bed);
    assert!(words(&mut bed, "FH015").contains("again and host"));
}

#[test]
fn two_hosts_among_kubespheres_clusters_are_twins() {
    let mut bed = Bed::quiet();
    cluster(&mut bed, "host", HERE, true);
    cluster(&mut bed, "new-host", 0xee, true);
    settle(&mut bed);
    assert!(words(&mut bed, "FH015").contains("host and new-host"));
}

#[test]
fn without_probes_the_uid_that_kubesphere_reports_joins_names_and_parts_them() {
    let mut bed = Bed::quiet();
    for (n, name, endpoint) in [
        (3, "east", "https://east:6443"),
        (4, "east-old", "https://door"),
    ] {
        bed.register(PLANE, name, registration(n, endpoint));
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
    for name in ["east", "east-old"] {
        cluster(&mut bed, name, 0xea, false);
    }
    assert!(bed.codes().contains(&"FH004"), "{:?}", bed.codes());
    cluster(&mut bed, "east-old", 0xeb, false);
    bed.register(PLANE, "east-old", registration(4, "https://east:6443"));
    let codes = bed.codes();
    assert!(
        !codes.contains(&"FH004") && !codes.contains(&"FH024"),
        "{codes:?}"
    );
}

#[test]
fn clusters_that_report_different_uids_are_no_twins() {
    let mut bed = Bed::quiet();
    cluster(&mut bed, "host", HERE, true);
    cluster(&mut bed, "east", 0xee, false);
    settle(&mut bed);
    assert!(!told(&mut bed, "FH015"));
}

fn accounts(bed: &mut Bed, names: &[&str]) {
    let names = names.iter().map(|name| text(name)).collect();
    let asked = bed.asked("host", 1);
    bed.apply(Change::Accounts(key(PLANE, "host"), asked, names));
    bed.assess();
    bed.pass(MINUTE);
}

#[test]
fn rights_of_a_name_that_was_removed_are_leftovers() {
    let mut bed = Bed::quiet();
    accounts(&mut bed, &["host-kubesphere", "produce-trt-kubesphere"]);
    assert_eq!(bed.codes(), ["FH020"]);
    let words = words(&mut bed, "FH020");
    assert!(words.contains("produce-trt-kubesphere") && !words.contains("host-kubesphere"));
    // Run where the person happens to be, it would take KubeFed's own rights there.
    assert_eq!(
        words
            .matches("kubectl --context MEMBER delete --dry-run=server")
            .count(),
        2,
        "{words}"
    );
    assert_eq!(words.matches("kubectl").count(), 2, "{words}");
    assert_eq!(bed.truth(ConditionType::ControlPlaneHealthy), Truth::True);
    bed.register(PLANE, "produce-trt", registration(2, "https://here:6443"));
    assert!(!told(&mut bed, "FH020"), "it is registered again");
}

#[test]
fn what_a_member_calls_an_account_is_no_part_of_a_command_unless_it_is_a_name() {
    let mut bed = Bed::quiet();
    accounts(
        &mut bed,
        &[
            "host-kubesphere",
            "--all-kubesphere",
            "$(id)-kubesphere",
            "a b-kubesphere",
        ],
    );
    assert!(!told(&mut bed, "FH020"));
}

#[test]
fn a_member_with_rights_of_another_host_is_shared() {
    let mut bed = Bed::quiet();
    accounts(&mut bed, &["host-kubesphere", "host-two-fed-eu"]);
    assert!(
        !told(&mut bed, "FH010") && !told(&mut bed, "FH020"),
        "an account of our own name is ours"
    );
    accounts(&mut bed, &["host-kubesphere", "prod-fed-eu"]);
    assert!(words(&mut bed, "FH010").contains("prod-fed-eu"));
    assert!(!told(&mut bed, "FH020"));
    assert_eq!(
        bed.truth(ConditionType::ControlPlaneUnique),
        Truth::Unknown,
        "a suspicion"
    );
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn kubespheres_own_warnings_are_passed_on() {
    let mut bed = Bed::quiet();
    let facts = |federated| KubeSphereCluster {
        joins: true,
        expiring: true,
        federated,
        ..KubeSphereCluster::default()
    };
    bed.apply(Change::Cluster(text("host"), Some(facts(Some(false)))));
    assert_eq!(bed.codes(), ["FH021"]);
    bed.pass(10 * MINUTE);
    assert_eq!(bed.codes(), ["FH021", "FH022"]);
    assert_eq!(bed.truth(ConditionType::ControlPlaneHealthy), Truth::True);
    bed.apply(Change::Cluster(text("host"), Some(facts(Some(true)))));
    assert_eq!(bed.codes(), ["FH021"]);
}

#[test]
fn rotated_credentials_are_no_drift() {
    let mut bed = Bed::quiet();
    let rotated = Registration {
        secret: text("host-secret-2"),
        labels: [(text("region"), text("eu"))].into(),
        ..registration(1, "https://here:6443")
    };
    bed.register(PLANE, "host", rotated);
    assert!(!told(&mut bed, "FH023"));
}

#[test]
fn a_rotated_authority_that_kubesphere_vouches_for_is_no_drift() {
    let mut bed = Bed::quiet();
    bed.probe("host", 1, HERE);
    let rotated = Registration {
        ca: Some(0xca),
        ..registration(1, "https://here:6443")
    };
    bed.register(PLANE, "host", rotated);
    assert!(told(&mut bed, "FH023"));
    let vouching = |endpoint: &str, n| KubeSphereCluster {
        endpoint: Some(text(endpoint)),
        reported_uid: Some(uid(n)),
        joins: true,
        ..KubeSphereCluster::default()
    };
    for (endpoint, n, drifts) in [
        ("https://here:6443", 0xbad, true),
        ("https://elsewhere:6443", HERE, true),
        ("https://here:6443", HERE, false),
    ] {
        bed.apply(Change::Cluster(text("host"), Some(vouching(endpoint, n))));
        assert_eq!(told(&mut bed, "FH023"), drifts, "{endpoint} {n:x}");
    }
    let moved = registration(1, "https://elsewhere:6443");
    bed.register(PLANE, "host", moved);
    assert!(told(&mut bed, "FH023"), "another endpoint is no rotation");
}
