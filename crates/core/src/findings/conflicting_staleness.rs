//! FH026: a registration is proven to be a leftover and in use at once: a person has to decide.

use super::{
    About, Finding, Place, SETTLE_MS, Scenario, Severity,
    registration_stale::{keys, lines},
};
use crate::{
    federation::Federation,
    staleness::Staleness,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH026",
    title: "A registration looks stale and in use at once",
    severity: "Medium",
    condition: ConditionType::RegistrationsCurrent,
    reason: Reason::ConflictingStaleness,
    meaning: "There is proof that a KubeFedCluster is a leftover, and there are signs that it is in use: the stale name \
              may be the one that the placements name.",
    evidence: "The signs of FH007, with those that speak against them.",
    risk: "Removing it could delete what is placed on it; leaving it leaves what FH004 or FH006 say of it.",
    action: "Decide which name is to stay. Correct the placements, or the Cluster object; as long as the signs \
             contradict each other no remediation touches the registration.",
    next: "kubectl get kubefedcluster -n NAMESPACE NAME -o yaml",
    false_alarm: "A rename or a clean-up that is half done.",
    raised: &[
        Scenario(Place::Core, "proof_against_use_is_a_conflict_that_blocks"),
        Scenario(
            Place::Core,
            "the_name_that_kubesphere_gives_this_server_is_in_use_whatever_else_is_said_of_it",
        ),
        Scenario(
            Place::Simulated,
            "a_leftover_that_placements_name_is_a_conflict",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(Place::Core, "a_proven_leftover_is_told_with_its_proof"),
        Scenario(
            Place::Simulated,
            "adding_renaming_and_removing_a_member_raises_nothing",
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
            Staleness::Conflicting(signs) => Some((key, signs)),
            _ => None,
        })
        .map(|(key, signs)| {
            let message = format!(
                "KubeFedCluster {key} is a leftover by proof, and in use by other signs: a person has to decide."
            );
            Finding {
                evidence: lines(&signs),
                targets: super::registration(federation, key).into_iter().collect(),
                next: super::show(key),
                after_ms: SETTLE_MS,
                ..ABOUT.finding(Severity::Medium, format!("KubeFedCluster {key}"), message)
            }
        })
        .collect()
}
