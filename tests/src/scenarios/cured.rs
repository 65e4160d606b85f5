//! Every rung by itself, under both holds: the cause is mended while KubeFed tries, nothing is lost, and then nothing more is
//! written.

use std::{collections::BTreeMap, time::Duration};

use federation_health_api::{FederationHealth, names};
use federation_health_testbed::{
    audit::AuditEvent,
    error::{Attempt as _, Error, Result},
    federation::HOST,
    kinds,
    wait::{self, Look},
    workspace::WorkspaceState,
};
use k8s_openapi::{api::core::v1::ConfigMap, jiff::Timestamp};
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::Value;

use super::{
    acts::{self, automatic},
    bed::{ALIAS, Bed, How, LATE, Record},
    figures::milliseconds,
    frozen::replicas,
    held::{same_uids, well},
    table::Figures,
    verdict,
};
use crate::guarded::{NAMESPACE, condition, holds};

/// The rung, as `status.actions` has it.
pub const REMOVE: &str = "RemoveStaleCluster";
/// A test listens this long for a write after the end: KubeFed's health check and every sweep of ours come in it.
pub const BRIEFLY: Duration = Duration::from_secs(35);

/// The whole incident; `quiet`: how long it is listened for a write after the end.
///
/// # Errors
/// Something was lost, is not as it was, was written without a fence, or after the end.
pub async fn by_itself(bed: &Bed, how: How, quiet: Duration) -> Result<Figures> {
    ready(bed).await?;
    let before = replicas(bed).await?;
    let record = bed.record().await?;
    let newest = acts::newest(&bed.guard.health().await?);
    bed.register(how).await?;
    let created = verdict::registration(&record).await?.received;
    // What a killed process only intended has failed, and is done by the next.
    let removed = |h: &_| acts::states(h, newest, REMOVE).last() == Some(&(ALIAS, "Verified"));
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    cured(bed).await?;
    let after = milliseconds(created, Timestamp::now()) / 1000.0;

    as_before(bed, &record, before).await?;
    let acts = acts::fenced(&record)?;
    let removal = removal(&acts)?;
    manifest_kept(bed).await?;
    silent(bed, quiet).await?;
    Ok(vec![
        (
            "registration to its removal [ms]",
            milliseconds(created, removal.reached),
        ),
        ("registration to cured and released [s]", after),
        ("writes to other people's objects", acts.len() as f64),
    ])
}

/// Nothing was lost, and all is as it was before the incident, KubeFed's `replicas` as well.
pub(super) async fn as_before(bed: &Bed, record: &Record<'_>, before: Option<i32>) -> Result<()> {
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    let now = bed.federation.snapshot().await?;
    same_uids(&record.before, &now)?;
    same_marks(&record.before.workspaces, &now.workspaces)?;
    if replicas(bed).await? != before {
        return Err(Error::refused("KubeFed has other replicas than before"));
    }
    propagated(bed).await
}

/// Proven, calm and well with every rung on.
pub async fn ready(bed: &Bed) -> Result<()> {
    bed.set_spec(&automatic()).await?;
    bed.wait_proven().await?;
    cured(bed).await
}

/// Healthy, nothing held in neither layer, nothing of ours in force.
pub async fn cured(bed: &Bed) -> Result<()> {
    let rests = |h: &FederationHealth| {
        well(h) && holds(h) == (false, false) && condition(h, "Remediating").is_none()
    };
    bed.guard.wait("a cured federation", LATE, rests).await?;
    bed.wait_durable([false, false]).await
}

/// The one deletion of the leftover's registration.
pub(super) fn removal(acts: &[AuditEvent]) -> Result<&AuditEvent> {
    let removals: Vec<&AuditEvent> = acts
        .iter()
        .filter(|e| e.object.resource == "kubefedclusters")
        .collect();
    match removals[..] {
        [one] if one.verb == "delete" && one.object.name == ALIAS && one.took_effect() => Ok(one),
        _ => Err(Error::refused(format!(
            "one removal of {ALIAS}, and not {removals:?}"
        ))),
    }
}

/// Labels and finalizers are those of before.
pub(super) fn same_marks(
    before: &BTreeMap<String, WorkspaceState>,
    after: &BTreeMap<String, WorkspaceState>,
) -> Result<()> {
    if before == after {
        return Ok(());
    }
    Err(Error::refused(format!(
        "Workspaces are marked otherwise: {before:?} became {after:?}"
    )))
}

/// KubeFed says of every FederatedWorkspace that it is propagated, to the surviving name alone.
pub(super) async fn propagated(bed: &Bed) -> Result<()> {
    let what = "every FederatedWorkspace to be propagated";
    every_status(bed, what, LATE, is_propagated).await
}

/// Waits until the status of every FederatedWorkspace is as `meant`.
pub(super) async fn every_status(
    bed: &Bed,
    what: &str,
    limit: Duration,
    meant: impl Fn(&Value) -> bool,
) -> Result<()> {
    let api = kinds::all(&bed.federation.client(), &kinds::federated_workspace());
    wait::until(what, limit, || async {
        let found = api.list(&ListParams::default()).await.attempt(|| what)?;
        let open: Vec<String> = found
            .iter()
            .filter(|federated| !meant(&federated.data["status"]))
            .map(|federated| format!("{} {}", federated.name_any(), federated.data["status"]))
            .collect();
        Ok(match open.is_empty() {
            true => Look::Done(()),
            false => Look::Pending(open.join(", ")),
        })
    })
    .await
}

fn is_propagated(status: &Value) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut propagated = conditions.filter(|c| c["type"] == "Propagation" && c["status"] == "True");
    let clusters = status["clusters"].as_array();
    propagated.next().is_some()
        && clusters.is_some_and(
            |all| matches!(&all[..], [one] if one["name"] == HOST && one["status"].is_null()),
        )
}

/// What is needed to register it again lies in the journal's ConfigMap, and no secret with it.
pub(super) async fn manifest_kept(bed: &Bed) -> Result<()> {
    let client = bed.federation.client();
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let journal = api
        .get(names::JOURNAL)
        .await
        .attempt(|| "read the journal")?;
    let text = journal
        .data
        .as_ref()
        .and_then(|d| d.get(names::JOURNAL_KEY));
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let pages = text.map(|text| json(text)).unwrap_or_default();
    let acts = pages["actions"].as_array().into_iter().flatten();
    let removals = acts.filter(|act| act["action"] == REMOVE);
    let mut from = removals.filter_map(|act| act["from"].as_str());
    let manifest = from.next_back().map(json).unwrap_or_default();
    let kept = manifest["metadata"]["name"] == ALIAS
        && manifest["spec"]["secretRef"]["name"] == format!("{ALIAS}-secret")
        && manifest["spec"]["apiEndpoint"].is_string()
        && manifest["data"].is_null();
    if kept {
        return Ok(());
    }
    Err(Error::refused(format!(
        "the journal does not keep the manifest: {journal:?}"
    )))
}

/// Fails on any write of the operator in that time, its lease aside.
pub(super) async fn silent(bed: &Bed, time: Duration) -> Result<()> {
    let record: Record<'_> = bed.record().await?;
    tokio::time::sleep(time).await;
    let writes = record.matching(|e| acts::is_write(e) && e.object.resource != "leases")?;
    match writes.is_empty() {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "it wrote after the end: {writes:#?}"
        ))),
    }
}
