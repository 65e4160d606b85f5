//! The stage on real control planes with the real KubeFed and the shipped operator.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    Federation, FederationOptions, error::Result, join::JoinOptions, kubefed::KubefedVersion,
};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::Value;

use super::{ALIAS, Deed, Stage, Uids};
use crate::guarded::{Guarded, Options};

/// Between two looks at the object.
const LOOK: Duration = Duration::from_millis(20);

/// A real federation, and the shipped binary with its own rights on it.
pub struct RealStage {
    guard: Guarded,
    bed: Federation,
}

impl RealStage {
    /// Starts the control plane, KubeFed 0.8.1 and the operator; `spec` is that of the FederationHealth object.
    pub async fn build(spec: Value) -> Result<Self> {
        let bed =
            Federation::start(FederationOptions::with_kubefed(KubefedVersion::V0_8_1)).await?;
        let options = Options {
            spec: Some(spec),
            ..Options::default()
        };
        let guard = Guarded::install(bed.host(), options).await?;
        Ok(Self { guard, bed })
    }

    /// Ends every process of it.
    pub async fn stop(self) -> Result<()> {
        drop(self.guard);
        self.bed.stop().await
    }
}

impl Stage for RealStage {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn pause(&self) {
        tokio::time::sleep(LOOK).await;
    }

    fn client(&self) -> Client {
        self.bed.client()
    }

    async fn double(&self) -> Result<()> {
        self.bed
            .join_alias(ALIAS, JoinOptions::default())
            .await
            .map(drop)
    }

    async fn cure(&self) -> Result<()> {
        self.bed.unregister(ALIAS).await
    }

    fn deeds(&self) -> Result<Vec<Deed>> {
        let answered = |code: Option<u16>| code.is_some_and(|c| c < 300 || c == 403);
        let audit = self
            .bed
            .audit()
            .matching(|e| !e.dry_run && answered(e.code))?;
        let deeds = audit
            .into_iter()
            .filter(|e| e.object.subresource.is_empty());
        Ok(deeds
            .map(|e| Deed {
                at: e.reached,
                refused: e.refused(),
                user: e.user,
                verb: e.verb,
                resource: e.object.resource,
                name: e.object.name,
            })
            .collect())
    }

    async fn uids(&self) -> Result<Uids> {
        let snapshot = self.bed.snapshot().await?;
        let workspaces = snapshot.workspaces.into_iter().filter(|(_, w)| !w.deleting);
        let namespaces = snapshot
            .namespaces
            .into_iter()
            .filter(|(_, n)| n.workspace.is_some() && !n.terminating);
        Ok(workspaces
            .map(|(name, w)| (format!("Workspace {name}"), w.uid))
            .chain(namespaces.map(|(name, n)| (format!("Namespace {name}"), n.uid)))
            .collect())
    }

    async fn health(&self) -> Result<FederationHealth> {
        self.guard.health().await
    }
}
