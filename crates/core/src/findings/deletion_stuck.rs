//! FH012: federated objects cannot be deleted while a member does not answer (F12).

use super::{About, Finding, MAX_NAMES, Place, Scenario, Severity, count};
use crate::{
    facts::Readiness,
    federation::Federation,
    findings::object_name,
    time::Time,
    words::{ConditionType, Reason},
};

/// KubeFed retries once a minute at most, and a large Workspace's contents go within minutes.
pub(crate) const STUCK_MS: i64 = 600_000;

pub(super) const ABOUT: About = About {
    code: "FH012",
    title: "A member that does not answer blocks deletions",
    severity: "Medium",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::DeletionsBlocked,
    meaning: "Federated objects have been Terminating for more than ten minutes. KubeFed 0.8.1 takes its finalizer off \
              only when every registered cluster has answered, so one dead registration blocks all of them.",
    evidence: "A deletionTimestamp older than ten minutes, and a KubeFedCluster that is not Ready.",
    risk: "Nothing is lost. Tenants that were offboarded stay, and namespaces of the host hang in Terminating.",
    action: "Bring the member back, or remove its registration if the cluster is gone for good.",
    next: "kubectl get kubefedclusters -A",
    false_alarm: "A finalizer of somebody else on the object. Not told while every registration is Ready.",
    raised: &[
        Scenario(
            Place::Core,
            "a_deletion_that_a_dead_member_blocks_is_told_after_ten_minutes",
        ),
        Scenario(
            Place::Simulated,
            "a_dead_member_that_blocks_deletions_is_named",
        ),
        Scenario(Place::Real, "what_hangs_for_ten_minutes_is_named"),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_slow_deletion_with_all_members_ready_is_not_blocked",
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
    let mut blocking: Vec<String> = federation
        .registry
        .entries
        .iter()
        .filter(|(_, entry)| entry.facts.ready != Readiness::True)
        .map(|(key, entry)| format!("{key} (Ready is {})", entry.facts.ready.as_str()))
        .collect();
    if blocking.is_empty() {
        return Vec::new();
    }
    let stuck: Vec<String> = federation
        .objects
        .dying()
        .filter(|(_, since)| now.since_ms(*since) >= STUCK_MS)
        .map(|((kind, key), _)| format!("{kind} {}", object_name(key)))
        .collect();
    if stuck.is_empty() {
        return Vec::new();
    }
    blocking.sort();
    blocking.truncate(MAX_NAMES);
    let message = format!(
        "{} cannot be deleted: KubeFed waits for clusters that do not answer.",
        count(stuck.len(), "federated object")
    );
    let mut evidence = vec![format!("Not Ready: {}.", blocking.join(", "))];
    evidence.extend(stuck.into_iter().take(MAX_NAMES));
    vec![Finding {
        evidence,
        ..ABOUT.finding(Severity::Medium, "federated objects".to_owned(), message)
    }]
}
