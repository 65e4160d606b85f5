//! A simulated federation with the operator's own code on it, in tokio's time: paused, a run is the same every time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clap::ValueEnum;
use federation_health_api::{FederationHealth, FederationHealthSpec, names::OPERATOR_LABELS};
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
use federation_health_sim::{
    Controllers, KubeFedOptions, Network, Refusal, Running, Sim, resources,
};
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

/// Endpoint of the remote member.
const MEMBER: &str = "https://127.0.0.1:7443";
/// Its name, and the leftover one.
const EAST: [&str; 2] = ["east", "east-old"];
/// KubeFed's Deployment, and how often it runs.
const MANAGER: (&str, u32) = ("kubefed-controller-manager", 2);

/// UIDs by kind, name and server.
pub type Uids = BTreeMap<((&'static str, String), &'static str), String>;

/// What happens to the federation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// The host is registered a second time, under a leftover name.
    #[default]
    Doubled,
    /// A second KubeFed, in another namespace, registers the host as well.
    TwoPlanes,
    /// A registration survived an uninstallation, and KubeFed is installed again.
    Resurrection,
    /// The host is registered a second time, and a Workspace is placed on the leftover name alone.
    #[value(alias = "t1")]
    Misplaced,
    /// A remote member is registered a second time.
    RemoteMember,
    /// A placement names a cluster that is not registered.
    Nowhere,
    /// Nothing happens.
    Healthy,
}

impl Scenario {
    /// What federation-health may do in the part of the story that ends well.
    pub fn rescue(self) -> Guard {
        match self {
            Self::Misplaced | Self::RemoteMember => Guard::Apply,
            _ => Guard::Hold,
        }
    }
}

/// What federation-health may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Tell.
    None,
    /// Hold deletions.
    Hold,
    /// Hold, and remedy what a person approves.
    Ask,
    /// Hold, and remedy.
    Apply,
}

impl Guard {
    fn spec(self) -> Value {
        let hold = json!({"collection": "OnDiagnosis", "federation": "OnDiagnosis", "releaseAfterSeconds": 1});
        let start = match self {
            Self::None => return json!({}),
            Self::Hold => return json!({"hold": hold}),
            Self::Ask => "Approval",
            Self::Apply => "Automatic",
        };
        let actions = json!({"shieldWorkspaces": start, "freezeControllers": start, "fixPlacement": start, "removeStaleCluster": start});
        json!({"hold": hold, "remediation": {"mode": "Apply", "actions": actions}})
    }
}

/// A federation.
pub struct Stage {
    /// Its host.
    pub sim: Sim,
    /// The remote member, where the scenario has one.
    pub member: Option<Sim>,
    scenario: Scenario,
    running: Vec<Running>,
    operator: Option<JoinHandle<()>>,
}

impl Stage {
    /// Builds it.
    pub fn build(
        scenario: Scenario,
        guard: Guard,
        clock: federation_health_sim::Clock,
    ) -> Result<Self, Error> {
        let network = Network::default();
        let sim = Sim::in_network(&network, clock.clone(), "https://127.0.0.1:6443");
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
        sim.apply_object(deployment()?).map_err(refused)?;
        sim.apply_object(object(&guard.spec())?).map_err(refused)?;
        let member = match scenario {
            Scenario::RemoteMember => Some(remote(&sim, &network, clock).map_err(refused)?),
            _ => None,
        };
        match scenario {
            Scenario::Resurrection => uninstall(&sim).map_err(refused)?,
            // A name that as many placements name as its twin is no proven leftover.
            Scenario::Misplaced => sim
                .add_workspace("billing", &["host"], &["billing-db"])
                .map_err(refused)?,
            _ => {}
        }
        Ok(Self {
            sim,
            member,
            scenario,
            running: Vec::new(),
            operator: None,
        })
    }

    /// Lets KubeFed, KubeSphere, the garbage collector and the operator run.
    pub fn start(&mut self) -> Result<(), Error> {
        let mut controllers = Controllers::host();
        if self.scenario == Scenario::TwoPlanes {
            controllers
                .planes
                .push(KubeFedOptions::v0_8_1().in_namespace(SECOND));
        }
        self.running.push(self.sim.start_controllers(&controllers));
        if let Some(member) = &self.member {
            self.running
                .push(member.start_controllers(&Controllers::member()));
        }
        let around = Surroundings {
            watch_client: self.sim.client_as(OPERATOR),
            client: self.sim.client_as(OPERATOR),
            hold_client: self.sim.client_as(OPERATOR),
            dialer: Arc::new(NoDialer),
            proving: Proving::Assumed,
            clock: Clock::at(Time(self.sim.clock().now().as_millisecond())),
            events: Events::none(),
            listen: None,
            page: false,
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
            Scenario::Resurrection => {
                let namespace =
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLANE}});
                self.sim.apply_object(namespace).map_err(refused)?;
                let (name, replicas) = MANAGER;
                self.sim
                    .admin()
                    .scale(&resources::DEPLOYMENTS, PLANE, name, replicas)
                    .map_err(refused)
            }
            Scenario::Misplaced => {
                self.sim.join(ALIAS).map_err(refused)?;
                self.place(ALIAS)
            }
            Scenario::RemoteMember => self
                .sim
                .join_member(PLANE, EAST[1], MEMBER)
                .map_err(refused),
            Scenario::Nowhere => self.place("gone"),
            Scenario::Healthy => Ok(()),
        }
    }

    /// The registration that is the cause, where one is.
    fn cause(&self) -> Option<(&'static str, &'static str)> {
        Some(match self.scenario {
            Scenario::Doubled | Scenario::Resurrection | Scenario::Misplaced => (PLANE, ALIAS),
            Scenario::TwoPlanes => (SECOND, "host"),
            Scenario::RemoteMember => (PLANE, EAST[1]),
            Scenario::Nowhere | Scenario::Healthy => return None,
        })
    }

    /// The cause goes, if it is still there; says what somebody did.
    pub fn cure(&self) -> Result<Option<String>, Error> {
        if self.scenario == Scenario::Nowhere {
            self.place("host")?;
            return Ok(Some("puts the placement right".to_owned()));
        }
        let (clusters, admin) = (&resources::KUBEFED_CLUSTERS, self.sim.admin());
        let Some((plane, name)) = self
            .cause()
            .filter(|(plane, name)| admin.get(clusters, plane, name).is_some())
        else {
            return Ok(None);
        };
        admin
            .delete(clusters, plane, name, Value::Null)
            .map_err(|e| Error::parse("delete the second registration", e))?;
        Ok(Some(format!("deletes the registration {plane}/{name}")))
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

    /// The servers with their names in a story: the host has none.
    pub fn servers(&self) -> Vec<(&'static str, &Sim)> {
        let member = self.member.iter().map(|sim| (EAST[0], sim));
        std::iter::once(("", &self.sim)).chain(member).collect()
    }

    /// The Workspaces and their namespaces that live, on every server.
    pub fn uids(&self) -> Uids {
        let on = |(place, sim): (&'static str, &Sim)| {
            let tenants = sim.tenants().into_iter();
            tenants.map(move |(key, uid)| ((key, place), uid))
        };
        self.servers().into_iter().flat_map(on).collect()
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
        self.running.clear();
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

/// A member of the federation in which Workspace orders lives as well.
fn remote(
    sim: &Sim,
    network: &Network,
    clock: federation_health_sim::Clock,
) -> Result<Sim, Refusal> {
    let member = Sim::in_network(network, clock, MEMBER);
    member.install_member()?;
    sim.join_member(PLANE, EAST[0], MEMBER)?;
    sim.mark_ready(PLANE, EAST[0])?;
    sim.apply_object(json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster", "metadata": {"name": EAST[0]},
        "spec": {"joinFederation": true, "connection": {"kubernetesAPIEndpoint": MEMBER}},
    }))?;
    sim.add_workspace("stock", &[EAST[0]], &[])?;
    member.add_namespace("stock-db", "stock")?;
    Ok(member)
}

/// What an uninstallation that lost its patience left: KubeFed stopped, its namespace forced out of the store, and with the
/// namespace's contents a name of this cluster that nobody remembers.
fn uninstall(sim: &Sim) -> Result<(), Refusal> {
    sim.join(ALIAS)?;
    sim.admin()
        .scale(&resources::DEPLOYMENTS, PLANE, MANAGER.0, 0)?;
    sim.force_finalize(PLANE)
}

/// The operator's Deployment as `config` has it: its program runs in this process.
fn deployment() -> Result<Value, Error> {
    let manifest = include_str!("../../../../config/manager/deployment.yaml");
    let mut deployment: Value = serde_saphyr::from_str(manifest)
        .map_err(|e| Error::parse("read the operator's Deployment", e))?;
    for label in OPERATOR_LABELS.split(',') {
        if let Some((key, value)) = label.split_once('=') {
            deployment["metadata"]["labels"][key] = Value::from(value);
        }
    }
    Ok(deployment)
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
