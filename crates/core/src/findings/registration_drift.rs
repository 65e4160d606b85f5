//! FH023: a registration's endpoint, CA or TLS settings changed under its name, and its identity is not proven anew (F23).
//!
//! False alarm: a rotated CA or a moved endpoint of the same cluster; with probing on it clears itself. Next: check that the
//! name still means the cluster it meant.

use super::{Finding, Severity};
use crate::{
    federation::Federation,
    registry::Entry,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let mut drifted: Vec<_> = federation
        .registry
        .entries
        .iter()
        .filter(|(_, e)| e.drifted.is_some())
        .collect();
    drifted.sort_by(|a, b| a.0.cmp(b.0));
    drifted
        .into_iter()
        .map(|(key, entry)| Finding {
            severity: Severity::High,
            code: "FH023",
            subject: format!("KubeFedCluster {key}"),
            message: format!("KubeFedCluster {key} was changed and may mean another cluster now."),
            evidence: evidence(entry),
            condition: ConditionType::RegistrationsCurrent,
            reason: Reason::Drifted,
            suspicion: false,
        })
        .collect()
}

fn evidence(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    let text =
        |value: &Option<crate::id::Text>| value.as_deref().unwrap_or("unreadable").to_owned();
    if entry.facts.endpoint != entry.baseline.endpoint {
        let (was, is) = (text(&entry.baseline.endpoint), text(&entry.facts.endpoint));
        lines.push(format!("Endpoint was {was}, is {is}."));
    }
    if entry.facts.ca != entry.baseline.ca {
        lines.push("The CA bundle holds other certificates.".to_owned());
    }
    if entry.facts.indirect != entry.baseline.indirect {
        lines.push("TLS checks were switched off, or a proxy was named.".to_owned());
    }
    if let (Some(proven), Some(now)) = (entry.proven, entry.identity.as_ref())
        && proven != now.uid
    {
        lines.push(format!(
            "kube-system had UID {proven} through it, and has {} now.",
            now.uid
        ));
    }
    lines
}
