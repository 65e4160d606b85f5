//! Two control planes on one server: a second KubeFed in its own namespace, with its own registration of the host.

use federation_health_testbed::{
    error::{Error, Result},
    federation::HOST,
    join::{self, JoinOptions},
    kinds::KUBEFED_NAMESPACE,
    kubefed::{FederatedType, KubefedOptions, KubefedVersion},
};

use super::{
    bed::{ALIAS, Bed, SOON},
    figures::milliseconds,
    table::Figures,
    verdict::{self, Expected},
};
use crate::guarded::holds;

/// The second plane's namespace.
const OLD: &str = "old-federation";

/// The second plane.
pub fn second(version: KubefedVersion) -> KubefedOptions {
    KubefedOptions {
        version,
        namespace: OLD.to_owned(),
        types: vec![FederatedType::Workspaces],
        ..KubefedOptions::default()
    }
}

/// The second plane gets its registration: it is named before its first deletion, and refused.
pub async fn named(bed: &Bed) -> Result<Figures> {
    bed.calm().await?;
    bed.wait_proven().await?;
    let record = bed.record().await?;
    bed.federation
        .join_alias(ALIAS, JoinOptions::in_namespace(OLD))
        .await?;
    let expected = Expected {
        condition: "ControlPlaneUnique",
        registrations: [(KUBEFED_NAMESPACE, HOST), (OLD, ALIAS)],
        objects: Vec::new(),
    };
    let verdict = verdict::wait_for(bed, &record, &expected).await?;
    let covered = |h: &federation_health_api::FederationHealth| {
        let hold = h.status.as_ref().and_then(|s| s.hold.as_ref());
        holds(h) == (true, true)
            && [KUBEFED_NAMESPACE, OLD]
                .iter()
                .all(|ns| hold.is_some_and(|hold| hold.namespaces.iter().any(|n| n == ns)))
    };
    bed.guard
        .wait("both holds, covering both planes", SOON, covered)
        .await?;
    let refused = record.wait_refusals("workspaces", 2).await?;
    let user = join::member_user(OLD, ALIAS);
    if let Some(other) = refused.iter().find(|e| e.user != user) {
        return Err(Error::refused(format!(
            "somebody else was refused: {other:?}"
        )));
    }
    join::unregister(&bed.federation.client(), OLD, ALIAS).await?;
    bed.calm().await?;
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    let mut figures = vec![
        ("registration to verdict [ms]", verdict.named_after),
        (
            "registration to the first attempt [s]",
            milliseconds(verdict.created, refused[0].received) / 1000.0,
        ),
    ];
    figures.extend(
        verdict
            .held_after
            .map(|ms| ("registration to hold [ms]", ms)),
    );
    Ok(figures)
}
