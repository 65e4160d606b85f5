//! What a recording, an audit log or a bundle amounts to: who, what was lost, and when it could have been known.

use std::collections::{BTreeMap, BTreeSet};

use federation_health_api::v1alpha1::{FederationHealthStatus, FindingStatus, LostNamespace};
use federation_health_report::{codes, live::remembered};
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    audit, bundle, culprits,
    input::Material,
    replay::{self, Replayed},
};
use crate::{
    Error,
    history::{History, Mark, Sign, Sort},
    kinds::Kind,
};

/// An instant of a recording.
pub type Moment = Timestamp;

/// A finding and when it was open.
#[derive(Clone, Debug, Serialize)]
pub struct Opened {
    /// First seen.
    pub first: Moment,
    /// Last seen.
    pub last: Moment,
    /// The finding.
    #[serde(flatten)]
    pub finding: FindingStatus,
}

/// What happened to one Workspace, counted from the file's own events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// It went.
    pub deleted: usize,
    /// It came with a new UID.
    pub recreated: usize,
}

/// Who deletes.
#[derive(Clone, Debug, Serialize)]
pub struct Culprit {
    /// The registration through which KubeFed deletes.
    pub registration: String,
    /// Namespace of its control plane, where known.
    pub namespace: Option<String>,
    /// When it was registered, where the file has it.
    pub registered: Option<Moment>,
    /// Names of the same endpoint.
    #[serde(rename = "sameEndpointAs")]
    pub same: Vec<String>,
    /// What says so.
    pub evidence: Vec<String>,
}

/// The answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// What was read: events, requests, objects.
    pub read: BTreeMap<&'static str, usize>,
    /// First and last moment.
    pub from: Option<Moment>,
    /// Last moment.
    pub to: Option<Moment>,
    /// Who deletes, the one with most evidence first.
    pub culprits: Vec<Culprit>,
    /// Findings, worst first.
    pub findings: Vec<Opened>,
    /// When it could have been known.
    pub known: Option<Moment>,
    /// When a hold would have been switched, had one been allowed.
    pub held: Option<Moment>,
    /// The first deletion of a Workspace.
    pub first_deletion: Option<Moment>,
    /// Whether anything was held, in a sentence; None where the file does not say.
    pub hold: Option<String>,
    /// Workspaces with their counts.
    pub workspaces: BTreeMap<String, Counts>,
    /// Lost namespaces.
    pub lost_namespaces: Vec<LostNamespace>,
    /// Writes by user, verb and resource, from an audit log.
    pub deeds: Vec<(String, usize)>,
    /// What could not be read.
    pub unread: Vec<String>,
    /// Checks that could not be judged, and why: not healthy, whatever else was found.
    pub unknown: Vec<String>,
    /// CA bundles that were taken out of the file: identity is weaker without them.
    pub redacted: bool,
    /// The last verdict.
    #[serde(skip)]
    pub status: FederationHealthStatus,
    /// What happened.
    #[serde(skip)]
    pub history: History,
}

/// Judges what was read.
pub fn analyse(material: &Material) -> Result<Analysis, Error> {
    let mut history = History::default();
    let mut analysis = Analysis::default();
    for (what, count) in [
        ("events", material.events.len()),
        ("requests", material.deeds.len()),
        ("objects", material.objects.len()),
    ] {
        if count > 0 {
            analysis.read.insert(what, count);
        }
    }
    let replayed = replay::play(&material.events, &mut history)?;
    let bundle = material.events.is_empty() && !material.objects.is_empty();
    if bundle {
        bundle::judge(material, &mut analysis)?;
        remembered(
            &mut history,
            &analysis.status,
            analysis.to.unwrap_or_default(),
        );
    } else {
        take(replayed, &mut analysis);
        count(material, &mut analysis);
    }
    requests(material, &mut analysis, &mut history);
    analysis.unknown = unknown(&analysis.status);
    analysis.culprits = culprits::find(material);
    analysis.unread.extend(material.unread.iter().cloned());
    analysis.redacted = registrations(material).any(redacted);
    notes(&analysis, &mut history);
    // Of a bundle they are in what its object remembers.
    if !bundle {
        losses(&analysis, &mut history);
    }
    history.notes.sort_by_key(|m| m.at);
    // A bundle is one moment.
    let timed = !material.events.is_empty() || !material.deeds.is_empty();
    if let Some((from, to)) = history.bounds.filter(|_| timed) {
        (analysis.from, analysis.to) = (Some(from), Some(to));
    }
    analysis.history = history;
    Ok(analysis)
}

fn take(replayed: Replayed, analysis: &mut Analysis) {
    let mut findings: Vec<Opened> = replayed
        .findings
        .into_values()
        .map(|(first, last, finding)| Opened {
            first,
            last,
            finding,
        })
        .collect();
    findings.sort_by(|a, b| {
        let rank = |o: &Opened| {
            (
                codes::rank(&o.finding.severity),
                o.finding.code.clone(),
                o.finding.subject.clone(),
            )
        };
        rank(a).cmp(&rank(b))
    });
    // What names the cause, not what it led to.
    let cause = |o: &&Opened| {
        matches!(
            o.finding.code.as_str(),
            "FH004" | "FH005" | "FH007" | "FH009" | "FH010" | "FH024"
        )
    };
    analysis.known = findings.iter().filter(cause).map(|o| o.first).min();
    analysis.findings = findings;
    analysis.held = replayed.held;
    analysis.first_deletion = replayed.deletion.map(|(at, _)| at);
    analysis
        .lost_namespaces
        .clone_from(&replayed.status.lost_namespaces);
    analysis.lost_namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    analysis.unread = replayed.malformed;
    analysis.status = replayed.status;
}

/// What the last verdict leaves open. A suspicion is a finding of its own.
fn unknown(status: &FederationHealthStatus) -> Vec<String> {
    const JUDGED: [&str; 4] = [
        "ClustersUnique",
        "RegistrationsCurrent",
        "WorkspacesStable",
        "NamespacesSafe",
    ];
    if status.conditions.is_empty() {
        let why = "registrations and placements are not in an audit log, so whether they are in order is unknown: a bundle of kubectl federation-health gather has them";
        return vec![why.to_owned()];
    }
    let open = status.conditions.iter().filter(|c| {
        JUDGED.contains(&c.type_.as_str())
            && c.status == "Unknown"
            && c.reason != "SuspectedDuplicate"
    });
    open.map(|c| format!("{}: {}", c.type_, c.message))
        .collect()
}

/// The file's own events, counted apart from any judgement.
fn count(material: &Material, analysis: &mut Analysis) {
    let mut uids: BTreeMap<&str, &str> = BTreeMap::new();
    for event in &material.events {
        if Kind::of(&event.object) != Some(Kind::Workspace) {
            continue;
        }
        let meta = &event.object["metadata"];
        let (name, uid) = (text(&meta["name"]), text(&meta["uid"]));
        let counts = analysis.workspaces.entry(name.to_owned()).or_default();
        match event.type_.as_str() {
            "DELETED" => counts.deleted += 1,
            "ADDED" => {
                let known = uids.insert(name, uid);
                counts.recreated += usize::from(known.is_some_and(|k| k != uid));
            }
            _ => {}
        }
    }
}

/// An audit log: who did what, and lanes where no recording has them.
fn requests(material: &Material, analysis: &mut Analysis, history: &mut History) {
    let mut sums: BTreeMap<String, usize> = BTreeMap::new();
    let recorded = !material.events.is_empty();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let known = registered(material);
    for deed in &material.deeds {
        let refused = if deed.refused { " (refused)" } else { "" };
        let line = format!(
            "{}: {} {}{refused}",
            audit::who(&deed.user, &known),
            deed.verb,
            deed.resource
        );
        *sums.entry(line).or_default() += 1;
        if deed.resource != "workspaces" || deed.refused || recorded {
            continue;
        }
        let counts = analysis.workspaces.entry(deed.name.clone()).or_default();
        let by = format!(
            "{} {} {}",
            audit::who(&deed.user, &known),
            deed.verb,
            deed.name
        );
        let mark = |sign| Mark {
            at: deed.at,
            sign,
            text: by.clone(),
        };
        match deed.verb.as_str() {
            "delete" => {
                counts.deleted += 1;
                analysis.first_deletion.get_or_insert(deed.at);
                history.mark(Sort::Workspace, &deed.name, mark(Sign::Deleted));
                history.ends(Sort::Workspace, &deed.name, deed.at);
                seen.insert(&deed.name);
            }
            "create" => {
                counts.recreated += usize::from(seen.contains(deed.name.as_str()));
                let uid = deed
                    .uid
                    .map_or_else(|| format!("created {}", deed.at), |u| u.to_string());
                history.begins(Sort::Workspace, &deed.name, &uid, deed.at);
                history.mark(Sort::Workspace, &deed.name, mark(Sign::Created));
            }
            _ => {}
        }
    }
    let mut deeds: Vec<(String, usize)> = sums.into_iter().collect();
    deeds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    analysis.deeds = deeds;
}

pub(super) fn registrations(material: &Material) -> impl Iterator<Item = &Value> {
    let recorded = material.events.iter().map(|e| &e.object);
    recorded
        .chain(&material.objects)
        .filter(|o| Kind::of(o) == Some(Kind::Registration))
}

/// Names of registrations that the file knows, of those that came and went too.
pub(super) fn registered(material: &Material) -> BTreeSet<&str> {
    let objects = registrations(material).map(|r| text(&r["metadata"]["name"]));
    let deeds = material.deeds.iter();
    let joined = deeds.filter(|d| d.resource == "kubefedclusters");
    objects.chain(joined.map(|d| &*d.name)).collect()
}

/// There is a CA bundle, and it is none.
fn redacted(registration: &Value) -> bool {
    let bundle = text(&registration["spec"]["caBundle"]);
    !bundle.is_empty() && federation_health_index::ca::ca_fingerprint(bundle).is_err()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The moments that matter, for every form of the timeline.
fn notes(analysis: &Analysis, history: &mut History) {
    for culprit in &analysis.culprits {
        if let Some(at) = culprit.registered {
            history.note(
                at,
                Sign::Created,
                format!("{} is registered", culprit.registration),
            );
        }
    }
    if let Some(at) = analysis.known {
        history.note(at, Sign::Told, "it could have been known");
    }
    if let Some(at) = analysis.held {
        history.note(
            at,
            Sign::Told,
            "a hold would have been switched, had one been allowed",
        );
    }
    if let Some(at) = analysis.first_deletion {
        history.note(at, Sign::Deleted, "first deletion of a Workspace");
    }
}

fn losses(analysis: &Analysis, history: &mut History) {
    let mut losses: BTreeMap<&str, (Timestamp, usize)> = BTreeMap::new();
    for lost in &analysis.lost_namespaces {
        // The object keeps whole seconds; no namespace is lost before the first deletion.
        let at = analysis
            .first_deletion
            .map_or(lost.time.0, |first| first.max(lost.time.0));
        let entry = losses.entry(&lost.workspace).or_insert((at, 0));
        *entry = (entry.0.max(at), entry.1 + 1);
    }
    for (workspace, (at, n)) in &losses {
        let text = format!("{n} namespaces of {workspace} are lost");
        history.mark(
            Sort::Workspace,
            workspace,
            Mark {
                at: *at,
                sign: Sign::Lost,
                text,
            },
        );
    }
    if let Some(last) = losses.values().map(|(at, _)| *at).max() {
        let text = format!("{} namespaces are lost", analysis.lost_namespaces.len());
        history.note(last, Sign::Lost, text);
    }
}
