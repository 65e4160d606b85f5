//! What must not be done, or not yet: each time the only right act, mostly none, and its reason in status.

use std::time::Duration;

use federation_health_api::{FederationHealth, names};
use federation_health_testbed::{
    FederationOptions,
    error::{Attempt as _, Error, Result},
    federation::HOST,
    join::{self, JoinOptions},
    kinds::{self, KUBEFED_NAMESPACE},
    wait::{self, Look},
    workspace::{self, Placement, WorkspaceSpec},
};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    acts::{self, automatic},
    bed::{Bed, LATE, Record, SOON},
    cured::{REMOVE, cured, propagated, ready},
    frozen::{FREEZE, replicas},
    held::same_uids,
    table::Figures,
    wire,
};
use crate::guarded::{Options, condition, holds};

/// What must not come is waited for this long: the ladder decides within milliseconds of a change.
const NEVER: Duration = Duration::from_secs(3);
/// Leftovers, each under a name of its own: what was removed once and comes back is contested, and not removed again.
const MISPLACED: &str = "misplaced";
const OPTED_OUT: &str = "opted-out";
const UNDECIDED: &str = "undecided";
const BROUGHT_BACK: &str = "brought-back";
const SCALED_BACK: &str = "scaled-back";
/// A registration at whose address nobody answers.
const SHADOW: &str = "shadow";

/// A federation with a Workspace more than the usual ones: most placements must name what is in use.
pub async fn start() -> Result<Bed> {
    let mut options = FederationOptions::default();
    // The original registers missing clusters again every two minutes.
    options.kubesphere.cluster_resync = Duration::from_secs(2);
    options
        .workspaces
        .push(WorkspaceSpec::on_host("billing", 1));
    let bed = wire::start(options, Options::default()).await?;
    bed.wait_proven().await?;
    Ok(bed)
}

/// Everything of this room on one federation, what costs Workspaces last.
///
/// # Errors
/// See each of them.
pub async fn all(bed: &Bed) -> Result<Figures> {
    let figures = placed_on_the_leftover(bed, "orders").await?;
    opted_out(bed).await?;
    undecided(bed).await?;
    brought_back(bed).await?;
    scaled_back(bed).await?;
    Ok(figures)
}

/// A Workspace is placed on the leftover alone, by a person who was paused for it: its placement is mended first, and then
/// the leftover goes. The federation needs a name in use that more placements name than the leftover.
///
/// # Errors
/// Anything was done while paused, in another order, or lost.
pub async fn placed_on_the_leftover(bed: &Bed, workspace: &str) -> Result<Figures> {
    ready(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    paused(bed).await?;
    register(bed, MISPLACED).await?;
    held(bed).await?;
    let stale = Placement::clusters([MISPLACED]);
    let client = bed.federation.client();
    workspace::set_placement(&client, workspace, &stale).await?;
    workspace::wait_placement(&client, workspace, &stale, SOON).await?;
    // KubeFed has come to it: what follows is done while it tries.
    record.wait_refusals("workspaces", 1).await?;
    refused(bed, &record, "Paused").await?;

    let begun = std::time::Instant::now();
    bed.set_spec(&automatic()).await?;
    let removed =
        |h: &FederationHealth| acts::states(h, newest, REMOVE) == [(MISPLACED, "Verified")];
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    cured(bed).await?;
    let after = begun.elapsed();
    let mended = Placement::clusters([HOST]);
    workspace::wait_placement(&client, workspace, &mended, SOON).await?;
    propagated(bed).await?;
    let acts = acts::fenced(&record)?;
    let wanted = [
        ("workspacetemplates", workspace),
        ("kubefedclusters", MISPLACED),
    ];
    if acts::targets(&acts) != wanted {
        return Err(Error::refused(format!(
            "the placement, then the registration, and not {:?}",
            acts::targets(&acts)
        )));
    }
    unharmed(bed, &record).await?;
    Ok(vec![(
        "end of the pause to cured and released [s]",
        after.as_secs_f64(),
    )])
}

/// The leftover's registration carries the opt-out annotation, put there after the plan was made.
///
/// # Errors
/// It was removed, or the reason is not said.
pub async fn opted_out(bed: &Bed) -> Result<()> {
    ready(bed).await?;
    let record = bed.record().await?;
    paused(bed).await?;
    register(bed, OPTED_OUT).await?;
    held(bed).await?;
    let annotated = json!({"metadata": {"annotations": {names::OPT_OUT_ANNOTATION: "true"}}});
    registrations(bed)
        .patch(OPTED_OUT, &PatchParams::default(), &Patch::Merge(annotated))
        .await
        .attempt(|| "opt the registration out")?;
    bed.set_spec(&automatic()).await?;
    refused(bed, &record, "OptedOut").await?;
    bed.federation.unregister(OPTED_OUT).await?;
    cured(bed).await?;
    unharmed(bed, &record).await
}

/// Both names of the cluster are in use by KubeSphere's word; then, of one that is a leftover, another registration that
/// nobody can reach shares the authority.
///
/// # Errors
/// Either was acted on, or the reason is not said.
pub async fn undecided(bed: &Bed) -> Result<()> {
    ready(bed).await?;
    let record = bed.record().await?;
    let joined = JoinOptions {
        cluster_object: true,
        ..JoinOptions::default()
    };
    bed.federation.join_alias(UNDECIDED, joined).await?;
    held(bed).await?;
    refused(bed, &record, "NoneStale").await?;
    delete_cluster(bed, UNDECIDED).await?;
    cured(bed).await?;

    let client = bed.federation.client();
    let host = registrations(bed)
        .get(HOST)
        .await
        .attempt(|| "read the host's registration")?;
    let spec = &host.data["spec"];
    // Its token is the host's: held, and a person's to remove.
    shadow(bed, &spec["caBundle"], &spec["secretRef"]).await?;
    held(bed).await?;
    refused(bed, &record, "EvidenceConflicts").await?;
    join::unregister(&client, KUBEFED_NAMESPACE, SHADOW).await?;
    cured(bed).await?;

    // It shares the authority and nothing else.
    shadow(bed, &spec["caBundle"], &json!({"name": "nothing"})).await?;
    register(bed, UNDECIDED).await?;
    held(bed).await?;
    refused(bed, &record, "EvidenceConflicts").await?;
    bed.federation.unregister(UNDECIDED).await?;
    join::unregister(&client, KUBEFED_NAMESPACE, SHADOW).await?;
    cured(bed).await?;
    unharmed(bed, &record).await
}

/// Registers what nobody can reach.
async fn shadow(bed: &Bed, authority: &Value, secret: &Value) -> Result<()> {
    let mut shadow = DynamicObject::new(SHADOW, &kinds::kubefed_cluster());
    shadow.data = json!({"spec": {
        "apiEndpoint": "https://127.0.0.1:9", "caBundle": authority, "secretRef": secret,
    }});
    registrations(bed)
        .create(&kube::api::PostParams::default(), &shadow)
        .await
        .attempt(|| "register what cannot be reached")
        .map(drop)
}

/// The leftover is removed, and KubeSphere's Cluster of its name, which somebody makes meanwhile, registers it again.
///
/// # Errors
/// It was removed twice, or who brings it back is not said.
pub async fn brought_back(bed: &Bed) -> Result<()> {
    ready(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    register(bed, BROUGHT_BACK).await?;
    let removed =
        |h: &FederationHealth| acts::states(h, newest, REMOVE) == [(BROUGHT_BACK, "Verified")];
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    let before = acts::fenced(&record)?.len();
    let cluster = json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
        "metadata": {"name": BROUGHT_BACK}, "spec": {"joinFederation": true},
    });
    federation_health_testbed::apply::object(&bed.federation.client(), &cluster).await?;
    let contested =
        |h: &FederationHealth| acts::states(h, newest, REMOVE) == [(BROUGHT_BACK, "Contested")];
    bed.guard
        .wait("the act to be contested", LATE, contested)
        .await?;
    said(bed, "WouldComeBack").await?;
    tokio::time::sleep(NEVER).await;
    let acts = acts::fenced(&record)?;
    let removals = acts
        .iter()
        .filter(|a| a.object.resource == "kubefedclusters");
    if removals.count() != 1 || acts.len() != before {
        return Err(Error::refused(format!(
            "it was fought: {:?}",
            acts::targets(&acts)
        )));
    }
    delete_cluster(bed, BROUGHT_BACK).await?;
    undone(bed).await?;
    cured(bed).await?;
    unharmed(bed, &record).await
}

/// A script keeps KubeFed's replicas: it scales back what was frozen.
///
/// # Errors
/// It was scaled down twice, or it is not said that somebody else is at work.
pub async fn scaled_back(bed: &Bed) -> Result<()> {
    let mut spec = automatic();
    // Workspaces may fall in the end, and their namespaces must not.
    spec["hold"]["federation"] = json!("Never");
    spec["remediation"]["actions"] = json!({"freezeControllers": "Automatic"});
    bed.set_spec(&spec).await?;
    cured(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let before = replicas(bed).await?;
    let record = bed.record().await?;
    register(bed, SCALED_BACK).await?;
    let is = |state: &'static str| {
        move |h: &FederationHealth| {
            let states = acts::states(h, newest, FREEZE);
            states.iter().map(|(_, state)| *state).eq([state])
        }
    };
    bed.guard
        .wait("the freeze, seen", SOON, is("Verified"))
        .await?;
    let wanted = u16::try_from(before.unwrap_or(1)).unwrap_or(1);
    bed.federation
        .scale_kubefed(KUBEFED_NAMESPACE, wanted)
        .await?;
    bed.guard.wait("the latch", SOON, is("Contested")).await?;
    said(bed, "Contested").await?;
    tokio::time::sleep(NEVER).await;
    let acts = acts::fenced(&record)?;
    if acts.len() != 1 || replicas(bed).await? != before {
        return Err(Error::refused(format!(
            "it was fought: {:?}",
            acts::targets(&acts)
        )));
    }
    bed.federation.unregister(SCALED_BACK).await?;
    undone(bed).await?;
    cured(bed).await?;
    record.no_namespace_lost().await
}

/// Registers the host a second time.
pub(super) async fn register(bed: &Bed, alias: &str) -> Result<()> {
    let joined = bed.federation.join_alias(alias, JoinOptions::default());
    joined.await.map(drop)
}

/// Every rung on, and somebody asks for a pause.
pub(super) async fn paused(bed: &Bed) -> Result<()> {
    let mut spec = automatic();
    spec["remediation"]["pauseRequests"] =
        json!([{"name": "night-shift", "reason": "a test edits first"}]);
    bed.set_spec(&spec).await?;
    said(bed, "Paused").await
}

/// Both holds, in both layers.
pub(super) async fn held(bed: &Bed) -> Result<()> {
    let both = |h: &FederationHealth| holds(h) == (true, true);
    bed.guard.wait("both holds", SOON, both).await?;
    bed.wait_durable([true, true]).await
}

/// The reason why nothing is done is in status.
pub(super) async fn said(bed: &Bed, reason: &str) -> Result<()> {
    let what = format!("RemediationAllowed to say {reason}");
    let says = |h: &FederationHealth| {
        condition(h, "RemediationAllowed").is_some_and(|(s, r)| s == "False" && r == reason)
    };
    bed.guard.wait(&what, SOON, says).await.map(drop)
}

/// It is said, stays so, and nothing of anybody's was changed.
pub(super) async fn refused(bed: &Bed, record: &Record<'_>, reason: &str) -> Result<()> {
    said(bed, reason).await?;
    tokio::time::sleep(NEVER).await;
    said(bed, reason).await?;
    let acts = acts::fenced(record)?;
    match acts.is_empty() {
        true => Ok(()),
        false => Err(Error::refused(format!("{reason}, and yet {acts:?}"))),
    }
}

pub(super) async fn unharmed(bed: &Bed, record: &Record<'_>) -> Result<()> {
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    same_uids(&record.before, &bed.federation.snapshot().await?)
}

/// A person who has looked clears the latch: the annotation, and off again.
async fn undone(bed: &Bed) -> Result<()> {
    annotated(bed, names::UNDO_ANNOTATION, &json!("all")).await?;
    let closed = |h: &FederationHealth| {
        let mut actions = h.status.iter().flat_map(|s| &s.actions);
        actions.all(|a| a.state != "Contested")
    };
    bed.guard
        .wait("the latch to be closed", SOON, closed)
        .await?;
    annotated(bed, names::UNDO_ANNOTATION, &Value::Null).await
}

/// A person's word on the FederationHealth; null takes it back.
pub(super) async fn annotated(bed: &Bed, annotation: &str, value: &Value) -> Result<()> {
    let api: Api<FederationHealth> = Api::all(bed.federation.client());
    let patch = json!({"metadata": {"annotations": {annotation: value}}});
    api.patch("default", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .attempt(|| format!("annotate the FederationHealth with {annotation}"))
        .map(drop)
}

/// Deletes KubeSphere's Cluster of that name; KubeSphere unregisters it then.
async fn delete_cluster(bed: &Bed, alias: &str) -> Result<()> {
    let what = "delete KubeSphere's Cluster of a leftover";
    kinds::all(&bed.federation.client(), &kinds::cluster())
        .delete(alias, &DeleteParams::default())
        .await
        .attempt(|| what)?;
    let api = registrations(bed);
    wait::until("KubeSphere to unregister it", LATE, || async {
        let found = api.get_opt(alias).await.attempt(|| what)?;
        Ok(match found {
            None => Look::Done(()),
            Some(found) => Look::Pending(format!("{:?}", found.metadata)),
        })
    })
    .await
}

fn registrations(bed: &Bed) -> Api<DynamicObject> {
    kinds::within(
        &bed.federation.client(),
        &kinds::kubefed_cluster(),
        KUBEFED_NAMESPACE,
    )
}
