//! FH009: more than one KubeFed control plane works on this server, or one cluster belongs to several (F9).
//!
//! False alarm: a namespaced KubeFed that federates other namespaces; it still shares cluster-scoped kinds. Next: find out
//! which Deployment is the leftover and scale it to zero.

use super::{Finding, Severity, some_names};
use crate::{
    federation::{Federation, RiskLine},
    placement::Fate,
    time::Time,
    words::{ConditionType, Reason},
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
                    line.names.join(", ")
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
    vec![Finding {
        severity: if endangered > 0 {
            Severity::Critical
        } else {
            Severity::High
        },
        code: "FH009",
        subject,
        message,
        evidence,
        condition: ConditionType::ControlPlaneUnique,
        reason: Reason::SecondControlPlane,
        suspicion: false,
    }]
}
