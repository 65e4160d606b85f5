//! FH005: a placement names a cluster that is not registered, and no name of the cluster that holds the object (F5).
//!
//! False alarm: a placement that was meant to leave this cluster and still lists a removed one; the object then has been
//! deleted already and nothing is managed here. Next: correct the placement on the WorkspaceTemplate.

use std::collections::BTreeMap;

use super::{Finding, Severity, count};
use crate::{
    federation::{Federation, RiskLine},
    placement::Fate,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let mut lost: BTreeMap<usize, Vec<&RiskLine>> = BTreeMap::new();
    for line in &federation.risk.lines {
        if matches!(line.danger.fate, Fate::Lost { .. }) {
            lost.entry(line.danger.cluster).or_default().push(line);
        }
    }
    lost.into_iter()
        .map(|(cluster, lines)| finding(federation, cluster, &lines))
        .collect()
}

fn finding(federation: &Federation, cluster: usize, lines: &[&RiskLine]) -> Finding {
    let subject = federation.subject_of(cluster);
    let objects = lines.iter().map(|line| line.count).sum();
    let evidence = lines
        .iter()
        .take(super::MAX_LINES)
        .map(|line| format!("{}: {}", line.kind, line.names.join(", ")));
    Finding {
        severity: Severity::Critical,
        code: "FH005",
        subject: format!("KubeFedCluster {subject}"),
        message: format!(
            "Placements of {} name a cluster that is not registered, and not {subject}, where the objects live: KubeFed deletes them there once and for all.",
            count(objects, "object")
        ),
        evidence: evidence.collect(),
        condition: ConditionType::WorkspacesStable,
        reason: Reason::SelectedNowhere,
        suspicion: false,
    }
}
