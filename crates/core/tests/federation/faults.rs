//! The smaller faults: what raises each, and the honest thing beside it that must not.

use federation_health_core::{
    assess::Truth,
    facts::{
        Change, Controller, Desired, Home, KubeSphereCluster, Managed, Namespace, Readiness,
        Registration, Workspace,
    },
    placement::{Placement, Selector},
    time::Time,
    words::ConditionType,
};

use crate::bed::{
    Bed, FW, PLANE, cluster_key, desired, namespace, registration, text, uid, workspace,
};

pub const MINUTE: i64 = 60_000;

pub fn told(bed: &mut Bed, code: &str) -> bool {
    bed.codes().contains(&code)
}

/// The evidence and the command of the first finding of this code.
pub fn words(bed: &mut Bed, code: &str) -> String {
    let judged = bed.assess();
    let found = judged.findings.iter().find(|(f, _)| f.code == code);
    let (finding, _) = found.unwrap();
    format!(
        "{} {} {}",
        finding.message,
        finding.evidence.join(" "),
        finding.next
    )
}

fn born(bed: &mut Bed, created: i64) {
    let home = Home {
        created: Some(Time(created)),
        terminating: None,
    };
    bed.apply(Change::Home(text(PLANE), Some(home)));
}

fn east(ready: Readiness) -> Registration {
    Registration {
        ready,
        ..registration(3, "https://east:6443")
    }
}

fn deleting(wish: Desired) -> Desired {
    Desired {
        deleting: true,
        ..wish
    }
}

#[test]
fn a_resurrected_registration_is_told_with_its_age() {
    let mut bed = Bed::quiet();
    let old = Registration {
        created: Some(Time(1_000_000)),
        ..east(Readiness::Absent)
    };
    bed.register(PLANE, "east", old);
    born(&mut bed, 1_090_000);
    assert!(!told(&mut bed, "FH006"), "the watches may still disagree");
    assert_eq!(bed.assess().next, Some(bed.now.plus_ms(MINUTE)));
    bed.pass(MINUTE);
    assert!(words(&mut bed, "FH006").contains("90 s older"));
    assert_eq!(bed.truth(ConditionType::RegistrationsCurrent), Truth::False);
}

#[test]
fn a_namespace_seen_before_its_old_registrations_went_is_no_resurrection() {
    let mut bed = Bed::quiet();
    let old = Registration {
        created: Some(Time(1_000_000)),
        ..east(Readiness::Absent)
    };
    bed.register(PLANE, "east", old);
    born(&mut bed, 1_090_000);
    bed.tick();
    bed.unregister(PLANE, "east");
    bed.pass(MINUTE);
    assert!(!told(&mut bed, "FH006"));
}

#[test]
fn a_proven_leftover_is_told_with_its_proof() {
    let mut bed = Bed::quiet();
    let host = KubeSphereCluster {
        joins: true,
        ..KubeSphereCluster::default()
    };
    bed.apply(Change::Cluster(text("host"), Some(host)));
    let leftover = Registration {
        host_label: false,
        ..registration(2, "https://here:6443")
    };
    bed.register(PLANE, "produce-trt", leftover);
    bed.assess();
    bed.pass(MINUTE);
    let words = words(&mut bed, "FH007");
    assert!(words.contains("produce-trt") && words.contains("no Cluster of this name"));
    assert!(!told(&mut bed, "FH026"));
}

#[test]
fn a_federated_workspace_without_its_template_is_a_leftover() {
    let mut bed = Bed::quiet();
    bed.federated("old", Some(desired(50, &["host"])));
    bed.federated("system-workspace", Some(desired(51, &["host"])));
    bed.assess();
    bed.pass(MINUTE - 1);
    assert!(!told(&mut bed, "FH008"), "its template may be on its way");
    bed.pass(1);
    let evidence = words(&mut bed, "FH008");
    assert!(evidence.contains("old") && !evidence.contains("system-workspace"));
    let kind = "federatedworkspaces.types.kubefed.io";
    let first = format!("kubectl annotate {kind} old kubefed.io/orphan=true && kubectl delete");
    assert!(evidence.contains(&first), "{evidence}");
    assert_eq!(bed.truth(ConditionType::ControlPlaneHealthy), Truth::False);
    bed.template("old", Some(desired(60, &["host"])));
    assert!(!told(&mut bed, "FH008"));
}

#[test]
fn a_tenant_that_is_offboarded_leaves_no_leftover() {
    let mut bed = Bed::quiet();
    bed.template("orders", Some(deleting(desired(10, &["host"]))));
    bed.federated("orders", Some(deleting(desired(20, &["host"]))));
    bed.template("orders", None);
    bed.assess();
    bed.pass(MINUTE);
    assert!(!told(&mut bed, "FH008"));
    bed.federated("orders", None);
    bed.pass(MINUTE);
    assert!(!told(&mut bed, "FH008"));
}

#[test]
fn a_name_that_nobody_has_is_advice_and_no_alarm() {
    let mut bed = Bed::quiet();
    bed.template("orders", Some(desired(10, &["host", "gone"])));
    bed.federated("orders", Some(desired(20, &["host", "gone"])));
    bed.assess();
    bed.pass(MINUTE);
    assert_eq!(bed.codes(), ["FH008"]);
    assert!(words(&mut bed, "FH008").contains("gone"));
    assert_eq!(bed.truth(ConditionType::ControlPlaneHealthy), Truth::True);
    bed.register(PLANE, "gone", east(Readiness::True));
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn federated_workspaces_that_go_in_bulk_while_their_templates_stand_are_the_kinds_end() {
    let mut bed = Bed::quiet();
    for (n, name) in [(50, "a"), (51, "b"), (52, "c")] {
        bed.template(name, Some(desired(n, &["host"])));
        bed.federated(name, Some(desired(n + 50, &["host"])));
    }
    for (n, name) in [(100, "a"), (101, "b")] {
        bed.federated(name, Some(deleting(desired(n, &["host"]))));
        assert!(!told(&mut bed, "FH011"));
    }
    bed.federated("c", Some(deleting(desired(102, &["host"]))));
    assert!(words(&mut bed, "FH011").contains("3 of 4"));
    bed.federated("c", Some(desired(102, &["host"])));
    assert!(!told(&mut bed, "FH011"));
    bed.apply(Change::Definition(text(FW), Some(true)));
    assert!(told(&mut bed, "FH011"), "before the first object goes");
    bed.apply(Change::Definition(text(FW), Some(false)));
    assert!(!told(&mut bed, "FH011"));
}

#[test]
fn tenants_that_are_offboarded_in_bulk_are_no_end_of_the_kind() {
    let mut bed = Bed::quiet();
    for (n, name) in [(50, "a"), (51, "b"), (52, "c"), (53, "d")] {
        bed.template(name, Some(deleting(desired(n, &["host"]))));
        bed.federated(name, Some(deleting(desired(n + 50, &["host"]))));
    }
    assert!(!told(&mut bed, "FH011"));
}

#[test]
fn a_deletion_that_a_dead_member_blocks_is_told_after_ten_minutes() {
    let mut bed = Bed::quiet();
    bed.register(PLANE, "east", east(Readiness::False));
    bed.template("shop", Some(deleting(desired(50, &["east"]))));
    bed.federated("shop", Some(deleting(desired(60, &["east"]))));
    bed.pass(10 * MINUTE - 1);
    assert!(!told(&mut bed, "FH012"));
    let next = bed.assess().next.unwrap();
    assert_eq!(next, bed.now.plus_ms(1));
    bed.pass(1);
    let words = words(&mut bed, "FH012");
    assert!(words.contains("shop") && words.contains("east"), "{words}");
    bed.federated("shop", None);
    assert!(!told(&mut bed, "FH012"));
}

#[test]
fn a_slow_deletion_with_all_members_ready_is_not_blocked() {
    let mut bed = Bed::quiet();
    bed.federated("shop", Some(deleting(desired(60, &["host"]))));
    bed.pass(100 * MINUTE);
    assert!(!told(&mut bed, "FH012"));
}

fn controller(available: i32) -> Change {
    let facts = Controller {
        uid: uid(0xc0),
        replicas: 1,
        available,
    };
    Change::Controller(text(PLANE), text("kubefed-controller-manager"), Some(facts))
}

#[test]
fn a_stopped_kubefed_whose_clusters_read_ready_is_told_after_two_minutes() {
    let mut bed = Bed::quiet();
    bed.apply(controller(1));
    bed.apply(Change::LookedAt(text(PLANE), bed.now));
    bed.apply(controller(0));
    bed.pass(2 * MINUTE - 1);
    assert!(!told(&mut bed, "FH013"));
    bed.pass(1);
    assert!(words(&mut bed, "FH013").contains("Still Ready: host"));
    bed.apply(Change::LookedAt(text(PLANE), bed.now));
    assert!(!told(&mut bed, "FH013"), "it looked again");
    bed.pass(3 * MINUTE);
    bed.apply(controller(1));
    assert!(!told(&mut bed, "FH013"), "it runs");
}

#[test]
fn a_plane_that_we_froze_ourselves_is_expected_to_stand_still() {
    let mut bed = Bed::quiet();
    bed.apply(controller(0));
    bed.apply(Change::LookedAt(text(PLANE), bed.now));
    bed.federation.set_frozen([text(PLANE)].into());
    bed.pass(100 * MINUTE);
    assert!(!told(&mut bed, "FH013"));
    bed.federation.set_frozen([].into());
    assert!(told(&mut bed, "FH013"));
}

#[test]
fn readiness_that_comes_and_goes_is_told_until_it_rests() {
    let mut bed = Bed::quiet();
    bed.register(PLANE, "east", east(Readiness::Absent));
    bed.register(PLANE, "east", east(Readiness::True));
    for round in 0..3 {
        assert!(!told(&mut bed, "FH014"), "round {round}");
        bed.pass(MINUTE);
        bed.register(PLANE, "east", east(Readiness::Absent));
        bed.pass(MINUTE);
        bed.register(PLANE, "east", east(Readiness::True));
    }
    assert!(told(&mut bed, "FH014"));
    bed.pass(30 * MINUTE - 1);
    assert!(told(&mut bed, "FH014"));
    bed.pass(1);
    assert!(!told(&mut bed, "FH014"));
}

#[test]
fn a_member_that_goes_and_comes_back_does_not_flap() {
    let mut bed = Bed::quiet();
    bed.register(PLANE, "east", east(Readiness::True));
    for _ in 0..20 {
        bed.register(PLANE, "east", east(Readiness::False));
        bed.register(PLANE, "east", east(Readiness::Unknown));
        bed.pass(24 * 60 * MINUTE);
        bed.register(PLANE, "east", east(Readiness::True));
        bed.pass(24 * 60 * MINUTE);
        assert!(!told(&mut bed, "FH014"));
    }
}

fn unbound(n: u128, ws: &str) -> Namespace {
    Namespace {
        owner: None,
        ..namespace(n, ws, 0)
    }
}

#[test]
fn an_owner_that_comes_and_goes_is_a_fight_until_it_rests() {
    let mut bed = Bed::quiet();
    for round in 0..5 {
        assert!(!told(&mut bed, "FH016"));
        let facts = if round % 2 == 0 {
            unbound(40, "orders")
        } else {
            namespace(40, "orders", 30)
        };
        bed.namespace("orders-dev", Some(facts));
        bed.pass(10_000);
    }
    assert!(words(&mut bed, "FH016").contains("orders-dev"));
    assert!(bed.assess().next.is_some());
    bed.pass(10 * MINUTE);
    assert!(!told(&mut bed, "FH016"));
}

#[test]
fn a_namespace_that_follows_its_recreated_workspace_is_no_fight() {
    let mut bed = Bed::quiet();
    for n in 0..20 {
        let owner = Namespace {
            owner: Some(uid(1000 + n)),
            ..namespace(40, "orders", 0)
        };
        bed.namespace("orders-dev", Some(owner));
        bed.pass(1000);
    }
    assert!(!told(&mut bed, "FH016"));
}

#[test]
fn a_namespace_that_leaves_during_an_incident_is_listed_with_its_former_workspace() {
    let mut bed = Bed::quiet();
    bed.dying("orders", 30);
    bed.still_wished("orders");
    bed.apply(Change::NamespaceLeft(text("orders-dev")));
    let words = words(&mut bed, "FH017");
    assert!(words.contains("kubectl label namespace orders-dev kubesphere.io/workspace=orders"));
    bed.namespace("orders-dev", Some(namespace(40, "orders", 31)));
    assert!(!told(&mut bed, "FH017"));
}

fn system(bed: &mut Bed, managed: Managed) {
    let facts = Workspace {
        managed,
        ..workspace(90)
    };
    bed.workspace("system-workspace", Some(facts));
}

#[test]
fn a_federated_system_workspace_without_its_shield_is_exposed() {
    let mut bed = Bed::quiet();
    let everywhere = Desired {
        placement: Placement::Selector(Selector::default()),
        ..desired(91, &[])
    };
    let key = cluster_key("system-workspace");
    bed.apply(Change::Federated(text(FW), key, Some(everywhere)));
    system(&mut bed, Managed::No);
    bed.assess();
    bed.pass(MINUTE);
    assert!(!told(&mut bed, "FH018"));
    system(&mut bed, Managed::Unmarked);
    bed.assess();
    bed.pass(MINUTE);
    assert!(words(&mut bed, "FH018").contains("kubefed.io/managed=false"));
    system(&mut bed, Managed::No);
    assert!(!told(&mut bed, "FH018"));
}

#[test]
fn a_system_workspace_that_nobody_federates_is_in_no_danger() {
    let mut bed = Bed::quiet();
    system(&mut bed, Managed::Unmarked);
    bed.assess();
    bed.pass(MINUTE);
    assert!(!told(&mut bed, "FH018"));
}

#[test]
fn a_control_planes_namespace_that_cannot_go_is_told_after_ten_minutes() {
    let mut bed = Bed::quiet();
    let home = Home {
        created: None,
        terminating: Some(bed.now),
    };
    bed.apply(Change::Home(text(PLANE), Some(home)));
    bed.pass(10 * MINUTE - 1);
    assert!(!told(&mut bed, "FH019"));
    bed.pass(1);
    let words = words(&mut bed, "FH019");
    for part in [
        "FederatedTypeConfigs still in it: workspaces. KubeFedClusters still in it: host.",
        "kubectl patch --dry-run=server federatedtypeconfigs.core.kubefed.io -n kube-federation-system workspaces",
    ] {
        assert!(words.contains(part), "{words}");
    }
    assert!(!words.contains("spec.finalizers"), "{words}");
}

#[test]
fn a_namespace_that_is_no_control_planes_may_hang() {
    let mut bed = Bed::quiet();
    let home = Home {
        created: None,
        terminating: Some(bed.now),
    };
    bed.apply(Change::Home(text("monitoring"), Some(home)));
    bed.pass(100 * MINUTE);
    assert!(!told(&mut bed, "FH019"));
}
