//! A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::runtime::wait::conditions;
use kube::{Api, Client};
use tokio::sync::Mutex;

use crate::audit::{self, Audit};
use crate::binaries::Binaries;
use crate::error::{Attempt, Error, Result};
use crate::kubeconfig::{Access, Credentials};
use crate::pki::{Authority, Pki};
use crate::ports::free_port;
use crate::process::Process;
use crate::run_dir::RunDir;
use crate::wait::{self, Look};

mod replica;
mod servers;

pub use replica::ApiServerReplica;
use servers::Ports;

/// A warm machine needs four seconds; two cores shared with a build may need ten times that.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// Whoever makes the account is at work already when somebody asks for its token.
const ACCOUNT_LIMIT: Duration = Duration::from_secs(30);

/// A day: longer than any test, so that no token expires under a running process.
const TOKEN_SECONDS: i64 = 86_400;

/// Releases of Kubernetes that can be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KubernetesVersion {
    /// The newest.
    #[default]
    V1_37,
    /// Without ValidatingAdmissionPolicy, as most installations of KubeSphere 3.x are; its OpenAPI is the oldest that
    /// travels in the Go module.
    V1_24,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct ControlPlaneOptions {
    /// Name in directories, messages and the authority's certificate.
    pub name: String,
    /// Release of both servers.
    pub kubernetes: KubernetesVersion,
    /// Whose certificates it uses; None makes an authority of its own, as almost everybody does.
    pub authority: Option<Authority>,
    /// A store to begin with, copied: see [`ControlPlane::start_copy`].
    pub store: Option<std::path::PathBuf>,
    /// Whether etcd waits for the disk. Off by default; on, writes cost what production pays.
    pub fsync: bool,
    /// Whether kube-controller-manager runs: garbage collector, namespace controller, Deployments.
    pub controller_manager: bool,
    /// Arguments appended to kube-apiserver's, for example `--runtime-config=…`.
    pub api_server_args: Vec<String>,
    /// Arguments appended to kube-controller-manager's.
    pub controller_manager_args: Vec<String>,
    /// Namespaces whose ServiceAccounts' reads are audited, at level Metadata.
    pub audited_readers: Vec<String>,
}

impl Default for ControlPlaneOptions {
    fn default() -> Self {
        Self {
            name: "host".to_owned(),
            kubernetes: KubernetesVersion::default(),
            authority: None,
            store: None,
            fsync: false,
            controller_manager: true,
            api_server_args: Vec::new(),
            controller_manager_args: Vec::new(),
            audited_readers: Vec::new(),
        }
    }
}

impl ControlPlaneOptions {
    /// The defaults under another name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// A running control plane. Dropping it ends its processes and removes its data.
pub struct ControlPlane {
    name: String,
    access: Access,
    client: Client,
    processes: Mutex<Processes>,
    servers: servers::Specs,
    started_in: Duration,
    // Last, so that the processes have ended when their files are removed.
    dir: RunDir,
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlane")
            .field("name", &self.name)
            .field("server", &self.access.server)
            .field("dir", &self.dir.path())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Processes {
    controller_manager: Option<Process>,
    api_server: Option<Process>,
    etcd: Option<Process>,
}

impl Processes {
    fn all(&mut self) -> impl Iterator<Item = &mut Option<Process>> {
        [
            &mut self.controller_manager,
            &mut self.api_server,
            &mut self.etcd,
        ]
        .into_iter()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // All at once: each would otherwise use up its grace after the other.
        for process in self.all().flatten() {
            process.terminate();
        }
    }
}

impl ControlPlane {
    /// Starts everything and waits until the API server says it is ready.
    pub async fn start(options: ControlPlaneOptions) -> Result<Self> {
        let binaries = Binaries::get().await?;
        let begun = Instant::now();
        let dir = RunDir::create(&options.name)?;
        let pki = match &options.authority {
            Some(authority) => Pki::signed_by(authority)?,
            None => Pki::generate(&options.name)?,
        };
        let ports = Ports {
            etcd_clients: free_port()?,
            etcd_peers: free_port()?,
            api_server: free_port()?,
            controller_manager: free_port()?,
        };
        let access = Access {
            server: format!("https://127.0.0.1:{}", ports.api_server),
            ca: pki.ca.clone(),
            credentials: Credentials::Certificate(pki.admin.clone()),
        };
        dir.write("admin.kubeconfig", access.kubeconfig())?;
        let audit_policy = audit::policy(&options.audited_readers);
        dir.write("audit-policy.yaml", audit_policy.to_string())?;
        let servers = servers::Specs::prepare(binaries, &dir, &pki, ports, &options)?;
        if let Some(store) = &options.store {
            servers::copy(store, &dir.join(servers::STORE))?;
        }
        let plane = Self {
            name: options.name,
            client: access.client().await?,
            access,
            processes: Mutex::default(),
            servers,
            started_in: Duration::ZERO,
            dir,
        };
        plane.processes.lock().await.etcd = Some(Process::spawn(plane.servers.etcd.clone())?);
        plane.start_api_server().await?;
        if options.controller_manager {
            plane.start_controller_manager().await?;
        }
        plane.dir.mark_started(true);
        Ok(Self {
            started_in: begun.elapsed(),
            ..plane
        })
    }

    /// Starts another control plane, with an authority of its own, on a copy of this one's store: what a backup that is
    /// restored beside its original makes. This one's API server is away meanwhile.
    pub async fn start_copy(&self, name: &str) -> Result<Self> {
        // Nobody writes then, so what etcd has on the disk is whole.
        self.stop_api_server().await?;
        let options = ControlPlaneOptions {
            store: Some(self.dir.join(servers::STORE)),
            ..ControlPlaneOptions::named(name)
        };
        let copy = Self::start(options).await?;
        self.start_api_server().await?;
        Ok(copy)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From the first process to ready.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// A client of the administrator (`system:masters`).
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Endpoint, authority and the administrator's credentials.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The path of the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    /// The directory with data, keys and logs of this run.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps data and logs after the end, for whoever looks for the reason of a failure.
    pub fn keep_files(&self) {
        self.dir.mark_started(false);
    }

    /// The audit log of its API server.
    pub fn audit(&self) -> Audit {
        Audit::new(self.dir.join("audit.log"))
    }

    /// How to reach this server as a ServiceAccount, with a token by TokenRequest. Waits for the
    /// account: the controller manager makes a new namespace's `default` a moment later.
    pub async fn access_as(&self, namespace: &str, service_account: &str) -> Result<Access> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let what = || format!("request a token of ServiceAccount {namespace}/{service_account}");
        wait::for_object(
            api.clone(),
            service_account,
            &format!("ServiceAccount {namespace}/{service_account} to exist"),
            ACCOUNT_LIMIT,
            conditions::is_created(),
        )
        .await?;
        let answer = api
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .attempt(what)?;
        let status = answer
            .status
            .ok_or_else(|| Error::refused(format!("{}: the answer has no token", what())))?;
        Ok(Access {
            credentials: Credentials::Token(status.token),
            ..self.access.clone()
        })
    }

    /// Writes a kubeconfig for a ServiceAccount and returns its path.
    pub async fn kubeconfig_for_service_account(
        &self,
        namespace: &str,
        service_account: &str,
    ) -> Result<std::path::PathBuf> {
        let access = self.access_as(namespace, service_account).await?;
        self.dir.write(
            &format!("{namespace}.{service_account}.kubeconfig"),
            access.kubeconfig(),
        )
    }

    /// Runs kubectl as the administrator.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        let kubectl = Binaries::get().await?.path("kubectl")?;
        tokio::process::Command::new(kubectl)
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(args)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .attempt(|| format!("run kubectl {}", args.join(" ")))
    }

    /// Starts the API server (after [`ControlPlane::stop_api_server`]) and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        let mut processes = self.processes.lock().await;
        let process = Process::spawn(self.servers.api_server.clone())?;
        let process = processes.api_server.insert(process);
        servers::wait_ready(&self.client, process, READY_LIMIT).await
    }

    /// Ends the API server, politely. The data stays.
    pub async fn stop_api_server(&self) -> Result<()> {
        let process = self.processes.lock().await.api_server.take();
        match process {
            Some(process) => process.stop().await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Kills the API server as a crash would. The data stays.
    pub async fn kill_api_server(&self) -> Result<()> {
        let process = self.processes.lock().await.api_server.take();
        match process {
            Some(mut process) => process.kill().await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Stops and starts the API server on the same port; returns how long nobody could ask it.
    pub async fn restart_api_server(&self) -> Result<Duration> {
        let begun = Instant::now();
        self.stop_api_server().await?;
        self.start_api_server().await?;
        Ok(begun.elapsed())
    }

    /// Gives the API server another certificate of this authority, which must be its own, and restarts it.
    pub async fn renew_certificate(&self, authority: &Authority) -> Result<()> {
        let server = Pki::signed_by(authority)?.server;
        self.dir.write("server.crt", server.certificate)?;
        self.dir.write("server.key", server.key)?;
        self.restart_api_server().await.map(drop)
    }

    /// Starts kube-controller-manager and waits until its controllers work. Its `/healthz` is true
    /// before: it would end if the API server went away while it is still setting up.
    pub async fn start_controller_manager(&self) -> Result<()> {
        let mut processes = self.processes.lock().await;
        let process = Process::spawn(self.servers.controller_manager.clone())?;
        let process = processes.controller_manager.insert(process);
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), "default");
        let what = format!("controllers to start (see {})", process.log().display());
        let alive = std::sync::Mutex::new(process);
        wait::until(&what, READY_LIMIT, || async {
            if let Ok(mut process) = alive.lock() {
                process.check_alive()?;
            }
            Ok(match accounts.get_opt("default").await {
                Ok(Some(_)) => Look::Done(()),
                other => Look::Pending(format!("ServiceAccount default/default: {other:?}")),
            })
        })
        .await
    }

    /// Ends kube-controller-manager: no garbage collector until it is started again.
    pub async fn stop_controller_manager(&self) -> Result<()> {
        let process = self.processes.lock().await.controller_manager.take();
        match process {
            Some(process) => process.stop().await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Process ids of what runs, for checks that nothing is left.
    pub async fn process_ids(&self) -> Vec<u32> {
        let mut processes = self.processes.lock().await;
        processes
            .all()
            .filter_map(|process| process.as_ref().and_then(Process::id))
            .collect()
    }

    /// Ends everything and waits for it. Dropping does the same and blocks its thread meanwhile.
    pub async fn stop(self) -> Result<()> {
        let mut processes = std::mem::take(&mut *self.processes.lock().await);
        for process in processes.all().flatten() {
            process.terminate();
        }
        let ending: Vec<_> = processes.all().filter_map(Option::take).collect();
        for process in ending {
            process.stop().await?;
        }
        Ok(())
    }
}
