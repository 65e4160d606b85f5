//! One document that can be kept and passed on: verdict, timeline, who is registered where, findings, losses.

use federation_health_api::v1alpha1::{
    ActionStatus, BlastRadius, FederationHealthStatus, FindingStatus, LostNamespace, PlanStatus,
};
use federation_health_core::{findings::MAX_FINDINGS, text::listed};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde::Serialize;

use crate::{codes, federation::Overview, history::History, live, picture::graph::Membership};

/// What a report says, whatever its form.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it is about.
    pub title: String,
    /// Instant that it speaks of.
    pub at: Timestamp,
    /// True, False or Unknown.
    pub healthy: String,
    /// The verdict in a sentence.
    pub verdict: String,
    /// Checks.
    pub conditions: Vec<Condition>,
    /// Findings, causes first.
    pub findings: Vec<FindingStatus>,
    /// What is at risk.
    pub risk: Option<BlastRadius>,
    /// Whether anything is held, in a sentence; None where that is not known.
    pub hold: Option<String>,
    /// What remediation would do.
    pub plan: Option<PlanStatus>,
    /// What it did.
    pub actions: Vec<ActionStatus>,
    /// Lost namespaces.
    pub lost: Vec<LostNamespace>,
    /// Facts to be listed: what, how much.
    pub facts: Vec<(String, String)>,
    /// What could not be read.
    pub gaps: Vec<String>,
    /// What happened.
    pub history: History,
    /// Who is registered where.
    pub membership: Membership,
}

impl Report {
    /// Of a federation as it is now.
    pub fn live(overview: &Overview, now: Timestamp) -> Self {
        let status = overview.status();
        let summary = status.summary.clone().unwrap_or_default();
        let facts = [
            ("Registrations", summary.clusters),
            ("Workspaces", summary.workspaces),
            ("Workspaces that churn", summary.workspaces_churning),
            ("Namespaces at risk", summary.namespaces_at_risk),
            ("Namespaces lost", summary.namespaces_lost),
            ("Recreations", summary.recreations),
        ];
        let name = overview.health.metadata.name.clone().unwrap_or_default();
        let word = overview.healthy();
        let mut report = Self {
            title: format!("FederationHealth {name}"),
            at: now,
            healthy: word.to_owned(),
            conditions: status.conditions.clone(),
            risk: status.blast_radius.clone(),
            lost: status.lost_namespaces.clone(),
            plan: status.plan.clone(),
            actions: status.actions.clone(),
            facts: facts
                .iter()
                .map(|(what, n)| ((*what).to_owned(), n.to_string()))
                .collect(),
            gaps: overview.gaps.clone(),
            history: live::history(overview, now),
            membership: Membership::of(overview),
            hold: held(&status),
            ..Self::default()
        };
        report.findings = ordered(status.findings);
        let sentence = report.sentence(word);
        let warning = overview.operator.warning();
        report.verdict = warning.map_or(sentence.clone(), |w| format!("{w} {sentence}"));
        report
    }

    /// The verdict in a sentence, from findings that are in order: the first of the worst. A suspicion may be the cause of what
    /// is being lost, but is not the news.
    pub fn sentence(&self, healthy: &str) -> String {
        let worst = self
            .findings
            .iter()
            .min_by_key(|f| codes::rank(&f.severity));
        match (healthy, worst) {
            ("True", _) => "Healthy: nothing is deleted that is wished for.".to_owned(),
            (_, Some(worst)) => self.news(worst),
            (_, None) => "It cannot be said whether the federation is healthy: something could not be judged.".to_owned(),
        }
    }

    /// A finding, and how many of its kind stand beside it: of many, status has the first few alone.
    fn news(&self, worst: &FindingStatus) -> String {
        let alike = self.findings.iter().filter(|f| f.code == worst.code);
        let others = alike.count() - 1;
        if others == 0 {
            return worst.message.clone();
        }
        let least = if self.findings.len() < MAX_FINDINGS {
            ""
        } else {
            "at least "
        };
        format!(
            "{} And {least}{others} more of {}.",
            worst.message, worst.code
        )
    }
}

/// What an object says of its holds; None if it was never judged.
pub fn held(status: &FederationHealthStatus) -> Option<String> {
    let hold = status
        .hold
        .as_ref()
        .filter(|h| h.collection || h.federation);
    match hold {
        Some(hold) => {
            let why = hold.message.as_deref().unwrap_or_default();
            Some(format!("Deletions are held: {why}"))
        }
        None => (!status.conditions.is_empty()).then(|| "Nothing is held.".to_owned()),
    }
}

/// What is at risk, a sentence for each sort.
pub fn sentences(risk: &BlastRadius) -> Vec<String> {
    let sorts = [
        (risk.workspaces, "Workspace", &risk.workspace_names),
        (risk.namespaces, "namespace", &risk.namespace_names),
        (risk.objects, "other object", &risk.object_names),
    ];
    let named = sorts.iter().filter(|(count, ..)| *count > 0);
    let named = named.map(|(count, noun, names)| {
        let plural = if *count == 1 { "" } else { "s" };
        format!("{count} {noun}{plural}: {}", listed(names, *count as usize))
    });
    let contents = [
        (risk.workloads, "workloads"),
        (risk.bound_claims, "bound volume claims"),
    ];
    let inside = contents
        .iter()
        .filter_map(|(count, noun)| Some(format!("In them {} {noun}.", (*count)?)));
    named.chain(inside).collect()
}

/// Causes first, then what they lead to.
pub fn ordered(mut findings: Vec<FindingStatus>) -> Vec<FindingStatus> {
    findings.sort_by(|a, b| {
        (codes::order(&a.code), &a.subject).cmp(&(codes::order(&b.code), &b.subject))
    });
    findings
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn what_is_being_lost_is_the_news_and_not_a_suspicion_of_its_cause() {
        let finding = |code: &str, severity: &str, message: &str| FindingStatus {
            code: code.to_owned(),
            severity: severity.to_owned(),
            message: message.to_owned(),
            subject: String::new(),
            since: Time(Timestamp::UNIX_EPOCH),
            evidence: Vec::new(),
            next: None,
        };
        let findings = vec![
            finding("FH001", "Critical", "deleted"),
            finding("FH004", "Critical", "one cluster"),
            finding("FH024", "Medium", "may be one cluster"),
        ];
        let headline = |findings: &[FindingStatus]| {
            let findings = ordered(findings.to_vec());
            let report = Report {
                findings,
                ..Report::default()
            };
            report.sentence("False")
        };
        assert_eq!(headline(&findings), "one cluster");
        let twice = [findings[0].clone(), findings[0].clone()];
        assert_eq!(headline(&twice), "deleted And 1 more of FH001.");
        assert_eq!(
            headline(&[findings[0].clone(), findings[2].clone()]),
            "deleted"
        );
    }
}
