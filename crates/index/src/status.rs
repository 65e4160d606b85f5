//! Assessment to status, and what a new process takes up from it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use federation_health_api::v1alpha1::{
    BlastRadius, ClusterGroup, FederationHealthStatus, FindingStatus, GroupMember, HoldStatus,
    Incident, JoinGuardStatus, LostNamespace, Summary,
};
use federation_health_core::{
    assess::{Assessment, ConditionState, Since},
    effect::Rule,
    federation::Federation,
    findings::{self, Finding},
    id::{Text, Uid},
    joined::Joined,
    ledger::{self, Lost, Restored, Suspect},
    text::clip,
    time::Time,
    view::{GroupView, MemberView},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    facts,
    hold::wire,
    remedy,
    time::{instant, wire_time},
};

/// Bound of a finding's message in the CRD.
const MAX_MESSAGE: usize = 1024;
/// Bound of a subject in the CRD.
const MAX_SUBJECT: usize = 512;
/// Lines of evidence in the CRD.
const MAX_EVIDENCE: usize = 16;
/// Length of one line of evidence: names are up to 253 characters, and 16 of them make a line.
const MAX_LINE: usize = 512;

/// Bytes of all suspects: the 256 that are remembered, with names of twenty bytes; longer names are fewer, the heaviest first.
const MAX_SUSPECTS_BYTES: usize = 14 << 10;

/// The status that says what the assessment says.
///
/// Times of conditions and findings are kept from `before` while nothing changed, so that equal judgements give equal bytes.
pub fn status(
    assessment: &Assessment,
    federation: &Federation,
    generation: i64,
    max_incidents: usize,
    before: Option<&FederationHealthStatus>,
    now: Time,
) -> FederationHealthStatus {
    let ledger = federation.ledger();
    let incidents = incidents(ledger, max_incidents);
    let known = before.map_or(&[][..], |status| &status.conditions);
    FederationHealthStatus {
        observed_generation: Some(generation),
        conditions: assessment
            .conditions
            .iter()
            .map(|c| condition(c, generation, known, now))
            .collect(),
        summary: Some(Summary {
            clusters: assessment.clusters as i64,
            workspaces: assessment.workspaces as i64,
            workspaces_churning: assessment.churning as i64,
            namespaces_at_risk: assessment.radius.namespaces as i64,
            namespaces_lost: ledger.lost_total() as i64,
            recreations: ledger.recreations() as i64,
            findings: assessment.findings_total as i64,
            truncated: assessment.findings_total > assessment.findings.len(),
        }),
        hold: held(federation),
        join_guard: join_guard(&assessment.joined, before),
        cluster_groups: assessment.groups.iter().map(group).collect(),
        findings: assessment.findings.iter().map(finding).collect(),
        blast_radius: radius(assessment),
        plan: federation.remedy().plan().map(remedy::plan),
        actions: Vec::new(),
        actions_of: None,
        suspects: suspects(federation, &incidents, now),
        incidents,
        lost_namespaces: ledger.lost().iter().map(lost).collect(),
    }
}

/// A copy of the switch while anything is held.
fn held(federation: &Federation) -> Option<HoldStatus> {
    let image = federation.hold().written();
    Rule::ALL
        .into_iter()
        .any(|rule| image.holds(rule))
        .then(|| wire(&image))
}

/// What is known already stays while the registrations have not been read: an emptied list would let everything pass.
fn join_guard(joined: &Joined, before: Option<&FederationHealthStatus>) -> Option<JoinGuardStatus> {
    let text = |map: &BTreeMap<Text, String>| {
        map.iter()
            .map(|(key, owner)| (key.to_string(), owner.clone()))
            .collect()
    };
    match joined {
        Joined::Off => None,
        Joined::Unread => before.and_then(|status| status.join_guard.clone()),
        Joined::Read(list) => Some(JoinGuardStatus {
            endpoints: text(&list.endpoints),
            authorities: text(&list.authorities),
        }),
    }
}

/// A status of one condition: for an object that is not served.
pub fn single(state: &ConditionState, generation: i64, now: Time) -> FederationHealthStatus {
    FederationHealthStatus {
        observed_generation: Some(generation),
        conditions: vec![condition(state, generation, &[], now)],
        ..FederationHealthStatus::default()
    }
}

fn condition(state: &ConditionState, generation: i64, known: &[Condition], now: Time) -> Condition {
    let type_ = state.type_.as_str();
    let status = state.status.as_str();
    let same = known
        .iter()
        .find(|c| c.type_ == type_ && c.status == status);
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: state.reason.as_str().to_owned(),
        message: state.message.clone(),
        observed_generation: Some(generation),
        last_transition_time: same
            .map_or_else(|| wire_time(now), |c| c.last_transition_time.clone()),
    }
}

fn finding((finding, since): &(Finding, Time)) -> FindingStatus {
    FindingStatus {
        code: finding.code.to_owned(),
        severity: finding.severity.as_str().to_owned(),
        subject: clip(&finding.subject, MAX_SUBJECT).to_owned(),
        since: wire_time(*since),
        message: clip(&finding.message, MAX_MESSAGE).to_owned(),
        evidence: finding
            .evidence
            .iter()
            .take(MAX_EVIDENCE)
            .map(|e| clip(e, MAX_LINE).to_owned())
            .collect(),
        next: Some(clip(&finding.next, MAX_MESSAGE).to_owned()),
    }
}

fn group(group: &GroupView) -> ClusterGroup {
    ClusterGroup {
        members: group.members.iter().map(member).collect(),
        evidence: group
            .evidence
            .iter()
            .take(MAX_EVIDENCE)
            .map(|e| clip(e, MAX_LINE).to_owned())
            .collect(),
        certain: group.certain,
        host: group.host,
    }
}

fn member(member: &MemberView) -> GroupMember {
    GroupMember {
        namespace: member.key.namespace.to_string(),
        name: member.key.name.to_string(),
        uid: member.uid.to_string(),
        ready: member.ready.as_str().to_owned(),
        creation_time: member.created.map(wire_time),
        staleness: member.staleness.clone(),
    }
}

fn radius(assessment: &Assessment) -> Option<BlastRadius> {
    let radius = &assessment.radius;
    let any = radius.workspaces + radius.objects > 0;
    let names = |list: &[Text]| list.iter().map(ToString::to_string).collect();
    any.then(|| BlastRadius {
        workspaces: radius.workspaces as i64,
        namespaces: radius.namespaces as i64,
        objects: radius.objects as i64,
        workspace_names: names(&radius.workspace_names),
        namespace_names: names(&radius.namespace_names),
        object_names: radius.object_names.clone(),
        workloads: radius.contents.map(|c| c.workloads as i64),
        bound_claims: radius.contents.map(|c| c.bound_claims as i64),
    })
}

fn incidents(ledger: &ledger::Ledger, max: usize) -> Vec<Incident> {
    let mut list: Vec<_> = ledger.incidents().iter().collect();
    list.sort_by(|a, b| (b.1.last, a.0).cmp(&(a.1.last, b.0)));
    let shown = list.into_iter().take(max);
    shown
        .map(|(workspace, incident)| Incident {
            workspace: workspace.to_string(),
            first_seen_time: wire_time(incident.first),
            last_seen_time: wire_time(incident.last),
            recreations: incident.recreations as i64,
            parties: incident.parties.iter().map(ToString::to_string).collect(),
            namespaces_lost: incident.lost as i64,
            penalties_milli: incident.penalties_milli.map(i64::from).to_vec(),
        })
        .collect()
}

/// Those that no shown incident remembers.
fn suspects(federation: &Federation, shown: &[Incident], now: Time) -> Vec<String> {
    let shown: BTreeSet<&str> = shown.iter().map(|i| i.workspace.as_str()).collect();
    let mut suspects: Vec<_> = federation
        .suspects(now)
        .filter(|(name, _)| !shown.contains(&***name))
        .collect();
    let weight = |suspect: &Suspect| Reverse(suspect.penalties_milli[1]);
    suspects.sort_by(|a, b| (weight(&a.1), a.0).cmp(&(weight(&b.1), b.0)));
    let mut left = MAX_SUSPECTS_BYTES;
    let lines = suspects.into_iter().map_while(|(name, suspect)| {
        let [fast, slow] = suspect.penalties_milli;
        let line = format!("{name} {} {fast} {slow}", wire_time(suspect.last).0);
        left = left.checked_sub(line.len() + 3)?;
        Some(line)
    });
    // By name: what changes one count moves no other line.
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// A line of [`suspects`]; what cannot be read is nobody's.
fn suspect(line: &str) -> Option<(Text, Suspect)> {
    let mut words = line.split(' ');
    let (name, last) = (words.next()?, facts::time(words.next()?)?);
    let mut count = || words.next()?.parse::<u32>().ok();
    let penalties_milli = [count()?, count()?];
    let suspect = Suspect {
        last,
        penalties_milli,
    };
    Some((Text::from(name), suspect))
}

fn lost(lost: &Lost) -> LostNamespace {
    LostNamespace {
        name: lost.name.to_string(),
        uid: lost.uid.to_string(),
        workspace: lost.workspace.to_string(),
        time: wire_time(lost.at),
    }
}

/// What a new process takes up from the status that an earlier one left. Nothing happened later than `now`: counts of a clock
/// that was ahead would not decay until then.
pub fn restored(status: &FederationHealthStatus, now: Time) -> (Restored, Since) {
    let incidents = status.incidents.iter().map(|i| {
        let incident = ledger::Incident {
            first: instant(&i.first_seen_time).min(now),
            last: instant(&i.last_seen_time).min(now),
            recreations: i.recreations.max(0) as u64,
            parties: i.parties.iter().map(|p| Text::from(p.as_str())).collect(),
            lost: i.namespaces_lost.max(0) as u64,
            penalties_milli: penalties(&i.penalties_milli),
        };
        (Text::from(i.workspace.as_str()), incident)
    });
    let lost = status.lost_namespaces.iter().map(|l| Lost {
        name: Text::from(l.name.as_str()),
        uid: Uid::parse(&l.uid).unwrap_or_default(),
        workspace: Text::from(l.workspace.as_str()),
        at: instant(&l.time),
    });
    let suspects = status.suspects.iter().filter_map(|line| suspect(line));
    let suspects = suspects.map(|(name, suspect)| {
        let last = suspect.last.min(now);
        (name, Suspect { last, ..suspect })
    });
    let summary = status.summary.clone().unwrap_or_default();
    let ledger = Restored {
        incidents: incidents.collect(),
        lost: lost.collect(),
        lost_total: summary.namespaces_lost.max(0) as u64,
        recreations: summary.recreations.max(0) as u64,
        suspects: suspects.collect(),
    };
    (ledger, since(status))
}

/// Counts that are missing, or that nobody could have counted, are none.
fn penalties(milli: &[i64]) -> [u32; 2] {
    [0, 1].map(|scale| {
        let counted = milli.get(scale).copied().unwrap_or_default();
        u32::try_from(counted).unwrap_or_default()
    })
}

fn since(status: &FederationHealthStatus) -> Since {
    let mut since = BTreeMap::new();
    for finding in &status.findings {
        if let Some(about) = findings::about(&finding.code) {
            since.insert(
                (about.code, finding.subject.clone()),
                instant(&finding.since),
            );
        }
    }
    since
}

#[cfg(test)]
mod tests;
