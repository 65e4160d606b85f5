//! The collection hold on Always, and no operator at all.

use std::time::Duration;

use federation_health_api::names;
use federation_health_testbed::error::{Attempt as _, Error, Result};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicyBinding, apps::v1::Deployment,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    bed::{Bed, COLLECTOR, How, SOON},
    members::KeptMembers,
    table::Figures,
};
use crate::guarded::{self, holding, observing};

/// The loop rages for this long: dozens of times round.
const RAGE: Duration = Duration::from_secs(10);

/// Who has made the binding active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activated {
    /// The operator, before it went.
    ByOperator,
    /// A person, by the patch that the policy's file documents.
    ByHand,
}

/// The loop rages without an operator, and every namespace stays.
pub async fn without_operator(bed: &Bed, activated: Activated) -> Result<Figures> {
    bed.calm().await?;
    if activated == Activated::ByOperator {
        let mut spec = holding();
        spec["hold"] = json!({"collection": "Always"});
        bed.set_spec(&spec).await?;
        bed.wait_durable([true, false]).await?;
        scale_operator(bed, 0).await?;
    } else {
        bed.set_spec(&observing()).await?;
        scale_operator(bed, 0).await?;
        switch(bed, &Value::Null).await?;
        bed.wait_durable([true, false]).await?;
        // In force a second after the patch; KubeFed needs ten at least.
    }
    let record = bed.record().await?;
    let _members = KeptMembers::keep(&bed.federation);
    bed.register(How::AsItIs).await?;
    record.wait_deletions("workspaces", 3).await?;
    tokio::time::sleep(RAGE).await;
    record.no_namespace_lost().await?;
    bed.unregister().await?;
    let fell = record.deletions("workspaces")?.len();
    let refused = record.refusals("namespaces")?;
    let refused = refused.iter().filter(|e| e.user == COLLECTOR).count();
    if refused == 0 {
        return Err(Error::refused(
            "the collector never tried: nothing was held",
        ));
    }
    bed.federation.wait_bound(SOON).await?;
    if activated == Activated::ByHand {
        let canary = json!({"matchLabels": {names::CANARY_LABEL: "durable-collection"}});
        switch(bed, &canary).await?;
    }
    scale_operator(bed, 1).await?;
    // An operator that starts into OnDiagnosis and finds the binding active rightly keeps it until a person ends it.
    bed.set_spec(&observing()).await?;
    bed.calm().await?;
    bed.set_spec(&holding()).await?;
    bed.calm().await?;
    record.no_namespace_lost().await?;
    Ok(vec![
        ("Workspaces deleted", fell as f64),
        ("deletions by the collector refused", refused as f64),
    ])
}

async fn scale_operator(bed: &Bed, replicas: usize) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(bed.federation.client(), guarded::NAMESPACE);
    let patch = json!({"spec": {"replicas": replicas}});
    api.patch_scale(guarded::NAME, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .attempt(|| format!("scale the operator to {replicas}"))?;
    let runner = bed.guard.runner();
    let runner = runner.ok_or_else(|| Error::refused("the operator was not started here"))?;
    runner.wait_running(replicas, SOON).await
}

async fn switch(bed: &Bed, selector: &Value) -> Result<()> {
    let api: Api<ValidatingAdmissionPolicyBinding> = Api::all(bed.federation.client());
    let patch = json!({"spec": {"matchResources": {"objectSelector": selector}}});
    api.patch(
        names::COLLECTION_DURABLE,
        &PatchParams::default(),
        &Patch::Merge(patch),
    )
    .await
    .attempt(|| "switch the durable binding by hand")
    .map(drop)
}
