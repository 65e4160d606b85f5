//! A whole federation on loopback: a host, KubeFed, KubeSphere's controllers, Workspaces.

use std::time::{Duration, Instant};

use kube::Client;
use kube::api::DynamicObject;

use crate::audit::Audit;
use crate::control_plane::{ControlPlane, ControlPlaneOptions};
use crate::error::{Attempt, Result};
use crate::join::{self, JoinOptions};
use crate::kinds;
use crate::kubefed::{self, Kubefed, KubefedOptions, KubefedVersion};
use crate::kubesphere::{Kubesphere, KubesphereOptions};
use crate::wait;
use crate::workspace::{self, Snapshot, WorkspaceSpec};

/// A health check comes every 10 s; a busy machine may miss one or two.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// The name under which a federation's host is registered.
pub const HOST: &str = "host";

/// What to start.
#[derive(Clone, Debug)]
pub struct FederationOptions {
    /// The host's control plane.
    pub control_plane: ControlPlaneOptions,
    /// KubeFed, or nothing: then the Workspaces are made as KubeFed would have made them.
    pub kubefed: Option<KubefedOptions>,
    /// The imitation of KubeSphere's controllers.
    pub kubesphere: KubesphereOptions,
    /// The Workspaces that are made and waited for.
    pub workspaces: Vec<WorkspaceSpec>,
}

impl Default for FederationOptions {
    /// KubeFed 0.8.1, Workspaces `payments` and `orders` on `host` with three namespaces each.
    fn default() -> Self {
        Self {
            control_plane: ControlPlaneOptions::default(),
            kubefed: Some(KubefedOptions::default()),
            kubesphere: KubesphereOptions::default(),
            workspaces: vec![
                WorkspaceSpec::on_host("payments", 3),
                WorkspaceSpec::on_host("orders", 3),
            ],
        }
    }
}

impl FederationOptions {
    /// The defaults with this release of KubeFed.
    pub fn with_kubefed(version: KubefedVersion) -> Self {
        Self {
            kubefed: Some(KubefedOptions {
                version,
                ..KubefedOptions::default()
            }),
            ..Self::default()
        }
    }

    /// The defaults with KubeFed's CRDs and objects, but no KubeFed.
    pub fn without_kubefed() -> Self {
        Self {
            kubefed: None,
            ..Self::default()
        }
    }
}

/// How long the start took, part by part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// etcd to a ready API server.
    pub control_plane: Duration,
    /// KubeFed's start to all its controllers running.
    pub kubefed: Duration,
    /// Everything, Workspaces bound.
    pub total: Duration,
}

/// A running federation. Dropping it ends everything.
pub struct Federation {
    planes: Vec<Kubefed>,
    // None while it starts, and while a test has it stopped.
    kubesphere: Option<Kubesphere>,
    workspaces: Vec<WorkspaceSpec>,
    timings: Timings,
    // Last: what talks to the server ends before it.
    host: ControlPlane,
}

impl Federation {
    /// Starts everything, registers the host as `host`, makes the Workspaces and waits until they
    /// own their namespaces. Needs a multi-threaded runtime: the imitation must react while the
    /// test works.
    pub async fn start(options: FederationOptions) -> Result<Self> {
        let begun = Instant::now();
        let mut control_plane = options.control_plane;
        let collects = std::mem::take(&mut control_plane.controller_manager);
        let host = ControlPlane::start(control_plane).await?;
        let mut bed = Self {
            planes: Vec::new(),
            kubesphere: None,
            workspaces: options.workspaces,
            timings: Timings {
                control_plane: host.started_in(),
                ..Timings::default()
            },
            host,
        };
        match bed
            .set_up(options.kubefed, options.kubesphere, collects)
            .await
        {
            Ok(()) => {
                bed.timings.total = begun.elapsed();
                Ok(bed)
            }
            Err(error) => {
                bed.host.keep_files();
                Err(error)
            }
        }
    }

    async fn set_up(
        &mut self,
        kubefed: Option<KubefedOptions>,
        kubesphere: KubesphereOptions,
        collects: bool,
    ) -> Result<()> {
        let client = self.client();
        let version = kubefed
            .as_ref()
            .map_or(KubefedVersion::V0_8_1, |kubefed| kubefed.version);
        // Before the garbage collector starts: it looks for new kinds every 30 s only, and until
        // it has seen Workspaces it does not notice that one is deleted.
        kubefed::install_definitions(client.clone(), version).await?;
        Kubesphere::install_definitions(&client).await?;
        if collects {
            self.host.start_controller_manager().await?;
        }
        self.kubesphere = Some(Kubesphere::start(&self.host, kubesphere).await?);
        self.join_alias(HOST, JoinOptions::host()).await?;
        if let Some(kubefed) = kubefed {
            self.timings.kubefed = self.add_kubefed(kubefed).await?;
            // A FederatedWorkspace that KubeFed meets before the cluster is Ready waits for 20 s.
            self.wait_registration_ready(HOST).await?;
        }
        for spec in &self.workspaces {
            workspace::create(&client, spec).await?;
            if self.planes.is_empty() {
                workspace::create_as_kubefed(&client, &spec.name).await?;
            }
        }
        self.wait_bound(READY_LIMIT).await?;
        Ok(())
    }

    /// The host's control plane.
    pub fn host(&self) -> &ControlPlane {
        &self.host
    }

    /// A client of the host's administrator.
    pub fn client(&self) -> Client {
        self.host.client()
    }

    /// The host's audit log.
    pub fn audit(&self) -> Audit {
        self.host.audit()
    }

    /// How long the start took.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// The Workspaces it was started with.
    pub fn workspaces(&self) -> &[WorkspaceSpec] {
        &self.workspaces
    }

    /// Names of all namespaces that it was started with.
    pub fn projects(&self) -> Vec<String> {
        let specs = self.workspaces.iter();
        specs.flat_map(|spec| spec.namespaces.clone()).collect()
    }

    /// The KubeFed control planes, the first one first.
    pub fn kubefed(&self) -> &[Kubefed] {
        &self.planes
    }

    /// Installs and starts another KubeFed on the host (or the first, in a federation without);
    /// waits until it works and returns how long that took.
    pub async fn add_kubefed(&mut self, options: KubefedOptions) -> Result<Duration> {
        let plane = Kubefed::install(&self.host, options).await?;
        let ready = plane.wait_ready().await?;
        self.planes.push(plane);
        Ok(ready)
    }

    /// Ends the first KubeFed and starts another release in its place, on the same objects.
    pub async fn upgrade_kubefed(&mut self, options: KubefedOptions) -> Result<Duration> {
        if !self.planes.is_empty() {
            self.planes.remove(0).stop().await;
        }
        let plane = Kubefed::install(&self.host, options).await?;
        let ready = plane.wait_ready().await?;
        self.planes.insert(0, plane);
        Ok(ready)
    }

    /// Stops KubeSphere's controllers, as a KubeSphere that is down: nobody binds namespaces.
    pub fn stop_kubesphere(&mut self) {
        self.kubesphere = None;
    }

    /// Starts KubeSphere's controllers again.
    pub async fn start_kubesphere(&mut self, options: KubesphereOptions) -> Result<()> {
        self.kubesphere = Some(Kubesphere::start(&self.host, options).await?);
        Ok(())
    }

    /// Registers the host under another name: the incident's cause.
    pub async fn join_alias(&self, alias: &str, options: JoinOptions) -> Result<DynamicObject> {
        join::join(&self.client(), &self.host, alias, &options).await
    }

    /// Registers another control plane.
    pub async fn join_member(
        &self,
        member: &ControlPlane,
        alias: &str,
        options: JoinOptions,
    ) -> Result<DynamicObject> {
        join::join(&self.client(), member, alias, &options).await
    }

    /// Deletes the KubeFedCluster of that name in KubeFed's usual namespace, and nothing else.
    pub async fn unregister(&self, alias: &str) -> Result<()> {
        join::unregister(&self.client(), kinds::KUBEFED_NAMESPACE, alias).await
    }

    /// Waits until KubeFed says that a registration is Ready.
    pub async fn wait_registration_ready(&self, alias: &str) -> Result<()> {
        self.wait_readiness(alias, true).await
    }

    /// Waits until KubeFed says that a registration is Ready, or no longer says so.
    pub async fn wait_readiness(&self, alias: &str, ready: bool) -> Result<()> {
        let api = kinds::within(
            &self.client(),
            &kinds::kubefed_cluster(),
            kinds::KUBEFED_NAMESPACE,
        );
        let what = format!("KubeFedCluster {alias} to be Ready: {ready}");
        let wanted =
            |found: Option<&DynamicObject>| found.is_some_and(|found| is_ready(found) == ready);
        wait::for_object(api, alias, &what, READY_LIMIT, wanted).await?;
        Ok(())
    }

    /// Waits until the Workspaces it was started with exist and own their namespaces.
    pub async fn wait_bound(&self, limit: Duration) -> Result<Snapshot> {
        workspace::wait_bound(&self.client(), &self.workspaces, limit).await
    }

    /// Workspaces and namespaces now.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(&self.client()).await
    }

    /// Waits until so many namespaces of the snapshot are lost; returns their names.
    pub async fn wait_lost(
        &self,
        earlier: &Snapshot,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<String>> {
        workspace::wait_lost(&self.client(), earlier, count, limit).await
    }

    /// Sets the replicas of KubeFed's Deployment in a namespace, as an administrator would.
    pub async fn scale_kubefed(&self, namespace: &str, replicas: u16) -> Result<()> {
        use k8s_openapi::api::apps::v1::Deployment;
        use kube::api::{Api, Patch, PatchParams};
        let api: Api<Deployment> = Api::namespaced(self.client(), namespace);
        let patch = serde_json::json!({ "spec": { "replicas": replicas } });
        api.patch_scale(
            kubefed::DEPLOYMENT,
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .attempt(|| format!("scale KubeFed in {namespace} to {replicas}"))?;
        Ok(())
    }

    /// Process ids of everything that runs, for checks that nothing is left.
    pub async fn process_ids(&self) -> Vec<u32> {
        let mut ids = self.host.process_ids().await;
        for plane in &self.planes {
            ids.extend(plane.runner().state().processes.into_iter().flatten());
        }
        ids
    }

    /// Ends everything and waits for it.
    pub async fn stop(self) -> Result<()> {
        for plane in self.planes {
            plane.stop().await;
        }
        drop(self.kubesphere);
        self.host.stop().await
    }
}

fn is_ready(registration: &DynamicObject) -> bool {
    let conditions = registration.data["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
