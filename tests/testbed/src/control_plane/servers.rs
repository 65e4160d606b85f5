//! Command lines of the three servers, and how to see that one is ready.

use std::path::Path;
use std::time::Duration;

use http::Request;
use kube::Client;

use super::{ControlPlaneOptions, KubernetesVersion};
use crate::binaries::Binaries;
use crate::error::{Attempt, Result};
use crate::kubeconfig::{Access, Credentials};
use crate::pki::Pki;
use crate::process::{Process, ProcessSpec};
use crate::run_dir::RunDir;
use crate::wait::{self, Look};

/// What the incident, the operator and its manifests need: the name today, and that before Kubernetes 1.27. All controllers
/// together take 5 s more to start, because each waits for its own account through one slow client.
const CONTROLLERS: [(&str, Option<&str>); 16] = [
    (
        "clusterrole-aggregation-controller",
        Some("clusterrole-aggregation"),
    ),
    ("deployment-controller", Some("deployment")),
    ("endpointslice-controller", Some("endpointslice")),
    ("garbage-collector-controller", Some("garbagecollector")),
    ("job-controller", Some("job")),
    ("namespace-controller", Some("namespace")),
    (
        "persistentvolume-binder-controller",
        Some("persistentvolume-binder"),
    ),
    (
        "persistentvolume-protection-controller",
        Some("pv-protection"),
    ),
    (
        "persistentvolumeclaim-protection-controller",
        Some("pvc-protection"),
    ),
    ("replicaset-controller", Some("replicaset")),
    (
        "root-ca-certificate-publisher-controller",
        Some("root-ca-cert-publisher"),
    ),
    ("serviceaccount-controller", Some("serviceaccount")),
    (
        "serviceaccount-token-controller",
        Some("serviceaccount-token"),
    ),
    ("statefulset-controller", Some("statefulset")),
    ("disruption-controller", Some("disruption")),
    ("validatingadmissionpolicy-status-controller", None),
];

fn controllers(version: KubernetesVersion) -> String {
    let names = CONTROLLERS
        .iter()
        .filter_map(|(today, former)| match version {
            KubernetesVersion::V1_37 => Some(*today),
            KubernetesVersion::V1_24 => *former,
        });
    names.collect::<Vec<_>>().join(",")
}

/// Where etcd has its data, in the run's directory.
pub(super) const STORE: &str = "etcd";

/// Copies a directory with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let attempt = || format!("copy {}", from.display());
    std::fs::create_dir_all(to).attempt(attempt)?;
    for entry in std::fs::read_dir(from).attempt(attempt)? {
        let entry = entry.attempt(attempt)?;
        let target = to.join(entry.file_name());
        if entry.file_type().attempt(attempt)?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target).attempt(attempt)?;
        }
    }
    Ok(())
}

/// Ports of one control plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) etcd_clients: u16,
    pub(super) etcd_peers: u16,
    pub(super) api_server: u16,
    pub(super) controller_manager: u16,
}

/// How each server is started, and started again.
#[derive(Clone, Debug)]
pub(super) struct Specs {
    pub(super) etcd: ProcessSpec,
    pub(super) api_server: ProcessSpec,
    pub(super) controller_manager: ProcessSpec,
}

impl Specs {
    /// Writes the keys and fills in the command lines.
    pub(super) fn prepare(
        binaries: &Binaries,
        dir: &RunDir,
        pki: &Pki,
        ports: Ports,
        options: &ControlPlaneOptions,
    ) -> Result<Self> {
        write_keys(dir, pki)?;
        let controller_manager_access = Access {
            server: format!("https://127.0.0.1:{}", ports.api_server),
            ca: pki.ca.clone(),
            credentials: Credentials::Certificate(pki.controller_manager.clone()),
        };
        dir.write(
            "kube-controller-manager.kubeconfig",
            controller_manager_access.kubeconfig(),
        )?;
        let (server, manager) = match options.kubernetes {
            KubernetesVersion::V1_37 => ("kube-apiserver", "kube-controller-manager"),
            KubernetesVersion::V1_24 => ("kube-apiserver-1.24", "kube-controller-manager-1.24"),
        };
        Ok(Self {
            etcd: etcd(binaries.path("etcd")?, dir, ports, options),
            api_server: api_server(binaries.path(server)?, dir, ports, options),
            controller_manager: controller_manager(binaries.path(manager)?, dir, ports, options),
        })
    }
}

fn write_keys(dir: &RunDir, pki: &Pki) -> Result<()> {
    dir.write("ca.crt", &pki.ca)?;
    dir.write("server.crt", &pki.server.certificate)?;
    dir.write("server.key", &pki.server.key)?;
    dir.write("service-account.key", &pki.service_account_key)?;
    dir.write("service-account.pub", &pki.service_account_public_key)?;
    Ok(())
}

fn etcd(program: &Path, dir: &RunDir, ports: Ports, options: &ControlPlaneOptions) -> ProcessSpec {
    let clients = format!("http://127.0.0.1:{}", ports.etcd_clients);
    let peers = format!("http://127.0.0.1:{}", ports.etcd_peers);
    let spec = ProcessSpec::new("etcd", program, dir.join("etcd.log")).args([
        format!("--data-dir={}", dir.join(STORE).display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        "--log-level=warn".to_owned(),
    ]);
    if options.fsync {
        spec
    } else {
        spec.args(["--unsafe-no-fsync"])
    }
}

fn api_server(
    program: &Path,
    dir: &RunDir,
    ports: Ports,
    options: &ControlPlaneOptions,
) -> ProcessSpec {
    let file = |name: &str| dir.join(name).display().to_string();
    let mut spec = ProcessSpec::new("kube-apiserver", program, dir.join("kube-apiserver.log"))
        .args([
            format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd_clients),
            format!("--secure-port={}", ports.api_server),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            // Else the server publishes its own address and later warns about loopback.
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("service-account.pub")),
            format!(
                "--service-account-signing-key-file={}",
                file("service-account.key")
            ),
            "--allow-privileged=true".to_owned(),
            format!("--audit-policy-file={}", file("audit-policy.yaml")),
            format!("--audit-log-path={}", file("audit.log")),
            // In megabytes. A rotated log would hide its first part from the readers.
            "--audit-log-maxsize=4096".to_owned(),
        ])
        .args(options.api_server_args.iter().cloned());
    // It waits for its clients' open watches to end, and they do not; data is safe in etcd by then.
    spec.grace = Duration::from_secs(2);
    spec
}

fn controller_manager(
    program: &Path,
    dir: &RunDir,
    ports: Ports,
    options: &ControlPlaneOptions,
) -> ProcessSpec {
    let file = |name: &str| dir.join(name).display().to_string();
    ProcessSpec::new(
        "kube-controller-manager",
        program,
        dir.join("kube-controller-manager.log"),
    )
    .args([
        format!(
            "--kubeconfig={}",
            file("kube-controller-manager.kubeconfig")
        ),
        "--use-service-account-credentials=true".to_owned(),
        format!(
            "--service-account-private-key-file={}",
            file("service-account.key")
        ),
        format!("--root-ca-file={}", file("ca.crt")),
        "--leader-elect=false".to_owned(),
        format!("--controllers={}", controllers(options.kubernetes)),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.controller_manager),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
    ])
    .args(options.controller_manager_args.iter().cloned())
}

/// Waits until an API server says it is ready. A process that ends meanwhile is an error with its
/// log.
pub(super) async fn wait_ready(
    client: &Client,
    process: &mut Process,
    limit: Duration,
) -> Result<()> {
    let what = format!(
        "the API server to be ready (see {})",
        process.log().display()
    );
    let alive = std::sync::Mutex::new(process);
    wait::until(&what, limit, || async {
        if let Ok(mut process) = alive.lock() {
            process.check_alive()?;
        }
        let request = Request::get("/readyz")
            .body(Vec::new())
            .attempt(|| "build a request for /readyz")?;
        Ok(match client.request_text(request).await {
            Ok(_) => Look::Done(()),
            Err(error) => Look::Pending(error.to_string()),
        })
    })
    .await
}
