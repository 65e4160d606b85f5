//! Two replicas: the one that leads hangs, as on a node that does not answer, and goes on much later. The other one holds at
//! once, takes over and finishes or takes back what it finds in the journal; the first one, awake again, does nothing.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    error::{Attempt as _, Error, Result},
    runner::DeploymentRunner,
    wait::{self, Look},
};
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    acts,
    bed::{ALIAS, Bed, How, LATE, Record, SOON},
    cured::{REMOVE, cured, ready, removal, silent},
    figures::milliseconds,
    frozen::{FREEZE, freezing, replicas},
    held::{same_uids, well},
    table::Figures,
    verdict,
};
use crate::guarded::{NAME, NAMESPACE, USER, holds};

/// A woken process looks at its lease every five seconds, and at everything every half minute.
const AWAKE: Duration = Duration::from_secs(35);
/// In this the new leader has told all that it did before the other one is woken, and the woken one has read what its
/// watches kept for it: no request says which of them sent it.
const TOLD: Duration = Duration::from_secs(5);

/// Both stories, with a second replica that ends with them. Once for a federation: what was removed is not removed again.
///
/// # Errors
/// Something was lost, done twice, or by a process that does not lead.
pub async fn leader_hangs(bed: &Bed) -> Result<Figures> {
    second(bed, true).await?;
    let mut figures = thawed_by_the_other(bed).await?;
    figures.extend(mended_by_the_other(bed).await?);
    second(bed, false).await?;
    Ok(figures)
}

/// The leader stops KubeFed and hangs; the cause goes; the other one starts KubeFed again, from the journal alone.
async fn thawed_by_the_other(bed: &Bed) -> Result<Figures> {
    bed.set_spec(&freezing()).await?;
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    let before = replicas(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let slot = leader(bed).await?;
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let is = |state: &'static str| {
        move |h: &FederationHealth| {
            let states = acts::states(h, newest, FREEZE);
            states.iter().map(|(_, s)| *s).eq([state])
        }
    };
    bed.guard
        .wait("the freeze, seen", SOON, is("Verified"))
        .await?;
    runner(bed)?.freeze(slot).await?;
    let hung = std::time::Instant::now();
    bed.unregister().await?;
    bed.guard
        .wait("the thaw by the other", LATE, is("Undone"))
        .await?;
    let after = hung.elapsed().as_secs_f64();
    wakes_and_is_silent(bed, slot).await?;
    let acts = acts::fenced(&record)?;
    if acts.len() != 2 || replicas(bed).await? != before {
        return Err(Error::refused(format!(
            "a stop and a thaw, and not {acts:?}"
        )));
    }
    unharmed(bed, &record).await?;
    Ok(vec![("leader hangs to the thaw by the other [s]", after)])
}

/// The leader hangs, and then the incident begins: the other one holds without a lease, and mends the cause with one.
async fn mended_by_the_other(bed: &Bed) -> Result<Figures> {
    ready(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let slot = leader(bed).await?;
    let record = bed.record().await?;
    runner(bed)?.freeze(slot).await?;
    bed.register(How::AsItIs).await?;
    let both = |h: &FederationHealth| holds(h) == (true, true);
    bed.guard.wait("both holds", LATE, both).await?;
    let removed = |h: &FederationHealth| acts::states(h, newest, REMOVE) == [(ALIAS, "Verified")];
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    wakes_and_is_silent(bed, slot).await?;
    unharmed(bed, &record).await?;
    let created = verdict::registration(&record).await?.received;
    let acts = acts::fenced(&record)?;
    let removed = milliseconds(created, removal(&acts)?.reached) / 1000.0;
    let switched = record.matching(|e| {
        e.user == USER && e.object.resource == "federationholds" && e.took_effect()
    })?;
    let held = switched.first().map(|e| milliseconds(created, e.reached));
    let held = held.ok_or_else(|| Error::refused("nobody held"))?;
    Ok(vec![
        ("registration to a follower's hold [ms]", held),
        ("registration to the removal by the other [s]", removed),
    ])
}

/// Another one leads; the one that hung comes to itself. It may hold once more for what its watches tell it late, as any
/// replica may; both let go of that, and then neither writes.
async fn wakes_and_is_silent(bed: &Bed, slot: usize) -> Result<()> {
    cured(bed).await?;
    if leader(bed).await? == slot {
        return Err(Error::refused("the one that hangs still leads"));
    }
    tokio::time::sleep(TOLD).await;
    runner(bed)?.thaw(slot).await?;
    tokio::time::sleep(TOLD).await;
    cured(bed).await?;
    silent(bed, AWAKE).await
}

async fn unharmed(bed: &Bed, record: &Record<'_>) -> Result<()> {
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    same_uids(&record.before, &bed.federation.snapshot().await?)
}

/// A second replica comes, and has its caches filled, or goes.
async fn second(bed: &Bed, comes: bool) -> Result<()> {
    let record = bed.record().await?;
    let count = 1 + usize::from(comes);
    let api: Api<Deployment> = Api::namespaced(bed.federation.client(), NAMESPACE);
    let patch = Patch::Merge(json!({"spec": {"replicas": count}}));
    api.patch_scale(NAME, &PatchParams::default(), &patch)
        .await
        .attempt(|| format!("scale the operator to {count}"))?;
    runner(bed)?.wait_running(count, SOON).await?;
    if !comes {
        return Ok(());
    }
    let what = "the second replica to have listed the Workspaces";
    wait::until(what, SOON, || async {
        let lists = record.matching(|e| {
            e.user == USER && e.verb == "list" && e.object.resource == "workspaces"
        })?;
        Ok(match lists.is_empty() {
            false => Look::Done(()),
            true => Look::Pending("no list".to_owned()),
        })
    })
    .await
}

fn runner(bed: &Bed) -> Result<&DeploymentRunner> {
    let runner = bed.guard.runner();
    runner.ok_or_else(|| Error::refused("no operator runs"))
}

/// The slot of the process that holds the lease; whoever may remedy takes it within moments.
async fn leader(bed: &Bed) -> Result<usize> {
    let api: Api<Lease> = Api::namespaced(bed.federation.client(), NAMESPACE);
    wait::until("somebody to lead", SOON, || async {
        let lease = api.get_opt(NAME).await.attempt(|| "read the lease")?;
        let holder = lease.and_then(|lease| lease.spec?.holder_identity);
        let slot = holder.as_deref().and_then(|name| name.rsplit('-').next());
        Ok(match slot.and_then(|slot| slot.parse().ok()) {
            Some(slot) => Look::Done(slot),
            None => Look::Pending(format!("{holder:?}")),
        })
    })
    .await
}
