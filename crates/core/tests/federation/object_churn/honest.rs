//! What looks like a loop in the status of a federated object, and is none.

use federation_health_core::{
    facts::{Change, Desired, Readiness, Registration, Report, Workspace},
    objects::{FEDERATED_NAMESPACE, SYSTEM_WORKSPACE},
    placement::{Op, Placement, Selector, Term},
};

use super::{DEPLOYMENT, EAST, bed_with, churns, doubled, in_shop, removed, reports, says, wish};
use crate::bed::{Bed, FW, PLANE, cluster_key, desired, namespace, registration, text, workspace};

/// `east-old` is another cluster, by all that is known.
fn two_members() -> Bed {
    bed_with(registration(4, "https://elsewhere:6443"))
}

/// Takes an object's placement off `east-old` and puts it back, ten edits of one object.
fn moved_to_and_fro(bed: &mut Bed, kind: &str, name: &str, uid: u128) {
    for generation in 2..12 {
        let clusters: &[&str] = if generation % 2 == 0 {
            &["east"]
        } else {
            &["east", "east-old"]
        };
        let edited = Desired {
            generation,
            ..desired(uid, clusters)
        };
        wish(bed, kind, name, edited);
        removed(bed, "east-old");
    }
}

#[test]
fn removals_that_somebody_wished_are_no_churn_of_an_object() {
    // Taken out of its placement and put back.
    let mut bed = two_members();
    moved_to_and_fro(&mut bed, DEPLOYMENT, "web", 60);
    assert!(!churns(&mut bed));
    // The same of its namespace, which moves it while it stands still itself.
    let mut bed = two_members();
    wish(
        &mut bed,
        DEPLOYMENT,
        "web",
        desired(61, &["east", "east-old"]),
    );
    moved_to_and_fro(&mut bed, FEDERATED_NAMESPACE, "shop", 70);
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
