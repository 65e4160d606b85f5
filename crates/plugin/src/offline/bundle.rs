//! A bundle is one look: judged as preflight judges a server.

use std::collections::BTreeSet;

use federation_health_api::FederationHealth;
use federation_health_core::facts::FeedState;
use k8s_openapi::jiff::Timestamp;

use super::{
    analysis::{Analysis, Opened, text},
    input::Material,
    replay,
};
use crate::{Error, judge::Judge, kinds::Kind};

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
    judge.tick(replay::time(now));
    let status = judge.status(replay::time(now).plus_ms(2500));
    let before = own.status.unwrap_or_default();
    let found = status.findings.iter().chain(
        before
            .findings
            .iter()
            .filter(|f| f.code == "FH001" || f.code == "FH002"),
    );
    analysis.findings = found
        .map(|f| Opened {
            first: f.since.0.min(now),
            last: now,
            finding: f.clone(),
        })
        .collect();
    analysis.lost_namespaces = before.lost_namespaces;
    analysis.unread = judge.malformed;
    analysis.status = status;
    Ok(())
}

/// The newest time that any object of the bundle bears: a bundle has no clock of its own.
fn newest(material: &Material) -> Timestamp {
    let times = material.objects.iter().flat_map(|o| {
        let meta = &o["metadata"];
        [&meta["creationTimestamp"], &meta["deletionTimestamp"]].map(|t| text(t).parse().ok())
    });
    times.flatten().max().unwrap_or_default()
}
