//! FH006: a registration is older than its own namespace: it came back from an earlier installation (F6).

use super::{About, Finding, Place, SETTLE_MS, Scenario, Severity};
use crate::{
    federation::Federation,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH006",
    title: "A registration outlived its own namespace",
    severity: "High",
    condition: ConditionType::RegistrationsCurrent,
    reason: Reason::Resurrected,
    meaning: "The namespace of a control plane was force-finalized (its `spec.finalizers` emptied while it was \
              Terminating): the namespace went, its objects stayed in the store, and came back when a namespace of that \
              name was created again. This is how leftover names survive an uninstallation.",
    evidence: "`creationTimestamp` of the KubeFedCluster is before that of its namespace, which is impossible otherwise.",
    risk: "The registration comes into force with the next KubeFed: if its cluster is registered under another name too, \
           FH004 follows within 20 s.",
    action: "Before KubeFed runs: delete the KubeFedClusters of the earlier installation, and look for others of its \
             leftovers in the namespace.",
    next: "kubectl get kubefedcluster -n NAMESPACE NAME -o yaml",
    false_alarm: "None known.",
    raised: &[
        Scenario(
            Place::Core,
            "a_resurrected_registration_is_told_with_its_age",
        ),
        Scenario(
            Place::Simulated,
            "a_resurrected_registration_is_named_before_kubefed_runs",
        ),
        Scenario(
            Place::Real,
            "a_registration_that_outlived_its_namespace_is_named",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_namespace_seen_before_its_old_registrations_went_is_no_resurrection",
        ),
        Scenario(Place::Simulated, "a_restored_backup_raises_nothing"),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let registry = &federation.registry;
    let mut found: Vec<_> = registry
        .entries
        .iter()
        .filter_map(|(key, _)| Some((key, registry.resurrected(key)?)))
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|(key, seconds)| {
            let message = format!(
                "KubeFedCluster {key} is older than its own namespace: it came back from an earlier installation."
            );
            Finding {
                evidence: vec![format!("It is {seconds} s older than namespace {}.", key.namespace)],
                targets: super::registration(federation, key).into_iter().collect(),
                next: super::show(key),
                after_ms: SETTLE_MS,
                ..ABOUT.finding(Severity::High, format!("KubeFedCluster {key}"), message)
            }
        })
        .collect()
}
