//! A hold stays a hold, whatever befalls the API server, the operator, the object and the policies.

use federation_health_testbed::error::{Attempt as _, Result};
use serde_json::{Value, json};

use super::{
    bed::{Bed, COLLECTOR, How, LATE, SOON},
    disturbance::{Disturbance, reinstall_policies},
    members::KeptMembers,
    table::Figures,
};
use crate::guarded::{condition, holding, holds};

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The collection rule alone: Workspaces fall several times a second, and the collector comes as often.
    Collection,
    /// Both rules: KubeFed is refused and tries again.
    Both,
}

impl Held {
    fn spec(self) -> Value {
        let mut spec = holding();
        if self == Self::Collection {
            spec["hold"]["federation"] = json!("Never");
        }
        spec
    }

    fn switches(self) -> (bool, bool) {
        (true, self == Self::Both)
    }

    fn durable(self) -> [bool; 2] {
        [true, self == Self::Both]
    }
}

/// All these disturbances during one raging loop, the policies having been installed a second time before it.
pub async fn held(bed: &Bed, held: Held, disturbances: &[Disturbance]) -> Result<Figures> {
    let client = bed.federation.client();
    bed.set_spec(&held.spec()).await?;
    reinstall_policies(&client).await?;
    let missed = |h: &_| condition(h, "HoldReady").is_some_and(|(status, _)| status == "True");
    bed.guard
        .wait("HoldReady with the new policies", LATE, missed)
        .await?;
    bed.calm().await?;
    let whole = bed.record().await?;
    bed.register(How::AsItIs).await?;
    bed.guard
        .wait("the hold", SOON, |h| holds(h) == held.switches())
        .await?;
    bed.wait_durable(held.durable()).await?;
    match held {
        Held::Collection => whole.wait_deletions("workspaces", 3).await?,
        Held::Both => whole.wait_refusals("workspaces", 1).await?,
    };
    let _members = KeptMembers::keep(&bed.federation);
    let mut tried = 0;
    for disturbance in disturbances {
        let record = bed.record().await?;
        disturbance
            .strike(bed)
            .await
            .attempt(|| format!("bring about {disturbance:?}"))?;
        tokio::time::sleep(disturbance.lasts()).await;
        record
            .no_namespace_lost()
            .await
            .attempt(|| format!("outlive {disturbance:?}"))?;
        if held == Held::Collection {
            tried += record.wait_refusals("namespaces", 1).await?.len();
        } else {
            record
                .no_workspace_deleted()
                .attempt(|| format!("outlive {disturbance:?}"))?;
            tried += record.refusals("workspaces")?.len();
        }
        disturbance.mend(bed, &held.spec()).await?;
        bed.guard
            .wait("the hold again", LATE, |h| holds(h) == held.switches())
            .await?;
        bed.wait_durable(held.durable()).await?;
    }
    bed.unregister().await?;
    bed.calm().await?;
    whole.no_namespace_lost().await?;
    if held == Held::Both {
        whole.no_workspace_deleted()?;
    }
    bed.federation.wait_bound(LATE).await?;
    let collector = whole.refusals("namespaces")?;
    let collector = collector.iter().filter(|e| e.user == COLLECTOR).count();
    Ok(vec![
        ("attempts refused during disturbances", tried as f64),
        ("deletions by the collector refused", collector as f64),
        (
            "Workspaces deleted",
            whole.deletions("workspaces")?.len() as f64,
        ),
    ])
}
