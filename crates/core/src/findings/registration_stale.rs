//! FH007: a registration is proven to be a leftover (F7).

use super::{About, Finding, Place, SETTLE_MS, Scenario, Severity};
use crate::{
    federation::Federation,
    id::RegistrationKey,
    staleness::{Sign, Staleness},
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH007",
    title: "A registration is a leftover",
    severity: "High",
    condition: ConditionType::RegistrationsCurrent,
    reason: Reason::StaleRegistration,
    meaning: "A KubeFedCluster belongs to nothing any more: by proof, not by its age.",
    evidence: "One of: KubeSphere has no Cluster of that name while the cluster has another name; its Cluster says \
               `joinFederation: false`; its Secret is missing or empty at three probes in a row; it leads to this server and \
               the ServiceAccount of its token is gone; it is older than its namespace (FH006). And nothing against it: no Cluster that joins, no host label, not the name that \
               KubeSphere gives this server, no placement that names it as often as another name of its cluster.",
    risk: "KubeFed works on it as on any other: if its cluster has another name, that is FH004.",
    action: "Take its name out of all placements, then delete the KubeFedCluster; its Secret, ServiceAccount and rights \
             stay and have to be removed by hand (FH020).",
    next: "kubectl delete kubefedcluster -n NAMESPACE NAME --dry-run=server",
    false_alarm: "Being offline, young or old, or refused by the cluster proves nothing and raises nothing. Exempt: \
                  federations without KubeSphere's Clusters, and a member joined by hand under one name.",
    raised: &[
        Scenario(Place::Core, "a_proven_leftover_is_told_with_its_proof"),
        Scenario(
            Place::Core,
            "an_account_that_is_gone_is_proof_where_the_registration_leads_to_this_server",
        ),
        Scenario(
            Place::Simulated,
            "a_second_registration_is_named_with_all_that_it_endangers_and_held_before_the_first_deletion",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_member_joined_by_hand_is_no_leftover_for_want_of_a_cluster",
        ),
        Scenario(Place::Core, "being_offline_or_refused_is_never_proof"),
        Scenario(
            Place::Core,
            "a_third_of_the_members_offline_for_three_days_proves_nothing",
        ),
        Scenario(
            Place::Simulated,
            "a_third_of_the_members_offline_for_hours_raises_no_alarm_but_reachability",
        ),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    keys(federation)
        .into_iter()
        .filter_map(|key| match federation.staleness(key) {
            Staleness::Proven(signs) => Some((key, signs)),
            _ => None,
        })
        .map(|(key, signs)| {
            let message =
                format!("KubeFedCluster {key} is a leftover: nothing that is in use needs it.");
            Finding {
                evidence: lines(&signs),
                targets: super::registration(federation, key).into_iter().collect(),
                next: format!(
                    "kubectl delete kubefedcluster -n {} {} --dry-run=server",
                    key.namespace, key.name
                ),
                after_ms: SETTLE_MS,
                ..ABOUT.finding(Severity::High, format!("KubeFedCluster {key}"), message)
            }
        })
        .collect()
}

/// All registrations, in order.
pub(super) fn keys(federation: &Federation) -> Vec<&RegistrationKey> {
    let entries = federation.registry.entries.iter();
    let mut keys: Vec<_> = entries.map(|(key, _)| key).collect();
    keys.sort();
    keys
}

pub(super) fn lines(signs: &[Sign]) -> Vec<String> {
    signs.iter().map(ToString::to_string).collect()
}
