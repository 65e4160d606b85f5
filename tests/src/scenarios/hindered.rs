//! What comes between plan and act: an approval that expires, a person who edits the target, members that vanish. Each time
//! the reason stands in status, and nothing is done, or nothing twice.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions,
    error::{Attempt as _, Error, Result},
    federation::HOST,
    join::JoinOptions,
    kinds::{self, KUBEFED_NAMESPACE},
    kubesphere::Kubesphere,
    wait::{self, Look},
    workspace::{self, Placement},
};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    acts::{self, automatic, told_after},
    bed::{Bed, LATE, Record, SOON},
    braked::{annotated, held, paused, refused, register, said, unharmed},
    cured::{REMOVE, cured, ready},
    table::Figures,
    unheld::{approve, approve_until, plan},
    verdict,
};
use crate::guarded::USER;

const EXPIRED: &str = "expired";
const EDITED: &str = "edited";
const RACED: &str = "raced";
const MASKED: &str = "masked";
/// Programs that edit at once.
const EDITORS: u64 = 4;
/// A condition of KubeFed's health check and three failed probes of ours.
const NOTICED: Duration = Duration::from_secs(90);

/// Everything of this room on one federation; nothing is remedied on it for a quarter of an hour afterwards. The federation
/// needs a name in use that more placements name than the leftover.
///
/// # Errors
/// See each of them.
pub async fn all(bed: &Bed) -> Result<Figures> {
    let mut figures = approved_too_long_ago(bed).await?;
    figures.extend(edited(bed, "orders").await?);
    figures.extend(raced(bed).await?);
    figures.extend(unreachable(bed).await?);
    Ok(figures)
}

/// A plan is approved during a pause, and the approval expires before its end. Another approval carries it out.
///
/// # Errors
/// Anything was done before that, or the reason is not said.
pub async fn approved_too_long_ago(bed: &Bed) -> Result<Figures> {
    ready(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    paused(bed).await?;
    register(bed, EXPIRED).await?;
    held(bed).await?;
    let planned = |h: &FederationHealth| plan(h).is_ok();
    let health = bed.guard.wait("a plan", SOON, planned).await?;
    let until = Timestamp::now() + Duration::from_secs(2);
    approve_until(bed, &plan(&health)?, until).await?;
    refused(bed, &record, "Paused").await?;

    let mut spec = automatic();
    spec["remediation"]["actions"]["removeStaleCluster"] = json!("Approval");
    let word = acts::ordered(bed, &record, &spec).await?;
    refused(bed, &record, "NotApproved").await?;
    let health = bed.guard.health().await?;
    if !message(&health).contains("the approval has expired") {
        return Err(Error::refused(format!("not told: {}", message(&health))));
    }
    let told = told_after(&record, &word, "NotApproved").await?;
    approve(bed).await?;
    let removed = |h: &FederationHealth| acts::states(h, newest, REMOVE) == [(EXPIRED, "Verified")];
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    annotated(
        bed,
        federation_health_api::names::APPROVE_ANNOTATION,
        &Value::Null,
    )
    .await?;
    cured(bed).await?;
    once(&record, "kubefedclusters", EXPIRED)?;
    unharmed(bed, &record).await?;
    Ok(vec![(
        "expired approval to its reason in status [ms]",
        told,
    )])
}

/// A person edits the template whose placement is to be mended, after the plan was made: the write is not sent, and the next
/// plan is for what the person left.
///
/// # Errors
/// The person's edit is lost, something was written twice, or the reason is not said.
pub async fn edited(bed: &Bed, workspace: &str) -> Result<Figures> {
    ready(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    paused(bed).await?;
    register(bed, EDITED).await?;
    held(bed).await?;
    let client = bed.federation.client();
    let stale = Placement::clusters([EDITED]);
    workspace::set_placement(&client, workspace, &stale).await?;
    workspace::wait_placement(&client, workspace, &stale, SOON).await?;
    let fixes = |h: &FederationHealth| {
        let plan = h.status.as_ref().and_then(|s| s.plan.as_ref());
        let mut steps = plan.into_iter().flat_map(|plan| &plan.steps);
        steps.any(|step| step.action == "FixPlacement" && step.name == workspace)
    };
    bed.guard.wait("a plan for it", SOON, fixes).await?;
    let manager = json!({"spec": {"template": {"spec": {"manager": "somebody-else"}}}});
    let templates = kinds::all(&client, &kinds::workspace_template());
    templates
        .patch(workspace, &PatchParams::default(), &Patch::Merge(manager))
        .await
        .attempt(|| "edit the template")?;

    let word = acts::ordered(bed, &record, &automatic()).await?;
    let removed = |h: &FederationHealth| acts::states(h, newest, REMOVE) == [(EDITED, "Verified")];
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    cured(bed).await?;
    let told = told_after(&record, &word, "TargetChanged").await?;
    let health = bed.guard.health().await?;
    let states: Vec<&str> = acts::states(&health, newest, "FixPlacement")
        .iter()
        .map(|(_, state)| *state)
        .collect();
    let left = templates.get(workspace).await.attempt(|| "read it again")?;
    let kept = &left.data["spec"]["template"]["spec"]["manager"] == "somebody-else";
    if states != ["Failed", "Verified"] || !kept {
        return Err(Error::refused(format!(
            "refused, then done, and not {states:?}; the edit is kept: {kept}"
        )));
    }
    let mended = Placement::clusters([HOST]);
    workspace::wait_placement(&client, workspace, &mended, SOON).await?;
    once(&record, "workspacetemplates", workspace)?;
    once(&record, "kubefedclusters", EDITED)?;
    unharmed(bed, &record).await?;
    Ok(vec![("edited target to its reason in status [ms]", told)])
}

/// A program edits the leftover all the time, also between the operator's live read and its write: what the read showed is not
/// there any more when the write arrives, so the server refuses it. When the program ends, the leftover goes.
///
/// # Errors
/// It was removed while its preconditions did not hold, or never, or the reason is not said.
pub async fn raced(bed: &Bed) -> Result<Figures> {
    ready(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    paused(bed).await?;
    register(bed, RACED).await?;
    held(bed).await?;
    let client = bed.federation.client();
    let api: Api<DynamicObject> =
        kinds::within(&client, &kinds::kubefed_cluster(), KUBEFED_NAMESPACE);
    // Several, so that no two milliseconds pass without an edit.
    let mut editors = tokio::task::JoinSet::new();
    for editor in 0..EDITORS {
        let api = api.clone();
        editors.spawn(async move {
            for n in 0_u64.. {
                let seen = [editor, n].map(|n| n.to_string()).join("-");
                let patch = json!({"metadata": {"annotations": {"example.org/seen": seen}}});
                // What is gone needs no edit.
                let _ = api
                    .patch(RACED, &PatchParams::default(), &Patch::Merge(patch))
                    .await;
            }
        });
    }
    bed.set_spec(&automatic()).await?;
    let what = "a removal that the server refuses because of its preconditions";
    let refusal = wait::until(what, SOON, || async {
        let tries = record.matching(|e| is_removal(e) && e.code == Some(409))?;
        Ok(match tries.into_iter().next() {
            Some(refused) => Look::Done(refused),
            None => Look::Pending(format!("{:?}", record.matching(is_removal)?)),
        })
    })
    .await?;
    said(bed, "RequestFailed").await?;
    let told = told_after(&record, &refusal, "RequestFailed").await?;
    editors.shutdown().await;
    let removed = |h: &FederationHealth| {
        let states = acts::states(h, newest, REMOVE);
        states.last() == Some(&(RACED, "Verified"))
    };
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    cured(bed).await?;
    once(&record, "kubefedclusters", RACED)?;
    unharmed(bed, &record).await?;
    Ok(vec![(
        "refused precondition to its reason in status [ms]",
        told,
    )])
}

/// Two members of four registrations vanish, and then the host is registered a second time: the fault may be the operator's
/// own, so nothing but the hold is done.
///
/// # Errors
/// Anything was done, or the reason is not said.
pub async fn unreachable(bed: &Bed) -> Result<Figures> {
    ready(bed).await?;
    let record = bed.record().await?;
    let named = |name| ControlPlane::start(ControlPlaneOptions::named(name));
    let (east, west) = tokio::join!(named("east"), named("west"));
    let members = [("east", east?), ("west", west?)];
    for (name, member) in &members {
        Kubesphere::install_definitions(&member.client()).await?;
        let joined = bed
            .federation
            .join_member(member, name, JoinOptions::default());
        joined.await?;
        bed.federation.wait_registration_ready(name).await?;
    }
    cured(bed).await?;
    for (_, member) in members {
        member.stop().await?;
    }
    let lost = |h: &FederationHealth| message(h).starts_with("2 of 3 clusters turned bad");
    bed.guard.wait("the members missed", NOTICED, lost).await?;
    let last = bed.record().await?;
    register(bed, MASKED).await?;
    held(bed).await?;
    refused(bed, &record, "FleetUnhealthy").await?;
    if !message(&bed.guard.health().await?).starts_with("2 of 4 clusters turned bad") {
        return Err(Error::refused("the numbers are not told"));
    }
    let cause = verdict::registration(&last).await?;
    bed.federation.unregister(MASKED).await?;
    unharmed(bed, &record).await?;
    let told = told_after(&last, &cause, "FleetUnhealthy").await?;
    Ok(vec![(
        "registration while members are lost to the reason in status [ms]",
        told,
    )])
}

/// What `RemediationAllowed` says.
fn message(health: &FederationHealth) -> String {
    let conditions = health.status.iter().flat_map(|s| &s.conditions);
    let mut found = conditions.filter(|c| c.type_ == "RemediationAllowed");
    found.next().map(|c| c.message.clone()).unwrap_or_default()
}

/// The operator wrote to this object with effect exactly once.
fn once(record: &Record<'_>, resource: &str, name: &str) -> Result<()> {
    let acts = acts::fenced(record)?;
    let with_effect: Vec<_> = acts
        .iter()
        .filter(|a| a.object.resource == resource && a.object.name == name && a.took_effect())
        .collect();
    match with_effect[..] {
        [_] => Ok(()),
        _ => Err(Error::refused(format!("once, and not {with_effect:?}"))),
    }
}

fn is_removal(event: &federation_health_testbed::audit::AuditEvent) -> bool {
    event.user == USER
        && event.verb == "delete"
        && event.object.resource == "kubefedclusters"
        && event.object.name == RACED
}
