//! A loop of something else than a Workspace, of which KubeFed's status alone tells.

mod honest;

use federation_health_core::{
    assess::Truth,
    facts::{Change, Desired, FederatedKind, ObjectKey, Registration, Report},
    findings::{Finding, Severity, Target},
    ledger::OPEN_MS,
    objects::FEDERATED_NAMESPACE,
    words::{ConditionType, Reason},
};

use crate::bed::{Bed, PLANE, desired, key, registration, text};

const DEPLOYMENT: &str = "FederatedDeployment";
const EAST: &str = "https://east:6443";

fn in_shop(name: &str) -> ObjectKey {
    ObjectKey {
        namespace: text("shop"),
        name: text(name),
    }
}

fn wish(bed: &mut Bed, kind: &str, name: &str, desired: Desired) {
    bed.apply(Change::Federated(text(kind), in_shop(name), Some(desired)));
}

/// Deployment `web` lies in namespace `shop`, and both are placed on the member `east`.
fn bed_with(east_old: Registration) -> Bed {
    let mut bed = Bed::quiet();
    bed.apply(Change::Type(
        text(PLANE),
        text("deployments.apps"),
        Some(FederatedKind {
            kind: text(DEPLOYMENT),
            target: text("Deployment"),
            namespaced: true,
        }),
    ));
    bed.register(PLANE, "east", registration(3, EAST));
    bed.register(PLANE, "east-old", east_old);
    wish(
        &mut bed,
        FEDERATED_NAMESPACE,
        "shop",
        desired(70, &["east", "west"]),
    );
    wish(&mut bed, DEPLOYMENT, "web", desired(60, &["east"]));
    bed.pass(1000);
    bed
}

/// The member is registered a second time.
fn doubled() -> Bed {
    bed_with(registration(4, EAST))
}

fn reports(bed: &mut Bed, kind: &str, key: ObjectKey, reports: &[(&str, Report)]) {
    let reports = reports.iter().map(|(name, report)| (text(name), *report));
    bed.apply(Change::Witness(text(kind), key, reports.collect()));
    bed.pass(200);
}

fn says(bed: &mut Bed, names: &[(&str, Report)]) {
    reports(bed, DEPLOYMENT, in_shop("web"), names);
}

fn removed(bed: &mut Bed, through: &str) {
    says(bed, &[(through, Report::Waits)]);
    says(bed, &[]);
}

fn told(bed: &mut Bed) -> Option<Finding> {
    let found = bed.assess().findings.into_iter();
    found
        .map(|(finding, _)| finding)
        .find(|f| f.code == "FH027")
}

fn churns(bed: &mut Bed) -> bool {
    told(bed).is_some()
}

#[test]
fn a_deployment_that_loops_is_told_with_both_names_and_holds_nothing() {
    let mut bed = doubled();
    for _ in 0..2 {
        removed(&mut bed, "east-old");
        assert!(!churns(&mut bed));
    }
    removed(&mut bed, "east-old");
    let finding = told(&mut bed).unwrap();
    assert_eq!(finding.subject, format!("KubeFedCluster {PLANE}/east-old"));
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(finding.reason, Reason::ObjectsChurning);
    assert!(finding.message.starts_with("FederatedDeployment shop/web: deleted through east-old and created through kube-federation-system/east,"), "{}", finding.message);
    let evidence = finding.evidence.join("\n");
    for line in [
        "Deleted through kube-federation-system/east-old (sure, KubeFed's word)",
        "Created through kube-federation-system/east (sure, by identity)",
        "FederatedDeployment shop/web: removed 3 times",
    ] {
        assert!(evidence.contains(line), "{evidence}");
    }
    assert!(
        finding
            .next
            .starts_with("kubectl get federateddeployment -n shop web ")
    );
    let registrations = [(3, "east"), (4, "east-old")];
    for (n, name) in registrations {
        let target = Target::Registration(key(PLANE, name), crate::bed::uid(n));
        assert!(finding.targets.contains(&target), "{:?}", finding.targets);
    }
    assert_eq!(bed.truth(ConditionType::WorkspacesStable), Truth::False);
    assert_eq!(bed.assess().churning, 0, "no Workspace churns");
    assert_eq!(bed.holds(), (false, false));
    assert_eq!(bed.left, []);
    bed.pass(OPEN_MS - 1000);
    assert!(churns(&mut bed));
    assert_eq!(
        bed.assess().next,
        Some(bed.now.plus_ms(600)),
        "it looks when it ends"
    );
    bed.pass(600);
    assert!(!churns(&mut bed), "quiet for long enough");
}

#[test]
fn who_creates_is_as_sure_as_what_says_that_it_is_the_same_cluster() {
    let weak = Registration {
        ca: Some(99),
        ..registration(4, EAST)
    };
    let unknown = registration(4, "https://elsewhere:6443");
    for (east_old, word) in [
        (weak, "Created through kube-federation-system/east (likely"),
        (
            unknown,
            "Who creates them there is not known: the placements select kube-federation-system/east,",
        ),
    ] {
        let mut bed = bed_with(east_old);
        for _ in 0..3 {
            removed(&mut bed, "east-old");
        }
        let finding = told(&mut bed).unwrap();
        assert_eq!(finding.severity, Severity::High);
        let evidence = finding.evidence.join("\n");
        assert!(evidence.contains(word), "{evidence}");
        assert_eq!(bed.holds(), (false, false));
    }
}

#[test]
fn objects_that_loop_by_one_name_are_one_finding() {
    let mut bed = doubled();
    for n in 0..100_u128 {
        wish(
            &mut bed,
            DEPLOYMENT,
            &format!("web-{n}"),
            desired(1000 + n, &["east"]),
        );
    }
    for _ in 0..3 {
        for n in 0..100 {
            let key = in_shop(&format!("web-{n}"));
            reports(
                &mut bed,
                DEPLOYMENT,
                key.clone(),
                &[("east-old", Report::Waits)],
            );
            reports(&mut bed, DEPLOYMENT, key, &[]);
        }
    }
    let judged = bed.assess();
    let churn = judged.findings.iter().filter(|(f, _)| f.code == "FH027");
    let churn: Vec<_> = churn.collect();
    assert_eq!(churn.len(), 1);
    assert!(
        churn[0].0.message.contains(" and 99 more objects: "),
        "{:?}",
        churn[0]
    );
}

#[test]
fn the_placement_of_the_namespace_decides_who_must_not_have_it() {
    // The Deployment names both names of the member, its FederatedNamespace one.
    let mut bed = doubled();
    wish(
        &mut bed,
        DEPLOYMENT,
        "web",
        desired(61, &["east", "east-old"]),
    );
    for _ in 0..3 {
        removed(&mut bed, "east-old");
    }
    assert!(churns(&mut bed));
    // Both name both: what a placed name waits for is no removal.
    let mut bed = doubled();
    let both = ["east", "east-old"];
    wish(&mut bed, FEDERATED_NAMESPACE, "shop", desired(71, &both));
    wish(&mut bed, DEPLOYMENT, "web", desired(61, &both));
    for _ in 0..10 {
        removed(&mut bed, "east-old");
    }
    assert!(!churns(&mut bed));
}

#[test]
fn this_servers_own_namespaces_are_never_deleted_whatever_is_said_of_them() {
    let mut bed = doubled();
    bed.double();
    wish(
        &mut bed,
        FEDERATED_NAMESPACE,
        "shop",
        desired(71, &["host"]),
    );
    for (through, churn) in [("produce-trt", false), ("east-old", true)] {
        for _ in 0..3 {
            reports(
                &mut bed,
                FEDERATED_NAMESPACE,
                in_shop("shop"),
                &[(through, Report::Waits)],
            );
            reports(&mut bed, FEDERATED_NAMESPACE, in_shop("shop"), &[]);
        }
        assert_eq!(churns(&mut bed), churn, "{through}");
    }
}

#[test]
fn a_kind_that_is_federated_no_more_is_forgotten() {
    let mut bed = doubled();
    for _ in 0..3 {
        removed(&mut bed, "east-old");
    }
    assert!(churns(&mut bed));
    let effects = bed.federation.forget_kind(&text(DEPLOYMENT), bed.now);
    bed.carry(effects);
    assert!(!churns(&mut bed));
}
