//! The whole ladder where no hold exists, as below Kubernetes 1.30: shields carry it all by themselves, and the leftover goes
//! with a person's approval.

use std::time::Duration;

use federation_health_api::{FederationHealth, names};
use federation_health_testbed::error::{Error, Result};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    acts::{self, automatic},
    bed::{ALIAS, Bed, How, LATE, SOON},
    braked::{annotated, said},
    cured::{REMOVE, as_before, manifest_kept, removal, silent},
    figures::milliseconds,
    frozen::replicas,
    held::well,
    table::Figures,
    verdict,
};
use crate::guarded::{condition, observing};

/// An unhindered KubeFed deletes 10 to 21 s after a registration.
const RAGE: Duration = Duration::from_secs(30);

/// The incident with every rung automatic and no hold. Once for a federation: what was removed is not removed again.
///
/// # Errors
/// Something was lost, is not as it was, was written without a fence, or the leftover went without an approval.
pub async fn cured(bed: &Bed) -> Result<Figures> {
    bed.set_spec(&unheld("Automatic")).await?;
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    let before = replicas(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let created = verdict::registration(&record).await?.received;
    // Everything is shielded, and by itself nothing goes further.
    let count = bed.federation.workspaces().len();
    let shielded = |h: &FederationHealth| {
        let states = acts::states(h, newest, "ShieldWorkspaces");
        states.len() == count && states.iter().all(|(_, state)| *state == "Verified")
    };
    bed.guard.wait("the shields", SOON, shielded).await?;
    let saved = acts::fenced(&record)?.iter().map(|act| act.reached).max();
    said(bed, "NotHeld").await?;
    tokio::time::sleep(RAGE).await;
    said(bed, "NotHeld").await?;

    bed.set_spec(&unheld("Approval")).await?;
    let approved = approve(bed).await?;
    let gone = |h: &FederationHealth| acts::states(h, newest, REMOVE) == [(ALIAS, "Verified")];
    bed.guard.wait("the removal, seen", LATE, gone).await?;
    let rests = |h: &FederationHealth| well(h) && condition(h, "Remediating").is_none();
    bed.guard.wait("a cured federation", LATE, rests).await?;
    let after = milliseconds(approved, Timestamp::now()) / 1000.0;
    annotated(bed, names::APPROVE_ANNOTATION, &Value::Null).await?;

    as_before(bed, &record, before).await?;
    let acts = acts::fenced(&record)?;
    let removed = removal(&acts)?.reached;
    manifest_kept(bed).await?;
    // The last label comes off a minute after nothing is in danger; KubeFed answers with its own.
    silent(bed, RAGE).await?;
    let mut figures = vec![
        (
            "approval to the removal [ms]",
            milliseconds(approved, removed),
        ),
        ("approval to cured and everything as before [s]", after),
        ("writes to other people's objects", acts.len() as f64),
    ];
    figures.extend(saved.map(|at| {
        (
            "registration to everything shielded [ms]",
            milliseconds(created, at),
        )
    }));
    Ok(figures)
}

fn unheld(removal: &str) -> Value {
    let mut spec = observing();
    spec["hold"] = json!({"releaseAfterSeconds": 1});
    spec["remediation"] = automatic()["remediation"].clone();
    spec["remediation"]["actions"]["removeStaleCluster"] = json!(removal);
    spec
}

/// A person approves the plan that waits for it; gives the moment.
pub(super) async fn approve(bed: &Bed) -> Result<Timestamp> {
    said(bed, "NotApproved").await?;
    let health = bed.guard.health().await?;
    let now = Timestamp::now();
    approve_until(bed, &plan(&health)?, now + Duration::from_mins(10)).await?;
    Ok(now)
}

/// Writes the approval of a plan.
pub(super) async fn approve_until(bed: &Bed, plan: &str, until: Timestamp) -> Result<()> {
    let value = format!("{plan}@{until}");
    annotated(bed, names::APPROVE_ANNOTATION, &json!(value)).await
}

/// Id of the plan.
pub(super) fn plan(health: &FederationHealth) -> Result<String> {
    let plan = health.status.as_ref().and_then(|s| s.plan.as_ref());
    plan.map(|plan| plan.id.clone())
        .ok_or_else(|| Error::refused("there is no plan"))
}
