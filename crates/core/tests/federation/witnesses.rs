//! A loop in a member cluster, of which nothing but KubeFed's own words reaches us.

use federation_health_core::{
    facts::{Change, Deed, Readiness, Registration, Report, Told},
    words::Reason,
};

use crate::bed::{Bed, FW, PLANE, cluster_key, desired, registration, text};

/// `shop` is placed on the member `east`, and lives there alone.
fn member() -> Bed {
    let mut bed = Bed::quiet();
    let east = Registration {
        ready: Readiness::True,
        ..registration(3, "https://east:6443")
    };
    bed.register(PLANE, "east", east);
    bed.template("shop", Some(desired(50, &["east"])));
    bed.federated("shop", Some(desired(60, &["east"])));
    bed
}

fn says(bed: &mut Bed, waiting: &[&str]) {
    reported(bed, "shop", waiting);
}

fn reported(bed: &mut Bed, workspace: &str, waiting: &[&str]) {
    let waits = |name: &&str| (text(name), Report::Waits);
    let reports = waiting.iter().map(waits).collect();
    bed.apply(Change::Witness(text(FW), cluster_key(workspace), reports));
}

fn removed(bed: &mut Bed, through: &str) {
    says(bed, &[through]);
    bed.pass(200);
    says(bed, &[]);
    bed.pass(200);
}

#[test]
fn a_loop_in_a_member_is_told_by_kubefeds_own_words_alone() {
    let mut bed = member();
    for _ in 0..2 {
        removed(&mut bed, "east-old");
        assert_eq!(bed.codes(), [] as [&str; 0]);
    }
    removed(&mut bed, "east-old");
    let judged = bed.assess();
    let (finding, _) = &judged.findings[0];
    assert_eq!((finding.code, finding.reason), ("FH001", Reason::Churning));
    let evidence = finding.evidence.join("\n");
    assert!(
        evidence.contains("Deleted through east-old (sure, KubeFed's word)"),
        "{evidence}"
    );
    assert!(evidence.contains("Created through east "), "{evidence}");
    assert_eq!(
        bed.holds(),
        (false, false),
        "a hold here stops nothing there"
    );
}

#[test]
fn a_cluster_that_is_taken_out_of_a_placement_is_one_removal_and_no_loop() {
    let mut bed = member();
    for generation in 2..10 {
        let edited = federation_health_core::facts::Desired {
            generation,
            ..desired(60, &["east"])
        };
        bed.federated("shop", Some(edited));
        removed(&mut bed, "west");
    }
    // A deletion that cannot finish is one removal as well, however often KubeFed says so.
    for _ in 0..10 {
        says(&mut bed, &["west"]);
        bed.pass(1000);
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn clusters_that_are_left_one_after_another_are_no_loop() {
    // One edit takes it out of all of them, and each finishes when it can.
    let mut bed = member();
    for n in 0..10 {
        removed(&mut bed, &format!("m{n}"));
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn removals_that_lie_far_apart_are_no_loop() {
    let mut bed = member();
    for _ in 0..10 {
        removed(&mut bed, "east-old");
        bed.pass(200_000);
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn deletions_that_are_refused_here_are_no_loop_whatever_kubefed_says() {
    let mut bed = Bed::quiet();
    bed.double();
    for _ in 0..10 {
        reported(&mut bed, "orders", &["produce-trt"]);
        bed.pass(1000);
        reported(&mut bed, "orders", &[]);
        bed.pass(1000);
    }
    assert!(!bed.codes().contains(&"FH001"), "{:?}", bed.codes());
}

/// KubeFed's event of this deed, by its count so far.
fn event(bed: &mut Bed, deed: Deed, cluster: &str, count: u64) {
    bed.apply(Change::Told(Told {
        workspace: text("shop"),
        cluster: text(cluster),
        deed,
        count,
        fresh: true,
    }));
    bed.pass(400);
}

#[test]
fn a_label_that_is_taken_off_again_and_again_is_another_hosts_work() {
    let mut bed = member();
    for count in 1..=3 {
        assert_eq!(bed.codes(), [] as [&str; 0], "{count}");
        event(&mut bed, Deed::Creates, "east", count);
        event(&mut bed, Deed::Adopts, "east", count);
        event(&mut bed, Deed::Updates, "east", count);
    }
    let judged = bed.assess();
    let (finding, _) = &judged.findings[0];
    assert_eq!((finding.code, finding.suspicion), ("FH010", true));
    assert!(finding.evidence[0].contains("shop"), "{finding:?}");
    assert!(finding.subject.contains("east"), "{finding:?}");
    // KubeFed's client swallows most events after a burst.
    bed.pass(1_700_000);
    event(&mut bed, Deed::Adopts, "east", 4);
    bed.pass(1_700_000);
    assert_eq!(bed.codes(), ["FH010"]);
    bed.pass(101_000);
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn a_member_that_refuses_or_keeps_an_object_is_not_shared() {
    // Labelled "false" there: found, and never written.
    let mut bed = member();
    for count in 1..=20 {
        event(&mut bed, Deed::Creates, "east", count);
        event(&mut bed, Deed::Adopts, "east", count);
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
    // Taken up once under each of many wishes.
    let mut bed = member();
    for generation in 2..20_u64 {
        let edited = federation_health_core::facts::Desired {
            generation: i64::try_from(generation).unwrap(),
            ..desired(60, &["east"])
        };
        bed.federated("shop", Some(edited));
        event(&mut bed, Deed::Adopts, "east", generation);
        event(&mut bed, Deed::Updates, "east", generation);
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn a_loop_in_a_member_is_told_by_kubefeds_events_alone() {
    let mut bed = member();
    for count in 1..=3 {
        assert_eq!(bed.codes(), [] as [&str; 0], "{count}");
        event(&mut bed, Deed::Deletes, "east-old", count);
        event(&mut bed, Deed::Creates, "east", count);
    }
    event(&mut bed, Deed::Deletes, "east-old", 4);
    let judged = bed.assess();
    let (finding, _) = &judged.findings[0];
    assert_eq!((finding.code, finding.reason), ("FH001", Reason::Churning));
    let evidence = finding.evidence.join("\n");
    for line in [
        "Deleted through east-old (sure, KubeFed's events): at least 4 times",
        "Created through east (sure, KubeFed's events): at least 3 times",
    ] {
        assert!(evidence.contains(line), "{evidence}");
    }
}

#[test]
fn a_deletion_that_fails_is_told_again_and_again_and_is_no_loop() {
    let mut bed = member();
    for count in 1..20 {
        event(&mut bed, Deed::Deletes, "west", count);
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn events_of_another_wish_or_of_another_hour_are_no_loop() {
    let mut bed = member();
    for generation in 2..20 {
        let edited = federation_health_core::facts::Desired {
            generation: generation as i64,
            ..desired(60, &["east"])
        };
        bed.federated("shop", Some(edited));
        event(&mut bed, Deed::Deletes, "west", generation);
        event(&mut bed, Deed::Creates, "east", generation);
    }
    for count in 20..40 {
        event(&mut bed, Deed::Deletes, "west", count);
        event(&mut bed, Deed::Creates, "east", count);
        bed.pass(200_000);
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn what_was_told_before_we_came_is_nobodys_loop_now() {
    let mut bed = member();
    for (deed, cluster) in [(Deed::Deletes, "west"), (Deed::Creates, "east")] {
        bed.apply(Change::Told(Told {
            workspace: text("shop"),
            cluster: text(cluster),
            deed,
            count: 50,
            fresh: false,
        }));
    }
    assert_eq!(bed.codes(), [] as [&str; 0]);
}

#[test]
fn a_workspace_that_moved_over_many_members_is_not_blind_to_a_new_alias() {
    let mut bed = member();
    for count in 1..=2 {
        for old in ["m1", "m2", "m3", "m4"] {
            for deed in [Deed::Creates, Deed::Deletes] {
                event(&mut bed, deed, old, count);
            }
        }
        bed.pass(400_000);
    }
    for count in 1..=3 {
        assert_eq!(bed.codes(), [] as [&str; 0], "{count}");
        event(&mut bed, Deed::Deletes, "east-old", count);
        event(&mut bed, Deed::Creates, "east", count);
    }
    assert_eq!(bed.codes(), ["FH001"]);
    // What was forgotten and is heard of again is no loop by its old count.
    let mut bed = member();
    for other in 0..10 {
        event(&mut bed, Deed::Deletes, &format!("m{other}"), 50);
        event(&mut bed, Deed::Creates, "east", 1 + other);
        bed.pass(400_000);
    }
    event(&mut bed, Deed::Creates, "east", 11);
    event(&mut bed, Deed::Creates, "east", 12);
    event(&mut bed, Deed::Deletes, "m0", 51);
    assert_eq!(bed.codes(), [] as [&str; 0]);
}
