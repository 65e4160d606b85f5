//! What the ServiceAccount in a registration's token tells: where it was made, or that it is good for nothing any more.

use federation_health_core::{
    assess::Truth,
    effect::CauseKind,
    facts::{Change, KubeSphereCluster, Probe, Registration},
    identity::TokenAccount,
    registry::UNREACHABLE_AFTER,
    staleness::{Sign, Staleness},
    words::ConditionType,
};

use crate::{
    bed::{Bed, HERE, PLANE, key, registration, text, uid},
    identity::{probing, read},
};

const ALIAS: &str = "produce-trt";

fn looked_for(bed: &mut Bed, name: &str, n: u128, found: Option<TokenAccount>) {
    let asked = bed.asked(name, n);
    bed.apply(Change::TokenAccount(key(PLANE, name), asked, found));
}

fn fails(bed: &mut Bed, name: &str, n: u128, class: &'static str) {
    for _ in 0..UNREACHABLE_AFTER {
        bed.probed(name, n, Probe::Failed(class));
    }
}

/// The host is known, and a second name leads through another door that may not be dialled.
fn unreachable() -> Bed {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    bed.register(PLANE, ALIAS, registration(2, "https://other-door"));
    fails(&mut bed, ALIAS, 2, "EndpointRefused");
    assert_eq!(bed.causes(), []);
    assert_eq!(bed.truth(ConditionType::ClustersUnique), Truth::Unknown);
    bed
}

fn doubled(bed: &mut Bed) -> bool {
    bed.codes().contains(&"FH004")
}

#[test]
fn an_alias_that_cannot_be_dialled_is_found_by_the_account_of_its_token() {
    let mut bed = unreachable();
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
    let judged = bed.assess();
    let (found, _) = judged
        .findings
        .iter()
        .find(|(f, _)| f.code == "FH004")
        .unwrap();
    let words = format!(
        "By the ServiceAccount of a token both are the cluster whose kube-system has UID {}.",
        uid(HERE)
    );
    assert_eq!(found.evidence[0], words);
    assert!(judged.groups[0].certain && judged.groups[0].host);
}

#[test]
fn an_account_that_is_not_here_or_cannot_be_looked_for_says_nothing() {
    for found in [None, Some(TokenAccount::Missing)] {
        let mut bed = unreachable();
        looked_for(&mut bed, ALIAS, 2, found);
        assert_eq!(bed.causes(), []);
        assert_eq!(bed.truth(ConditionType::ClustersUnique), Truth::Unknown);
        let staleness = bed.federation.staleness(&key(PLANE, ALIAS));
        assert_eq!(
            staleness,
            Staleness::Unknown(vec![Sign::Unplaced]),
            "a member's account lives there"
        );
    }
}

#[test]
fn a_token_that_its_cluster_refuses_three_times_is_no_evidence() {
    let mut bed = unreachable();
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    for refusals in 1..=UNREACHABLE_AFTER {
        assert!(doubled(&mut bed), "after {refusals} refusals less one");
        bed.probed(ALIAS, 2, Probe::Failed("Unauthorized"));
    }
    assert!(!doubled(&mut bed));
    fails(&mut bed, ALIAS, 2, "Timeout");
    assert!(doubled(&mut bed), "it may be a proxy that refused");
}

#[test]
fn a_registration_that_was_pointed_elsewhere_leads_where_its_token_came_from_no_more() {
    let mut bed = unreachable();
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    let late = bed.asked(ALIAS, 2);
    bed.register(PLANE, ALIAS, registration(2, "https://far"));
    assert!(!doubled(&mut bed));
    bed.apply(Change::TokenAccount(
        key(PLANE, ALIAS),
        late,
        Some(TokenAccount::Lives),
    ));
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    assert!(!doubled(&mut bed), "its token is still the old one");
    bed.register(PLANE, ALIAS, registration(2, "https://other-door"));
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    assert!(doubled(&mut bed), "and back");
}

#[test]
fn an_answer_about_another_object_of_that_name_is_of_no_account() {
    let mut bed = unreachable();
    looked_for(&mut bed, ALIAS, 3, Some(TokenAccount::Lives));
    assert!(!doubled(&mut bed));
}

#[test]
fn kubespheres_word_against_it_makes_it_unknown() {
    let mut bed = unreachable();
    let elsewhere = KubeSphereCluster {
        reported_uid: Some(uid(0xfa4)),
        joins: true,
        ..KubeSphereCluster::default()
    };
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    bed.apply(Change::Cluster(text(ALIAS), Some(elsewhere)));
    assert!(!doubled(&mut bed));
}

#[test]
fn a_clone_has_the_accounts_of_the_original_and_is_told_apart_by_its_lease() {
    let mut bed = unreachable();
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    assert!(
        doubled(&mut bed),
        "while it does not answer it is this server"
    );
    read(&mut bed, "host", 1, "a_1", 100, 1000);
    read(&mut bed, ALIAS, 2, "b_1", 90, 1001);
    assert!(!doubled(&mut bed));
    assert!(bed.codes().contains(&"FH025"), "{:?}", bed.codes());
}

#[test]
fn an_account_that_is_gone_is_proof_where_the_registration_leads_to_this_server() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    let facts = Registration {
        host_label: false,
        ..registration(2, "https://here:6443")
    };
    bed.register(PLANE, ALIAS, facts);
    let of = |bed: &Bed| bed.federation.staleness(&key(PLANE, ALIAS));
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Lives));
    fails(&mut bed, ALIAS, 2, "Unauthorized");
    let refused = vec![Sign::TokenRefused, Sign::Unplaced];
    assert_eq!(
        of(&bed),
        Staleness::Unknown(refused),
        "it may have been rotated"
    );
    looked_for(&mut bed, ALIAS, 2, Some(TokenAccount::Missing));
    let gone = vec![Sign::AccountGone, Sign::Unplaced];
    assert_eq!(of(&bed), Staleness::Proven(gone));
    // A token that is accepted has an account, whoever looked for it.
    bed.probe(ALIAS, 2, HERE);
    assert_eq!(of(&bed), Staleness::Unknown(vec![Sign::Unplaced]));
}
