//! FH024: registrations that may be one cluster, on weak evidence. Never held, never acted on.

use super::{About, Finding, Place, Scenario, Severity};
use crate::{
    federation::Federation,
    identity::{Certainty, Group},
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH024",
    title: "Two registrations may be one cluster",
    severity: "Medium",
    condition: ConditionType::ClustersUnique,
    reason: Reason::SuspectedDuplicate,
    meaning: "Registrations have a CA bundle or an endpoint in common, and nothing says for sure whether they lead to one \
              cluster; or strong evidence that they do is contradicted.",
    evidence: "The same CA alone, or the same endpoint alone, while at least one of them was not identified by a probe; \
               or one live Lease read under two UIDs.",
    risk: "What FH004 puts at risk, if they are one.",
    action: "Switch probing on (`spec.probe.mode: Probe`), which decides it; or compare the UID of kube-system through \
             both by hand.",
    next: "kubectl get federationhealth -o jsonpath='{.items[*].status.clusterGroups}'",
    false_alarm: "Companies share a CA, load balancers share an endpoint. It makes its condition Unknown, never False, and \
                  holds nothing.",
    raised: &[
        Scenario(Place::Core, "weak_evidence_is_a_suspicion_and_never_a_hold"),
        Scenario(
            Place::Simulated,
            "through_another_address_offline_only_suspects_and_holds_nothing_for_it",
        ),
        Scenario(
            Place::Real,
            "a_second_registration_is_named_held_and_released_only_when_that_loses_nothing",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_load_balancer_in_front_of_several_clusters_joins_none_of_them",
        ),
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
    let weak = federation.registry.weak().iter();
    weak.filter(|group| group.certainty != Certainty::Cloned)
        .map(|group| {
            let message = |subject: &str| {
                format!("{subject} may be one cluster; the evidence is not enough to hold by.")
            };
            suspicion(&ABOUT, group, message)
        })
        .collect()
}

/// A finding about a group that nothing may act on.
pub(super) fn suspicion(about: &About, group: &Group, message: impl Fn(&str) -> String) -> Finding {
    let members = group.members.iter().take(super::MAX_NAMES);
    let subject = members
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" and ");
    let message = message(&subject);
    Finding {
        evidence: group.evidence.iter().map(ToString::to_string).collect(),
        suspicion: true,
        ..about.finding(Severity::Medium, subject, message)
    }
}
