//! What people do to a federation on an honest day, on real control planes: no finding above advice may come of it, and
//! no hold may stay.

use std::{collections::BTreeSet, time::Duration};

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, Federation, FederationOptions,
    error::{Attempt as _, Error, Result},
    forward::Forward,
    join::{self, JoinOptions},
    kinds::{self, KUBEFED_NAMESPACE},
    kubeconfig::Credentials,
    kubefed::{KubefedOptions, KubefedVersion},
    kubesphere::Kubesphere,
    pki::Authority,
    wait::{self, Look},
    workspace::{self, Placement, WorkspaceSpec},
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    bed::{LATE, restore},
    recorder::Recorder,
};
use crate::guarded::{Guarded, Options, condition, switched};

/// What stands for a minute is told, and a probe's period comes on top: so long stand the states in the middle of a change.
/// What comes later is seen during the next change.
const STANDS: Duration = Duration::from_secs(75);
const MEMBERS: [&str; 2] = ["east", "west"];
/// A Workspace of the members alone.
const SHOP: &str = "shop";
/// What may be False while members do not answer: it is true, and no finding.
const SILENT: [&str; 2] = ["ClustersReachable", "Healthy"];

struct Member {
    plane: ControlPlane,
    line: Forward,
    authority: Authority,
}

/// A host, two members, and the operator with both holds on diagnosis.
pub struct Changes {
    bed: Federation,
    guard: Guarded,
    members: Vec<Member>,
}

/// Findings above advice and conditions that are False.
fn alarms(health: &FederationHealth) -> BTreeSet<String> {
    let Some(status) = &health.status else {
        return BTreeSet::new();
    };
    let findings = status.findings.iter().filter(|f| f.severity != "Low");
    let findings = findings.map(|f| format!("{} {} {:?}", f.code, f.message, f.evidence));
    let bad = status.conditions.iter().filter(|c| c.status == "False");
    let bad = bad.map(|c| format!("{}: {}", c.type_, c.message));
    findings.chain(bad).collect()
}

async fn member(name: &str) -> Result<Member> {
    let authority = Authority::generate(name)?;
    let options = ControlPlaneOptions {
        authority: Some(authority.clone()),
        ..ControlPlaneOptions::named(name)
    };
    let plane = ControlPlane::start(options).await?;
    Kubesphere::install_definitions(&plane.client()).await?;
    let line = Forward::before(&plane).await?;
    Ok(Member {
        plane,
        line,
        authority,
    })
}

impl Changes {
    /// Starts everything.
    ///
    /// # Errors
    /// Something did not start.
    pub async fn start() -> Result<Self> {
        let bed = Federation::start(FederationOptions::default());
        let (bed, east, west) = tokio::join!(bed, member(MEMBERS[0]), member(MEMBERS[1]));
        let (bed, members) = (bed?, vec![east?, west?]);
        let guard = Guarded::install(bed.host(), Options::default()).await?;
        guard.wait_condition("HoldReady", "True", LATE).await?;
        guard.wait_condition("Healthy", "True", LATE).await?;
        Ok(Self {
            bed,
            guard,
            members,
        })
    }

    /// Makes every change, one after the other.
    ///
    /// # Errors
    /// One raised an alarm, left a hold, or did not come about.
    pub async fn all(&mut self) -> Result<()> {
        self.quietly("members are added", &[], async |c| c.add().await)
            .await?;
        self.quietly("a member is renamed", &[], async |c| c.rename().await)
            .await?;
        self.quietly("a third is offline", &SILENT, async |c| c.offline().await)
            .await?;
        self.quietly("credentials are rotated", &SILENT, async |c| {
            c.rotate().await
        })
        .await?;
        self.quietly("a tenant goes and is restored", &[], async |c| {
            c.restored().await
        })
        .await?;
        self.quietly("a member is removed", &[], async |c| c.remove().await)
            .await?;
        let newer = KubefedOptions {
            version: KubefedVersion::V0_10_0,
            ..KubefedOptions::default()
        };
        let alarms = Recorder::start(self.bed.client(), alarms);
        self.bed.upgrade_kubefed(newer).await?;
        tokio::time::sleep(STANDS).await;
        self.settled().await?;
        none("KubeFed is upgraded", alarms.end(), &[])
    }

    /// Ends everything.
    ///
    /// # Errors
    /// A process did not end.
    pub async fn stop(self) -> Result<()> {
        for member in self.members {
            member.plane.stop().await?;
        }
        self.bed.stop().await
    }

    async fn quietly(
        &self,
        what: &str,
        expected: &[&str],
        change: impl AsyncFnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        let seen = Recorder::start(self.bed.client(), alarms);
        change(self).await?;
        self.settled().await?;
        none(what, seen.end(), expected)
    }

    /// Healthy, and nothing held.
    async fn settled(&self) -> Result<()> {
        self.guard.wait_condition("Healthy", "True", LATE).await?;
        wait::until("no hold", LATE, || async {
            Ok(match switched(&self.bed.client()).await? {
                (false, false) => Look::Done(()),
                held => Look::Pending(format!("{held:?}")),
            })
        })
        .await
    }

    async fn join(&self, name: &str, member: &Member) -> Result<()> {
        let options = JoinOptions {
            endpoint: Some(member.line.url()),
            cluster_object: true,
            ..JoinOptions::default()
        };
        self.bed.join_member(&member.plane, name, options).await?;
        self.bed.wait_registration_ready(name).await
    }

    /// KubeSphere takes the registration away with its Cluster.
    async fn leave(&self, name: &str) -> Result<()> {
        let clusters = kinds::all(&self.bed.client(), &kinds::cluster());
        clusters
            .delete(name, &DeleteParams::default())
            .await
            .attempt(|| format!("delete Cluster {name}"))?;
        let registrations = kinds::within(
            &self.bed.client(),
            &kinds::kubefed_cluster(),
            KUBEFED_NAMESPACE,
        );
        let what = format!("KubeFedCluster {name} to be gone");
        wait::until(&what, LATE, || async {
            let found = registrations.get_opt(name).await.attempt(|| what.clone())?;
            Ok(match found {
                None => Look::Done(()),
                Some(_) => Look::Pending("there".to_owned()),
            })
        })
        .await
    }

    async fn place(&self, clusters: &[&str]) -> Result<()> {
        let placement = Placement::clusters(clusters.iter().copied());
        workspace::set_placement(&self.bed.client(), SHOP, &placement).await
    }

    /// Waits until a member has its Workspace, or has it no more.
    async fn shop_in(&self, member: &Member, there: bool) -> Result<()> {
        let api = kinds::all(&member.plane.client(), &kinds::workspace());
        let what = format!("Workspace {SHOP} in {}: {there}", member.plane.name());
        wait::until(&what, LATE, || async {
            let found = api.get_opt(SHOP).await.attempt(|| what.clone())?;
            Ok(match found.is_some() == there {
                true => Look::Done(()),
                false => Look::Pending("not yet".to_owned()),
            })
        })
        .await
    }

    async fn add(&self) -> Result<()> {
        let shop = WorkspaceSpec {
            name: SHOP.to_owned(),
            placement: Placement::clusters([MEMBERS[0]]),
            namespaces: Vec::new(),
        };
        self.join(MEMBERS[0], &self.members[0]).await?;
        workspace::create(&self.bed.client(), &shop).await?;
        self.join(MEMBERS[1], &self.members[1]).await?;
        self.place(&MEMBERS).await?;
        for member in &self.members {
            self.shop_in(member, true).await?;
        }
        Ok(())
    }

    /// Out of the placements, out of the federation, and in again under another name.
    async fn rename(&self) -> Result<()> {
        self.place(&MEMBERS[..1]).await?;
        self.shop_in(&self.members[1], false).await?;
        self.leave(MEMBERS[1]).await?;
        tokio::time::sleep(STANDS).await;
        self.join("west-2", &self.members[1]).await?;
        self.place(&[MEMBERS[0], "west-2"]).await?;
        self.shop_in(&self.members[1], true).await
    }

    /// One of three registered clusters.
    async fn offline(&self) -> Result<()> {
        self.members[1].line.set_open(false);
        self.bed.wait_readiness("west-2", false).await?;
        self.guard
            .wait_condition("ClustersReachable", "False", LATE)
            .await?;
        tokio::time::sleep(STANDS).await;
        self.members[1].line.set_open(true);
        self.bed.wait_readiness("west-2", true).await
    }

    /// The server's certificate, then the token, then the authority's bundle of the registration with a successor in it.
    async fn rotate(&self) -> Result<()> {
        let (name, member) = (MEMBERS[0], &self.members[0]);
        member.plane.renew_certificate(&member.authority).await?;
        self.bed.wait_registration_ready(name).await?;
        self.rotate_token(name, member).await?;
        self.settled().await?;
        let successor = Authority::generate("successor")?.certificate;
        let both = format!("{}{successor}", member.authority.certificate);
        let patch = json!({"spec": {"caBundle": ByteString(both.into_bytes())}});
        let registrations = kinds::within(
            &self.bed.client(),
            &kinds::kubefed_cluster(),
            KUBEFED_NAMESPACE,
        );
        registrations
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .attempt(|| "rotate the authority")?;
        // A token is not sent to an authority that changed under it: written anew, it is.
        self.rotate_token(name, member).await
    }

    async fn rotate_token(&self, name: &str, member: &Member) -> Result<()> {
        let account = join::member_account(name);
        let fresh = member.plane.access_as(KUBEFED_NAMESPACE, &account).await?;
        let Credentials::Token(token) = fresh.credentials else {
            return Err(Error::refused("a ServiceAccount has a token"));
        };
        let secrets: Api<Secret> = Api::namespaced(self.bed.client(), KUBEFED_NAMESPACE);
        let token = ByteString(token.as_bytes().to_vec());
        let patch: Value = json!({"data": {"token": token}});
        secrets
            .patch(
                &format!("{name}-secret"),
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .await
            .attempt(|| format!("rotate the token of {name}"))?;
        Ok(())
    }

    /// A tenant is offboarded, with all that it has; its backup brings everything back with new UIDs.
    async fn restored(&self) -> Result<()> {
        let client = self.bed.client();
        let spec = &self.bed.workspaces()[0];
        let templates = kinds::all(&client, &kinds::workspace_template());
        templates
            .delete(&spec.name, &DeleteParams::default())
            .await
            .attempt(|| format!("offboard {}", spec.name))?;
        let left = |now: &workspace::Snapshot| {
            let namespaces = spec.namespaces.iter();
            now.workspaces.contains_key(&spec.name)
                || namespaces
                    .into_iter()
                    .any(|n| now.namespaces.contains_key(n))
        };
        wait::until("a tenant to be gone", LATE, || async {
            let now = self.bed.snapshot().await?;
            Ok(match left(&now) {
                false => Look::Done(()),
                true => Look::Pending(format!("{:?}", now.namespaces.keys())),
            })
        })
        .await?;
        tokio::time::sleep(STANDS).await;
        workspace::create(&client, spec).await?;
        restore(&self.bed).await
    }

    async fn remove(&self) -> Result<()> {
        self.place(&MEMBERS[..1]).await?;
        self.shop_in(&self.members[1], false).await?;
        self.leave("west-2").await
    }
}

fn none(what: &str, seen: BTreeSet<String>, expected: &[&str]) -> Result<()> {
    let of = |alarm: &String, name: &&str| alarm.starts_with(&format!("{name}:"));
    let alarms: Vec<_> = seen
        .into_iter()
        .filter(|alarm| !expected.iter().any(|name| of(alarm, name)))
        .collect();
    match alarms.is_empty() {
        true => Ok(()),
        false => Err(Error::refused(format!("{what}: {alarms:#?}"))),
    }
}

/// Repeats all of it, each time on control planes of its own.
///
/// # Errors
/// An honest change raised an alarm.
pub async fn soak(runs: usize) -> Result<()> {
    for run in 0..runs {
        let mut changes = Changes::start().await?;
        changes.all().await?;
        let health = changes.guard.health().await?;
        let verdict = condition(&health, "Healthy");
        println!("run {run}: every honest change without an alarm, {verdict:?}");
        changes.stop().await?;
    }
    Ok(())
}
