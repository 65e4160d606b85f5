//! Many Workspaces at once: one cause, or somebody's wish.

use federation_health_core::hold::CollectionPolicy;

use crate::bed::{Bed, desired, policy, workspace};

const MANY: u128 = 12;

fn name(n: u128) -> String {
    format!("tenant-{n:02}")
}

fn crowd(mut bed: Bed) -> Bed {
    for n in 0..MANY {
        bed.template(&name(n), Some(desired(1_000 + n, &["host"])));
        bed.federated(&name(n), Some(desired(2_000 + n, &["host"])));
        bed.workspace(&name(n), Some(workspace(3_000 + n)));
    }
    bed
}

fn recreated(bed: &mut Bed, n: u128) {
    bed.dying(&name(n), 3_000 + n);
    bed.workspace(&name(n), None);
    bed.workspace(&name(n), Some(workspace(4_000 + n)));
}

#[test]
fn many_workspaces_that_begin_together_have_one_cause() {
    // Nothing is held: a hold would be what ends it.
    let mut bed = crowd(Bed::quiet_with(policy(CollectionPolicy::Never, false)));
    for n in 0..9 {
        recreated(&mut bed, n);
        bed.pass(6_000);
    }
    assert!(bed.codes().contains(&"FH001"));
    assert!(!bed.codes().contains(&"FH028"), "nine are not many");
    // The tenth comes 62 s after the first, the eleventh is the tenth within a minute.
    bed.pass(8_000);
    recreated(&mut bed, 9);
    assert!(!bed.codes().contains(&"FH028"), "ten in more than a minute");
    bed.pass(1_000);
    recreated(&mut bed, 10);
    let judged = bed.assess();
    let (found, _) = judged
        .findings
        .iter()
        .find(|(f, _)| f.code == "FH028")
        .unwrap();
    assert!(found.message.starts_with("10 Workspaces"), "{found:?}");
    assert!(found.evidence[0].starts_with("tenant-01, "), "{found:?}");
}

#[test]
fn a_restore_of_many_workspaces_is_no_mass_churn() {
    let mut bed = crowd(Bed::quiet());
    for n in 0..MANY {
        bed.template(&name(n), None);
        bed.federated(&name(n), None);
        bed.workspace(&name(n), None);
        bed.no_longer_wished(&name(n));
        bed.federated(&name(n), Some(desired(6_000 + n, &["host"])));
        bed.template(&name(n), Some(desired(5_000 + n, &["host"])));
        bed.workspace(&name(n), Some(workspace(4_000 + n)));
    }
    bed.pass(10_000);
    assert_eq!(bed.codes(), [] as [&str; 0]);
}
