use proptest::{prelude::*, sample::select};

use super::*;
use crate::cases::cases;

fn sample() -> impl Strategy<Value = LeaseSample> {
    let names = select(vec!["kcm", "sched"]);
    let holders = select(vec!["", "h1", "h1", "h2"]);
    (names, holders, 0_u64..4, select(vec![0_i64, 5, 30])).prop_map(
        |(name, holder, version, at)| LeaseSample {
            name: name.into(),
            ..lease(holder, version, at)
        },
    )
}

fn some_subject() -> impl Strategy<Value = Subject> {
    let probe =
        (1_u128..4, prop::collection::vec(sample(), 0..3)).prop_map(|(uid, leases)| Probed {
            uid: uid_of(uid),
            leases: leases.into(),
        });
    (
        prop::option::of(select(vec!["e1", "e2", "e3"])),
        prop::option::of(1_u128..4),
        prop::option::of(1_u128..4),
        // This server's UID, or nothing.
        prop::option::of(Just(1_u128)),
        prop::option::of(probe),
    )
        .prop_map(|(endpoint, ca, uid, issued, probed)| Subject {
            key: key(""),
            endpoint: endpoint.map(Into::into),
            ca,
            issued_by: issued.map(uid_of),
            reported_uid: uid.map(uid_of),
            probed,
        })
}

fn some_subjects() -> impl Strategy<Value = Vec<Subject>> {
    prop::collection::vec(some_subject(), 0..8).prop_map(|mut subjects| {
        for (i, subject) in subjects.iter_mut().enumerate() {
            subject.key = key(&format!("c{i}"));
        }
        subjects
    })
}

/// Sets of positions connected by pairs of the given kinds, found by looking at all pairs again and again.
fn connected(kinds: &[Vec<Kind>], along: &[Kind]) -> Vec<usize> {
    let mut set_of: Vec<usize> = (0..kinds.len()).collect();
    loop {
        let before = set_of.clone();
        for a in 0..kinds.len() {
            for b in 0..kinds.len() {
                if a != b && along.contains(&kinds[a][b]) {
                    let least = set_of[a].min(set_of[b]);
                    (set_of[a], set_of[b]) = (least, least);
                }
            }
        }
        if before == set_of {
            return set_of;
        }
    }
}

/// What the page of [`group`] says, on all pairs.
fn naive(subjects: &[Subject]) -> Vec<(Certainty, Vec<RegistrationKey>)> {
    let kinds: Vec<Vec<Kind>> = subjects
        .iter()
        .map(|a| subjects.iter().map(|b| kind(a, b)).collect())
        .collect();
    let same = connected(&kinds, &[Kind::Same]);
    let mut found = Vec::new();
    for (certainty, along) in [
        (Certainty::Certain, &[Kind::Same][..]),
        (Certainty::Suspected, &[Kind::Same, Kind::Suspected]),
        (Certainty::Cloned, &[Kind::Same, Kind::Cloned]),
    ] {
        let sets = connected(&kinds, along);
        for root in 0..subjects.len() {
            let members: Vec<usize> = (0..sets.len()).filter(|at| sets[*at] == root).collect();
            let contradicted = members.iter().any(|a| {
                let parts = [Kind::Different, Kind::Cloned];
                // One live Lease under two UIDs is only suspected of the pair, and spoils a group all the same.
                let uids = |b: &usize| subjects[*a].uid().zip(subjects[*b].uid());
                members
                    .iter()
                    .any(|b| parts.contains(&kinds[*a][*b]) || uids(b).is_some_and(|(x, y)| x != y))
            });
            let one = members.iter().all(|at| same[*at] == same[members[0]]);
            let reported = match certainty {
                Certainty::Certain => members.len() > 1 && !contradicted,
                Certainty::Suspected => members.len() > 1 && (!one || contradicted),
                Certainty::Cloned => members.len() > 1 && !one,
            };
            if reported {
                found.push((
                    certainty,
                    members.iter().map(|at| subjects[*at].key.clone()).collect(),
                ));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn comparing_is_symmetric(a in some_subject(), b in some_subject()) {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a));
    }

    #[test]
    fn different_uids_are_never_one_cluster(a in some_subject(), b in some_subject()) {
        if let (Some(x), Some(y)) = (a.uid(), b.uid()) && x != y {
            prop_assert!(matches!(kind(&a, &b), Kind::Different | Kind::Suspected));
        }
    }

    #[test]
    fn a_shared_ca_alone_is_never_certain(
        endpoints in prop::collection::vec(prop::option::of(0_u32..1000), 2..6),
    ) {
        let mut seen = std::collections::BTreeSet::new();
        let subjects: Vec<_> = endpoints
            .into_iter()
            .enumerate()
            .map(|(i, endpoint)| Subject {
                endpoint: endpoint.filter(|e| seen.insert(*e)).map(|e| format!("https://{e}").into()),
                ca: Some(7),
                ..subject(&format!("c{i}"))
            })
            .collect();
        let found = group(&subjects);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].certainty, Certainty::Suspected);
        prop_assert_eq!(&found[0].evidence, &[Evidence::SameCa]);
    }

    #[test]
    fn groups_are_what_all_pairs_say(subjects in some_subjects()) {
        let found: Vec<_> =
            group(&subjects).into_iter().map(|group| (group.certainty, group.members)).collect();
        prop_assert_eq!(found, naive(&subjects));
    }

    #[test]
    fn groups_do_not_depend_on_order(
        (subjects, shuffled) in some_subjects().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
    ) {
        prop_assert_eq!(group(&subjects), group(&shuffled));
    }

    #[test]
    fn evidence_is_sorted_and_names_every_contradiction(subjects in some_subjects()) {
        for group in group(&subjects) {
            prop_assert!(group.evidence.is_sorted());
            let contradicted = group.evidence.iter().any(|item| {
                matches!(item, Evidence::DifferentUids(..) | Evidence::ContradictingLease { .. })
            });
            prop_assert!(!group.evidence.is_empty());
            match group.certainty {
                Certainty::Certain => prop_assert!(!contradicted),
                Certainty::Cloned => prop_assert!(contradicted),
                Certainty::Suspected => {}
            }
        }
    }

    #[test]
    fn a_pair_is_grouped_with_the_evidence_of_its_comparison(subjects in some_subjects()) {
        let odd = |subject: &&Subject| kind(subject, subject) == Kind::Cloned;
        for group in group(&subjects) {
            let members: Vec<_> =
                subjects.iter().filter(|subject| group.members.contains(&subject.key)).collect();
            let [a, b] = members[..] else { continue };
            if odd(&a) || odd(&b) {
                continue;
            }
            let evidence = match compare(a, b) {
                Verdict::Same(e) | Verdict::Suspected(e) | Verdict::Cloned(e) => e,
                Verdict::Different | Verdict::Unrelated => vec![],
            };
            prop_assert_eq!(group.evidence, evidence);
        }
    }

    #[test]
    fn readings_of_one_moving_lease_never_contradict(
        steps in prop::collection::vec((1_u64..50, 0_i64..20, any::<bool>()), 1..12),
        read in prop::collection::vec(any::<prop::sample::Index>(), 2..6),
    ) {
        let (mut version, mut renewed, mut holder) = (1, 0, 0);
        let history: Vec<_> = steps
            .into_iter()
            .map(|(writes, seconds, handover)| {
                version += writes;
                renewed += seconds + if handover { 15 } else { 0 };
                holder += u32::from(handover);
                lease(&format!("h{holder}"), version, renewed)
            })
            .collect();
        let subjects: Vec<_> = read
            .iter()
            .enumerate()
            .map(|(i, at)| probed(&format!("c{i}"), 1, std::slice::from_ref(at.get(&history))))
            .collect();
        let found = group(&subjects);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].certainty, Certainty::Certain);
    }
}

/// Found by the 469,720th case: the pair alone is suspected, and whoever may be either of them makes no cluster of both.
#[test]
fn one_live_lease_under_two_uids_spoils_the_group_of_a_third() {
    let sample = [lease("h1", 2, 0)];
    let place = |subject| at(subject, "e3", 2);
    let found = group(&[
        place(probed("c0", 3, &sample)),
        place(subject("c1")),
        place(probed("c2", 1, &sample)),
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].certainty, Certainty::Suspected);
}
