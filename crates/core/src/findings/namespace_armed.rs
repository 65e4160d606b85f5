//! FH003: namespaces whose owner does not exist: the garbage collector deletes them as soon as it may (F3).
//!
//! False alarm: the moments between a Workspace's honest deletion and that of its namespaces. Next: put the owner reference
//! right or take it off, before any hold ends.

use super::{ARMED_GRACE_MS, Finding, Severity, count, some_names};
use crate::{
    facts::Feed,
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    // Before the Workspaces are read every owner looks absent.
    if federation.armed.is_empty() || !federation.answered_by(&Feed::Workspaces) {
        return Vec::new();
    }
    let armed: Vec<&Text> = federation
        .armed
        .iter()
        .filter(|(_, since)| now.since_ms(**since) >= ARMED_GRACE_MS)
        .map(|(name, _)| name)
        .collect();
    if armed.is_empty() {
        return Vec::new();
    }
    vec![Finding {
        severity: Severity::Critical,
        code: "FH003",
        subject: "namespaces".to_owned(),
        message: format!(
            "The owner of {} does not exist: the garbage collector deletes them unless it is held.",
            count(armed.len(), "namespace")
        ),
        evidence: vec![some_names(armed.into_iter())],
        condition: ConditionType::NamespacesSafe,
        reason: Reason::NamespacesArmed,
        suspicion: false,
    }]
}
