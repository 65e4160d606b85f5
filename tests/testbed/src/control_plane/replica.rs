//! More API servers on one etcd, as in a control plane of three.

use super::{ControlPlane, READY_LIMIT, servers};
use crate::audit::Audit;
use crate::error::Result;
use crate::kubeconfig::Access;
use crate::ports::free_port;
use crate::process::Process;

/// One more API server of a control plane. Dropping it ends it; drop it before the control plane.
#[derive(Debug)]
pub struct ApiServerReplica {
    access: Access,
    audit: Audit,
    process: Process,
}

impl ControlPlane {
    /// Starts one more API server on the same etcd and waits until it is ready. It has its own
    /// caches and so its own moment at which a policy is in force. Nobody publishes its address:
    /// a test that wants it found writes the EndpointSlice `kubernetes` itself.
    pub async fn add_api_server(&self) -> Result<ApiServerReplica> {
        let port = free_port()?;
        let audit = self.dir.join(format!("audit-{port}.log"));
        let mut spec = self.servers.api_server.clone();
        spec.name = format!("kube-apiserver on {port}");
        spec.log = self.dir.join(format!("kube-apiserver-{port}.log"));
        for argument in &mut spec.args {
            if argument.starts_with("--secure-port=") {
                *argument = format!("--secure-port={port}");
            } else if argument.starts_with("--audit-log-path=") {
                *argument = format!("--audit-log-path={}", audit.display());
            }
        }
        let access = Access {
            server: format!("https://127.0.0.1:{port}"),
            ..self.access.clone()
        };
        let mut process = Process::spawn(spec)?;
        let client = access.client().await?;
        servers::wait_ready(&client, &mut process, READY_LIMIT).await?;
        Ok(ApiServerReplica {
            access,
            audit: Audit::new(audit),
            process,
        })
    }
}

impl ApiServerReplica {
    /// The administrator's access through this server.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What was asked of this server and of no other.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The process, to freeze or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it and waits for it.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await.map(|_| ())
    }
}
