//! Both holds on diagnosis: KubeFed rages and nothing is deleted; the cause goes, and the hold with it.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    error::{Error, Result},
    workspace::Snapshot,
};

use super::{
    bed::{ALIAS, Bed, How, LATE, SOON},
    figures::milliseconds,
    table::Figures,
    verdict,
};
use crate::guarded::{condition, holds, is_current};

/// KubeFed goes on trying for this long after its first attempt.
const RAGE: Duration = Duration::from_secs(10);

/// The whole incident under the hold.
pub async fn saved(bed: &Bed, how: How) -> Result<Figures> {
    bed.calm().await?;
    bed.wait_proven().await?;
    let record = bed.record().await?;
    let verdict = verdict::register_and_wait(bed, &record, how).await?;
    bed.guard
        .wait("both holds", SOON, |h| holds(h) == (true, true))
        .await?;
    bed.wait_durable([true, true]).await?;
    let first = record.wait_refusals("workspaces", 1).await?.remove(0);
    if !first.user.contains(ALIAS) {
        return Err(Error::refused(format!(
            "somebody else was refused: {first:?}"
        )));
    }
    tokio::time::sleep(RAGE).await;
    let refused = record.refusals("workspaces")?.len();

    let removed = std::time::Instant::now();
    bed.unregister().await?;
    bed.calm().await?;
    let released = removed.elapsed();
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    same_uids(&record.before, &bed.federation.snapshot().await?)?;
    let mut figures = vec![
        ("registration to verdict [ms]", verdict.named_after),
        (
            "registration to KubeFed's first attempt [s]",
            milliseconds(verdict.created, first.received) / 1000.0,
        ),
        ("deletions of Workspaces refused", refused as f64),
        (
            "removal of the cause to release [s]",
            released.as_secs_f64(),
        ),
    ];
    figures.extend(
        verdict
            .held_after
            .map(|ms| ("registration to hold [ms]", ms)),
    );
    Ok(figures)
}

/// Ready and Healthy, by a status of the spec as it is now.
pub(super) fn well(health: &FederationHealth) -> bool {
    is_current(health)
        && ["Ready", "Healthy"]
            .iter()
            .all(|type_| condition(health, type_).is_some_and(|(status, _)| status == "True"))
}

pub(super) fn same_uids(before: &Snapshot, after: &Snapshot) -> Result<()> {
    let uids = |s: &Snapshot| -> Vec<(String, String)> {
        let workspaces = s.workspaces.iter().map(|(n, w)| (n.clone(), w.uid.clone()));
        let namespaces = s.namespaces.iter().map(|(n, x)| (n.clone(), x.uid.clone()));
        workspaces.chain(namespaces).collect()
    };
    let (before, after) = (uids(before), uids(after));
    if before == after {
        return Ok(());
    }
    Err(Error::refused(format!(
        "a UID has changed: {before:?} became {after:?}"
    )))
}
