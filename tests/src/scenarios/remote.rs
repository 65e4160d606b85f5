//! A remote member that is registered twice: no hold of the host reaches it, and nothing is ever written to it. KubeFed is
//! stopped before its first deletion there, a person approves the removal, and KubeFed runs again.

use federation_health_api::{FederationHealth, names};
use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, FederationOptions,
    error::{Attempt as _, Error, Result},
    join::JoinOptions,
    kinds::{self, KUBEFED_NAMESPACE},
    kubefed::KubefedVersion,
    kubesphere::Kubesphere,
    wait,
    workspace::{self, Placement, WorkspaceSpec},
};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::wait::conditions::is_created;
use serde_json::{Value, json};

use super::{
    acts,
    bed::{Bed, LATE, SOON},
    braked::annotated,
    cured::REMOVE,
    figures::milliseconds,
    frozen::{FREEZE, replicas},
    held::well,
    table::Figures,
    unheld::approve,
    wire,
};
use crate::guarded::{Options, condition, holding};

const MEMBER: &str = "east";
const LEFTOVER: &str = "east-old";
const WORKSPACE: &str = "shop";

/// A host with the operator and a member with a Workspace of its own.
///
/// # Errors
/// Something did not start.
pub async fn start(version: KubefedVersion) -> Result<(Bed, ControlPlane)> {
    // The operator's looks at the member are part of what is judged.
    let member = ControlPlaneOptions {
        audited_readers: vec![KUBEFED_NAMESPACE.to_owned()],
        ..ControlPlaneOptions::named("member")
    };
    let (bed, member) = tokio::join!(
        wire::start(FederationOptions::with_kubefed(version), Options::default()),
        ControlPlane::start(member),
    );
    let (bed, member) = (bed?, member?);
    Kubesphere::install_definitions(&member.client()).await?;
    let federation = &bed.federation;
    // What is in use has a Cluster of KubeSphere's; a leftover has none.
    let in_use = JoinOptions {
        cluster_object: true,
        ..JoinOptions::default()
    };
    federation.join_member(&member, MEMBER, in_use).await?;
    federation.wait_registration_ready(MEMBER).await?;
    workspace::create(&federation.client(), &shop()).await?;
    let live = kinds::all(&member.client(), &kinds::workspace());
    wait::for_object(
        live,
        WORKSPACE,
        "the member's Workspace",
        LATE,
        is_created(),
    )
    .await?;
    Ok((bed, member))
}

/// A Workspace of the member alone.
pub fn shop() -> WorkspaceSpec {
    WorkspaceSpec {
        name: WORKSPACE.to_owned(),
        placement: Placement::clusters([MEMBER]),
        namespaces: Vec::new(),
    }
}

/// Both holds are on, and no leave to remove anything by itself: they protect nothing over there.
fn spec() -> Value {
    let mut spec = holding();
    spec["remediation"] = json!({
        "mode": "Apply", "limits": acts::limits(),
        "actions": {"freezeControllers": "Automatic", "removeStaleCluster": "Approval"},
    });
    spec
}

/// Ends both.
///
/// # Errors
/// The member lost or was written something, a write had no fence, or KubeFed does not run as before.
pub async fn cured(bed: Bed, member: ControlPlane) -> Result<Figures> {
    bed.set_spec(&spec()).await?;
    bed.wait_proven().await?;
    bed.guard.wait("Ready and Healthy", LATE, well).await?;
    let before = replicas(&bed).await?;
    let live = kinds::all(&member.client(), &kinds::workspace());
    let uid = async || {
        let found = live.get(WORKSPACE).await;
        let meta = found.attempt(|| "read the member's Workspace")?.metadata;
        Ok::<_, Error>(meta.uid)
    };
    let was = uid().await?;
    let record = bed.record().await?;
    let begun = Timestamp::now();
    bed.federation
        .join_member(&member, LEFTOVER, JoinOptions::default())
        .await?;
    let stopped = |h: &FederationHealth| {
        acts::states(h, 0, FREEZE) == [("kubefed-controller-manager", "Verified")]
    };
    bed.guard.wait("the freeze", SOON, stopped).await?;
    // The last pods of a stopped control plane work on for a while.
    let asked = |h: &FederationHealth| {
        condition(h, "RemediationAllowed").is_some_and(|(_, reason)| reason == "NotApproved")
    };
    bed.guard.wait("a person to be asked", LATE, asked).await?;
    approve(&bed).await?;
    let removed = |h: &FederationHealth| acts::states(h, 0, REMOVE) == [(LEFTOVER, "Verified")];
    bed.guard.wait("the removal, seen", LATE, removed).await?;
    let rests = |h: &FederationHealth| well(h) && condition(h, "Remediating").is_none();
    bed.guard.wait("a cured federation", LATE, rests).await?;
    let cured = milliseconds(begun, Timestamp::now()) / 1000.0;
    annotated(&bed, names::APPROVE_ANNOTATION, &Value::Null).await?;

    let deleted = member.audit().deletions("workspaces")?;
    let ours = |agent: &str| agent.starts_with("federation-health");
    let (writes, looks): (Vec<_>, Vec<_>) = member
        .audit()
        .matching(|e| ours(&e.user_agent))?
        .into_iter()
        .partition(acts::is_write);
    let now = uid().await?;
    if looks.is_empty() {
        return Err(Error::refused("nobody looked at the member"));
    }
    if !deleted.is_empty() || !writes.is_empty() || now != was {
        return Err(Error::refused(format!(
            "in the member: deleted {deleted:?}, written by the operator {writes:?}, UID {was:?} became {now:?}"
        )));
    }
    if replicas(&bed).await? != before {
        return Err(Error::refused("KubeFed has other replicas than before"));
    }
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    let acts = acts::fenced(&record)?;
    let frozen = acts.first().map(|act| milliseconds(begun, act.reached));
    let count = acts.len() as f64;
    drop(record);
    member.stop().await?;
    bed.federation.stop().await?;
    Ok(vec![
        (
            "registration to KubeFed scaled to zero [ms]",
            frozen.unwrap_or_default(),
        ),
        ("registration to cured, with an approval [s]", cured),
        ("writes to other people's objects", count),
    ])
}
