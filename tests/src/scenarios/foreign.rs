//! A control plane on another host that has this cluster registered under a name of its own, and a Workspace of the same name
//! that it places elsewhere: stopping ours does not help, and the experiment proves it.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_core::remedy::experiment::{CANARY, FOREIGN};
use federation_health_testbed::{
    ControlPlaneOptions, Federation, FederationOptions,
    error::{Error, Result},
    join::{self, JoinOptions},
    kinds::KUBEFED_NAMESPACE,
    kubefed::{FederatedType, KubefedOptions, KubefedVersion},
    workspace::WorkspaceSpec,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    acts,
    bed::{Bed, Record},
    figures::milliseconds,
    frozen::{FREEZE, replicas},
    table::Figures,
    wire,
};
use crate::guarded::{Options, USER, condition, holding, holds};

/// The Workspace that both federations have.
const SHARED: &str = "orders";
/// Our cluster's name over there.
const BRANCH: &str = "branch";
/// The rung, as `status.actions` has it.
const EXPERIMENT: &str = "PlantCanary";
/// From the registration over there to enough recreations to be sure, and a freeze, the end of its pods, and a minute's watch:
/// each of them twice what it takes.
const WHOLE: Duration = Duration::from_mins(6);
/// The loop goes on for this long after the thaw.
const RAGE: Duration = Duration::from_secs(30);

/// Our federation with the operator, and the other one, which does not know ours yet.
///
/// # Errors
/// Something did not start.
pub async fn start() -> Result<(Bed, Federation)> {
    let kubefed = KubefedOptions {
        version: KubefedVersion::V0_8_1,
        types: vec![FederatedType::Workspaces],
        ..KubefedOptions::default()
    };
    let elsewhere = FederationOptions {
        control_plane: ControlPlaneOptions::named("elsewhere"),
        kubefed: Some(kubefed),
        workspaces: vec![WorkspaceSpec::on_host(SHARED, 0)],
        ..FederationOptions::default()
    };
    let (bed, elsewhere) = tokio::join!(
        wire::start(FederationOptions::default(), Options::default()),
        Federation::start(elsewhere),
    );
    Ok((bed?, elsewhere?))
}

/// The other host registers our cluster. Ends both: the loop goes on until somebody mends it over there.
///
/// # Errors
/// A namespace was lost, the other host was not found out, our plane stays stopped, or the hold ended.
pub async fn found(bed: Bed, elsewhere: Federation) -> Result<Figures> {
    bed.set_spec(&experimenting()).await?;
    bed.wait_durable([true, false]).await?;
    bed.wait_proven().await?;
    let before = replicas(&bed).await?;
    let record = bed.record().await?;
    let registered = Timestamp::now();
    let host = bed.federation.host();
    elsewhere
        .join_member(host, BRANCH, JoinOptions::default())
        .await?;

    let rung = |h: &FederationHealth, rung: &str, state: &str| {
        acts::states(h, 0, rung).iter().map(|(_, s)| *s).eq([state])
    };
    let is = |name, state| move |h: &FederationHealth| rung(h, name, state);
    bed.guard
        .wait("our own plane stopped", WHOLE, is(FREEZE, "Verified"))
        .await?;
    let told = bed
        .guard
        .wait("what the canary tells", WHOLE, is(EXPERIMENT, "Undone"))
        .await?;
    concluded(&told)?;
    bed.guard
        .wait("the thaw", WHOLE, is(FREEZE, "Undone"))
        .await?;
    tokio::time::sleep(RAGE).await;

    let health = bed.guard.health().await?;
    if replicas(&bed).await? != before || !rung(&health, FREEZE, "Undone") {
        return Err(Error::refused("our plane is stopped, which does not help"));
    }
    if !holds(&health).0 || condition(&health, "Holding").is_none() {
        return Err(Error::refused("the hold ended while the other host works"));
    }
    advised(&health)?;
    record.no_namespace_lost().await?;
    let times = judged(&record)?;
    bed.federation.stop().await?;
    elsewhere.stop().await?;
    let names = [
        "registration over there to the first deletion here [s]",
        "registration over there to our plane stopped [s]",
        "registration over there to the label taken off [s]",
        "registration over there to our plane thawed [s]",
    ];
    let since = |at| milliseconds(registered, at) / 1000.0;
    Ok(names.into_iter().zip(times.map(since)).collect())
}

fn experimenting() -> Value {
    let mut spec = holding();
    // Workspaces loop, their namespaces stay: nothing foresees the first deletion, and no race with the collector is played.
    spec["hold"]["federation"] = json!("Never");
    spec["hold"]["collection"] = json!("Always");
    spec["remediation"] = json!({
        "mode": "Apply",
        "actions": {"freezeControllers": "Automatic", "plantCanary": "Automatic"},
    });
    spec
}

fn concluded(health: &FederationHealth) -> Result<()> {
    let actions = health.status.iter().flat_map(|s| &s.actions);
    let mut told = actions.filter(|a| a.action == EXPERIMENT);
    match told.next().map(|a| a.message.as_deref()) {
        Some(Some(FOREIGN)) => Ok(()),
        other => Err(Error::refused(format!("the experiment told {other:?}"))),
    }
}

/// A finding says what to do over there. Another one may tell of the same host by what it undoes: also Workspaces that it
/// has no federated object of lose their label.
fn advised(health: &FederationHealth) -> Result<()> {
    let findings = health.status.iter().flat_map(|s| &s.findings);
    let found: Vec<_> = findings.filter(|f| f.code == "FH010").collect();
    if found.iter().any(|f| f.message.contains("On that host")) {
        return Ok(());
    }
    Err(Error::refused(format!("no advice: {found:?}")))
}

/// By the audit log: the other host, and nobody else, deleted Workspaces and took the canary's label off; of ours one stop, one
/// canary made and deleted, one thaw, each after live reads. Gives the moments of the first deletion, the stop, the label and
/// the thaw.
fn judged(record: &Record<'_>) -> Result<[Timestamp; 4]> {
    let other = join::member_user(KUBEFED_NAMESPACE, BRANCH);
    let deleted = record.deletions("workspaces")?;
    let mut strange = deleted
        .iter()
        .filter(|e| e.user != other && !(e.user == USER && e.object.name == CANARY));
    if let Some(strange) = strange.next() {
        return Err(Error::refused(format!(
            "not by the other host: {strange:?}"
        )));
    }
    let marked = record.matching(|e| {
        e.user == other
            && e.object.name == CANARY
            && matches!(&*e.verb, "patch" | "update")
            && e.took_effect()
    })?;
    let acts = acts::fenced(record)?;
    let verbs: Vec<(&str, &str)> = acts
        .iter()
        .map(|e| (&*e.verb, &*e.object.resource))
        .collect();
    let wanted = [
        ("patch", "deployments"),
        ("create", "workspaces"),
        ("delete", "workspaces"),
        ("patch", "deployments"),
    ];
    let first = deleted.iter().find(|e| e.user == other);
    match (first, marked.first(), &acts[..]) {
        (Some(first), Some(mark), [stop, _, _, thaw]) if verbs == wanted => {
            Ok([first.reached, stop.reached, mark.reached, thaw.reached])
        }
        _ => Err(Error::refused(format!(
            "a stop, a canary and a thaw, and not {verbs:?}; deletions {deleted:?}, label {marked:?}"
        ))),
    }
}
