//! The report of a recording, an audit log or a bundle.

use federation_health_api::v1alpha1::FindingStatus;
use federation_health_core::{findings::count, text::times};
use federation_health_report::{
    Report,
    document::ordered,
    picture::graph::{Bond, Membership, Name},
};

use super::analysis::Analysis;

/// Workspaces counted one by one.
const SHOWN: usize = 8;

/// Writes it.
pub fn report(analysis: Analysis, title: String) -> Report {
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
    let mut report = Report {
        title,
        at: analysis.to.unwrap_or_default(),
        healthy: word.to_owned(),
        conditions: analysis.status.conditions.clone(),
        risk: analysis.status.blast_radius.clone(),
        hold: analysis.hold.clone(),
        plan: analysis.status.plan.clone(),
        actions: analysis.status.actions.clone(),
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
        ..Report::default()
    };
    report.verdict = accusation.unwrap_or_else(|| report.sentence(word));
    report
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
            format!(
                "{}, recreated {}",
                count(c.deleted, "deletion"),
                times(c.recreated)
            ),
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
