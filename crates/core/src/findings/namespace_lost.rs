//! FH002: namespaces of a Workspace were deleted with it (F2).
//!
//! False alarm: a person who deletes a project in the same minutes. Next: restore them from a backup; their UIDs and times
//! are in `status.lostNamespaces`.

use super::{Finding, Severity, count};
use crate::{
    federation::Federation,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let ledger = &federation.ledger;
    let open = ledger
        .incidents()
        .iter()
        .filter(|(name, i)| i.lost > 0 && ledger.open_incident(name, now));
    open.map(|(name, incident)| {
        let names: Vec<&str> = ledger
            .lost()
            .iter()
            .filter(|l| l.workspace == *name)
            .take(super::MAX_NAMES)
            .map(|l| &*l.name)
            .collect();
        Finding {
            severity: Severity::Critical,
            code: "FH002",
            subject: format!("Workspace {name}"),
            message: format!(
                "{} of Workspace {name} deleted with it.",
                count(incident.lost as usize, "namespace")
            ),
            evidence: vec![names.join(", ")],
            condition: ConditionType::NamespacesSafe,
            reason: Reason::NamespacesLost,
            suspicion: false,
        }
    })
    .collect()
}
