//! A simulated federation with the operator's own code on it, in tokio's time: paused, a run is the same every time.

use std::{sync::Arc, time::Duration};

use clap::ValueEnum;
use federation_health_api::{FederationHealth, FederationHealthSpec};
use federation_health_cluster::{
    probe::{Dial, DialRequest, ProbeError, Probed},
    rbac::OPERATOR_NAMESPACE,
};
use federation_health_core::time::Time;
use federation_health_operator::{
    clock::Clock,
    events::Events,
    prove::Proving,
    run::{self, Surroundings},
};
use federation_health_sim::{Controllers, KubeFedOptions, Network, Running, Sim, resources};
use futures::{FutureExt as _, future::BoxFuture};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::Error;

/// Name under which the cluster is registered a second time: left over from an earlier installation.
pub const ALIAS: &str = "produce-trt";
/// The operator's user.
const OPERATOR: &str = "system:serviceaccount:federation-health-system:federation-health";
/// A second control plane's namespace.
const SECOND: &str = "kube-federation-old";
/// Namespace of the first.
const PLANE: &str = "kube-federation-system";
/// Every Workspace with its namespaces.
const WORKSPACES: [(&str, [&str; 3]); 2] = [
    ("orders", ["orders-api", "orders-db", "orders-web"]),
    ("payments", ["payments-api", "payments-db", "payments-web"]),
];
/// Granularity of waiting: nothing that a person distinguishes is shorter.
const STEP: Duration = Duration::from_millis(5);

/// What happens to the federation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// The host is registered a second time, under a leftover name.
    #[default]
    Doubled,
    /// A second KubeFed, in another namespace, registers the host as well.
    TwoPlanes,
    /// A placement names a cluster that is not registered, and KubeFed is switched on again.
    Nowhere,
    /// Nothing happens.
    Healthy,
}

/// A federation.
pub struct Stage {
    /// Its host.
    pub sim: Sim,
    scenario: Scenario,
    running: Option<Running>,
    operator: Option<JoinHandle<()>>,
}

impl Stage {
    /// Builds it; `hold`: both holds are allowed.
    pub fn build(
        scenario: Scenario,
        hold: bool,
        clock: federation_health_sim::Clock,
    ) -> Result<Self, Error> {
        let sim = Sim::in_network(&Network::default(), clock, "https://127.0.0.1:6443");
        let refused = |e| Error::parse("build the simulated federation", e);
        sim.install_kubesphere().map_err(refused)?;
        for (workspace, namespaces) in WORKSPACES {
            sim.add_workspace(workspace, &["host"], &namespaces)
                .map_err(refused)?;
        }
        for definition in [
            include_str!("../../../../config/crd/federationhealths.yaml"),
            include_str!("../../../../config/crd/federationholds.yaml"),
        ] {
            sim.apply(definition).map_err(refused)?;
        }
        sim.install_policies().map_err(refused)?;
        let spec = if hold {
            json!({"hold": {"collection": "OnDiagnosis", "federation": "OnDiagnosis", "releaseAfterSeconds": 1}})
        } else {
            json!({})
        };
        sim.apply_object(object(&spec)?).map_err(refused)?;
        Ok(Self {
            sim,
            scenario,
            running: None,
            operator: None,
        })
    }

    /// Lets KubeFed, KubeSphere, the garbage collector and the operator run.
    pub fn start(&mut self) -> Result<(), Error> {
        let mut controllers = Controllers::host();
        if self.scenario == Scenario::TwoPlanes {
            controllers.planes.push(KubeFedOptions {
                namespace: SECOND.to_owned(),
                ..KubeFedOptions::v0_8_1()
            });
        }
        self.running = Some(self.sim.start_controllers(&controllers));
        let around = Surroundings {
            watch_client: self.sim.client_as(OPERATOR),
            client: self.sim.client_as(OPERATOR),
            hold_client: self.sim.client_as(OPERATOR),
            dialer: Arc::new(NoDialer),
            proving: Proving::Assumed,
            clock: Clock::at(Time(self.sim.clock().now().as_millisecond())),
            events: Events::none(),
            listen: None,
            object: "default".to_owned(),
            namespace: OPERATOR_NAMESPACE.to_owned(),
            instance: "demo".to_owned(),
            create_default: false,
        };
        let parts = run::start(around).map_err(|e| Error::parse("start the operator", e))?;
        self.operator = Some(tokio::spawn(async move {
            // It ends when the stage is dropped; nobody is there to hear why.
            let _ = parts.until(std::future::pending()).await;
        }));
        Ok(())
    }

    /// What the scenario is about happens.
    pub fn strike(&self) -> Result<(), Error> {
        let refused = |e| Error::parse("play the scenario", e);
        match self.scenario {
            Scenario::Doubled => self.sim.join(ALIAS).map_err(refused),
            Scenario::TwoPlanes => {
                self.sim.install_plane(SECOND).map_err(refused)?;
                self.sim
                    .join_member(SECOND, "host", &self.sim.endpoint())
                    .map_err(refused)
            }
            Scenario::Nowhere => self.place("gone"),
            Scenario::Healthy => Ok(()),
        }
    }

    /// The cause goes.
    pub fn cure(&self) -> Result<(), Error> {
        let (plane, name) = match self.scenario {
            Scenario::Doubled => (PLANE, ALIAS),
            Scenario::TwoPlanes => (SECOND, "host"),
            Scenario::Nowhere => return self.place("host"),
            Scenario::Healthy => return Ok(()),
        };
        self.sim
            .admin()
            .delete(&resources::KUBEFED_CLUSTERS, plane, name, Value::Null)
            .map_err(|e| Error::parse("delete the second registration", e))
    }

    /// Places Workspace orders on a cluster.
    fn place(&self, cluster: &str) -> Result<(), Error> {
        let templates = &resources::WORKSPACE_TEMPLATES;
        let placement = json!({"spec": {"placement": {"clusters": [{"name": cluster}]}}});
        self.sim
            .admin()
            .merge(templates, "", "orders", placement)
            .map(drop)
            .map_err(|e| Error::parse(format!("place orders on {cluster}"), e))
    }

    /// The FederationHealth object.
    pub fn health(&self) -> Option<FederationHealth> {
        let object = self
            .sim
            .admin()
            .get(&resources::FEDERATION_HEALTHS, "", "default")?;
        FederationHealth::deserialize(&*object).ok()
    }

    /// Waits until the object satisfies `good`, or this time is over; whether it did.
    pub async fn wait(&self, limit: Duration, good: impl Fn(&FederationHealth) -> bool) -> bool {
        let end = tokio::time::Instant::now() + limit;
        loop {
            if self.health().is_some_and(|h| good(&h)) {
                return true;
            }
            if tokio::time::Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// Stops every program; the server stays as it is.
    pub fn freeze(&mut self) {
        self.running = None;
        if let Some(operator) = self.operator.take() {
            operator.abort();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.freeze();
    }
}

/// Writes out the defaults, which a real server fills in from the definition's schema and the simulation does not.
fn object(spec: &Value) -> Result<Value, Error> {
    let whole = FederationHealthSpec::deserialize(spec)
        .and_then(serde_json::to_value)
        .map_err(|e| Error::parse("fill in the defaults of the object", e))?;
    Ok(json!({
        "apiVersion": "federationhealth.io/v1alpha1",
        "kind": "FederationHealth",
        "metadata": {"name": "default"},
        "spec": whole,
    }))
}

/// The scenarios judge offline: nothing is dialled.
struct NoDialer;

impl Dial for NoDialer {
    fn dial(&self, _: DialRequest) -> BoxFuture<'_, Result<Probed, ProbeError>> {
        async { Err(ProbeError::Unreachable) }.boxed()
    }
}
