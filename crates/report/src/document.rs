//! One document that can be kept and passed on: verdict, timeline, who is registered where, findings, losses.

use std::collections::BTreeMap;

use federation_health_api::v1alpha1::{
    ActionStatus, BlastRadius, FindingStatus, LostNamespace, PlanStatus,
};
use federation_health_core::{findings::MAX_FINDINGS, remedy::journal::State, text::times};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde::Serialize;

use crate::{
    codes,
    federation::Overview,
    history::{History, Mark, Sign, Sort, Span},
    picture::graph::Membership,
};

/// Registrations with lanes of their own: as many as fit a screen.
const REGISTRATIONS: usize = 24;

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
    /// What is held, in a sentence; None: nothing.
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
    #[serde(skip)]
    pub history: History,
    /// Who is registered where.
    #[serde(skip)]
    pub membership: Membership,
}

impl Report {
    /// Of a federation as it is now.
    pub fn live(overview: &Overview, now: Timestamp) -> Self {
        let status = overview.status();
        let healthy = status.conditions.iter().find(|c| c.type_ == "Healthy");
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
        let word = healthy.map_or("Unknown", |c| c.status.as_str());
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
            history: live_history(overview, now),
            membership: Membership::of(overview),
            ..Self::default()
        };
        if let Some(hold) = status
            .hold
            .as_ref()
            .filter(|h| h.collection || h.federation)
        {
            report.hold = Some(hold.message.clone().unwrap_or_default());
        }
        report.findings = ordered(status.findings);
        report.verdict = report.sentence(word);
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

/// Causes first, then what they lead to.
pub fn ordered(mut findings: Vec<FindingStatus>) -> Vec<FindingStatus> {
    findings.sort_by(|a, b| {
        (codes::order(&a.code), &a.subject).cmp(&(codes::order(&b.code), &b.subject))
    });
    findings
}

/// What the object remembers. An incident is known by its first and last sign and its count, so its lane is hatched.
pub fn live_history(overview: &Overview, now: Timestamp) -> History {
    let status = overview.status();
    let mut history = History::default();
    history.reach(now);
    let first = incident_start(overview);
    registrations(&mut history, overview, first);
    if let Some(hold) = status
        .hold
        .as_ref()
        .filter(|h| h.collection || h.federation)
        && let Some(since) = &hold.since
    {
        let label = hold.message.clone().unwrap_or_default();
        history.begins(Sort::Hold, "deletions held", &label, since.0);
        history.note(since.0, Sign::Told, "deletions are held");
    }
    acts(&mut history, &status.actions, now);
    for incident in &status.incidents {
        let (from, to) = (incident.first_seen_time.0, incident.last_seen_time.0);
        history.reach(from);
        let lane = history.lane(Sort::Workspace, &incident.workspace);
        lane.spans.push(Span {
            from,
            to: Some(to),
            label: format!("recreated {}", times(incident.recreations)),
            faint: true,
        });
        let text = format!(
            "first deletion; recreated {} until {to}",
            times(incident.recreations)
        );
        lane.marks.push(Mark {
            at: from,
            sign: Sign::Deleted,
            text,
        });
    }
    let mut losses: BTreeMap<(Timestamp, &str), usize> = BTreeMap::new();
    for lost in &status.lost_namespaces {
        *losses.entry((lost.time.0, &lost.workspace)).or_default() += 1;
    }
    for ((at, workspace), n) in losses {
        let text = format!("{n} namespaces lost");
        history.mark(
            Sort::Workspace,
            workspace,
            Mark {
                at,
                sign: Sign::Lost,
                text,
            },
        );
    }
    // The causes; what they led to has lanes of its own.
    for finding in status
        .findings
        .iter()
        .filter(|f| !matches!(f.code.as_str(), "FH001" | "FH002"))
    {
        history.note(
            finding.since.0,
            Sign::Told,
            format!("{} {}", finding.code, finding.subject),
        );
    }
    history.notes.sort_by_key(|m| m.at);
    history
}

/// Registrations of groups, and those made since the incident began. Those that stood long before would make the axis so long
/// that nothing could be seen on it.
fn registrations(history: &mut History, overview: &Overview, first: Option<Timestamp>) {
    let all = overview
        .planes
        .iter()
        .flat_map(|p| p.registrations.iter().map(move |r| (&p.namespace, r)));
    let old = |at: Timestamp| first.is_some_and(|f| at < f);
    let mut told: Vec<_> = all
        .filter_map(|(plane, r)| Some((plane, r, r.created?)))
        .filter(|(_, r, created)| r.group.is_some() || !old(*created))
        .collect();
    told.sort_by_key(|(_, r, _)| r.group.is_none());
    for (plane, r, created) in told.into_iter().take(REGISTRATIONS) {
        let name = format!("{plane}/{}", r.name);
        // Of one control plane the names tell apart, and a lane has room for little.
        let lane = if overview.planes.len() > 1 {
            &name
        } else {
            &r.name
        };
        let from = first.map_or(created, |f| created.max(f));
        history.begins(Sort::Registration, lane, &r.endpoint, from);
        if !old(created) {
            history.note(created, Sign::Created, format!("{name} is registered"));
        }
    }
}

/// What remediation did, for as long as it is in force.
fn acts(history: &mut History, actions: &[ActionStatus], now: Timestamp) {
    for action in actions {
        let ended = match State::parse(&action.state) {
            Some(State::Done | State::Verified | State::Intended | State::Undoing) => None,
            _ => Some(action.since.0),
        };
        let what = format!("{} {}", action.kind, action.name);
        history.reach(action.time.0);
        let lane = history.lane(Sort::Act, &action.action);
        lane.spans.push(Span {
            from: action.time.0,
            to: ended.or(Some(now)),
            label: what.clone(),
            faint: false,
        });
        let text = format!("{}: {what}, {}", action.action, action.state);
        lane.marks.push(Mark {
            at: action.time.0,
            sign: Sign::Told,
            text: text.clone(),
        });
        history.note(action.time.0, Sign::Told, text);
    }
}

/// The earliest thing that belongs to what is open or was lost, a minute before it begins.
fn incident_start(overview: &Overview) -> Option<Timestamp> {
    let status = overview.status();
    let open = status.findings.iter().map(|f| f.since.0);
    let past = status.incidents.iter().map(|i| i.first_seen_time.0);
    let lost = status.lost_namespaces.iter().map(|l| l.time.0);
    let first = open.chain(past).chain(lost).min()?;
    Timestamp::from_second(first.as_second() - 60).ok()
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
