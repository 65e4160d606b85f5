//! FH014: a registration's readiness comes and goes (F14).

use super::{About, Finding, Place, Scenario, Severity};
use crate::{
    federation::Federation,
    registry::{FLAP_WINDOW_MS, FLAPS},
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH014",
    title: "A registration's readiness comes and goes",
    severity: "Medium",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::ReadinessFlapping,
    meaning: "A KubeFedCluster changed between Ready and not Ready six times within half an hour. Each change makes \
              KubeFed look at every federated object of every kind again.",
    evidence: "Changes of the condition Ready as the watch delivered them; the first one after a registration does not \
               count.",
    risk: "Load on all API servers, and a name that is Ready only now and then deletes only now and then (FH004).",
    action: "Look at the network and the API server of the member.",
    next: "kubectl get kubefedcluster -n NAMESPACE NAME -o jsonpath='{.status.conditions}'",
    false_alarm: "A member that is being upgraded node by node. It ends half an hour after the last changes.",
    raised: &[
        Scenario(
            Place::Core,
            "readiness_that_comes_and_goes_is_told_until_it_rests",
        ),
        Scenario(Place::Simulated, "a_flapping_member_is_named"),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_member_that_goes_and_comes_back_does_not_flap",
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

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let entries = federation.registry.entries.iter();
    let flapping = entries.filter(|(_, entry)| entry.flapping(now));
    let mut keys: Vec<_> = flapping.map(|(key, _)| key).collect();
    keys.sort();
    keys.into_iter()
        .map(|key| {
            let message = format!("KubeFedCluster {key} is Ready and not Ready in turn.");
            Finding {
                evidence: vec![format!(
                    "At least {FLAPS} changes within {} min.",
                    FLAP_WINDOW_MS / 60_000
                )],
                targets: super::registration(federation, key).into_iter().collect(),
                next: format!(
                    "kubectl get kubefedcluster -n {} {} -o jsonpath='{{.status.conditions}}'",
                    key.namespace, key.name
                ),
                ..ABOUT.finding(Severity::Medium, format!("KubeFedCluster {key}"), message)
            }
        })
        .collect()
}
