//! One document that can be kept and passed on: verdict, timeline, who is registered where, findings, losses.

use std::collections::BTreeMap;

use federation_health_api::v1alpha1::{BlastRadius, FindingStatus, LostNamespace};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde::Serialize;

use crate::{
    codes,
    history::{History, Mark, Sign, Sort},
    offline::analysis::Analysis,
    overview::Overview,
    picture::graph::{Bond, Membership, Name},
};

pub mod html;
pub mod junit;
pub mod markdown;

/// Workspaces counted one by one.
const SHOWN: usize = 8;

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

    /// Of a recording, an audit log or a bundle.
    pub fn offline(analysis: Analysis, title: String) -> Self {
        let findings: Vec<FindingStatus> = analysis
            .findings
            .iter()
            .map(|o| o.finding.clone())
            .collect();
        let bad = !findings.is_empty() || !analysis.culprits.is_empty();
        let word = match (bad, analysis.unknown.is_empty()) {
            (true, _) => "False",
            (false, false) => "Unknown",
            (false, true) => "True",
        };
        let accusation = analysis.culprits.first().map(|c| {
            let same = if c.same.is_empty() {
                String::new()
            } else {
                format!(", which is {} once more", c.same.join(", "))
            };
            let lost = analysis.lost_namespaces.len();
            format!(
                "KubeFed deletes Workspaces through {}{same}. {lost} namespaces were lost.",
                c.registration
            )
        });
        let facts = facts(&analysis);
        let mut report = Self {
            title,
            at: analysis.to.unwrap_or_default(),
            healthy: word.to_owned(),
            conditions: analysis.status.conditions.clone(),
            risk: analysis.status.blast_radius.clone(),
            lost: analysis.lost_namespaces.clone(),
            facts,
            gaps: analysis
                .unread
                .iter()
                .chain(&analysis.unknown)
                .cloned()
                .collect(),
            membership: suspects(&analysis),
            history: analysis.history,
            findings: ordered(findings),
            ..Self::default()
        };
        report.verdict = accusation.unwrap_or_else(|| report.sentence(word));
        report
    }

    fn sentence(&self, healthy: &str) -> String {
        match (healthy, self.findings.first()) {
            ("True", _) => "Healthy: nothing is deleted that is wished for.".to_owned(),
            (_, Some(worst)) => worst.message.clone(),
            (_, None) => "It cannot be said whether the federation is healthy: something could not be judged.".to_owned(),
        }
    }
}

/// What a recording's culprits, moments and counts are, to be listed.
fn facts(analysis: &Analysis) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    for culprit in &analysis.culprits {
        facts.push((
            "KubeFed deletes through".to_owned(),
            culprit.registration.clone(),
        ));
        facts.extend(
            culprit
                .evidence
                .iter()
                .map(|e| ("Evidence".to_owned(), e.clone())),
        );
    }
    let moments = [
        ("Could have been known", analysis.known),
        ("A hold would have stood", analysis.held),
        ("First deletion of a Workspace", analysis.first_deletion),
    ];
    facts.extend(moments.iter().filter_map(|(what, at)| {
        let at = (*at)?.strftime("%Y-%m-%d %H:%M:%S%.3f UTC");
        Some(((*what).to_owned(), at.to_string()))
    }));
    let counts = analysis.workspaces.iter().filter(|(_, c)| c.deleted > 0);
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by_key(|(_, c)| std::cmp::Reverse(c.deleted));
    facts.extend(counts.iter().take(SHOWN).map(|(name, c)| {
        (
            format!("Workspace {name}"),
            format!("{} deletions, {} recreations", c.deleted, c.recreated),
        )
    }));
    if counts.len() > SHOWN {
        let more = format!("{} more Workspaces", counts.len() - SHOWN);
        facts.push((more, "deleted as well".to_owned()));
    }
    facts.extend(
        analysis
            .deeds
            .iter()
            .take(20)
            .map(|(what, n)| (what.clone(), format!("{n} requests"))),
    );
    facts
}

fn ordered(mut findings: Vec<FindingStatus>) -> Vec<FindingStatus> {
    findings.sort_by(|a, b| {
        (codes::order(&a.code), &a.subject).cmp(&(codes::order(&b.code), &b.subject))
    });
    findings
}

/// A recording names culprits; whose names they share is what the graph shows.
fn suspects(analysis: &Analysis) -> Membership {
    let mut membership = Membership::default();
    let mut done: Vec<&str> = Vec::new();
    let certain = analysis.findings.iter().any(|o| o.finding.code == "FH004");
    for culprit in &analysis.culprits {
        if culprit.same.is_empty() || done.contains(&culprit.registration.as_str()) {
            continue;
        }
        let cluster = membership.clusters.len();
        let names = std::iter::once(&culprit.registration).chain(&culprit.same);
        let total = 1 + culprit.same.len();
        membership
            .clusters
            .push(format!("one endpoint, {total} names"));
        for name in names {
            done.push(name);
            membership.names.push(Name {
                label: name.clone(),
                cluster,
                bond: if certain || !culprit.evidence.is_empty() {
                    Bond::Doubled
                } else {
                    Bond::Suspected
                },
            });
        }
    }
    membership
}

/// What the object remembers. An incident is known by its first and last sign and its count, so its lane is hatched.
pub fn live_history(overview: &Overview, now: Timestamp) -> History {
    let status = overview.status();
    let mut history = History::default();
    history.reach(now);
    let first = incident_start(overview);
    for plane in &overview.planes {
        for registration in &plane.registrations {
            // Those that stood long before would make the axis so long that nothing could be seen on it.
            let Some(created) = registration.created else {
                continue;
            };
            let at = first.map_or(created, |f| created.max(f));
            let old = first.is_some_and(|f| created < f);
            if registration.group.is_some() || !old {
                let name = format!("{}/{}", plane.namespace, registration.name);
                history.begins(Sort::Registration, &name, &registration.endpoint, at);
                if !old {
                    history.note(created, Sign::Created, format!("{name} is registered"));
                }
            }
        }
    }
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
    for incident in &status.incidents {
        let (from, to) = (incident.first_seen_time.0, incident.last_seen_time.0);
        history.reach(from);
        let lane = history.lane(Sort::Workspace, &incident.workspace);
        lane.spans.push(crate::history::Span {
            from,
            to: Some(to),
            label: format!("{} recreations", incident.recreations),
            faint: true,
        });
        let text = format!(
            "first deletion; recreated {} times until {to}",
            incident.recreations
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

/// The earliest thing that belongs to what is open or was lost, a minute before it begins.
fn incident_start(overview: &Overview) -> Option<Timestamp> {
    let status = overview.status();
    let open = status.findings.iter().map(|f| f.since.0);
    let past = status.incidents.iter().map(|i| i.first_seen_time.0);
    let lost = status.lost_namespaces.iter().map(|l| l.time.0);
    let first = open.chain(past).chain(lost).min()?;
    Timestamp::from_second(first.as_second() - 60).ok()
}
