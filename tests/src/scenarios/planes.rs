//! Two control planes on one server: a second KubeFed in its own namespace, with its own registration of the host.

use std::time::Duration;

use federation_health_api::{FederationHealth, names};
use federation_health_testbed::{
    audit::AuditEvent,
    error::{Error, Result},
    federation::HOST,
    join::{self, JoinOptions},
    kinds::KUBEFED_NAMESPACE,
    kubefed::{FederatedType, KubefedOptions, KubefedVersion},
};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    acts,
    bed::{ALIAS, Bed, LATE, SOON},
    braked::annotated,
    figures::milliseconds,
    frozen::{FREEZE, freezing, replicas_in},
    held::same_uids,
    table::Figures,
    verdict::{self, Expected},
};
use crate::guarded::holds;

/// The second plane's namespace.
const OLD: &str = "old-federation";

/// An unhindered KubeFed deletes 10 to 21 s after it has a registration.
const RAGE: Duration = Duration::from_secs(30);

/// The second plane.
pub fn second(version: KubefedVersion) -> KubefedOptions {
    KubefedOptions {
        version,
        namespace: OLD.to_owned(),
        types: vec![FederatedType::Workspaces],
        ..KubefedOptions::default()
    }
}

/// The second plane gets its registration: it is named before its first deletion, and refused.
pub async fn named(bed: &Bed) -> Result<Figures> {
    bed.calm().await?;
    bed.wait_proven().await?;
    let record = bed.record().await?;
    bed.federation
        .join_alias(ALIAS, JoinOptions::in_namespace(OLD))
        .await?;
    let expected = Expected {
        condition: "ControlPlaneUnique",
        registrations: [(KUBEFED_NAMESPACE, HOST), (OLD, ALIAS)],
        objects: Vec::new(),
    };
    let verdict = verdict::wait_for(bed, &record, &expected).await?;
    let covered = |h: &FederationHealth| {
        let hold = h.status.as_ref().and_then(|s| s.hold.as_ref());
        holds(h) == (true, true)
            && [KUBEFED_NAMESPACE, OLD]
                .iter()
                .all(|ns| hold.is_some_and(|hold| hold.namespaces.iter().any(|n| n == ns)))
    };
    bed.guard
        .wait("both holds, covering both planes", SOON, covered)
        .await?;
    let refused = record.wait_refusals("workspaces", 2).await?;
    let user = join::member_user(OLD, ALIAS);
    if let Some(other) = refused.iter().find(|e| e.user != user) {
        return Err(Error::refused(format!(
            "somebody else was refused: {other:?}"
        )));
    }
    join::unregister(&bed.federation.client(), OLD, ALIAS).await?;
    bed.calm().await?;
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    let mut figures = vec![
        ("registration to verdict [ms]", verdict.named_after),
        (
            "registration to the first attempt [s]",
            milliseconds(verdict.created, refused[0].received) / 1000.0,
        ),
    ];
    figures.extend(
        verdict
            .held_after
            .map(|ms| ("registration to hold [ms]", ms)),
    );
    Ok(figures)
}

/// No hold: the rival, and only it, is scaled to zero; a process that knows nothing remembers by how much, and thaws it on a
/// person's word.
///
/// # Errors
/// The guarded plane was touched, the rival came back otherwise, or something was lost.
pub async fn rival_frozen(bed: &Bed) -> Result<Figures> {
    bed.set_spec(&freezing()).await?;
    bed.calm().await?;
    let planes = [KUBEFED_NAMESPACE, OLD];
    let before = replicas_of(bed, planes).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    bed.federation
        .join_alias(ALIAS, JoinOptions::in_namespace(OLD))
        .await?;
    let is = |state: &'static str| {
        move |h: &FederationHealth| {
            let states = acts::states(h, newest, FREEZE);
            states.iter().map(|(_, s)| *s).eq([state])
        }
    };
    bed.guard
        .wait("the rival stopped, seen", SOON, is("Verified"))
        .await?;
    let created = verdict::registration(&record).await?.received;
    tokio::time::sleep(RAGE).await;
    let runs = bed.federation.kubefed().iter();
    let runs: Vec<usize> = runs.map(|k| k.runner().state().running()).collect();
    if replicas_of(bed, planes).await? != [before[0], Some(0)] || runs != [1, 0] {
        return Err(Error::refused(format!(
            "the rival alone is stopped, and not {runs:?} of {before:?}"
        )));
    }
    let runner = bed.guard.runner();
    let runner = runner.ok_or_else(|| Error::refused("no operator runs"))?;
    runner.kill(0).await?;
    let asked = Timestamp::now();
    annotated(bed, names::UNDO_ANNOTATION, &json!(FREEZE)).await?;
    bed.guard
        .wait("the thaw on request", LATE, is("Undone"))
        .await?;
    // A KubeFed that starts again needs ten seconds to its first deletion.
    join::unregister(&bed.federation.client(), OLD, ALIAS).await?;
    annotated(bed, names::UNDO_ANNOTATION, &Value::Null).await?;
    bed.calm().await?;
    if replicas_of(bed, planes).await? != before {
        return Err(Error::refused("the planes have other replicas than before"));
    }
    let acts = acts::fenced(&record)?;
    let [stop, thaw] = &acts[..] else {
        return Err(Error::refused(format!(
            "a stop and a thaw, and not {acts:?}"
        )));
    };
    if let Some(other) = [stop, thaw].into_iter().find(|act| !is_of_rival(act)) {
        return Err(Error::refused(format!("not of the rival: {other:?}")));
    }
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    same_uids(&record.before, &bed.federation.snapshot().await?)?;
    Ok(vec![
        (
            "registration to the rival scaled to zero [ms]",
            milliseconds(created, stop.reached),
        ),
        (
            "request to a killed operator to the thaw [s]",
            milliseconds(asked, thaw.reached) / 1000.0,
        ),
    ])
}

fn is_of_rival(act: &AuditEvent) -> bool {
    act.object.namespace == OLD && act.object.subresource == "scale"
}

async fn replicas_of(bed: &Bed, planes: [&str; 2]) -> Result<[Option<i32>; 2]> {
    let [own, rival] = planes.map(|namespace| replicas_in(bed, namespace));
    Ok([own.await?, rival.await?])
}
