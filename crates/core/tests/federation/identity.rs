//! Which names are one cluster, which of them is this server, and what a placement does to it.

use federation_health_core::{
    assess::Truth,
    effect::{CauseKind, Effect},
    facts::{
        Change, FederatedKind, Feed, KubeSphereCluster, Managed, ObjectKey, Probe, Registration,
        Workspace,
    },
    federation::Policy,
    findings::Target,
    words::ConditionType,
};

use crate::bed::{
    Bed, FW, Feeds, HERE, PLANE, RELEASE_AFTER_MS, both, desired, registration, text, uid,
    workspace,
};

pub fn probing() -> Policy {
    Policy {
        probing: true,
        ..both()
    }
}

fn plane(bed: &mut Bed, namespace: &str, kind: &str) {
    let federated = FederatedKind {
        kind: text(kind),
        target: text("Workspace"),
        namespaced: false,
    };
    bed.apply(Change::Type(
        text(namespace),
        text("workspaces"),
        Some(federated),
    ));
}

#[test]
fn an_alias_behind_another_door_is_found_by_the_uid_that_both_lead_to() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    bed.register(PLANE, "produce-trt", registration(2, "https://other-door"));
    assert_eq!(bed.holds(), (false, false));
    bed.probe("produce-trt", 2, HERE);
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
}

#[test]
fn the_hold_does_not_end_while_a_ready_name_of_the_cluster_is_unidentified() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    bed.register(PLANE, "produce-trt", registration(2, "https://other-door"));
    bed.probe("produce-trt", 2, HERE);
    // Its connection data change, and no probe gets through: KubeFed may still reach this server by it.
    bed.register(PLANE, "produce-trt", registration(2, "https://third-door"));
    bed.probed("produce-trt", 2, Probe::Failed("Refused"));
    bed.pass(100 * RELEASE_AFTER_MS);
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.left, []);
    bed.probe("produce-trt", 2, 0xff);
    bed.pass(0);
    bed.pass(RELEASE_AFTER_MS);
    assert_eq!(
        bed.left,
        [Effect::ConfirmRelease],
        "another cluster answers by it"
    );
}

#[test]
fn this_server_is_known_by_its_uid_before_any_label() {
    let mut bed = Bed::new(Feeds::Synced, both());
    bed.apply(Change::KubeSystem(uid(HERE)));
    plane(&mut bed, PLANE, FW);
    for (n, name) in [(1, "labelled"), (2, "labelled-too")] {
        let mut facts = registration(n, "https://far");
        facts.host_label = true;
        bed.register(PLANE, name, facts);
    }
    bed.register(PLANE, "host", registration(3, "https://here:6443"));
    let cluster = |n| KubeSphereCluster {
        reported_uid: Some(uid(n)),
        joins: true,
        host: false,
        ..KubeSphereCluster::default()
    };
    for name in ["labelled", "labelled-too"] {
        bed.apply(Change::Cluster(text(name), Some(cluster(0xdead))));
    }
    bed.apply(Change::Cluster(text("host"), Some(cluster(HERE))));
    bed.federated("orders", Some(desired(20, &["labelled"])));
    assert_eq!(
        bed.holds(),
        (false, false),
        "the labels lie: that cluster is elsewhere"
    );
    let group = &bed.assess().groups[0];
    assert!(!group.host);
}

#[test]
fn two_planes_on_one_server_are_named_and_covered_before_the_second_deletes() {
    let mut bed = Bed::quiet();
    bed.register(
        "old-federation",
        "produce-trt",
        registration(2, "https://here:6443"),
    );
    assert_eq!(
        bed.holds(),
        (false, false),
        "a leftover registration that no plane works on deletes nothing"
    );
    plane(&mut bed, "old-federation", FW);
    assert_eq!(bed.causes(), [CauseKind::SecondControlPlane]);
    assert_eq!(bed.stored.namespaces, [text(PLANE), text("old-federation")]);
    let judged = bed.assess();
    let found = judged.findings.iter().find(|(f, _)| f.code == "FH009");
    let endangered = [
        Target::Template(text("orders"), uid(10)),
        Target::Namespace(text("orders-dev"), uid(40)),
    ];
    assert_eq!(found.unwrap().0.targets[2..], endangered);
    assert_eq!(bed.truth(ConditionType::ControlPlaneUnique), Truth::False);
}

#[test]
fn a_plane_that_does_not_federate_workspaces_loops_none() {
    let mut bed = Bed::quiet();
    plane(&mut bed, "old-federation", "FederatedConfigMap");
    bed.register(
        "old-federation",
        "produce-trt",
        registration(2, "https://here:6443"),
    );
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn before_the_types_are_read_every_plane_may_federate_everything() {
    let mut bed = Bed::new(Feeds::Unread, both());
    bed.host();
    bed.orders();
    bed.register(
        "old-federation",
        "produce-trt",
        registration(2, "https://here:6443"),
    );
    assert_eq!(bed.causes(), [CauseKind::SecondControlPlane]);
}

#[test]
fn doubled_within_a_plane_and_across_planes_are_both_told() {
    let mut bed = Bed::quiet();
    plane(&mut bed, "old-federation", FW);
    bed.register(
        "old-federation",
        "elsewhere",
        registration(3, "https://here:6443"),
    );
    bed.double();
    let codes = bed.codes();
    assert!(
        codes.contains(&"FH004") && codes.contains(&"FH009"),
        "{codes:?}"
    );
}

#[test]
fn a_renamed_registration_that_leaves_the_workspace_nowhere_is_held_before_kubefed_works() {
    let mut bed = Bed::quiet();
    bed.register(PLANE, "host-2", registration(2, "https://here:6443"));
    bed.unregister(PLANE, "host");
    assert!(
        bed.causes().contains(&CauseKind::SelectedNowhere),
        "{:?}",
        bed.causes()
    );
    assert!(bed.codes().contains(&"FH005"));
}

#[test]
fn an_honest_placement_edit_selects_nobody_and_alarms_nobody() {
    for clusters in [&["member"][..], &[]] {
        let mut bed = Bed::quiet();
        bed.register(PLANE, "member", registration(5, "https://far"));
        bed.federated("orders", Some(desired(20, clusters)));
        bed.template("orders", Some(desired(10, clusters)));
        assert_eq!(bed.causes(), []);
        assert_eq!(bed.codes(), [] as [&str; 0]);
    }
}

#[test]
fn a_member_that_left_endangers_nothing_that_never_lived_here() {
    let mut bed = Bed::quiet();
    for n in 0..5 {
        bed.register(
            PLANE,
            &format!("member-{n}"),
            registration(50 + n, &format!("https://far-{n}")),
        );
    }
    bed.federated("abroad", Some(desired(21, &["member-1", "member-2"])));
    bed.unregister(PLANE, "member-1");
    bed.unregister(PLANE, "member-2");
    assert_eq!(bed.causes(), []);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    bed.workspace("abroad", Some(workspace(31)));
    bed.tick();
    assert_eq!(
        bed.causes(),
        [CauseKind::SelectedNowhere],
        "now one of its name does, managed"
    );
}

#[test]
fn without_a_name_for_this_server_a_member_that_is_proven_to_be_another_endangers_nothing() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    bed.register(PLANE, "east", registration(5, "https://east"));
    bed.probe("east", 5, 0xea);
    bed.unregister(PLANE, "host");
    assert_eq!(bed.causes(), []);
    bed.register(PLANE, "host-2", registration(6, "https://here:6443"));
    assert_eq!(bed.causes(), [CauseKind::SelectedNowhere]);
}

#[test]
fn while_the_registrations_are_read_no_name_is_nobodys() {
    let mut bed = Bed::new(Feeds::Unread, both());
    bed.federation.begin(&Feed::Registrations);
    bed.workspace("orders", Some(workspace(30)));
    bed.federated("orders", Some(desired(20, &["host", "member"])));
    bed.register(PLANE, "far", registration(5, "https://far"));
    bed.tick();
    assert_eq!(bed.causes(), []);
    bed.host();
    bed.register(PLANE, "member", registration(6, "https://member"));
    let now = bed.now;
    assert_eq!(bed.federation.end(&Feed::Registrations, now), []);
}

#[test]
fn what_is_out_of_kubefeds_care_is_in_no_danger() {
    let mut bed = Bed::quiet();
    let shielded = Workspace {
        managed: Managed::No,
        ..workspace(30)
    };
    bed.workspace("orders", Some(shielded));
    bed.double();
    assert_eq!(bed.causes(), []);
    assert_eq!(bed.assess().radius.workspaces, 0);
    bed.workspace("orders", Some(workspace(30)));
    bed.tick();
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
    assert_eq!(bed.assess().radius.namespaces, 1);
}

#[test]
fn a_namespaced_object_is_cut_by_its_federated_namespace() {
    let mut bed = Bed::quiet();
    let kind = FederatedKind {
        kind: text("FederatedDeployment"),
        target: text("Deployment"),
        namespaced: true,
    };
    bed.apply(Change::Type(text(PLANE), text("deployments"), Some(kind)));
    bed.federated("orders", None);
    let inside = |name: &str| ObjectKey {
        namespace: text("orders-dev"),
        name: text(name),
    };
    let federate = |bed: &mut Bed, kind: &str, name: &str, clusters: &[&str]| {
        let change = Change::Federated(text(kind), inside(name), Some(desired(70, clusters)));
        bed.apply(change);
    };
    bed.double();
    federate(&mut bed, "FederatedDeployment", "web", &["host"]);
    assert_eq!(
        bed.assess().radius.objects,
        0,
        "without a FederatedNamespace it is nowhere"
    );
    federate(&mut bed, "FederatedNamespace", "orders-dev", &["host"]);
    bed.tick();
    assert_eq!(
        bed.assess().radius.object_names,
        ["FederatedDeployment orders-dev/web"]
    );
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
    federate(&mut bed, "FederatedNamespace", "orders-dev", &["elsewhere"]);
    assert_eq!(bed.assess().radius.objects, 0);
}

#[test]
fn drift_is_told_until_the_same_cluster_answers_behind_the_new_door() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    assert_eq!(bed.truth(ConditionType::RegistrationsCurrent), Truth::True);
    let moved = Registration {
        secret: text("rotated"),
        ..registration(1, "https://here:6443")
    };
    bed.register(PLANE, "host", moved);
    assert_eq!(
        bed.codes(),
        [] as [&str; 0],
        "a rotated credential alone is normal"
    );
    bed.register(PLANE, "host", registration(1, "https://new-door"));
    assert_eq!(bed.codes(), ["FH023"]);
    bed.probe("host", 1, 0xbad);
    assert_eq!(
        bed.codes(),
        ["FH023"],
        "another cluster under the old name is the fault itself"
    );
    bed.probe("host", 1, HERE);
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn another_cluster_behind_unchanged_data_is_drift_as_well() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    bed.probe("host", 1, 0xbad);
    assert_eq!(bed.codes(), ["FH023"]);
}

#[test]
fn weak_evidence_is_a_suspicion_and_never_a_hold() {
    let mut bed = Bed::quiet();
    let mut facts = registration(2, "https://here:6443");
    facts.ca = Some(99);
    bed.register(PLANE, "produce-trt", facts);
    assert_eq!(bed.causes(), []);
    assert_eq!(bed.truth(ConditionType::ClustersUnique), Truth::Unknown);
    assert_eq!(bed.codes(), ["FH024"]);
}

#[test]
fn a_load_balancer_in_front_of_several_clusters_joins_none_of_them() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    for (n, name) in [(2, "east"), (3, "west")] {
        let facts = Registration {
            ca: Some(n),
            ..registration(n, "https://gateway:6443")
        };
        bed.register(PLANE, name, facts);
    }
    assert_eq!(bed.codes(), ["FH024"], "nobody has answered yet");
    bed.probe("east", 2, 0xea);
    bed.probe("west", 3, 0xe5);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    assert_eq!(bed.holds(), (false, false));
}

/// A reading of the controller manager's Lease, renewed at this second.
pub fn read(bed: &mut Bed, name: &str, n: u128, holder: &str, version: u64, second: i64) {
    let sample = federation_health_core::identity::LeaseSample {
        name: text("kube-controller-manager"),
        holder: text(holder),
        version,
        renewed_us: second * 1_000_000,
    };
    let answer = Probe::Answered {
        uid: uid(HERE),
        leases: Box::new([sample]),
    };
    bed.probed(name, n, answer);
}

#[test]
fn a_clone_is_told_apart_by_its_live_leases() {
    let mut bed = Bed::quiet_with(probing());
    read(&mut bed, "host", 1, "a_1", 100, 1000);
    bed.register(PLANE, "restored", registration(2, "https://restored:6443"));
    read(&mut bed, "restored", 2, "b_1", 90, 1001);
    assert_eq!(bed.codes(), ["FH025"]);
    assert_eq!(bed.truth(ConditionType::ClustersUnique), Truth::Unknown);
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn one_lease_read_at_two_moments_is_one_cluster() {
    let mut bed = Bed::quiet_with(probing());
    read(&mut bed, "host", 1, "a_1", 100, 1000);
    bed.register(PLANE, "again", registration(2, "https://other-door"));
    read(&mut bed, "again", 2, "a_1", 107, 1014);
    assert_eq!(bed.codes(), ["FH004"]);
}
