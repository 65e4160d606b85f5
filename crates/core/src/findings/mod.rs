//! What is wrong, one file for each fault.
//!
//! A code never changes its meaning. The numbers up to FH023 follow the project's list of failure modes F1 to F23.

mod doubled_registration;
mod namespace_armed;
mod namespace_lost;
mod registration_drift;
mod second_control_plane;
mod selected_nowhere;
mod suspected_duplicate;
mod workspace_churn;

use crate::{
    federation::Federation,
    id::Text,
    text::{shorten, within},
    time::Time,
    words::{ConditionType, Reason},
};

/// Findings that status shows; more are counted.
pub const MAX_FINDINGS: usize = 20;
/// Names listed in one finding's evidence.
pub(crate) const MAX_NAMES: usize = 16;

/// Lines of one finding's evidence.
pub(crate) const MAX_LINES: usize = 16;
/// Bytes of one finding's evidence: twenty findings of it, and what else status shows, stay under 128 KiB.
pub(crate) const MAX_EVIDENCE: usize = 768;
/// Bytes of a finding's message.
pub(crate) const MAX_MESSAGE: usize = 512;
/// Bytes of a finding's subject.
pub(crate) const MAX_SUBJECT: usize = 256;
/// A namespace is armed for this long before it is told: a recreated Workspace takes its namespaces back within
/// milliseconds, and an honest deletion's are collected as fast.
pub(crate) const ARMED_GRACE_MS: i64 = 2000;

/// Every code that this version can report.
pub const CODES: [&str; 9] = [
    "FH001", "FH002", "FH003", "FH004", "FH005", "FH009", "FH023", "FH024", "FH025",
];

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Data is being lost, or will be without anybody doing anything.
    Critical,
    /// One more step leads to loss.
    High,
    /// Something to look at.
    Medium,
}

impl Severity {
    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::High => "High",
            Self::Medium => "Medium",
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code.
    pub code: &'static str,
    /// What it is about.
    pub subject: String,
    /// One sentence: what is so, and what it leads to.
    pub message: String,
    /// What it rests on.
    pub evidence: Vec<String>,
    /// Condition that it makes False, or Unknown when it is a suspicion.
    pub condition: ConditionType,
    /// Reason of that condition.
    pub reason: Reason,
    /// A suspicion makes its condition Unknown and never holds anything.
    pub suspicion: bool,
}

type Check = fn(&Federation, Time) -> Vec<Finding>;

const CHECKS: [Check; 8] = [
    doubled_registration::check,
    second_control_plane::check,
    selected_nowhere::check,
    workspace_churn::check,
    namespace_lost::check,
    namespace_armed::check,
    registration_drift::check,
    suspected_duplicate::check,
];

/// All findings, worst first, in a stable order.
pub(crate) fn all(federation: &Federation, now: Time) -> Vec<Finding> {
    let mut findings: Vec<Finding> = CHECKS
        .iter()
        .flat_map(|check| check(federation, now))
        .map(bounded)
        .collect();
    findings
        .sort_by(|a, b| (a.severity, a.code, &a.subject).cmp(&(b.severity, b.code, &b.subject)));
    findings
}

/// Names come from objects that others write, of up to 253 bytes each.
fn bounded(mut finding: Finding) -> Finding {
    finding.subject = shorten(finding.subject, MAX_SUBJECT);
    finding.message = shorten(finding.message, MAX_MESSAGE);
    finding.evidence = within(finding.evidence, MAX_EVIDENCE);
    finding
}

/// Up to [`MAX_NAMES`] names, and how many more.
pub(crate) fn some_names<'a>(names: impl ExactSizeIterator<Item = &'a Text>) -> String {
    let total = names.len();
    let shown: Vec<&str> = names.take(MAX_NAMES).map(|name| &**name).collect();
    let more = total - shown.len();
    if more > 0 {
        format!("{} and {more} more", shown.join(", "))
    } else {
        shown.join(", ")
    }
}

/// "1 Workspace", "2 Workspaces".
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// An object as messages name it.
pub(crate) fn object_name(key: &crate::facts::ObjectKey) -> String {
    if key.namespace.is_empty() {
        key.name.to_string()
    } else {
        format!("{}/{}", key.namespace, key.name)
    }
}
