//! FH005: a placement names a cluster that is not registered, and no name of the cluster that holds the object (F5).
//!
//! False alarm: a placement that was meant to leave this cluster and still lists a removed one; the object then has been
//! deleted already and nothing is managed here. Next: correct the placement on the WorkspaceTemplate.

use super::{Finding, Severity};
use crate::{
    federation::Federation,
    placement::Fate,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let lost = federation
        .objects
        .endangered()
        .into_iter()
        .filter(|e| matches!(e.0.fate, Fate::Lost { .. }));
    lost.map(|(danger, kind, members)| {
        let cluster = federation.subject_of(danger.cluster);
        let names: Vec<String> = members.iter().take(super::MAX_NAMES).map(super::object_name).collect();
        Finding {
            severity: Severity::Critical,
            code: "FH005",
            subject: format!("{kind} {}", names.first().map_or("", String::as_str)),
            message: format!(
                "The placement of {} names a cluster that is not registered, and not {cluster}, where it lives: KubeFed deletes it there once and for all.",
                super::count(members.len(), kind)
            ),
            evidence: vec![format!("{kind}: {}", names.join(", "))],
            condition: ConditionType::WorkspacesStable,
            reason: Reason::SelectedNowhere,
            suspicion: false,
        }
    })
    .collect()
}
