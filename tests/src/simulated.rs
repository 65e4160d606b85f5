//! The operator's own code on a simulated federation, in tokio's paused time: a run is the same every time.

mod dialer;

use std::{sync::Arc, time::Duration};

use federation_health_api::{FederationHealth, FederationHealthSpec};
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_core::time::Time;
use federation_health_operator::{
    clock::Clock,
    engine::Engine,
    events::Events,
    metrics::Metrics,
    prove::Proving,
    run::{self, RunError, Surroundings},
};
use federation_health_sim::{AuditEntry, Controllers, Network, Running, Sim, resources};
use federation_health_testbed::error::{Attempt as _, Error, Result};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub use dialer::SimDialer;

use crate::guarded::{USER, condition, root};

/// Endpoint of the host.
pub const HOST: &str = "https://127.0.0.1:6443";
/// Namespace of the federation's control plane.
pub const PLANE: &str = "kube-federation-system";
/// The leftover name under which the host is registered a second time.
pub const ALIAS: &str = "produce-trt";
/// Every Workspace of the federation with its namespaces.
pub const WORKSPACES: [(&str, [&str; 3]); 2] = [
    ("orders", ["orders-api", "orders-db", "orders-web"]),
    ("payments", ["payments-api", "payments-db", "payments-web"]),
];
/// Granularity of waiting: nothing that a person or a test distinguishes is shorter.
const STEP: Duration = Duration::from_millis(5);

/// What a federation begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Spec of the FederationHealth object; None makes no object.
    pub spec: Option<Value>,
    /// The policies of `config/policies` are installed.
    pub policies: bool,
    /// Which models run on the host.
    pub controllers: Controllers,
    /// How long the federation has stood before the operator starts; moves the schedules of the others against ours.
    pub age: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            spec: Some(crate::guarded::holding()),
            policies: true,
            controllers: Controllers::host(),
            age: Duration::from_secs(7),
        }
    }
}

/// One running operator; it ends when this is dropped, as by a kill.
pub struct Operator {
    /// Its decisions.
    pub engine: Arc<Engine>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    task: JoinHandle<Result<(), RunError>>,
}

impl Operator {
    /// Starts the operator's code on a cluster, as its own user.
    pub fn start(sim: &Sim) -> Result<Self> {
        Self::start_with(sim, |_| {})
    }

    /// The same with other surroundings.
    pub fn start_with(sim: &Sim, change: impl FnOnce(&mut Surroundings)) -> Result<Self> {
        let now = Time(sim.clock().now().as_millisecond());
        let mut around = Surroundings {
            watch_client: sim.client_as(USER),
            client: sim.client_as(USER),
            hold_client: sim.client_as(USER),
            dialer: Arc::new(SimDialer::new(sim)),
            proving: Proving::Assumed,
            clock: Clock::at(now),
            events: Events::none(),
            listen: None,
            page: false,
            object: "default".to_owned(),
            namespace: OPERATOR_NAMESPACE.to_owned(),
            instance: "pod-1".to_owned(),
            create_default: false,
        };
        change(&mut around);
        let parts = run::start(around).attempt(|| "start the operator")?;
        Ok(Self {
            engine: parts.engine.clone(),
            metrics: parts.metrics.clone(),
            task: tokio::spawn(parts.until(std::future::pending())),
        })
    }

    /// Whether every part still runs.
    pub fn lives(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A federation of one cluster, with the operator on it.
pub struct World {
    /// The host.
    pub sim: Sim,
    /// The operator, while it runs.
    pub operator: Option<Operator>,
    _controllers: Running,
}

impl World {
    /// Starts the federation and, once it has stood for a while, the operator.
    pub async fn start(setup: Setup) -> Result<Self> {
        let network = Network::default();
        let clock = federation_health_sim::Clock::simulated();
        let sim = Sim::in_network(&network, clock, HOST);
        populate(&sim).attempt(|| "build the federation")?;
        Self::on(sim, setup).await
    }

    /// The same on a cluster that stands already.
    pub async fn on(sim: Sim, setup: Setup) -> Result<Self> {
        install_crds(&sim)?;
        if setup.policies {
            sim.install_policies()
                .attempt(|| "install the policies of the hold")?;
        }
        if let Some(spec) = &setup.spec {
            set_spec(&sim, "default", spec)?;
        }
        let controllers = sim.start_controllers(&setup.controllers);
        pass(setup.age).await;
        let operator = Some(Operator::start(&sim)?);
        Ok(Self {
            sim,
            operator,
            _controllers: controllers,
        })
    }

    /// The same, when everything has settled: the first verdict is written and good.
    pub async fn calm(setup: Setup) -> Result<Self> {
        let world = Self::start(setup).await?;
        world
            .wait("a first good verdict", Duration::from_secs(30), |h| {
                is(h, "Healthy", "True")
            })
            .await?;
        Ok(world)
    }

    /// Registers the host a second time; gives the moment.
    pub fn double(&self) -> Result<Time> {
        let now = self.now();
        self.sim
            .join(ALIAS)
            .attempt(|| format!("register the host as {ALIAS}"))?;
        Ok(now)
    }

    /// The registration that is one too many.
    pub fn leftover(&self) -> Option<Arc<Value>> {
        let admin = self.sim.admin();
        admin.get(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS)
    }

    /// Registers that leftover again, with the secret and the accounts that it left behind; false if it is there.
    pub fn double_again(&self, leftover: &Value) -> bool {
        let object = json!({
            "metadata": {"name": ALIAS, "namespace": PLANE}, "spec": leftover["spec"],
        });
        let made = self
            .sim
            .admin()
            .create(&resources::KUBEFED_CLUSTERS, object);
        made.is_ok()
    }

    /// Removes the second registration.
    pub fn cure(&self) -> Result<()> {
        self.sim
            .admin()
            .delete(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS, Value::Null)
            .attempt(|| format!("delete the registration {ALIAS}"))
    }

    /// Ends the operator as by a kill, and starts another one.
    pub fn restart_operator(&mut self) -> Result<()> {
        self.operator = None;
        self.operator = Some(Operator::start(&self.sim)?);
        Ok(())
    }

    /// For whoever looks into a failure: what was written to what is not the operator's own, by whom, and what the object
    /// says of itself.
    pub fn told(&self) -> String {
        let others = [
            "workspaces",
            "namespaces",
            "deployments",
            "persistentvolumes",
            "kubefedclusters",
            "workspacetemplates",
        ];
        let audit = self.sim.audit();
        let written = audit.iter().filter(|e| {
            let by = e.user == USER || e.verb == "delete" || e.resource == "deployments";
            by && !matches!(e.verb, "get" | "list" | "watch")
                && !e.dry_run
                && others.contains(&&*e.resource)
        });
        let status = self.health().and_then(|h| h.status).unwrap_or_default();
        let lines = written.map(|e| {
            format!(
                "{} {} {} {} {} {}",
                e.at, e.user, e.verb, e.resource, e.name, e.code
            )
        });
        let conditions = status.conditions.iter().map(|c| {
            format!(
                "{}={} {} {} {}",
                c.type_, c.status, c.last_transition_time.0, c.reason, c.message
            )
        });
        let actions = status.actions.iter().map(|a| {
            format!(
                "{} {} {} {} {} {} {}",
                a.time.0,
                a.since.0,
                a.action,
                a.state,
                a.kind,
                a.name,
                a.message.as_deref().unwrap_or_default()
            )
        });
        lines
            .chain(conditions)
            .chain(actions)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The simulation's time.
    pub fn now(&self) -> Time {
        Time(self.sim.clock().now().as_millisecond())
    }

    /// The object as it is now.
    pub fn health(&self) -> Option<FederationHealth> {
        health(&self.sim, "default")
    }

    /// What the switch says: collection, federation.
    pub fn switched(&self) -> (bool, bool) {
        let switch = self
            .sim
            .admin()
            .get(&resources::FEDERATION_HOLDS, "", "default");
        let says = |rule| {
            switch
                .as_ref()
                .is_some_and(|s| s["status"]["hold"][rule] == true)
        };
        (says("collection"), says("federation"))
    }

    /// Waits in virtual time until the object satisfies `good`.
    pub async fn wait(
        &self,
        what: &str,
        limit: Duration,
        good: impl Fn(&FederationHealth) -> bool,
    ) -> Result<FederationHealth> {
        let end = tokio::time::Instant::now() + limit;
        let (mut object, mut found) = (None, None);
        loop {
            let now = get_health(&self.sim, "default");
            // Read anew only when it has changed: a wait looks two hundred times a second.
            if now.as_ref().map(Arc::as_ptr) != object.as_ref().map(Arc::as_ptr) {
                found = now.as_deref().and_then(read_health);
                object = now;
            }
            if let Some(found) = found.as_ref().filter(|f| good(f)) {
                return Ok(found.clone());
            }
            if tokio::time::Instant::now() >= end {
                return Err(Error::Timeout {
                    what: what.to_owned(),
                    after: limit,
                    last_seen: format!("{:#?}", found.and_then(|f| f.status)),
                });
            }
            pass(STEP).await;
        }
    }

    /// Requests of the operator so far.
    pub fn requests(&self) -> Vec<AuditEntry> {
        let mut audit = self.sim.audit();
        audit.retain(|e| e.user == USER);
        audit
    }

    /// Deletions of a resource that took effect.
    pub fn deletions(&self, resource: &str) -> Vec<AuditEntry> {
        let mut audit = self.sim.audit();
        audit.retain(|e| e.verb == "delete" && e.resource == resource && e.is_effective_write());
        audit
    }
}

/// Other people's kinds that rungs of remediation write to.
pub fn is_acted_on(resource: &str) -> bool {
    matches!(
        resource,
        "workspaces"
            | "deployments"
            | "namespaces"
            | "workspacetemplates"
            | "kubefedclusters"
            | "persistentvolumes"
    )
}

/// Lets virtual time pass.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Whether a condition has this status.
pub fn is(health: &FederationHealth, type_: &str, status: &str) -> bool {
    condition(health, type_).is_some_and(|(found, _)| found == status)
}

/// The object of this name; None while there is none that can be read.
pub fn health(sim: &Sim, name: &str) -> Option<FederationHealth> {
    get_health(sim, name).as_deref().and_then(read_health)
}

fn get_health(sim: &Sim, name: &str) -> Option<Arc<Value>> {
    sim.admin().get(&resources::FEDERATION_HEALTHS, "", name)
}

fn read_health(object: &Value) -> Option<FederationHealth> {
    FederationHealth::deserialize(object).ok()
}

/// Creates the object with this spec, or replaces its spec.
///
/// Writes out the defaults, which a real server fills in from the definition's schema and the simulation does not.
pub fn set_spec(sim: &Sim, name: &str, spec: &Value) -> Result<()> {
    let whole = FederationHealthSpec::deserialize(spec)
        .and_then(serde_json::to_value)
        .attempt(|| format!("fill in the defaults of {spec}"))?;
    sim.apply_object(json!({
        "apiVersion": "federationhealth.io/v1alpha1",
        "kind": "FederationHealth",
        "metadata": {"name": name},
        "spec": whole,
    }))
    .attempt(|| format!("write the spec of FederationHealth {name}"))
}

/// Installs the shipped definitions.
pub fn install_crds(sim: &Sim) -> Result<()> {
    for plural in ["federationhealths", "federationholds"] {
        let path = root().join(format!("config/crd/{plural}.yaml"));
        let text = std::fs::read_to_string(&path).attempt(|| format!("read {}", path.display()))?;
        sim.apply(&text)
            .attempt(|| format!("install the definition of {plural}"))?;
    }
    Ok(())
}

fn populate(sim: &Sim) -> Result<(), federation_health_sim::Refusal> {
    sim.install_kubesphere()?;
    for (workspace, namespaces) in WORKSPACES {
        sim.add_workspace(workspace, &["host"], &namespaces)?;
    }
    Ok(())
}
