//! The data of namespaces that go outlives them, also where the operator comes late.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    apply,
    error::{Attempt as _, Error, Result},
    federation::{Federation, FederationOptions, HOST},
    join::JoinOptions,
    kinds,
    kubefed::KubefedVersion,
    kubesphere::KubesphereOptions,
    wait::{self, Look},
    workspace::{self, Placement, WorkspaceSpec},
};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{acts, bed::ALIAS, frozen::FREEZE, table::Figures};
use crate::guarded::{Guarded, Options, USER, observing};

/// A thawed KubeFed waits for its former self's lease; its first deletion comes 10 to 21 s after that.
const RAGE: Duration = Duration::from_mins(4);
/// Whose two namespaces are Terminating when the operator comes, and whose four are not.
const LOOPS: &str = "payments";
const STANDS: &str = "orders";
const SOON: Duration = Duration::from_mins(2);
/// A release, a minute's watch after the thaw, and the policies last.
const WHOLE: Duration = Duration::from_mins(4);

/// Six namespaces with a claim each.
struct Scene {
    federation: Federation,
    client: Client,
    projects: Vec<String>,
}

/// Name, reclaim policy and phase.
type Volume = (String, String, String);

/// An operator that is there keeps every volume before KubeFed deletes anything, and gives the policies back; one that comes
/// when two of six namespaces are Terminating keeps those too. A federation of its own.
///
/// # Errors
/// A volume was not kept, was deleted, did not get its policy back, or was written to without preconditions.
pub async fn kept() -> Result<Figures> {
    let mut scene = Scene::set().await?;
    scene.in_time().await?;
    scene.two_of_six().await?;
    let guard = scene.comes_late().await?;
    let lost = scene.claims_go().await?;
    scene.given_back(&lost).await?;
    drop(guard);
    scene.federation.stop().await?;
    Ok(vec![(
        "namespaces Terminating, their volumes kept",
        lost.len() as f64,
    )])
}

fn options() -> Options {
    let mut spec = observing();
    spec["hold"] = json!({"releaseAfterSeconds": 1});
    spec["remediation"] = json!({
        "mode": "Apply", "actions": {"retainVolumes": "Automatic", "freezeControllers": "Automatic"},
        // The second incident follows the first at once.
        "limits": {"cooldownSeconds": 0},
    });
    Options {
        spec: Some(spec),
        ..Options::default()
    }
}

impl Scene {
    async fn set() -> Result<Self> {
        let workspaces = [(LOOPS, 2), (STANDS, 4)].map(|(name, n)| WorkspaceSpec::on_host(name, n));
        let federation = Federation::start(FederationOptions {
            workspaces: workspaces.to_vec(),
            ..FederationOptions::with_kubefed(KubefedVersion::V0_8_1)
        })
        .await?;
        let projects = federation.projects();
        let client = federation.client();
        for project in &projects {
            provision(&client, project).await?;
        }
        let scene = Self {
            federation,
            client,
            projects,
        };
        let count = scene.projects.len();
        let bound = |v: &[Volume]| v.len() == count && v.iter().all(|(.., phase)| phase == "Bound");
        scene.until("all volumes bound", SOON, bound).await?;
        Ok(scene)
    }

    async fn volumes(&self) -> Result<Vec<Volume>> {
        let all = Api::<PersistentVolume>::all(self.client.clone())
            .list(&ListParams::default())
            .await
            .attempt(|| "list the volumes")?;
        let told = all.items.into_iter().map(|v| {
            let spec = v.spec.unwrap_or_default();
            let phase = v.status.and_then(|s| s.phase).unwrap_or_default();
            let policy = spec.persistent_volume_reclaim_policy.unwrap_or_default();
            (v.metadata.name.unwrap_or_default(), policy, phase)
        });
        Ok(told.collect())
    }

    /// Waits until the volumes are as they should be.
    async fn until(
        &self,
        what: &str,
        limit: Duration,
        good: impl Fn(&[Volume]) -> bool,
    ) -> Result<()> {
        wait::until(what, limit, || async {
            let found = self.volumes().await?;
            Ok(match good(&found) {
                true => Look::Done(()),
                false => Look::Pending(format!("{found:?}")),
            })
        })
        .await
    }

    /// Projects that are going.
    async fn terminating(&self) -> Result<Vec<String>> {
        let all = Api::<Namespace>::all(self.client.clone())
            .list(&ListParams::default())
            .await
            .attempt(|| "list the namespaces")?;
        let going = all.items.into_iter().map(|n| n.metadata);
        let going = going.filter(|meta| meta.deletion_timestamp.is_some());
        let names = going.filter_map(|meta| meta.name);
        Ok(names.filter(|name| self.projects.contains(name)).collect())
    }

    async fn register(&self) -> Result<()> {
        let joined = self.federation.join_alias(ALIAS, JoinOptions::default());
        joined.await.map(drop)
    }

    async fn wait_kept(&self, guard: &Guarded, count: usize) -> Result<()> {
        let what = format!("{count} volumes kept, seen");
        guard
            .wait(&what, SOON, |h| verified(h, "RetainVolumes") == count)
            .await
            .map(drop)
    }

    /// An operator that is there: everything is kept before KubeFed deletes anything, and given back.
    async fn in_time(&self) -> Result<()> {
        let guard = Guarded::install(self.federation.host(), options()).await?;
        guard.wait_condition("Healthy", "True", SOON).await?;
        self.register().await?;
        self.wait_kept(&guard, self.projects.len()).await?;
        self.federation.unregister(ALIAS).await?;
        let former = |v: &[Volume]| v.iter().all(|(_, policy, _)| policy == "Delete");
        self.until("the former policies", WHOLE, former).await?;
        let deleted = self.federation.audit().deletions("namespaces")?;
        none("namespaces were deleted", &deleted)
    }

    /// Without an operator the host is registered a second time; one Workspace's placement names both, which keeps it out of
    /// the loop. The namespaces of the other one are Terminating then, and no others. KubeSphere is down meanwhile: it would
    /// bind them to the recreated Workspace, and the collector come too late to some.
    async fn two_of_six(&mut self) -> Result<()> {
        let client = self.client.clone();
        let both = Placement::clusters([HOST, ALIAS]);
        workspace::set_placement(&client, STANDS, &both).await?;
        workspace::wait_placement(&client, STANDS, &both, SOON).await?;
        self.federation.stop_kubesphere();
        let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        kinds::all(&client, &kinds::workspace())
            .patch(LOOPS, &PatchParams::default(), &released)
            .await
            .attempt(|| "take the Workspace's finalizers off")?;
        self.register().await?;
        let going = wait::until("two namespaces Terminating", RAGE, || async {
            let going = self.terminating().await?;
            Ok(match going.len() {
                2 => Look::Done(going),
                _ => Look::Pending(format!("{going:?}")),
            })
        })
        .await?;
        let others: Vec<_> = going
            .iter()
            .filter(|name| !name.starts_with(LOOPS))
            .collect();
        none("other namespaces go", &others)?;
        let kubesphere = KubesphereOptions::default();
        self.federation.start_kubesphere(kubesphere).await
    }

    /// The operator keeps what is going, and then the others, which come into danger too.
    async fn comes_late(&self) -> Result<Guarded> {
        let guard = Guarded::install(self.federation.host(), options()).await?;
        self.wait_kept(&guard, 2).await?;
        let host = Placement::clusters([HOST]);
        workspace::set_placement(&self.client, STANDS, &host).await?;
        self.wait_kept(&guard, self.projects.len()).await?;
        let retained = |v: &[Volume]| v.iter().all(|(_, policy, _)| policy == "Retain");
        self.until("every policy", SOON, retained).await?;
        let what = "KubeFed frozen: nothing more begins to go";
        guard.wait(what, SOON, |h| verified(h, FREEZE) > 0).await?;
        Ok(guard)
    }

    /// The pods of the going namespaces end, and with them the claims; their volumes stay. Gives those namespaces.
    async fn claims_go(&self) -> Result<Vec<String>> {
        let lost = self.terminating().await?;
        let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        for project in &lost {
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), project);
            let params = PatchParams::default();
            let what = || format!("let the claim in {project} go");
            claims.patch("data", &params, &freed).await.attempt(what)?;
        }
        let what = "the volumes of lost claims to be released";
        let released = |v: &[Volume]| {
            let of_lost = v.iter().filter(|(name, ..)| is_of(name, &lost));
            of_lost.filter(|(.., phase)| phase == "Released").count() == lost.len()
        };
        self.until(what, SOON, released).await?;
        Ok(lost)
    }

    /// The cause is gone: the volumes of what was lost stay kept, the others have their former policy again.
    async fn given_back(&self, lost: &[String]) -> Result<()> {
        self.federation.unregister(ALIAS).await?;
        // The collector may have come to a namespace only now.
        let late = self.terminating().await?;
        let former = |v: &[Volume]| {
            v.iter().all(|(name, policy, _)| {
                let gone = is_of(name, lost) || is_of(name, &late);
                policy == if gone { "Retain" } else { "Delete" }
            })
        };
        self.until("the former policies", WHOLE, former).await?;
        let audit = self.federation.audit();
        none(
            "volumes were deleted",
            &audit.deletions("persistentvolumes")?,
        )?;
        let stray = audit.matching(|e| {
            e.user == USER
                && e.object.resource == "persistentvolumes"
                && e.verb == "patch"
                && !acts::carries_preconditions(e)
        })?;
        none("writes without preconditions", &stray)
    }
}

/// Fails if there are some.
fn none<T: std::fmt::Debug>(what: &str, found: &[T]) -> Result<()> {
    match found {
        [] => Ok(()),
        some => Err(Error::refused(format!("{what}: {some:?}"))),
    }
}

/// The volume is that of the claim in one of these namespaces.
fn is_of(volume: &str, projects: &[String]) -> bool {
    projects
        .iter()
        .any(|project| volume == format!("data-{project}"))
}

/// A claim with a volume of its own. The finalizer stands for the pod that uses it: no kubelet runs here.
async fn provision(client: &Client, namespace: &str) -> Result<()> {
    let volume = format!("data-{namespace}");
    let size = json!({"storage": "1Gi"});
    let objects = [
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
            "spec": {
                "capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": "/none"},
                "claimRef": {"namespace": namespace, "name": "data"},
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": namespace, "finalizers": ["example.org/in-use"]},
            "spec": {
                "volumeName": volume, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "resources": {"requests": size},
            },
        }),
    ];
    for object in objects {
        apply::object(client, &object).await?;
    }
    Ok(())
}

/// Acts of the rung that are in force.
fn verified(health: &FederationHealth, rung: &str) -> usize {
    let states = acts::states(health, 0, rung);
    states
        .iter()
        .filter(|(_, state)| *state == "Verified")
        .count()
}
