//! Real KubeFed: its CRDs, its rights, its configuration, and its process behind its Deployment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::apply;
use crate::binaries::Binaries;
use crate::control_plane::ControlPlane;
use crate::error::{Error, Result};
use crate::kinds;
use crate::ports::free_port;
use crate::process::ProcessSpec;
use crate::runner::{DeploymentRunner, RunnerOptions};
use crate::wait::{self, Look};

/// Name of KubeFed's Deployment, as in its chart.
pub const DEPLOYMENT: &str = "kubefed-controller-manager";
const SERVICE_ACCOUNT: &str = "kubefed-controller";

/// With the default client rate each type takes about 13 s, and a restart waits out 15 s of lock.
const READY_LIMIT: Duration = Duration::from_mins(3);

/// KubeFed ends by itself when a CRD is not served yet, and comes up at the next start.
const STARTS_LIMIT: usize = 3;

/// Twenty times KubeFed's default, so that a start takes a second. The first deletion does not
/// depend on it, it comes at a health check; the period of the loop after it does.
const FAST_CLIENT_QPS: u16 = 100;

/// The releases that can be had and built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubefedVersion {
    /// What KubeSphere 3.2 to 3.4 ship.
    V0_8_1,
    /// The last release.
    V0_10_0,
}

impl KubefedVersion {
    fn as_str(self) -> &'static str {
        match self {
            Self::V0_8_1 => "0.8.1",
            Self::V0_10_0 => "0.10.0",
        }
    }
}

/// A type that KubeFed propagates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FederatedType {
    /// KubeSphere's Workspaces.
    Workspaces,
    /// Namespaces.
    Namespaces,
    /// Persistent volume claims.
    PersistentVolumeClaims,
    /// Deployments.
    Deployments,
}

impl FederatedType {
    /// The FederatedTypeConfig's name.
    pub fn config_name(self) -> &'static str {
        match self {
            Self::Workspaces => "workspaces.tenant.kubesphere.io",
            Self::Namespaces => "namespaces",
            Self::PersistentVolumeClaims => "persistentvolumeclaims",
            Self::Deployments => "deployments.apps",
        }
    }

    fn config(self, namespace: &str) -> Value {
        let (group, version, kind, plural, scope) = match self {
            Self::Workspaces => (
                "tenant.kubesphere.io",
                "v1alpha1",
                "Workspace",
                "workspaces",
                "Cluster",
            ),
            Self::Namespaces => ("", "v1", "Namespace", "namespaces", "Cluster"),
            Self::PersistentVolumeClaims => (
                "",
                "v1",
                "PersistentVolumeClaim",
                "persistentvolumeclaims",
                "Namespaced",
            ),
            Self::Deployments => ("apps", "v1", "Deployment", "deployments", "Namespaced"),
        };
        // A FederatedNamespace lies in its namespace although a Namespace lies in none.
        let federated_scope = match self {
            Self::Namespaces => "Namespaced",
            _ => scope,
        };
        json!({
            "apiVersion": "core.kubefed.io/v1beta1",
            "kind": "FederatedTypeConfig",
            "metadata": { "name": self.config_name(), "namespace": namespace },
            "spec": {
                "federatedType": {
                    "group": "types.kubefed.io", "version": "v1beta1",
                    "kind": format!("Federated{kind}"), "pluralName": format!("federated{plural}"),
                    "scope": federated_scope,
                },
                "propagation": "Enabled",
                "targetType": {
                    "group": group, "version": version, "kind": kind, "pluralName": plural,
                    "scope": scope,
                },
            },
        })
    }
}

/// What to install.
#[derive(Clone, Debug)]
pub struct KubefedOptions {
    /// The release.
    pub version: KubefedVersion,
    /// Its namespace; another one makes a second control plane on the same server.
    pub namespace: String,
    /// The types that are propagated. Each costs start-up time.
    pub types: Vec<FederatedType>,
    /// `spec.replicas` of the Deployment. One process runs whatever the number.
    pub replicas: u16,
    /// Requests a second that KubeFed's client allows itself; its own default is 5.
    pub client_qps: u16,
}

impl Default for KubefedOptions {
    fn default() -> Self {
        Self {
            version: KubefedVersion::V0_8_1,
            namespace: kinds::KUBEFED_NAMESPACE.to_owned(),
            types: vec![FederatedType::Workspaces, FederatedType::Namespaces],
            replicas: 2,
            client_qps: FAST_CLIENT_QPS,
        }
    }
}

impl KubefedOptions {
    /// KubeFed as shipped: its client waits at 5 requests a second, which sets the period of the
    /// incident's loop and costs 13 s of start for each type. For comparisons with recordings.
    pub fn at_its_own_pace() -> Self {
        Self {
            client_qps: 5,
            ..Self::default()
        }
    }
}

/// A running KubeFed. Dropping it ends the process; its objects stay.
pub struct Kubefed {
    client: Client,
    options: KubefedOptions,
    runner: DeploymentRunner,
    log: PathBuf,
}

impl Kubefed {
    /// Installs KubeFed and starts it. [`Kubefed::wait_ready`] waits until it works.
    pub async fn install(plane: &ControlPlane, options: KubefedOptions) -> Result<Self> {
        install_definitions(plane.client(), options.version).await?;
        install_objects(&plane.client(), &options).await?;
        let kubeconfig = plane
            .kubeconfig_for_service_account(&options.namespace, SERVICE_ACCOUNT)
            .await?;
        let program = Binaries::get()
            .await?
            .path(&format!("hyperfed-{}", options.version.as_str()))?
            .to_owned();
        let log = plane
            .dir()
            .join(format!("{}.{DEPLOYMENT}.log", options.namespace));
        let (namespace, qps) = (options.namespace.clone(), options.client_qps);
        let log_file = log.clone();
        let launch = move |_slot| {
            let name = format!("KubeFed of {namespace}");
            let spec = ProcessSpec::new(name, &program, &log_file).args([
                "controller-manager".to_owned(),
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--kubefed-namespace={namespace}"),
                format!("--healthz-addr=127.0.0.1:{}", free_port()?),
                format!("--metrics-addr=127.0.0.1:{}", free_port()?),
                format!("--rest-config-qps={qps}"),
                // Twice the rate, as KubeFed's own defaults have it.
                format!("--rest-config-burst={}", 2 * u32::from(qps)),
                "--v=2".to_owned(),
            ]);
            Ok(spec)
        };
        let runner = DeploymentRunner::start(
            plane.client(),
            RunnerOptions {
                namespace: options.namespace.clone(),
                deployment: DEPLOYMENT.to_owned(),
                max_processes: 1,
                launch: Arc::new(launch),
            },
        );
        Ok(Self {
            client: plane.client(),
            options,
            runner,
            log,
        })
    }

    /// Waits until KubeFed has started the controllers of every type it was installed with, and
    /// returns how long that took.
    pub async fn wait_ready(&self) -> Result<Duration> {
        let begun = Instant::now();
        let api = kinds::within(
            &self.client,
            &kinds::federated_type_config(),
            &self.options.namespace,
        );
        let what = format!(
            "KubeFed {} in {} to run its controllers (its log is {})",
            self.options.version.as_str(),
            self.options.namespace,
            self.log.display()
        );
        for kind in &self.options.types {
            wait::until(&what, READY_LIMIT, || async {
                let state = self.runner.state();
                if let Some(failure) = state.failure.filter(|_| state.starts > STARTS_LIMIT) {
                    return Err(Error::refused(format!("start KubeFed: {failure}")));
                }
                let config = api.get_opt(kind.config_name()).await;
                Ok(match config {
                    Ok(Some(config)) if is_running(&config) => Look::Done(()),
                    Ok(Some(config)) => {
                        Look::Pending(format!("{}: {}", kind.config_name(), config.data["status"]))
                    }
                    Ok(None) => Look::Pending(format!("no {}", kind.config_name())),
                    Err(error) => Look::Pending(error.to_string()),
                })
            })
            .await?;
        }
        Ok(begun.elapsed())
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.options.namespace
    }

    /// The process behind the Deployment.
    pub fn runner(&self) -> &DeploymentRunner {
        &self.runner
    }

    /// Ends the process and waits for it. The objects stay.
    pub async fn stop(self) {
        self.runner.stop().await;
    }

    /// Its log.
    pub fn log(&self) -> &std::path::Path {
        &self.log
    }
}

fn is_running(config: &DynamicObject) -> bool {
    config.data["status"]["propagationController"] == "Running"
}

/// Applies KubeFed's CRDs and those of the federated types. The chart has two files of CRDs that
/// differ; the controller manager's own come last, so that they win.
pub async fn install_definitions(client: Client, version: KubefedVersion) -> Result<()> {
    let chart = Binaries::get()
        .await?
        .path(&format!("kubefed-crds-{}", version.as_str()))?;
    apply::file(&client, &chart.join("crds/crds.yaml")).await?;
    apply::file(
        &client,
        &chart.join("charts/controllermanager/crds/crds.yaml"),
    )
    .await?;
    apply::yaml(&client, include_str!("../manifests/federated-types.yaml")).await
}

/// What the chart installs, without its webhooks: there is no service network, so the API server
/// would look their names up in the machine's DNS and send requests to whatever answers.
async fn install_objects(client: &Client, options: &KubefedOptions) -> Result<()> {
    let namespace = &options.namespace;
    let rights = include_str!("../manifests/kubefed-rights.yaml").replace("NAMESPACE", namespace);
    apply::yaml(client, &rights).await?;
    apply::object(client, &config(namespace, options.version)).await?;
    for kind in &options.types {
        apply::object(client, &kind.config(namespace)).await?;
    }
    apply::object(client, &deployment(options)).await?;
    Ok(())
}

/// Feature gates as the chart's post-install hook fills them in; KubeFed refuses to start without.
fn config(namespace: &str, version: KubefedVersion) -> Value {
    let mut config = json!({
        "apiVersion": "core.kubefed.io/v1beta1",
        "kind": "KubeFedConfig",
        "metadata": { "name": "kubefed", "namespace": namespace },
        "spec": {
            "scope": "Cluster",
            "controllerDuration": { "availableDelay": "20s", "unavailableDelay": "60s" },
            "leaderElect": { "leaseDuration": "15s", "renewDeadline": "10s", "retryPeriod": "5s",
                             "resourceLock": "configmaps" },
            "clusterHealthCheck": { "period": "10s", "failureThreshold": 3, "successThreshold": 1,
                                    "timeout": "3s" },
            "syncController": { "maxConcurrentReconciles": 1, "adoptResources": "Enabled" },
            "statusController": { "maxConcurrentReconciles": 1 },
            "featureGates": [
                { "name": "PushReconciler", "configuration": "Enabled" },
                { "name": "RawResourceStatusCollection", "configuration": "Disabled" },
                { "name": "SchedulerPreferences", "configuration": "Enabled" },
            ],
        },
    });
    if version == KubefedVersion::V0_10_0 {
        // Its default, which its CRD knows and its validation wants; 0.8.1's CRD has no such field.
        config["spec"]["controllerDuration"]["cacheSyncTimeout"] = json!("5m");
    }
    config
}

fn deployment(options: &KubefedOptions) -> Value {
    let labels = json!({ "kubefed-control-plane": "controller-manager" });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": DEPLOYMENT, "namespace": options.namespace, "labels": labels },
        "spec": {
            "replicas": options.replicas,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "serviceAccountName": SERVICE_ACCOUNT,
                    "terminationGracePeriodSeconds": 10,
                    "containers": [{
                        "name": "controller-manager",
                        "image": format!("kubefed:v{}", options.version.as_str()),
                        "command": ["/hyperfed/controller-manager", "--v=2"],
                        "ports": [{ "name": "metrics", "containerPort": 9090 }],
                    }],
                },
            },
        },
    })
}
