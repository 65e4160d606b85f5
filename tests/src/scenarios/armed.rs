//! The cause goes while namespaces are armed: their owner does not exist, or is being deleted. Releasing would collect them, at
//! once or with their owner.

use std::{collections::BTreeSet, time::Duration};

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    error::{Attempt as _, Error, Result},
    kinds,
    kubesphere::KubesphereOptions,
    wait::{self, Look},
};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::{
    acts,
    bed::{Bed, COLLECTOR, How, LATE, SOON},
    table::Figures,
};
use crate::guarded::{condition, holding, holds};

/// Far beyond `releaseAfterSeconds`, and the collector's retries come several times in it.
const BLOCKED: Duration = Duration::from_secs(6);

/// KubeSphere is down, and a Workspace that is deleted waits for its finalizer to go; then the cause goes. It falls and comes
/// back, and nobody binds its namespaces to the new one.
pub async fn not_released(bed: &mut Bed, workspace: &str) -> Result<Figures> {
    bed.calm().await?;
    bed.wait_proven().await?;
    bed.federation.stop_kubesphere();
    let mark = bed.witness.mark();
    hold(bed).await?;
    let uid = delete(bed, workspace).await?;
    bed.unregister().await?;
    let begun = std::time::Instant::now();
    bed.guard
        .wait("the release to be blocked", SOON, blocked)
        .await?;
    let told = begun.elapsed();
    stays_held(bed).await?;
    remake(bed, workspace, uid).await?;
    stays_held(bed).await?;
    let collected = bed
        .federation
        .audit()
        .refused_deletions("namespaces")?
        .into_iter()
        .filter(|e| e.user == COLLECTOR)
        .count();

    bed.federation
        .start_kubesphere(KubesphereOptions::default())
        .await?;
    bed.calm().await?;
    bed.federation.wait_bound(LATE).await?;
    let lost = bed.witness.losses_since(mark);
    if let Some(loss) = lost.iter().find(|loss| loss.kind == "Namespace") {
        return Err(Error::refused(format!("a namespace was lost: {loss:?}")));
    }
    Ok(vec![
        (
            "removal of the cause to ReleaseBlocked [s]",
            told.as_secs_f64(),
        ),
        ("deletions by the collector refused", collected as f64),
    ])
}

/// The same, and the operator may take the owner off that does not exist: nothing blocks the release then, and KubeSphere
/// binds its namespaces when it comes back.
///
/// # Errors
/// A namespace was lost, something else was written to, or without a fence.
pub async fn disarmed(bed: &mut Bed, workspace: &str) -> Result<Figures> {
    let mut spec = holding();
    spec["remediation"] = json!({
        "mode": "Apply", "actions": {"disarmNamespaces": "Automatic"}, "limits": acts::limits(),
    });
    bed.set_spec(&spec).await?;
    bed.calm().await?;
    bed.wait_proven().await?;
    let newest = acts::newest(&bed.guard.health().await?);
    bed.federation.stop_kubesphere();
    let specs = bed.federation.workspaces().iter();
    let owned: BTreeSet<String> = specs
        .filter(|spec| spec.name == workspace)
        .flat_map(|spec| spec.namespaces.clone())
        .collect();
    let record = bed.record().await?;
    hold(bed).await?;
    let uid = delete(bed, workspace).await?;
    remake(bed, workspace, uid).await?;
    bed.unregister().await?;
    let begun = std::time::Instant::now();
    let done = |h: &FederationHealth| {
        let states = acts::states(h, newest, "DisarmNamespaces");
        states.len() == owned.len() && states.iter().all(|(_, state)| *state == "Verified")
    };
    bed.guard
        .wait("the namespaces disarmed", LATE, done)
        .await?;
    let free = |h: &FederationHealth| holds(h) == (false, false);
    bed.guard.wait("the release", LATE, free).await?;
    bed.wait_durable([false, false]).await?;
    let released = begun.elapsed();
    tokio::time::sleep(BLOCKED).await;
    record.no_namespace_lost().await?;
    let acts = acts::fenced(&record)?;
    let written: BTreeSet<String> = acts.iter().map(|a| a.object.name.clone()).collect();
    let only = acts.iter().all(|a| a.object.resource == "namespaces");
    if !only || written != owned || acts.len() != owned.len() {
        return Err(Error::refused(format!(
            "written to {:?}",
            acts::targets(&acts)
        )));
    }
    drop(record);
    bed.federation
        .start_kubesphere(KubesphereOptions::default())
        .await?;
    bed.federation.wait_bound(LATE).await?;
    bed.set_spec(&holding()).await?;
    bed.calm().await?;
    Ok(vec![
        (
            "end of the cause to the release, all disarmed [s]",
            released.as_secs_f64(),
        ),
        ("namespaces disarmed", acts.len() as f64),
    ])
}

fn blocked(health: &FederationHealth) -> bool {
    condition(health, "Holding").is_some_and(|(_, reason)| reason == "ReleaseBlocked")
}

async fn stays_held(bed: &Bed) -> Result<()> {
    tokio::time::sleep(BLOCKED).await;
    let health = bed.guard.health().await?;
    if !blocked(&health) || !holds(&health).0 {
        return Err(Error::refused(format!(
            "the hold ended: {:?}",
            health.status
        )));
    }
    bed.wait_durable([true, true]).await
}

/// The leftover is registered, and both rules hold, durably.
async fn hold(bed: &Bed) -> Result<()> {
    bed.register(How::AsItIs).await?;
    bed.guard
        .wait("both holds", SOON, |h| holds(h) == (true, true))
        .await?;
    bed.wait_durable([true, true]).await
}

/// Deletes the Workspace as an administrator, and gives its UID: with KubeSphere down its finalizer keeps it.
async fn delete(bed: &Bed, workspace: &str) -> Result<Option<String>> {
    let api = kinds::all(&bed.federation.client(), &kinds::workspace());
    let attempt = || format!("delete Workspace {workspace}");
    let uid = api.get(workspace).await.attempt(attempt)?.metadata.uid;
    api.delete(workspace, &DeleteParams::default())
        .await
        .attempt(attempt)?;
    Ok(uid)
}

/// Takes the finalizer off the Workspace of this UID, and waits until KubeFed has made it again. KubeSphere is down, and nobody
/// binds its namespaces to the new one.
async fn remake(bed: &Bed, workspace: &str, uid: Option<String>) -> Result<()> {
    let api = kinds::all(&bed.federation.client(), &kinds::workspace());
    let attempt = || format!("take the finalizer off Workspace {workspace}");
    let patch = Patch::Merge(json!({"metadata": {"uid": uid, "finalizers": null}}));
    api.patch(workspace, &PatchParams::default(), &patch)
        .await
        .attempt(attempt)?;
    wait::until("KubeFed to make the Workspace again", LATE, || async {
        let found = api.get_opt(workspace).await.attempt(attempt)?;
        Ok(match found {
            Some(now) if now.metadata.uid != uid => Look::Done(()),
            other => Look::Pending(format!("{:?}", other.map(|w| w.metadata.uid))),
        })
    })
    .await
}
