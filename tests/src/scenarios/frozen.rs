//! No hold at all, as below Kubernetes 1.30: KubeFed itself is stopped while the cause stands, and started again after it.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    ControlPlaneOptions, FederationOptions, KubernetesVersion,
    error::{Attempt as _, Error, Result},
    kinds,
    kubefed::KubefedVersion,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::{Value, json};

use super::{
    acts,
    bed::{Bed, How, LATE, SOON},
    figures::milliseconds,
    held::{same_uids, well},
    table::Figures,
    verdict, wire,
};
use crate::guarded::{Options, condition, observing};

/// An unhindered KubeFed deletes 11 to 20 s after a registration.
const RAGE: Duration = Duration::from_secs(30);
/// KubeFed's Deployment.
const MANAGER: &str = "kubefed-controller-manager";
/// The rung, as `status.actions` has it.
pub(super) const FREEZE: &str = "FreezeControllers";

/// A federation and an operator on a server that knows no ValidatingAdmissionPolicy, and so no hold.
///
/// # Errors
/// Something did not start, or the operator does not say that there is no hold.
pub async fn without_policies() -> Result<Bed> {
    let federation = FederationOptions {
        control_plane: ControlPlaneOptions {
            kubernetes: KubernetesVersion::V1_24,
            ..ControlPlaneOptions::default()
        },
        ..FederationOptions::with_kubefed(KubefedVersion::V0_8_1)
    };
    let options = Options {
        policies: false,
        ..Options::default()
    };
    let mut bed = wire::start(federation, options).await?;
    bed.logs_options = false;
    let unsupported = |h: &FederationHealth| {
        let ready = condition(h, "HoldReady");
        ready.is_some_and(|found| found == ("False".to_owned(), "PolicyUnsupported".to_owned()))
    };
    bed.guard
        .wait("the hold to be said impossible", SOON, unsupported)
        .await?;
    Ok(bed)
}

/// The incident with `freezeControllers: Automatic` and no hold.
///
/// # Errors
/// Something was deleted, KubeFed was not stopped, or it did not come back as it was.
pub async fn saved(bed: &Bed) -> Result<Figures> {
    bed.set_spec(&freezing()).await?;
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    let before = replicas(bed).await?;
    let record = bed.record().await?;
    let verdict = verdict::register_and_wait(bed, &record, How::AsItIs).await?;
    bed.guard
        .wait("the freeze, verified", SOON, |h| is(h, "Verified"))
        .await?;
    let acts = acts::fenced(&record)?;
    let [scaled] = &acts[..] else {
        return Err(Error::refused(format!(
            "one write to the Deployment's scale, and not {acts:?}"
        )));
    };
    tokio::time::sleep(RAGE).await;
    if replicas(bed).await? != Some(0) {
        return Err(Error::refused("KubeFed runs, although it was stopped"));
    }
    let removed = std::time::Instant::now();
    bed.unregister().await?;
    bed.guard
        .wait("the thaw", LATE, |h| is(h, "Undone"))
        .await?;
    let thawed = removed.elapsed();
    if replicas(bed).await? != before {
        return Err(Error::refused("KubeFed has other replicas than before"));
    }
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    same_uids(&record.before, &bed.federation.snapshot().await?)?;
    Ok(vec![
        ("registration to verdict [ms]", verdict.named_after),
        (
            "registration to KubeFed scaled to zero [ms]",
            milliseconds(verdict.created, scaled.reached),
        ),
        ("removal of the cause to thaw [s]", thawed.as_secs_f64()),
    ])
}

/// A freeze and nothing else.
pub(super) fn freezing() -> Value {
    let mut spec = observing();
    spec["hold"] = json!({"releaseAfterSeconds": 1});
    spec["remediation"] = json!({
        "mode": "Apply",
        "actions": {"freezeControllers": "Automatic"},
        "limits": acts::limits(),
    });
    spec
}

fn is(health: &FederationHealth, state: &str) -> bool {
    let actions = health.status.iter().flat_map(|s| &s.actions);
    let newest = actions.filter(|a| a.action == FREEZE).max_by_key(|a| a.id);
    newest.is_some_and(|found| found.state == state)
}

/// Replicas that KubeFed's Deployment wants.
pub(super) async fn replicas(bed: &Bed) -> Result<Option<i32>> {
    replicas_in(bed, kinds::KUBEFED_NAMESPACE).await
}

/// The same of the plane in a namespace.
pub(super) async fn replicas_in(bed: &Bed, namespace: &str) -> Result<Option<i32>> {
    let api: Api<Deployment> = Api::namespaced(bed.federation.client(), namespace);
    let found = api
        .get(MANAGER)
        .await
        .attempt(|| "read KubeFed's Deployment")?;
    Ok(found.spec.and_then(|spec| spec.replicas))
}
