use super::*;

mod properties;

fn key(name: &str) -> RegistrationKey {
    RegistrationKey {
        namespace: "kube-federation-system".into(),
        name: name.into(),
    }
}

fn uid_of(value: u128) -> Uid {
    Uid::from(value)
}

fn subject(name: &str) -> Subject {
    Subject {
        key: key(name),
        endpoint: None,
        ca: None,
        issued_by: None,
        reported_uid: None,
        probed: None,
    }
}

fn lease(holder: &str, version: u64, renewed_s: i64) -> LeaseSample {
    LeaseSample {
        name: "kube-controller-manager".into(),
        holder: holder.into(),
        version,
        renewed_us: renewed_s * 1_000_000,
    }
}

fn probed(name: &str, uid: u128, leases: &[LeaseSample]) -> Subject {
    Subject {
        probed: Some(Probed {
            uid: uid_of(uid),
            leases: leases.into(),
        }),
        ..subject(name)
    }
}

fn reported(name: &str, uid: u128) -> Subject {
    Subject {
        reported_uid: Some(uid_of(uid)),
        ..subject(name)
    }
}

fn at(subject: Subject, endpoint: &str, ca: u128) -> Subject {
    Subject {
        endpoint: Some(endpoint.into()),
        ca: Some(ca),
        ..subject
    }
}

fn names(group: &Group) -> Vec<&str> {
    group.members.iter().map(|key| &*key.name).collect()
}

/// Kind of a verdict, without its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Same,
    Suspected,
    Cloned,
    Different,
    Unrelated,
}

fn kind(a: &Subject, b: &Subject) -> Kind {
    match compare(a, b) {
        Verdict::Same(_) => Kind::Same,
        Verdict::Suspected(_) => Kind::Suspected,
        Verdict::Cloned(_) => Kind::Cloned,
        Verdict::Different => Kind::Different,
        Verdict::Unrelated => Kind::Unrelated,
    }
}

#[test]
fn one_live_lease_is_the_strongest_evidence() {
    let sample = [lease("m1_a", 900, 50)];
    let a = at(probed("host", 1, &sample), "https://10.0.0.1:6443", 7);
    let b = at(
        probed("produce-trt", 1, &sample),
        "https://api.example:6443",
        7,
    );
    let evidence = vec![
        Evidence::SameLease {
            lease: "kube-controller-manager".into(),
        },
        Evidence::SameProbedUid(uid_of(1)),
        Evidence::SameCa,
    ];
    assert_eq!(compare(&a, &b), Verdict::Same(evidence.clone()));
    let members = vec![key("host"), key("produce-trt")];
    assert_eq!(
        group(&[b, a]),
        [Group {
            members,
            certainty: Certainty::Certain,
            evidence
        }]
    );
}

#[test]
fn a_different_endpoint_never_parts() {
    let a = at(reported("a", 1), "https://10.0.0.1:6443", 7);
    let b = at(reported("b", 1), "https://10.9.9.9:443", 8);
    assert_eq!(kind(&a, &b), Kind::Same);
}

#[test]
fn weak_values_alone_raise_a_suspicion_and_together_decide() {
    let a = at(subject("a"), "https://lb:6443", 7);
    let verdict = |endpoint, ca| compare(&a, &at(subject("b"), endpoint, ca));
    assert_eq!(
        verdict("https://lb:6443", 8),
        Verdict::Suspected(vec![Evidence::SameEndpoint])
    );
    assert_eq!(
        verdict("https://x:6443", 7),
        Verdict::Suspected(vec![Evidence::SameCa])
    );
    assert_eq!(verdict("https://x:6443", 8), Verdict::Unrelated);
    assert_eq!(
        verdict("https://lb:6443", 7),
        Verdict::Same(vec![Evidence::SameEndpointAndCa])
    );
}

#[test]
fn uids_part_what_weak_values_join_and_probed_beats_reported() {
    let place = |subject| at(subject, "https://lb:6443", 7);
    let both = |probe, report| Subject {
        reported_uid: Some(uid_of(report)),
        ..place(probed("b", probe, &[]))
    };
    let a = place(probed("a", 1, &[]));
    assert_eq!(kind(&a, &both(2, 1)), Kind::Different);
    assert_eq!(kind(&a, &both(1, 2)), Kind::Same);
    let a = place(reported("a", 1));
    assert_eq!(kind(&a, &both(2, 1)), Kind::Different);
    assert_eq!(kind(&a, &both(1, 2)), Kind::Same);
    assert_eq!(kind(&a, &place(reported("b", 2))), Kind::Different);
}

fn issued(subject: Subject, uid: u128) -> Subject {
    Subject {
        issued_by: Some(uid_of(uid)),
        ..subject
    }
}

#[test]
fn a_tokens_account_joins_as_a_uid_does_and_ranks_between_a_probe_and_a_report() {
    let by_token = |name| issued(subject(name), 1);
    let joined = |a: &Subject, b: &Subject| match compare(a, b) {
        Verdict::Same(evidence) => evidence,
        other => panic!("{other:?}"),
    };
    let token = vec![Evidence::SameIssuedUid(uid_of(1))];
    assert_eq!(joined(&by_token("a"), &by_token("b")), token);
    assert_eq!(joined(&by_token("a"), &probed("b", 1, &[])), token);
    let report = vec![Evidence::SameReportedUid(uid_of(1))];
    assert_eq!(joined(&by_token("a"), &reported("b", 1)), report);
    let agreeing = issued(reported("a", 1), 1);
    assert_eq!(joined(&agreeing, &probed("b", 1, &[])), token);
    let [live, probe, token, report] = [
        Evidence::SameLease {
            lease: "kube-scheduler".into(),
        },
        Evidence::SameProbedUid(uid_of(1)),
        Evidence::SameIssuedUid(uid_of(1)),
        Evidence::SameReportedUid(uid_of(1)),
    ];
    assert!(
        live < probe && probe < token && token < report && report < Evidence::SameEndpointAndCa
    );
}

#[test]
fn a_tokens_account_that_something_contradicts_joins_nobody() {
    let host = probed("host", 1, &[lease("m1_a", 900, 100)]);
    // KubeSphere found another server there: neither word counts, and weaker evidence decides.
    let torn = issued(reported("b", 2), 1);
    assert_eq!(torn.uid(), None);
    assert_eq!(kind(&host, &torn), Kind::Unrelated);
    assert_eq!(kind(&reported("c", 2), &torn), Kind::Unrelated);
    let place = |subject| at(subject, "https://lb:6443", 7);
    assert_eq!(kind(&place(host.clone()), &place(torn)), Kind::Same);
    // A probe found another server, or a clone, which has every account of the original.
    assert_eq!(
        kind(&host, &issued(probed("b", 2, &[]), 1)),
        Kind::Different
    );
    let clone = issued(probed("b", 1, &[lease("m2_b", 905, 101)]), 1);
    assert_eq!(kind(&host, &clone), Kind::Cloned);
}

#[test]
fn which_lease_readings_one_store_can_have_given() {
    let first = lease("m1_a", 900, 100);
    for (second, cloned, why) in [
        (lease("m1_a", 900, 100), false, "the same state"),
        (lease("m1_a", 950, 160), false, "it moved on"),
        (lease("m1_a", 950, 100), false, "a write that is no renewal"),
        (
            lease("m2_b", 950, 115),
            false,
            "a successor after the lease ran out",
        ),
        (lease("", 950, 101), false, "released"),
        (lease("m1_a", 0, 101), false, "a version that is no number"),
        (lease("m1_a", 900, 102), true, "one version, two renewals"),
        (lease("m2_b", 900, 200), true, "one version, two holders"),
        (lease("", 900, 100), true, "one version, held and released"),
        (lease("m1_a", 950, 99), true, "newer, but renewed earlier"),
        (lease("m2_b", 950, 102), true, "two holders at once"),
        (
            lease("m2_b", 850, 98),
            true,
            "two holders at once, looking back",
        ),
    ] {
        let a = probed("a", 1, std::slice::from_ref(&first));
        let b = probed("b", 1, &[second]);
        let expected = if cloned { Kind::Cloned } else { Kind::Same };
        assert_eq!(kind(&a, &b), expected, "{why}");
    }
}

#[test]
fn leases_of_different_names_do_not_contradict() {
    let scheduler = LeaseSample {
        name: "kube-scheduler".into(),
        ..lease("m2_b", 900, 100)
    };
    let a = probed("a", 1, &[lease("m1_a", 900, 100)]);
    assert_eq!(kind(&a, &probed("b", 1, &[scheduler])), Kind::Same);
}

#[test]
fn a_dead_lease_does_not_make_one_cluster_of_clones() {
    let dead = LeaseSample {
        name: "left-over".into(),
        ..lease("gone", 5, 1)
    };
    let a = probed("a", 1, &[dead.clone(), lease("m1_a", 900, 100)]);
    let b = probed("b", 1, &[dead, lease("m2_b", 901, 101)]);
    assert_eq!(kind(&a, &b), Kind::Cloned);
    let found = group(&[a, b]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].certainty, Certainty::Cloned);
    let contradiction = Evidence::ContradictingLease {
        lease: "kube-controller-manager".into(),
    };
    assert_eq!(found[0].evidence.last(), Some(&contradiction));
}

#[test]
fn a_released_or_versionless_reading_is_no_proof() {
    for sample in [lease("", 900, 100), lease("m1_a", 0, 100)] {
        let a = probed("a", 1, std::slice::from_ref(&sample));
        let b = probed("b", 2, &[sample]);
        assert_eq!(kind(&a, &b), Kind::Different);
    }
}

#[test]
fn one_live_lease_under_two_uids_is_only_suspected() {
    let sample = [lease("m1_a", 900, 100)];
    let (a, b) = (probed("a", 1, &sample), probed("b", 2, &sample));
    let evidence = vec![
        Evidence::SameLease {
            lease: "kube-controller-manager".into(),
        },
        Evidence::DifferentUids(uid_of(1), uid_of(2)),
    ];
    assert_eq!(compare(&b, &a), Verdict::Suspected(evidence.clone()));
    let found = group(&[a, b]);
    assert_eq!(
        (found[0].certainty, &found[0].evidence),
        (Certainty::Suspected, &evidence)
    );
}

#[test]
fn a_group_with_a_contradiction_is_not_certain() {
    let place = |subject| at(subject, "https://lb:6443", 7);
    let found = group(&[
        place(probed("a", 1, &[])),
        place(subject("blank")),
        place(probed("c", 2, &[])),
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(names(&found[0]), ["a", "blank", "c"]);
    assert_eq!(found[0].certainty, Certainty::Suspected);
    assert!(
        found[0]
            .evidence
            .contains(&Evidence::DifferentUids(uid_of(1), uid_of(2)))
    );
}

#[test]
fn a_clone_elsewhere_does_not_hide_a_doubled_cluster() {
    let original = [lease("m1_a", 900, 100)];
    let found = group(&[
        probed("dr", 1, &[lease("m2_b", 905, 101)]),
        probed("host", 1, &original),
        probed("produce-trt", 1, &original),
    ]);
    let shape: Vec<_> = found
        .iter()
        .map(|group| (group.certainty, names(group)))
        .collect();
    assert_eq!(
        shape,
        [
            (Certainty::Certain, vec!["host", "produce-trt"]),
            (Certainty::Cloned, vec!["dr", "host", "produce-trt"]),
        ]
    );
}

#[test]
fn evidence_stays_short() {
    let sample = |i: usize| LeaseSample {
        name: format!("lease-{i}").into(),
        ..lease("m1_a", 900, 100)
    };
    let samples: Vec<_> = (0..100).map(sample).collect();
    let a = probed("a", 1, &samples);
    let found = group(&[
        a.clone(),
        Subject {
            key: key("b"),
            ..a.clone()
        },
    ]);
    assert_eq!(found[0].evidence.len(), 5, "four leases and the UID");
    let Verdict::Same(evidence) = compare(
        &a,
        &Subject {
            key: key("b"),
            ..a.clone()
        },
    ) else {
        panic!("one cluster");
    };
    assert_eq!(evidence.len(), LEASES_MAX + 1);
}

#[test]
fn a_thousand_registrations_with_one_ca_and_one_uid_each_are_no_finding() {
    let subjects: Vec<_> = (0..1000)
        .map(|i| {
            at(
                probed(&format!("m{i}"), i, &[]),
                &format!("https://m{i}:6443"),
                7,
            )
        })
        .collect();
    assert_eq!(group(&subjects), []);
}

#[test]
fn a_fleet_of_clones_beyond_the_bound_is_one_cloned_group() {
    let fleet = |n: u64| -> Vec<_> {
        (0..n)
            .map(|i| {
                probed(
                    &format!("m{i:04}"),
                    1,
                    &[lease(&format!("h{i}"), i + 1, 100)],
                )
            })
            .collect()
    };
    for size in [20, 1000] {
        let found = group(&fleet(size));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].certainty, Certainty::Cloned);
        assert_eq!(found[0].members.len() as u64, size);
    }
}
