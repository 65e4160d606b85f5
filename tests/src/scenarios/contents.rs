//! What the projects hold besides themselves: federated claims with their volumes, federated Deployments.

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    ControlPlaneOptions, FederationOptions, apply,
    error::{Attempt as _, Error, Result},
    federation::HOST,
    kinds::{self, KUBEFED_NAMESPACE},
    kubefed::{FederatedType, KubefedOptions, KubefedVersion},
    wait::{self, Look},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{PersistentVolume, PersistentVolumeClaim},
};
use kube::{Api, Resource, ResourceExt as _};
use serde_json::json;

use super::{
    bed::{ALIAS, Bed, How, LATE, SOON},
    table::Figures,
    verdict::{self, Expected},
};
use crate::guarded::{finding, holding, holds, observing};

/// Name of every federated claim.
const CLAIM: &str = "data";
/// Name of every federated Deployment.
const DEPLOYMENT: &str = "web";
/// A project of no Workspace.
const LOOSE: &str = "loose";

/// A federation with the types that these scenarios need, and a controller manager that deletes volumes as a cloud's would.
pub fn options(version: KubefedVersion) -> FederationOptions {
    FederationOptions {
        control_plane: ControlPlaneOptions {
            controller_manager_args: vec!["--enable-hostpath-provisioner=true".to_owned()],
            ..ControlPlaneOptions::default()
        },
        kubefed: Some(KubefedOptions {
            version,
            types: vec![
                FederatedType::Workspaces,
                FederatedType::Namespaces,
                FederatedType::PersistentVolumeClaims,
                FederatedType::Deployments,
            ],
            ..KubefedOptions::default()
        }),
        ..FederationOptions::default()
    }
}

/// Claims with bound volumes, and Deployments, in the first project of each Workspace.
pub struct Contents<'a> {
    bed: &'a Bed,
    /// Workspace and its first project.
    projects: Vec<(String, String)>,
    /// Kind, namespace or volume, and UID.
    before: Vec<(&'static str, String, Option<String>)>,
}

impl<'a> Contents<'a> {
    /// Federates a claim and a Deployment in each of them and waits until they are there and bound.
    pub async fn install(bed: &'a Bed) -> Result<Self> {
        let specs = bed.federation.workspaces().iter();
        let projects: Vec<(String, String)> = specs
            .filter_map(|s| Some((s.name.clone(), s.namespaces.first()?.clone())))
            .collect();
        let client = bed.federation.client();
        for (workspace, project) in &projects {
            apply::object(&client, &volume(bed, project)).await?;
            for manifest in federated(workspace, project) {
                apply::object(&client, &manifest).await?;
            }
        }
        let mut contents = Self {
            bed,
            projects,
            before: Vec::new(),
        };
        contents.before = wait::until("claims to be bound and Deployments made", LATE, || async {
            let now = contents.now().await?;
            let claims = contents.bound().await?;
            Ok(if claims && now.iter().all(|(_, _, uid)| uid.is_some()) {
                Look::Done(now)
            } else {
                Look::Pending(format!("bound: {claims}; {now:?}"))
            })
        })
        .await?;
        Ok(contents)
    }

    /// Names of the federated objects as status has them.
    pub fn names(&self) -> Vec<String> {
        let both = |(_, project): &(String, String)| {
            [
                format!("FederatedPersistentVolumeClaim {project}/{CLAIM}"),
                format!("FederatedDeployment {project}/{DEPLOYMENT}"),
            ]
        };
        self.projects.iter().flat_map(both).collect()
    }

    async fn now(&self) -> Result<Vec<(&'static str, String, Option<String>)>> {
        let client = self.bed.federation.client();
        let mut found = Vec::new();
        for (_, project) in &self.projects {
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), project);
            let deployments: Api<Deployment> = Api::namespaced(client.clone(), project);
            let volumes: Api<PersistentVolume> = Api::all(client.clone());
            found.push(("claim", project.clone(), uid(&claims, CLAIM).await?));
            found.push((
                "Deployment",
                project.clone(),
                uid(&deployments, DEPLOYMENT).await?,
            ));
            found.push(("volume", project.clone(), uid(&volumes, project).await?));
        }
        Ok(found)
    }

    async fn bound(&self) -> Result<bool> {
        for (_, project) in &self.projects {
            let claims: Api<PersistentVolumeClaim> =
                Api::namespaced(self.bed.federation.client(), project);
            let claim = claims.get_opt(CLAIM).await.attempt(|| "read a claim")?;
            let phase = claim.and_then(|c| c.status).and_then(|s| s.phase);
            if phase.as_deref() != Some("Bound") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Which of them are no longer what they were.
    pub async fn lost(&self) -> Result<Vec<String>> {
        let now = self.now().await?;
        Ok(self
            .before
            .iter()
            .filter(|one| !now.contains(one))
            .map(|(kind, of, _)| format!("{kind} of {of}"))
            .collect())
    }

    /// Waits until every one of them is lost.
    pub async fn wait_all_lost(&self) -> Result<()> {
        let all = self.before.len();
        wait::until(
            "every claim, Deployment and volume to be lost",
            LATE,
            || async {
                let lost = self.lost().await?;
                Ok(if lost.len() == all {
                    Look::Done(())
                } else {
                    Look::Pending(format!("lost so far: {lost:?}"))
                })
            },
        )
        .await
    }
}

/// Both holds: KubeFed tries to delete each sort, and none is deleted.
pub async fn kept(contents: &Contents<'_>) -> Result<Figures> {
    let bed = contents.bed;
    bed.set_spec(&holding()).await?;
    bed.wait_proven().await?;
    bed.calm().await?;
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let expected = Expected {
        objects: contents.names(),
        ..Expected::doubled()
    };
    let verdict = verdict::wait_for(bed, &record, &expected).await?;
    bed.guard
        .wait("both holds", SOON, |h| holds(h) == (true, true))
        .await?;
    let counted = Some(contents.projects.len() as i64);
    bed.guard
        .wait("what is at risk to be counted", LATE, |h| {
            let radius = h.status.as_ref().and_then(|s| s.blast_radius.as_ref());
            radius.is_some_and(|r| r.workloads == counted && r.bound_claims == counted)
        })
        .await?;
    let mut figures = vec![("registration to verdict [ms]", verdict.named_after)];
    for (resource, figure) in [
        ("workspaces", "deletions of Workspaces refused"),
        ("persistentvolumeclaims", "deletions of claims refused"),
        ("deployments", "deletions of Deployments refused"),
    ] {
        let refused = record.wait_refusals(resource, 1).await?;
        if let Some(other) = refused.iter().find(|e| !e.user.contains(ALIAS)) {
            return Err(Error::refused(format!(
                "somebody else was refused: {other:?}"
            )));
        }
        figures.push((figure, refused.len() as f64));
    }
    if let Some(churn) = finding(&bed.guard.health().await?, "FH027") {
        return Err(Error::refused(format!("refused is not removed: {churn:?}")));
    }
    bed.unregister().await?;
    bed.calm().await?;
    record.no_workspace_deleted()?;
    record.no_namespace_lost().await?;
    let lost = contents.lost().await?;
    if lost.is_empty() {
        Ok(figures)
    } else {
        Err(Error::refused(format!("lost under the hold: {lost:?}")))
    }
}

/// No hold, and a project that no Workspace owns, so that nothing takes it along: its Deployment loops for as long as the
/// registration stands, and is named with both names. The audit log agrees.
pub async fn churning(bed: &Bed) -> Result<Figures> {
    bed.set_spec(&observing()).await?;
    bed.calm().await?;
    let client = bed.federation.client();
    let project = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LOOSE}});
    apply::object(&client, &project).await?;
    let [mut home, _, deployment] = federated("", LOOSE);
    home["spec"]["template"] = json!({});
    for manifest in [home, deployment] {
        apply::object(&client, &manifest).await?;
    }
    let live: Api<Deployment> = Api::namespaced(client, LOOSE);
    let made = |found: Option<&Deployment>| found.is_some();
    wait::for_object(live, DEPLOYMENT, "the loose Deployment", LATE, made).await?;
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let lines = [
        format!("Deleted through {KUBEFED_NAMESPACE}/{ALIAS} (sure"),
        format!("Created through {KUBEFED_NAMESPACE}/{HOST} (sure"),
        format!("FederatedDeployment {LOOSE}/{DEPLOYMENT}: removed "),
    ];
    let named = |health: &FederationHealth| {
        let told = finding(health, "FH027").map(|f| f.evidence.join(" "));
        told.is_some_and(|told| lines.iter().all(|line| told.contains(line)))
    };
    bed.guard
        .wait("the Deployment to be named", LATE, named)
        .await?;
    let mut deleted = record.deletions("deployments")?;
    // Namespaces of the tests before it go at their own pace.
    deleted.retain(|e| e.object.namespace == LOOSE);
    bed.unregister().await?;
    bed.calm().await?;
    match deleted.iter().find(|e| !e.user.contains(ALIAS)) {
        Some(other) => Err(Error::refused(format!("somebody else deleted: {other:?}"))),
        None if deleted.len() < 3 => Err(Error::refused(format!("told too soon: {deleted:?}"))),
        None => Ok(vec![(
            "deletions of a Deployment told",
            deleted.len() as f64,
        )]),
    }
}

async fn uid<K>(api: &Api<K>, name: &str) -> Result<Option<String>>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let found = api.get_opt(name).await.attempt(|| format!("read {name}"))?;
    // On its way out is lost: what is stored there is not coming back.
    Ok(found
        .filter(|o| o.meta().deletion_timestamp.is_none())
        .and_then(|o| o.uid()))
}

fn volume(bed: &Bed, project: &str) -> serde_json::Value {
    // Nothing is ever stored there; the controller deletes host paths below the temporary directory alone.
    let path = bed
        .federation
        .host()
        .dir()
        .join(format!("volume-{project}"));
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": project},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "manual",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": project, "name": CLAIM},
            "hostPath": {"path": path.display().to_string()},
        },
    })
}

fn federated(workspace: &str, project: &str) -> [serde_json::Value; 3] {
    let placement = json!({"clusters": [{"name": "host"}]});
    let labels = json!({"app": DEPLOYMENT});
    [
        json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedNamespace",
            "metadata": {"name": project, "namespace": project},
            // KubeFed takes every label away that the template does not have; KubeSphere writes them there.
            "spec": {"placement": placement, "template": {"metadata": {"labels": {
                kinds::WORKSPACE_LABEL: workspace, "kubesphere.io/namespace": project,
            }}}},
        }),
        json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedPersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": project},
            "spec": {"placement": placement, "template": {"spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "manual", "volumeName": project,
                "resources": {"requests": {"storage": "1Gi"}},
            }}},
        }),
        json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment",
            "metadata": {"name": DEPLOYMENT, "namespace": project},
            "spec": {"placement": placement, "template": {"spec": {
                // No pods: there is no node.
                "replicas": 0, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}},
            }}},
        }),
    ]
}
