//! FH009: more than one KubeFed control plane works on this server, or one cluster belongs to several (F9).

use super::{About, Finding, Place, Scenario, Severity, some_names};
use crate::{
    federation::{Federation, RiskLine},
    placement::Fate,
    text::listed,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH009",
    title: "Two KubeFed control planes work on one server",
    severity: "Critical if one deletes what the other creates, else High",
    condition: ConditionType::ControlPlaneUnique,
    reason: Reason::SecondControlPlane,
    meaning: "KubeFed runs or is configured in more than one namespace, or one cluster belongs to several planes. All \
              planes of a server work on the same cluster-scoped federated objects.",
    evidence: "Deployments labelled `kubefed-control-plane=controller-manager` that want replicas, KubeFedConfigs, and \
               KubeFedClusters, in more than one namespace; the simulation of each plane's placements.",
    risk: "Every object that one plane selects and the other does not: in the measured case all Workspaces, about 50 s \
           after the second plane started.",
    action: "Find out which Deployment is the leftover and scale it to zero; then remove its KubeFedConfig and its \
             registrations.",
    next: "kubectl get deployments -A -l kubefed-control-plane=controller-manager",
    false_alarm: "A namespaced KubeFed that federates other namespaces; it still shares cluster-scoped kinds. The webhook's \
                  Deployment has another label and is not counted.",
    raised: &[
        Scenario(
            Place::Core,
            "two_planes_on_one_server_are_named_and_covered_before_the_second_deletes",
        ),
        Scenario(
            Place::Simulated,
            "a_second_control_plane_is_named_before_its_first_deletion_and_its_accounts_are_held",
        ),
        Scenario(Place::Real, "a_second_control_plane_is_named_and_refused"),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_plane_that_does_not_federate_workspaces_loops_none",
        ),
        Scenario(Place::Simulated, "a_kubefed_upgrade_raises_nothing"),
        Scenario(
            Place::Real,
            "a_quiet_federation_is_left_alone_and_no_restart_makes_a_condition_flicker",
        ),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let planes = federation.registry.working_planes();
    let shared: Vec<usize> = federation
        .registry
        .real()
        .iter()
        .enumerate()
        .filter(|(_, c)| c.across_planes())
        .map(|(i, _)| i)
        .collect();
    if planes.len() < 2 && shared.is_empty() {
        return Vec::new();
    }
    let mut evidence = Vec::new();
    for (namespace, controllers) in &planes {
        let running: Vec<String> = controllers
            .iter()
            .map(|(name, c)| format!("Deployment {name} wants {} replicas", c.replicas))
            .collect();
        let running = if running.is_empty() {
            "a KubeFedConfig, no Deployment".to_owned()
        } else {
            running.join(", ")
        };
        evidence.push(format!("Namespace {namespace}: {running}"));
    }
    let mut endangered = 0;
    for cluster in &shared {
        evidence.push(format!(
            "{} are one cluster.",
            federation.subject_of(*cluster)
        ));
        evidence.extend(
            federation.registry.real()[*cluster]
                .evidence
                .iter()
                .map(ToString::to_string),
        );
        let loops = |line: &&RiskLine| matches!(line.danger.fate, Fate::Loop { .. });
        for line in federation.risk_in(*cluster).filter(loops) {
            endangered += line.count;
            if evidence.len() < super::MAX_LINES {
                evidence.push(format!(
                    "{}: one plane deletes what the other creates: {}",
                    line.kind,
                    listed(&line.names, line.count)
                ));
            }
        }
    }
    let subject = some_names(planes.keys());
    let message = if endangered > 0 {
        format!(
            "KubeFed works in namespaces {subject}; one deletes what the other creates: {endangered} objects."
        )
    } else {
        format!("KubeFed works in namespaces {subject}; they share cluster-scoped objects.")
    };
    let severity = if endangered > 0 {
        Severity::Critical
    } else {
        Severity::High
    };
    vec![Finding {
        evidence,
        targets: super::parties(federation, &shared),
        ..ABOUT.finding(severity, subject, message)
    }]
}
