//! A recording played through core, event by event, at the times at which they were received.

use std::collections::{BTreeMap, BTreeSet};

use federation_health_api::{
    FederationHealth,
    v1alpha1::{CollectionRule, FederationHealthStatus, FederationRule, FindingStatus},
};
use federation_health_core::{
    effect::Effect,
    facts::{Feed, FeedState},
    time::Time,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{analysis::Moment, input::Recorded};
use crate::{
    Error,
    history::{History, Mark, Sign, Sort},
    judge::Judge,
    kinds::Kind,
};

/// The events of the first list come together; a pause this long ends it.
const LIST_MS: i64 = 1000;
/// Between two verdicts while nothing structural changes: an assessment looks at every open finding.
const LOOK_MS: i64 = 50;
/// Findings kept: what 20,000 Workspaces at once can open.
const MAX_FINDINGS: usize = 65_536;

/// What a replay gives.
#[derive(Default)]
pub struct Replayed {
    /// The last verdict.
    pub status: FederationHealthStatus,
    /// Every finding that was ever open, with its first and last time; the last words.
    pub findings: BTreeMap<(String, String), (Moment, Moment, FindingStatus)>,
    /// When a hold would have been switched for the first time, had it been allowed.
    pub held: Option<Moment>,
    /// The first deletion of a Workspace.
    pub deletion: Option<(Moment, String)>,
    /// Objects that cannot be read.
    pub malformed: Vec<String>,
}

/// Plays the events.
pub fn play(events: &[Recorded], history: &mut History) -> Result<Replayed, Error> {
    let Some(first) = events.first().map(|e| e.at) else {
        return Ok(Replayed::default());
    };
    let mut object = FederationHealth::default();
    // Asks for what could have been had: when would a hold have come?
    object.spec.hold.collection = CollectionRule::OnDiagnosis;
    object.spec.hold.federation = FederationRule::OnDiagnosis;
    let mut judge = Judge::new(&object, time(first))?;
    let mut replayed = Replayed::default();
    let listed = initial(events);
    let recorded: BTreeSet<Kind> = events.iter().filter_map(|e| Kind::of(&e.object)).collect();
    list(&mut judge, &events[..listed], &recorded, history, first);
    let mut looked = time(first);
    look(&mut judge, first, &mut replayed);
    for event in &events[listed..] {
        let now = time(event.at);
        let Some(kind) = Kind::of(&event.object) else {
            continue;
        };
        let gone = event.type_ == "DELETED";
        let effects = judge.object(&kind, &event.object, gone, now);
        let ticked = judge.tick(now);
        hold(&effects, event.at, &mut replayed);
        hold(&ticked, event.at, &mut replayed);
        tell(&kind, event, false, history);
        if kind == Kind::Workspace
            && replayed.deletion.is_none()
            && (gone || deleting(&event.object))
        {
            replayed.deletion = Some((event.at, name(&event.object).to_owned()));
        }
        let structural = !matches!(
            kind.feed(),
            Feed::Workspaces | Feed::Namespaces | Feed::Federated(_)
        );
        if structural || now.since_ms(looked) >= LOOK_MS {
            looked = now;
            look(&mut judge, event.at, &mut replayed);
        }
    }
    if let Some(last) = events.last() {
        look(&mut judge, last.at, &mut replayed);
        replayed.status = judge.status(time(last.at));
    }
    replayed.malformed = std::mem::take(&mut judge.malformed);
    Ok(replayed)
}

/// How many events belong to the first list: all ADDED, without a pause, each object once.
fn initial(events: &[Recorded]) -> usize {
    let mut seen = BTreeSet::new();
    let mut before = events.first().map(|e| e.at).unwrap_or_default();
    for (i, event) in events.iter().enumerate() {
        let key = (
            event.object["kind"].as_str(),
            event.object["metadata"]["namespace"].as_str(),
            name(&event.object),
        );
        let pause = event.at.as_millisecond() - before.as_millisecond();
        if event.type_ != "ADDED" || pause > LIST_MS || !seen.insert(key) {
            return i;
        }
        before = event.at;
    }
    events.len()
}

/// A federation may well have none of these.
fn optional(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Cluster | Kind::Template | Kind::Config | Kind::Type | Kind::Definition
    )
}

fn list(
    judge: &mut Judge,
    events: &[Recorded],
    recorded: &BTreeSet<Kind>,
    history: &mut History,
    at: Timestamp,
) {
    let mut by_kind: BTreeMap<Kind, Vec<&Recorded>> = BTreeMap::new();
    for event in events {
        if let Some(kind) = Kind::of(&event.object) {
            tell(&kind, event, true, history);
            by_kind.entry(kind).or_default().push(event);
        }
    }
    let mut order = Kind::fixed();
    order.extend(
        by_kind
            .keys()
            .filter(|k| !Kind::fixed().contains(k))
            .cloned()
            .collect::<Vec<_>>(),
    );
    for kind in order {
        // Empty so far, or never recorded: the second says nothing of what there was.
        if !by_kind.contains_key(&kind) && !recorded.contains(&kind) && !optional(&kind) {
            judge.state(&kind, FeedState::Pending, time(at));
            continue;
        }
        judge.begin(&kind);
        for event in by_kind.remove(&kind).unwrap_or_default() {
            judge.object(&kind, &event.object, false, time(at));
        }
        judge.end(&kind, time(at));
    }
}

fn look(judge: &mut Judge, at: Timestamp, replayed: &mut Replayed) {
    let status = judge.status(time(at));
    for finding in status.findings {
        let key = (finding.code.clone(), finding.subject.clone());
        if let Some(known) = replayed.findings.get_mut(&key) {
            known.1 = at;
            known.2 = finding;
        } else if replayed.findings.len() < MAX_FINDINGS {
            replayed.findings.insert(key, (at, at, finding));
        }
    }
}

fn hold(effects: &[Effect], at: Timestamp, replayed: &mut Replayed) {
    let raised = effects
        .iter()
        .any(|e| matches!(e, Effect::Raise(image) if image.collection || image.federation));
    if raised && replayed.held.is_none() {
        replayed.held = Some(at);
    }
}

/// Writes an event into the history; what the first list has was there before, and nobody knows since when.
fn tell(kind: &Kind, event: &Recorded, listed: bool, history: &mut History) {
    let sort = match kind {
        Kind::Registration => Sort::Registration,
        Kind::Controller => Sort::Controller,
        Kind::Workspace => Sort::Workspace,
        Kind::Namespace if owned(&event.object) => Sort::Namespace,
        _ => return,
    };
    let name = name(&event.object);
    let uid = event.object["metadata"]["uid"].as_str().unwrap_or_default();
    let fresh = history
        .lane(sort, name)
        .spans
        .last()
        .is_none_or(|s| s.label != uid);
    if event.type_ == "DELETED" {
        history.ends(sort, name, event.at);
        let text = format!("{} {name} is gone (UID {uid})", sort.as_str());
        let sign = if sort == Sort::Namespace {
            Sign::Lost
        } else {
            Sign::Deleted
        };
        history.mark(
            sort,
            name,
            Mark {
                at: event.at,
                sign,
                text,
            },
        );
        return;
    }
    history.begins(sort, name, uid, event.at);
    if fresh && !listed && event.type_ == "ADDED" {
        let text = format!("{} {name} is there (UID {uid})", sort.as_str());
        history.mark(
            sort,
            name,
            Mark {
                at: event.at,
                sign: Sign::Created,
                text,
            },
        );
    }
    if sort == Sort::Controller {
        scaled(event, name, history);
    }
}

/// A controller that is scaled to zero does nothing: its span ends there.
fn scaled(event: &Recorded, name: &str, history: &mut History) {
    if event.object["spec"]["replicas"].as_i64() == Some(0) {
        history.ends(Sort::Controller, name, event.at);
    }
}

fn owned(object: &Value) -> bool {
    object["metadata"]["labels"]
        .get("kubesphere.io/workspace")
        .is_some()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn deleting(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}

/// A recorded instant for the decisions.
pub fn time(at: Timestamp) -> Time {
    Time(at.as_millisecond())
}
