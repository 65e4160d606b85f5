//! FH004: one real cluster is registered under several names of one control plane (F4).
//!
//! False alarm: none known on strong evidence. Next: `kubectl get kubefedclusters -A`, then remove the name that no
//! placement needs; placements that name only the stale one come first.

use super::{Finding, Severity, count};
use crate::{
    federation::Federation,
    placement::Fate,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let real = federation.registry.real().iter().enumerate();
    real.filter(|(_, cluster)| cluster.doubled() && !cluster.across_planes())
        .map(|(i, _)| finding(federation, i))
        .collect()
}

fn finding(federation: &Federation, cluster: usize) -> Finding {
    let real = &federation.registry.real()[cluster];
    let mut evidence: Vec<String> = real.evidence.iter().map(ToString::to_string).collect();
    let (mut endangered, mut imminent) = (0, false);
    for (danger, kind, members) in federation
        .objects
        .endangered()
        .into_iter()
        .filter(|e| e.0.cluster == cluster)
    {
        endangered += members.len();
        imminent |= matches!(
            danger.fate,
            Fate::Loop { imminent: true } | Fate::Lost { imminent: true }
        );
        let names: Vec<String> = members
            .iter()
            .take(super::MAX_NAMES)
            .map(super::object_name)
            .collect();
        evidence.push(format!(
            "{kind}: {} would be deleted and created again for ever: {}",
            members.len(),
            names.join(", ")
        ));
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
