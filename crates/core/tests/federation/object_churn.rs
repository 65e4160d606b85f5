//! A loop of something else than a Workspace, of which KubeFed's status alone tells.

use federation_health_core::{
    assess::Truth,
    facts::{
        Change, Desired, FederatedKind, ObjectKey, Readiness, Registration, Report, Workspace,
    },
    findings::{Finding, Severity, Target},
    ledger::OPEN_MS,
    objects::{FEDERATED_NAMESPACE, SYSTEM_WORKSPACE},
    placement::{Op, Placement, Selector, Term},
    words::{ConditionType, Reason},
};

use crate::bed::{
    Bed, FW, PLANE, cluster_key, desired, key, namespace, registration, text, workspace,
};

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

/// `east-old` is another cluster, by all that is known.
fn two_members() -> Bed {
    bed_with(registration(4, "https://elsewhere:6443"))
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
fn removals_that_somebody_wished_are_no_churn_of_an_object() {
    let edited = |uid: u128, generation: i64, clusters: &[&str]| Desired {
        generation,
        ..desired(uid, clusters)
    };
    // Taken out of its placement and put back.
    let mut bed = two_members();
    for generation in 2..12 {
        let clusters: &[&str] = if generation % 2 == 0 {
            &["east"]
        } else {
            &["east", "east-old"]
        };
        wish(
            &mut bed,
            DEPLOYMENT,
            "web",
            edited(60, generation, clusters),
        );
        removed(&mut bed, "east-old");
    }
    assert!(!churns(&mut bed));
    // The same of its namespace, which moves it while it stands still itself.
    let mut bed = two_members();
    wish(
        &mut bed,
        DEPLOYMENT,
        "web",
        desired(61, &["east", "east-old"]),
    );
    for generation in 2..12 {
        let clusters: &[&str] = if generation % 2 == 0 {
            &["east"]
        } else {
            &["east", "east-old"]
        };
        wish(
            &mut bed,
            FEDERATED_NAMESPACE,
            "shop",
            edited(70, generation, clusters),
        );
        removed(&mut bed, "east-old");
    }
    assert!(!churns(&mut bed));
    // Recreated each time, as GitOps does.
    let mut bed = two_members();
    for n in 100..110 {
        wish(&mut bed, DEPLOYMENT, "web", desired(n, &["east"]));
        removed(&mut bed, "east-old");
        bed.apply(Change::Federated(text(DEPLOYMENT), in_shop("web"), None));
    }
    assert!(!churns(&mut bed));
    // Placed nowhere, or on its way out.
    for last in [
        desired(60, &[]),
        Desired {
            deleting: true,
            ..desired(60, &["east"])
        },
    ] {
        let mut bed = two_members();
        wish(&mut bed, DEPLOYMENT, "web", last);
        for _ in 0..10 {
            removed(&mut bed, "east-old");
        }
        assert!(!churns(&mut bed));
    }
    // Its namespace is on its way out, or not federated.
    for home in [
        None,
        Some(Desired {
            deleting: true,
            ..desired(70, &["east"])
        }),
    ] {
        let mut bed = two_members();
        bed.apply(Change::Federated(
            text(FEDERATED_NAMESPACE),
            in_shop("shop"),
            home,
        ));
        for _ in 0..10 {
            removed(&mut bed, "east-old");
        }
        assert!(!churns(&mut bed));
    }
}

#[test]
fn many_clusters_that_are_left_one_after_another_are_no_loop() {
    // Taken out of ten clusters by one edit, of which each answers in its own time.
    let mut bed = two_members();
    for n in 0..10_u128 {
        let name = format!("m{n}");
        bed.register(
            PLANE,
            &name,
            registration(100 + n, &format!("https://{name}:6443")),
        );
    }
    bed.pass(1000);
    for n in 0..10 {
        removed(&mut bed, &format!("m{n}"));
    }
    assert!(!churns(&mut bed));
    // A removal that never ends is one as well, however often the status is written.
    for _ in 0..10 {
        says(&mut bed, &[("m1", Report::Waits)]);
        says(&mut bed, &[("m1", Report::Waits), ("m2", Report::Other)]);
    }
    assert!(!churns(&mut bed));
    // And some an hour.
    for _ in 0..10 {
        removed(&mut bed, "m3");
        bed.pass(200_000);
    }
    assert!(!churns(&mut bed));
}

#[test]
fn a_member_that_goes_and_comes_back_removes_an_object_once() {
    // A finalizer in the member keeps it. KubeFed says nothing of an unplaced name that is not Ready.
    let mut bed = two_members();
    bed.template("mall", Some(desired(51, &["east"])));
    bed.federated("mall", Some(desired(52, &["east"])));
    for _ in 0..10 {
        for ready in [Readiness::True, Readiness::False] {
            let facts = Registration {
                ready,
                ..registration(4, "https://elsewhere:6443")
            };
            bed.register(PLANE, "east-old", facts);
            bed.pass(10_000);
            let waits: &[(&str, Report)] = match ready {
                Readiness::True => &[("east-old", Report::Waits)],
                _ => &[],
            };
            says(&mut bed, waits);
            reports(&mut bed, FW, cluster_key("mall"), waits);
        }
    }
    assert!(!churns(&mut bed));
    assert!(!bed.codes().contains(&"FH001"), "nor a Workspace");
    // The member that keeps it is where it belongs: it is not Ready, and that is all.
    for _ in 0..10 {
        says(&mut bed, &[("east", Report::Other)]);
        says(&mut bed, &[]);
    }
    assert!(!churns(&mut bed));
}

#[test]
fn a_registration_that_is_renamed_relabelled_or_repointed_makes_no_loop() {
    let labelled = |tier: &str| Registration {
        labels: [(text("tier"), text(tier))].into(),
        ..registration(4, "https://elsewhere:6443")
    };
    let gold = Selector::new([Term::new(text("tier"), Op::In, [text("gold")])]).unwrap();
    let mut bed = two_members();
    let selecting = Desired {
        placement: Placement::Selector(gold),
        ..desired(60, &[])
    };
    let east = Registration {
        labels: labelled("gold").labels,
        ..registration(3, EAST)
    };
    bed.register(PLANE, "east", east);
    wish(
        &mut bed,
        FEDERATED_NAMESPACE,
        "shop",
        desired(70, &["east", "east-old"]),
    );
    wish(&mut bed, DEPLOYMENT, "web", selecting);
    for _ in 0..10 {
        bed.register(PLANE, "east-old", labelled("gold"));
        bed.pass(1000);
        bed.register(PLANE, "east-old", labelled("lead"));
        removed(&mut bed, "east-old");
    }
    assert!(!churns(&mut bed), "re-labelled");
    let mut bed = two_members();
    for n in 0..10_u128 {
        bed.unregister(PLANE, "east-old");
        says(&mut bed, &[]);
        bed.register(
            PLANE,
            "east-old",
            registration(400 + n, "https://elsewhere:6443"),
        );
        bed.pass(1000);
        removed(&mut bed, "east-old");
    }
    assert!(!churns(&mut bed), "registered anew");
    let mut bed = two_members();
    for n in 0..10 {
        let door = format!("https://elsewhere-{n}:6443");
        bed.register(PLANE, "east-old", registration(4, &door));
        removed(&mut bed, "east-old");
    }
    assert!(!churns(&mut bed), "re-pointed");
}

#[test]
fn a_deletion_that_is_refused_is_no_removal() {
    let mut bed = doubled();
    // By our own hold, for instance: told, retried, told again.
    for _ in 0..10 {
        says(&mut bed, &[("east-old", Report::Refused)]);
        says(&mut bed, &[]);
    }
    // Accepted once, and then in vain.
    for _ in 0..10 {
        says(&mut bed, &[("east-old", Report::Waits)]);
        says(&mut bed, &[("east-old", Report::Refused)]);
    }
    assert!(!churns(&mut bed));
}

#[test]
fn objects_of_ignored_and_of_system_workspaces_are_looked_away_from() {
    let ignored = Workspace {
        ignored: true,
        ..workspace(81)
    };
    for (name, facts, spared) in [
        ("mall", workspace(81), false),
        ("mall", ignored, true),
        (SYSTEM_WORKSPACE, workspace(81), true),
    ] {
        let mut bed = doubled();
        bed.workspace(name, Some(facts));
        bed.namespace("shop", Some(namespace(80, name, 81)));
        for _ in 0..3 {
            removed(&mut bed, "east-old");
        }
        assert_eq!(churns(&mut bed), !spared, "{name}");
    }
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
