//! As it happened to the people of the incident: the loop runs already, unseen, on a Workspace without projects; then an
//! existing production namespace is added to it.
//!
//! KubeSphere takes label and owner off a namespace whose Workspace is just being deleted, and such a namespace escapes the
//! collector once. Whoever adds it sees that it is not there, and adds it again: so does this scenario.

use std::time::{Duration, Instant};

use federation_health_testbed::{
    error::{Attempt as _, Error, Result},
    kinds,
    wait::{self, Look},
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use super::{
    bed::{Bed, How, LATE, Record, SOON},
    table::Figures,
};
use crate::guarded::{holding, holds, observing};

/// The namespace is looked at for this long: the loop's longest pause is 10 s.
const STAYS: Duration = Duration::from_secs(12);

/// The loop on this Workspace, which has no namespaces, takes one without holds and none with the collection hold.
pub async fn to_a_raging_loop(bed: &Bed, workspace: &str) -> Result<Figures> {
    bed.set_spec(&observing()).await?;
    bed.calm().await?;
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let loops = |events: &[federation_health_testbed::AuditEvent]| {
        events.iter().filter(|e| e.object.name == workspace).count() > 1
    };
    wait::until("the loop to run", LATE, || async {
        let deleted = record.deletions("workspaces")?;
        Ok(match loops(&deleted) {
            true => Look::Done(()),
            false => Look::Pending(format!("{} deletions", deleted.len())),
        })
    })
    .await?;
    let unheld = lost(bed, &record, workspace).await?;
    kept(bed, workspace).await?;
    bed.unregister().await?;
    bed.set_spec(&holding()).await?;
    bed.calm().await?;
    let api: Api<Namespace> = Api::all(bed.federation.client());
    api.delete("legacy-kept", &DeleteParams::default())
        .await
        .attempt(|| "tidy up")?;
    Ok(vec![(
        "label to loss without holds [s]",
        unheld.as_secs_f64(),
    )])
}

/// Without holds.
async fn lost(bed: &Bed, record: &Record<'_>, workspace: &str) -> Result<Duration> {
    production(bed, "legacy-lost").await?;
    let begun = Instant::now();
    // KubeFed and the collector may be waiting out a back-off from an earlier loop.
    wait::until("the added namespace to be lost", LATE, || async {
        add(bed, "legacy-lost", workspace).await?;
        let lost = record.losses("Namespace");
        Ok(match lost.iter().any(|loss| loss.name == "legacy-lost") {
            true => Look::Done(()),
            false => Look::Pending(format!("{lost:?}")),
        })
    })
    .await?;
    Ok(begun.elapsed())
}

/// With the collection hold on diagnosis: the federation hold would end the loop, and with it the test.
async fn kept(bed: &Bed, workspace: &str) -> Result<()> {
    let mut spec = holding();
    spec["hold"]["federation"] = json!("Never");
    bed.set_spec(&spec).await?;
    bed.guard
        .wait("the collection hold", SOON, |h| holds(h) == (true, false))
        .await?;
    bed.wait_durable([true, false]).await?;
    let record = bed.record().await?;
    let uid = production(bed, "legacy-kept").await?;
    wait::until("the added namespace to be named", SOON, || async {
        add(bed, "legacy-kept", workspace).await?;
        let status = bed.guard.health().await?.status;
        let named = status
            .and_then(|s| s.blast_radius)
            .map(|r| r.namespace_names);
        Ok(match named {
            Some(named) if named.iter().any(|n| n == "legacy-kept") => Look::Done(()),
            named => Look::Pending(format!("{named:?}")),
        })
    })
    .await?;
    tokio::time::sleep(STAYS).await;
    // On a busy machine the loop may skip this namespace for a while, or the collector still waits out its back-off.
    wait::until("the collector to try the added namespace", LATE, || async {
        add(bed, "legacy-kept", workspace).await?;
        let refused = record.refusals("namespaces")?;
        Ok(
            match refused.iter().any(|e| e.object.name == "legacy-kept") {
                true => Look::Done(()),
                false => Look::Pending(format!("{} refusals of others", refused.len())),
            },
        )
    })
    .await?;
    if let Some(loss) = record
        .losses("Namespace")
        .iter()
        .find(|l| l.name == "legacy-kept")
    {
        return Err(Error::refused(format!("it was lost: {loss:?}")));
    }
    let data: Api<ConfigMap> = Api::namespaced(bed.federation.client(), "legacy-kept");
    let data = data
        .get("production")
        .await
        .attempt(|| "read the production data")?;
    if data.uid() == uid {
        Ok(())
    } else {
        Err(Error::refused("the production data was replaced"))
    }
}

/// Makes a namespace with data; gives the data's UID.
async fn production(bed: &Bed, name: &str) -> Result<Option<String>> {
    let client = bed.federation.client();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let data = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "production", "namespace": name}, "data": {"worth": "everything"},
    });
    // One of the run before may still be on its way out.
    let spaces: Api<Namespace> = Api::all(client.clone());
    wait::until("no namespace of a former run", LATE, || async {
        let found = spaces
            .get_opt(name)
            .await
            .attempt(|| "look for a former run")?;
        Ok(match found {
            None => Look::Done(()),
            Some(found) => Look::Pending(format!("{:?}", found.metadata)),
        })
    })
    .await?;
    federation_health_testbed::apply::object(&client, &namespace).await?;
    let data = federation_health_testbed::apply::object(&client, &data).await?;
    Ok(data.uid())
}

/// Adds the namespace to the Workspace, unless it is there or on its way out.
async fn add(bed: &Bed, name: &str, workspace: &str) -> Result<()> {
    let api: Api<Namespace> = Api::all(bed.federation.client());
    let what = || format!("add namespace {name} to Workspace {workspace}");
    let Some(found) = api.get_opt(name).await.attempt(what)? else {
        return Ok(());
    };
    let member = found.labels().contains_key(kinds::WORKSPACE_LABEL);
    if member || found.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let patch = json!({"metadata": {"labels": {kinds::WORKSPACE_LABEL: workspace}}});
    match api
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop).attempt(what),
    }
}
