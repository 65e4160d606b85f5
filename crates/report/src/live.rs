//! What an object remembers, as lanes: of what it judges now there is no recording.

use std::collections::BTreeMap;

use federation_health_api::v1alpha1::{ActionStatus, FederationHealthStatus};
use federation_health_core::{
    remedy::{journal::State, rung::Rung},
    text::times,
};
use k8s_openapi::jiff::Timestamp;

use crate::{
    codes,
    federation::Overview,
    history::{History, Mark, Sign, Sort, Span},
};

/// Registrations with lanes of their own: as many as fit a screen.
const REGISTRATIONS: usize = 24;

/// Of a federation as it is now.
pub fn history(overview: &Overview, now: Timestamp) -> History {
    let status = overview.status();
    let mut history = History::default();
    history.reach(now);
    registrations(&mut history, overview, incident_start(&status));
    remembered(&mut history, &status, now);
    controllers(&mut history, overview, now);
    history
}

/// What the object's status keeps of the past.
pub fn remembered(history: &mut History, status: &FederationHealthStatus, now: Timestamp) {
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
    acts(history, &status.actions, now);
    incidents(history, status);
    findings(history, status);
    history.notes.sort_by_key(|m| m.at);
}

/// An incident is known by its first and last sign and its count, so its lane is hatched.
fn incidents(history: &mut History, status: &FederationHealthStatus) {
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
}

/// A lane for each code that is open. Notes are of causes alone: what they led to has lanes of its own.
fn findings(history: &mut History, status: &FederationHealthStatus) {
    for finding in &status.findings {
        let since = finding.since.0;
        history.reach(since);
        history.lane(Sort::Finding, &finding.code).spans.push(Span {
            from: since,
            to: None,
            label: finding.subject.clone(),
            faint: false,
        });
        if !codes::is_history(&finding.code) {
            let text = format!("{} {}", finding.code, finding.subject);
            history.note(since, Sign::Told, text);
        }
    }
}

/// KubeFed of each control plane: it runs, but for the times in which an act of ours makes it stand still. One that somebody
/// else stopped has no lane: nobody knows since when.
fn controllers(history: &mut History, overview: &Overview, now: Timestamp) {
    let status = overview.status();
    let mut stops: BTreeMap<&str, Vec<(Timestamp, Option<Timestamp>)>> = BTreeMap::new();
    for action in &status.actions {
        let stopped = match State::parse(&action.state) {
            Some(State::Done | State::Verified | State::Undoing) => None,
            Some(State::Undone | State::Revoked) => Some(action.since.0.max(action.time.0)),
            _ => continue,
        };
        if Rung::parse(&action.action) == Some(Rung::FreezeControllers) {
            let plane = action.namespace.as_deref().unwrap_or_default();
            let of_plane = stops.entry(plane).or_default();
            of_plane.push((action.time.0, stopped));
        }
    }
    let begin = history.bounds.map_or(now, |(from, _)| from);
    for plane in &overview.planes {
        let known = stops.remove(plane.namespace.as_str()).unwrap_or_default();
        let runs = plane.replicas.is_some_and(|(_, wished)| wished > 0);
        if runs || !known.is_empty() {
            let from = plane.since.map_or(begin, |since| since.max(begin));
            let lane = history.lane(Sort::Controller, &plane.namespace);
            lane.spans = between(from, known, runs);
        }
    }
}

/// The times outside these, the last one only if what they are of stands now.
fn between(
    begin: Timestamp,
    mut stops: Vec<(Timestamp, Option<Timestamp>)>,
    stands: bool,
) -> Vec<Span> {
    let span = |from, to| Span {
        from,
        to,
        label: "runs".to_owned(),
        faint: false,
    };
    stops.sort();
    let mut spans = Vec::new();
    let mut from = Some(begin);
    for (stop, again) in stops {
        if let Some(from) = from.filter(|from| *from < stop) {
            spans.push(span(from, Some(stop)));
        }
        from = again;
    }
    if let Some(from) = from.filter(|_| stands) {
        spans.push(span(from, None));
    }
    spans
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
        // The clock of whoever looks may trail the operator's.
        let to = ended.unwrap_or(now).max(action.time.0);
        history.reach(action.time.0);
        history.reach(to);
        let lane = history.lane(Sort::Act, &action.action);
        lane.spans.push(Span {
            from: action.time.0,
            to: Some(to),
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
fn incident_start(status: &FederationHealthStatus) -> Option<Timestamp> {
    let open = status.findings.iter().map(|f| f.since.0);
    let past = status.incidents.iter().map(|i| i.first_seen_time.0);
    let lost = status.lost_namespaces.iter().map(|l| l.time.0);
    let first = open.chain(past).chain(lost).min()?;
    Timestamp::from_second(first.as_second() - 60).ok()
}
