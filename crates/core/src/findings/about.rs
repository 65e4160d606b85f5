//! What a finding is, for whoever meets its code: the one source of `docs/findings.md` and of `explain`.

use super::{Finding, Severity};
use crate::words::{ConditionType, Reason};

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Literal facts and times, in `crates/core`.
    Core,
    /// The operator on the simulation, in `tests/simulated`.
    Simulated,
    /// The operator on real control planes with real KubeFed, in `tests/real`.
    Real,
}

impl Place {
    /// Folder of the tests, from the root of the tree.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Core => "crates/core/tests/federation",
            Self::Simulated => "tests/simulated",
            Self::Real => "tests/real",
        }
    }
}

/// A test by its function's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario(pub Place, pub &'static str);

/// What a code means. Written once, beside the check.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    /// Stable code; it never changes its meaning.
    pub code: &'static str,
    /// The fault in a few words.
    pub title: &'static str,
    /// How bad it can be, worst first, with what decides it.
    pub severity: &'static str,
    /// Condition that it makes False, or Unknown when it is a suspicion.
    pub condition: ConditionType,
    /// Reason of that condition.
    pub reason: Reason,
    /// What is so, and how it comes about.
    pub meaning: &'static str,
    /// What it is concluded from.
    pub evidence: &'static str,
    /// What may be lost.
    pub risk: &'static str,
    /// What to do, in order.
    pub action: &'static str,
    /// The next command to type; names in capitals stand for those of the finding.
    pub next: &'static str,
    /// What looks like it and is not, and what exempts it.
    pub false_alarm: &'static str,
    /// Tests in which it must be raised.
    pub raised: &'static [Scenario],
    /// Tests in which it must not be raised.
    pub spared: &'static [Scenario],
}

impl About {
    /// A finding of this code.
    pub(super) fn finding(&self, severity: Severity, subject: String, message: String) -> Finding {
        Finding {
            severity,
            code: self.code,
            subject,
            message,
            evidence: Vec::new(),
            next: self.next.to_owned(),
            targets: Vec::new(),
            condition: self.condition,
            reason: self.reason,
            suspicion: false,
            after_ms: 0,
        }
    }
}
