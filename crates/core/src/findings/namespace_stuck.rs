//! FH019: a control plane's namespace cannot go: the prelude to forcing it, and to what comes back then (F19).

use super::{About, Finding, Place, Scenario, Severity, some_names};
use crate::{
    federation::Federation,
    id::Text,
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
    evidence: "The namespace's deletionTimestamp, and the names of what still lies in it: each FederatedTypeConfig holds it \
               by its finalizer.",
    risk: "A resurrected registration, once somebody forces the namespace.",
    action: "Take the finalizers off the contents, one object after the other: FederatedTypeConfigs first \
             (`core.kubefed.io/federated-type-config`), once no KubeFed runs there that would do it; then delete the \
             KubeFedClusters. Never touch the namespace's own `spec.finalizers`.",
    next: "kubectl patch --dry-run=server federatedtypeconfigs.core.kubefed.io -n NAMESPACE NAME --type=merge -p \
           '{\"metadata\":{\"finalizers\":null}}'",
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
            let types = registry.types.iter().map(|((ns, name), _)| (ns, name));
            let types = names_in(&namespace, types);
            let registrations = registry.entries.iter().map(|(key, _)| (&key.namespace, &key.name));
            let registrations = names_in(&namespace, registrations);
            let message = format!(
                "Namespace {namespace} has been Terminating for more than ten minutes; forcing it would bring its contents back later."
            );
            let left = [("Enabled FederatedTypeConfigs", &types), ("KubeFedClusters", &registrations)];
            let left = left.into_iter().filter(|(_, names)| !names.is_empty());
            Finding {
                evidence: left
                    .map(|(kind, names)| format!("{kind} still in it: {}.", some_names(names.iter().copied())))
                    .collect(),
                next: way_out(&namespace, types.first().copied()),
                ..ABOUT.finding(Severity::Medium, format!("namespace {namespace}"), message)
            }
        })
        .collect()
}

fn names_in<'a>(
    namespace: &Text,
    objects: impl Iterator<Item = (&'a Text, &'a Text)>,
) -> Vec<&'a Text> {
    let mut names: Vec<&Text> = objects
        .filter(|(ns, _)| *ns == namespace)
        .map(|(_, name)| name)
        .collect();
    names.sort();
    names
}

/// The contents, never the namespace itself.
fn way_out(namespace: &Text, first: Option<&Text>) -> String {
    match first {
        Some(name) => format!(
            "kubectl patch --dry-run=server federatedtypeconfigs.core.kubefed.io -n {namespace} {name} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'"
        ),
        None => format!(
            "kubectl get federatedtypeconfigs,kubefedclusters,kubefedconfigs -n {namespace}"
        ),
    }
}
