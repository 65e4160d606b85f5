//! FH024: registrations that may be one cluster, on weak evidence; FH025: clones, equal by everything that is stored and
//! different alive. Never held, never acted on.
//!
//! False alarm: companies share a CA, load balancers share an endpoint. Next: set `spec.probe.mode: Probe`, which decides it.

use super::{Finding, Severity};
use crate::{
    federation::Federation,
    identity::{Certainty, Group},
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    federation.registry.weak().iter().map(finding).collect()
}

fn finding(group: &Group) -> Finding {
    let members: Vec<String> = group
        .members
        .iter()
        .take(super::MAX_NAMES)
        .map(ToString::to_string)
        .collect();
    let subject = members.join(" and ");
    let cloned = group.certainty == Certainty::Cloned;
    let message = if cloned {
        format!(
            "{subject} have one identity but are different clusters: a clone or a restored copy."
        )
    } else {
        format!("{subject} may be one cluster; the evidence is not enough to hold by.")
    };
    Finding {
        severity: Severity::Medium,
        code: if cloned { "FH025" } else { "FH024" },
        subject,
        message,
        evidence: group.evidence.iter().map(ToString::to_string).collect(),
        condition: ConditionType::ClustersUnique,
        reason: if cloned {
            Reason::ClonedIdentity
        } else {
            Reason::SuspectedDuplicate
        },
        suspicion: true,
    }
}
