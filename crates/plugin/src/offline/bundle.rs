//! A bundle is one look: judged as preflight judges a server.

use std::collections::BTreeSet;

use federation_health_api::{
    FederationHealth,
    v1alpha1::{FederationHealthStatus, FindingStatus},
};
use federation_health_core::facts::FeedState;
use federation_health_report::document::held;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};

use super::{
    analysis::{Analysis, Opened, text},
    input::Material,
    replay,
};
use crate::{
    Error, codes,
    judge::{JUDGED, Judge},
    kinds::Kind,
};

/// Fills in what the objects of a bundle say.
pub(super) fn judge(material: &Material, analysis: &mut Analysis) -> Result<(), Error> {
    let own = material
        .objects
        .iter()
        .find(|o| o["kind"] == "FederationHealth");
    let own: FederationHealth = own
        .and_then(|o| serde::Deserialize::deserialize(o).ok())
        .unwrap_or_default();
    let now = newest(material);
    analysis.to = Some(now);
    let mut judge = Judge::new(&own, replay::time(now))?;
    let mut kinds = Kind::fixed();
    kinds.extend(material.objects.iter().filter_map(Kind::of));
    let mut done = BTreeSet::new();
    for kind in kinds {
        if !done.insert(kind.clone()) {
            continue;
        }
        let mut objects = material
            .objects
            .iter()
            .filter(|o| Kind::of(o).as_ref() == Some(&kind))
            .peekable();
        // A kind of which the bundle has no object may be absent, or may not have been gathered.
        if objects.peek().is_none()
            && !matches!(
                kind,
                Kind::Federated(_) | Kind::Cluster | Kind::Template | Kind::Definition
            )
        {
            judge.state(&kind, FeedState::Pending, replay::time(now));
            continue;
        }
        judge.begin(&kind);
        for object in objects {
            judge.object(&kind, object, false, replay::time(now));
        }
        judge.end(&kind, replay::time(now));
    }
    let mut status = judge.look(replay::time(now));
    analysis.unread = judge.malformed;
    let before = own.status.unwrap_or_default();
    analysis.hold = held(&before);
    remembered(before, &mut status);
    analysis.findings = status
        .findings
        .iter()
        .map(|f| Opened {
            first: f.since.0.min(now),
            last: now,
            finding: f.clone(),
        })
        .collect();
    analysis.lost_namespaces.clone_from(&status.lost_namespaces);
    analysis.status = status;
    Ok(())
}

/// What one look cannot see, and the operator wrote down: what happened over time, what it holds, what it does.
fn remembered(before: FederationHealthStatus, status: &mut FederationHealthStatus) {
    let history = |f: &FindingStatus| codes::is_history(&f.code);
    status.findings.retain(|f| !history(f));
    for finding in &mut status.findings {
        let same = |f: &&FindingStatus| (&f.code, &f.subject) == (&finding.code, &finding.subject);
        if let Some(known) = before.findings.iter().find(same) {
            finding.since = known.since.clone();
        }
    }
    let over_time = before.findings.into_iter().filter(history);
    status.findings.extend(over_time);
    let judged = |c: &Condition| JUDGED.contains(&c.type_.as_str());
    status.conditions.retain(judged);
    let of_operator = before.conditions.into_iter().filter(|c| !judged(c));
    status.conditions.extend(of_operator);
    status.hold = before.hold;
    status.plan = before.plan;
    status.actions = before.actions;
    status.incidents = before.incidents;
    status.lost_namespaces = before.lost_namespaces;
}

/// The newest time that any object of the bundle bears: a bundle has no clock of its own.
fn newest(material: &Material) -> Timestamp {
    let times = material.objects.iter().flat_map(|o| {
        let meta = &o["metadata"];
        let own = [&meta["creationTimestamp"], &meta["deletionTimestamp"]];
        let conditions = o["status"]["conditions"].as_array().into_iter().flatten();
        let seen = conditions.flat_map(|c| [&c["lastTransitionTime"], &c["lastProbeTime"]]);
        own.into_iter().chain(seen)
    });
    let times = times.filter_map(|t| text(t).parse().ok());
    times.max().unwrap_or_default()
}
