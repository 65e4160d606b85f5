//! The stage in memory and virtual time.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::error::{Error, Result};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::Value;

use super::{Deed, Stage, Uids};
use crate::simulated::{Setup, World, pass};

/// Between two looks at the object, in virtual time.
const LOOK: Duration = Duration::from_millis(5);
/// A person with all rights.
const ADMIN: &str = "kubernetes-admin";

/// A simulated federation with the operator's own code on it.
pub struct SimulatedStage(World);

impl SimulatedStage {
    /// Builds it; `spec` is that of the FederationHealth object.
    pub async fn build(spec: Value) -> Result<Self> {
        let setup = Setup {
            spec: Some(spec),
            ..Setup::default()
        };
        World::start(setup).await.map(Self)
    }
}

impl Stage for SimulatedStage {
    fn now(&self) -> Timestamp {
        self.0.sim.clock().now()
    }

    async fn pause(&self) {
        pass(LOOK).await;
    }

    fn client(&self) -> Client {
        self.0.sim.client_as(ADMIN)
    }

    async fn double(&self) -> Result<()> {
        self.0.double().map(drop)
    }

    async fn cure(&self) -> Result<()> {
        self.0.cure()
    }

    fn deeds(&self) -> Result<Vec<Deed>> {
        let audit = self.0.sim.audit();
        let asked = audit.into_iter().filter(|e| !e.dry_run);
        let deeds = asked.filter(|e| e.code < 300 || e.code == 403);
        Ok(deeds
            .map(|e| Deed {
                at: e.at,
                user: e.user,
                verb: e.verb.to_owned(),
                resource: e.resource,
                name: e.name,
                refused: e.code == 403,
            })
            .collect())
    }

    async fn uids(&self) -> Result<Uids> {
        let tenants = self.0.sim.tenants().into_iter();
        let named = |((kind, name), uid)| (format!("{kind} {name}"), uid);
        Ok(tenants.map(named).collect())
    }

    async fn health(&self) -> Result<FederationHealth> {
        self.0
            .health()
            .ok_or_else(|| Error::refused("there is no FederationHealth default"))
    }
}
