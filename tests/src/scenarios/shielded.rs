//! No hold at all, as below Kubernetes 1.30: label and finalizer save the Workspaces while KubeFed runs on, and go with the
//! cause.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::error::{Error, Result};
use serde_json::{Value, json};

use super::{
    acts,
    bed::{Bed, How, LATE, SOON},
    cured::{every_status, propagated, same_marks},
    figures::milliseconds,
    frozen::replicas,
    held::{same_uids, well},
    table::Figures,
    verdict,
};
use crate::guarded::observing;

/// The rungs, as `status.actions` has them.
const SHIELD: &str = "ShieldWorkspaces";
const ARM: &str = "ArmOrphan";
/// Ways in which KubeFed says that it leaves an object alone.
const LEFT_ALONE: &str = "ManagedLabelFalse";

/// The incident with `armOrphan`, `shieldWorkspaces` and `freezeControllers: Automatic` and no hold.
///
/// # Errors
/// Something was deleted, KubeFed was stopped although shields were enough, or something is not as it was.
pub async fn saved(bed: &Bed) -> Result<Figures> {
    bed.set_spec(&shielding()).await?;
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    let replicas_before = replicas(bed).await?;
    let newest = acts::newest(&bed.guard.health().await?);
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let created = verdict::registration(&record).await?.received;
    let count = bed.federation.workspaces().len();
    let are = |h: &FederationHealth, wanted: &str| {
        [SHIELD, ARM].iter().all(|rung| {
            let mut states = acts::states(h, newest, rung);
            // What a killed process only intended, and the next one does.
            states.retain(|(_, state)| *state != "Failed");
            states.len() == count && states.iter().all(|(_, state)| *state == wanted)
        })
    };
    let up = |h: &FederationHealth| are(h, "Verified");
    bed.guard.wait("label and finalizer", SOON, up).await?;
    let shielded = acts::fenced(&record)?;
    let last = shielded.iter().map(|act| act.reached).max();
    left_alone(bed).await?;
    bed.unregister().await?;
    let removed = std::time::Instant::now();
    let down = |h: &FederationHealth| are(h, "Undone");
    bed.guard.wait("their end", LATE, down).await?;
    let ended = removed.elapsed();
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    propagated(bed).await?;

    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    let now = bed.federation.snapshot().await?;
    same_uids(&record.before, &now)?;
    same_marks(&record.before.workspaces, &now.workspaces)?;
    let acts = acts::fenced(&record)?;
    let others = acts.iter().any(|act| act.object.resource != "workspaces");
    if others || acts.len() != 4 * count || replicas(bed).await? != replicas_before {
        return Err(Error::refused(format!(
            "label and finalizer of {count} Workspaces, on and off, and not {:?}",
            acts::targets(&acts)
        )));
    }
    let up_after = last.map(|last| {
        (
            "registration to the last shield [ms]",
            milliseconds(created, last),
        )
    });
    let mut figures = vec![(
        "removal of the cause to the last shield's end [s]",
        ended.as_secs_f64(),
    )];
    figures.extend(up_after);
    Ok(figures)
}

fn shielding() -> Value {
    let mut spec = observing();
    spec["hold"] = json!({"releaseAfterSeconds": 1});
    spec["remediation"] = json!({
        "mode": "Apply",
        "actions": {
            "armOrphan": "Automatic",
            "shieldWorkspaces": "Automatic",
            "freezeControllers": "Automatic",
        },
        "limits": acts::limits(),
    });
    spec
}

/// KubeFed has come to every Workspace through the second name and says why it leaves it alone: without that nothing would
/// be shown, because it had not tried.
async fn left_alone(bed: &Bed) -> Result<()> {
    let what = "KubeFed to say that it leaves every Workspace alone";
    let limit = LATE + Duration::from_secs(60);
    let says = |status: &Value| status.to_string().contains(LEFT_ALONE);
    every_status(bed, what, limit, says).await
}
