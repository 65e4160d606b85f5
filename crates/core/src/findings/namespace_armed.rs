//! FH003: namespaces whose owner does not exist: the garbage collector deletes them as soon as it may (F3).
//!
//! False alarm: the moments between a Workspace's honest deletion and that of its namespaces. Next: put the owner reference
//! right or take it off, before any hold ends.

use super::{Finding, Severity, count, some_names};
use crate::{
    federation::Federation,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    if federation.armed.is_empty() {
        return Vec::new();
    }
    vec![Finding {
        severity: Severity::Critical,
        code: "FH003",
        subject: "namespaces".to_owned(),
        message: format!(
            "The owner of {} does not exist: the garbage collector deletes them unless it is held.",
            count(federation.armed.len(), "namespace")
        ),
        evidence: vec![some_names(federation.armed.iter())],
        condition: ConditionType::NamespacesSafe,
        reason: Reason::NamespacesArmed,
        suspicion: false,
    }]
}
