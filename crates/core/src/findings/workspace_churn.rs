//! FH001: a Workspace was deleted, or is recreated again and again, although it is still wished for (F1).
//!
//! False alarm: a person who deletes the Workspace itself instead of its template. Next: `kubectl get events -n default
//! --field-selector reason=DeleteInCluster` names the registration that deletes.

use super::{Finding, Severity};
use crate::{
    churn::Level,
    federation::Federation,
    ledger::Incident,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let open = federation.ledger.incidents().iter().filter(|(name, i)| {
        let ledger = &federation.ledger;
        // What live reads may yet explain is held, and not told.
        let open_question =
            i.recreations == 0 && i.lost == 0 && federation.hold.verifying(name, now);
        ledger.is_open(name, now, &federation.policy.churn) && !open_question
    });
    open.map(|(name, incident)| {
        let level = federation.ledger.level(name, now, &federation.policy.churn);
        finding(name, incident, matches!(level, Level::Churning { .. }))
    })
    .collect()
}

fn finding(name: &str, incident: &Incident, churning: bool) -> Finding {
    let seconds = incident.last.since_ms(incident.first) / 1000;
    let mut evidence = Vec::new();
    if incident.recreations > 0 {
        evidence.push(format!(
            "Recreated {} times in {seconds} s, each time with a new UID.",
            incident.recreations
        ));
    }
    for party in &incident.parties {
        evidence.push(format!(
            "KubeFed waits for its removal from cluster {party}, which its placement leaves out."
        ));
    }
    let message = if churning {
        format!(
            "Workspace {name} is deleted and created again and again; the collector deletes its namespaces."
        )
    } else {
        format!(
            "Workspace {name} was deleted although its template and its placement still ask for it."
        )
    };
    Finding {
        severity: Severity::Critical,
        code: "FH001",
        subject: format!("Workspace {name}"),
        message,
        evidence,
        condition: ConditionType::WorkspacesStable,
        reason: if churning {
            Reason::Churning
        } else {
            Reason::UnexpectedDeletion
        },
        suspicion: false,
    }
}
