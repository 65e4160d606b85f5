//! The second registration: named before anything is deleted, whatever it is registered through.

use std::time::Duration;

use federation_health_testbed::{
    ControlPlane,
    error::{Error, Result},
    join::{self, JoinOptions},
    kinds::KUBEFED_NAMESPACE,
};
use serde_json::{Value, json};

use super::{
    bed::{Bed, How, SOON},
    table::Figures,
    verdict,
};
use crate::guarded::{condition, holding, holds};

/// What must not come is waited for this long: three probe periods' worth of judgement, and far more than a verdict takes.
const NEVER: Duration = Duration::from_secs(3);
/// Name of the cluster that shares the host's authority and nothing else.
const NEIGHBOUR: &str = "neighbour";

/// Certain through any address, when members are probed or the registration gives itself away.
pub async fn certain(bed: &Bed, how: How) -> Result<Figures> {
    bed.calm().await?;
    let record = bed.record().await?;
    let verdict = verdict::register_and_wait(bed, &record, how).await?;
    bed.unregister().await?;
    bed.calm().await?;
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    let mut figures = vec![("registration to verdict [ms]", verdict.named_after)];
    figures.extend(
        verdict
            .held_after
            .map(|ms| ("registration to hold [ms]", ms)),
    );
    Ok(figures)
}

/// Without a probe another address leaves a suspicion, and no hold.
pub async fn suspected(bed: &Bed) -> Result<Figures> {
    bed.calm().await?;
    bed.set_spec(&offline()).await?;
    let record = bed.record().await?;
    let begun = std::time::Instant::now();
    bed.register(How::Forwarded).await?;
    let suspicion = ("Unknown".to_owned(), "SuspectedDuplicate".to_owned());
    let suspected = |h: &_| condition(h, "ClustersUnique") == Some(suspicion.clone());
    bed.guard.wait("a suspicion", SOON, suspected).await?;
    let after = begun.elapsed().as_secs_f64() * 1000.0;
    tokio::time::sleep(NEVER).await;
    let health = bed.guard.health().await?;
    if holds(&health) != (false, false) || !suspected(&health) {
        return Err(Error::refused(format!(
            "a suspicion held or changed: {:?}",
            health.status
        )));
    }
    bed.unregister().await?;
    bed.set_spec(&holding()).await?;
    bed.calm().await?;
    record.no_workspace_deleted()?;
    Ok(vec![("join to suspicion [ms]", after)])
}

/// Another server under the same authority is never taken for the host: certain when probed, a suspicion without.
pub async fn neighbour(bed: &Bed, neighbour: &ControlPlane) -> Result<Figures> {
    bed.calm().await?;
    let host = bed.federation.host().access();
    if neighbour.access().ca != host.ca {
        return Err(Error::refused("the neighbour has an authority of its own"));
    }
    for spec in [offline(), holding()] {
        bed.set_spec(&spec).await?;
        bed.federation
            .join_member(neighbour, NEIGHBOUR, JoinOptions::default())
            .await?;
        let wanted = match spec == offline() {
            true => ("Unknown", "SuspectedDuplicate"),
            false => ("True", "AsExpected"),
        };
        let told =
            |h: &_| condition(h, "ClustersUnique").is_some_and(|(s, r)| (&*s, &*r) == wanted);
        let begun = std::time::Instant::now();
        while begun.elapsed() < NEVER {
            let health = bed.guard.health().await?;
            let doubled = condition(&health, "ClustersUnique").is_some_and(|(s, _)| s == "False");
            if doubled || holds(&health) != (false, false) {
                return Err(Error::refused(format!(
                    "two clusters were taken for one: {:?}",
                    health.status
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bed.guard
            .wait("the word on a neighbour", SOON, told)
            .await?;
        join::unregister(&bed.federation.client(), KUBEFED_NAMESPACE, NEIGHBOUR).await?;
    }
    bed.calm().await?;
    Ok(Vec::new())
}

fn offline() -> Value {
    let mut spec = holding();
    spec["probe"] = json!({"mode": "Offline"});
    spec
}

/// Options of a control plane whose certificates are of this authority.
pub fn under(
    authority: &federation_health_testbed::pki::Authority,
    name: &str,
) -> federation_health_testbed::ControlPlaneOptions {
    federation_health_testbed::ControlPlaneOptions {
        authority: Some(authority.clone()),
        ..federation_health_testbed::ControlPlaneOptions::named(name)
    }
}
