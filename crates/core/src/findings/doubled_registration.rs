//! FH004: one real cluster is registered under several names of one control plane (F4).
//!
//! False alarm: none known on strong evidence. Next: `kubectl get kubefedclusters -A`, then remove the name that no
//! placement needs; placements that name only the stale one come first.

use super::{Finding, Severity, count};
use crate::{
    federation::{Federation, RiskLine},
    placement::Fate,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let real = federation.registry.real().iter().enumerate();
    real.filter(|(_, cluster)| cluster.doubled_in_one_plane())
        .map(|(i, _)| finding(federation, i))
        .collect()
}

fn finding(federation: &Federation, cluster: usize) -> Finding {
    let real = &federation.registry.real()[cluster];
    let mut evidence: Vec<String> = real.evidence.iter().map(ToString::to_string).collect();
    let (mut endangered, mut imminent) = (0, false);
    let loops = |line: &&RiskLine| matches!(line.danger.fate, Fate::Loop { .. });
    for line in federation.risk_in(cluster).filter(loops) {
        endangered += line.count;
        imminent |= matches!(line.danger.fate, Fate::Loop { imminent: true });
        if evidence.len() < super::MAX_LINES {
            evidence.push(format!(
                "{}: {} would be deleted and created again for ever: {}",
                line.kind,
                line.count,
                line.names.join(", ")
            ));
        }
    }
    let subject = federation.subject_of(cluster).to_string();
    let message = if endangered == 0 {
        format!(
            "{subject} are one cluster. No placement names only some of them; the first that does starts a deletion loop."
        )
    } else {
        let when = if imminent {
            "KubeFed deletes within seconds"
        } else {
            "KubeFed deletes once they are Ready"
        };
        format!(
            "{subject} are one cluster, and placements name only some of them: {when}: {}.",
            count(endangered, "object")
        )
    };
    Finding {
        severity: if endangered > 0 {
            Severity::Critical
        } else {
            Severity::High
        },
        code: "FH004",
        subject,
        message,
        evidence,
        condition: ConditionType::ClustersUnique,
        reason: Reason::DoubledRegistration,
        suspicion: false,
    }
}
