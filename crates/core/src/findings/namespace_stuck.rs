//! FH019: a control plane's namespace cannot go: the prelude to forcing it, and to what comes back then (F19).

use super::{About, Finding, Place, Scenario, Severity};
use crate::{
    federation::Federation,
    time::Time,
    words::{ConditionType, Reason},
};

/// A namespace whose contents have no finalizers left is gone within a minute.
pub(crate) const STUCK_MS: i64 = 600_000;

pub(super) const ABOUT: About = About {
    code: "FH019",
    title: "A control plane's namespace hangs in Terminating",
    severity: "Medium",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::NamespaceStuck,
    meaning: "The namespace of a KubeFed has been Terminating for more than ten minutes: what is in it carries finalizers \
              of controllers that are gone. The usual way out, emptying the namespace's own `spec.finalizers`, leaves \
              its contents in the store, and they come back with the next installation (FH006).",
    evidence: "The namespace's deletionTimestamp, and what is still known to lie in it.",
    risk: "A resurrected registration, once somebody forces the namespace.",
    action: "Take the finalizers off the contents: FederatedTypeConfigs first \
             (`core.kubefed.io/federated-type-config`), then delete the KubeFedClusters. Never touch the namespace's own \
             `spec.finalizers`.",
    next: "kubectl get federatedtypeconfigs,kubefedclusters,kubefedconfigs -n NAMESPACE",
    false_alarm: "A namespace with very many objects, whose deletion takes its time.",
    raised: &[
        Scenario(
            Place::Core,
            "a_control_planes_namespace_that_cannot_go_is_told_after_ten_minutes",
        ),
        Scenario(
            Place::Simulated,
            "a_control_planes_namespace_that_hangs_is_named",
        ),
        Scenario(Place::Real, "what_hangs_for_ten_minutes_is_named"),
    ],
    spared: &[Scenario(
        Place::Core,
        "a_namespace_that_is_no_control_planes_may_hang",
    )],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let registry = &federation.registry;
    let stuck = registry.terminating_planes().into_iter();
    stuck
        .filter(|(_, since)| now.since_ms(*since) >= STUCK_MS)
        .map(|(namespace, _)| {
            let types = registry.types.iter().filter(|((ns, _), _)| *ns == namespace).count();
            let registrations = registry
                .entries
                .iter()
                .filter(|(key, _)| key.namespace == namespace)
                .count();
            let message = format!(
                "Namespace {namespace} has been Terminating for more than ten minutes; forcing it would bring its contents back later."
            );
            Finding {
                evidence: vec![format!(
                    "Still in it: {types} enabled FederatedTypeConfigs, {registrations} KubeFedClusters."
                )],
                next: format!(
                    "kubectl get federatedtypeconfigs,kubefedclusters,kubefedconfigs -n {namespace}"
                ),
                ..ABOUT.finding(Severity::Medium, format!("namespace {namespace}"), message)
            }
        })
        .collect()
}
