//! The handle that tests and the demo hold.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use k8s_openapi::jiff::SignedDuration;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    Clock, Network, Refusal,
    admission::{Denial, Review},
    agent::{Agent, Resource, resources::NAMESPACES},
    audit::AuditEntry,
    call::Caller,
    faults::{Effect, Fault, Garble, RequestFacts},
    guard, hold, install, json,
    listen::{self, Listening},
    models::{
        collector::Collector,
        kubefed::{KubeFedOptions, Plane},
        kubesphere::{binder::Binder, clusters::Clusters, templates::Templates},
        lifecycle::Lifecycle,
    },
    scenario::ADMIN,
    server::Server,
    service::SimService,
};

/// Endpoint of a simulation that states none.
const ENDPOINT: &str = "https://127.0.0.1:6443";
/// How long policies with a parameter of a custom kind stay open after an API server's start.
const PARAMETERS_UNKNOWN: Duration = Duration::from_secs(30);

/// One simulated cluster.
#[derive(Clone)]
pub struct Sim {
    server: Server,
    network: Network,
    endpoint: Arc<str>,
}

/// Which models run on a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Controllers {
    /// KubeFed control planes.
    pub planes: Vec<KubeFedOptions>,
    /// KubeSphere's template and cluster controllers, which only a host has.
    pub kubesphere_host: bool,
    /// KubeSphere's binding of namespaces to Workspaces.
    pub kubesphere_binder: bool,
    /// Garbage collector, namespace controller and the rest of the controller manager.
    pub controller_manager: bool,
}

impl Controllers {
    /// A host with one control plane of KubeFed 0.8.1, as in the recording.
    pub fn host() -> Self {
        Self {
            planes: vec![KubeFedOptions::v0_8_1()],
            kubesphere_host: true,
            ..Self::member()
        }
    }

    /// KubeSphere's own controllers, beside the rest of a host.
    pub fn kubesphere() -> Self {
        Self {
            planes: Vec::new(),
            controller_manager: false,
            ..Self::host()
        }
    }

    /// A member: no control plane, no templates.
    pub fn member() -> Self {
        Self {
            planes: Vec::new(),
            kubesphere_host: false,
            kubesphere_binder: true,
            controller_manager: true,
        }
    }
}

/// Running models; they stop when this is dropped.
#[derive(Debug)]
pub struct Running {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Sim {
    /// A cluster alone in its own network, behind `https://127.0.0.1:6443`.
    pub fn new(clock: Clock) -> Self {
        Self::in_network(&Network::default(), clock, ENDPOINT)
    }

    /// A cluster that others of the network reach behind `endpoint`.
    pub fn in_network(network: &Network, clock: Clock, endpoint: &str) -> Self {
        let seed = endpoint
            .bytes()
            .fold(0, |h, b| crate::state::mix(h ^ u64::from(b)));
        let server = Server::new(clock, seed);
        server.lock().hooks = [hold::hooks(), guard::hooks()].concat();
        network.attach(endpoint, &server);
        let sim = Self {
            server,
            network: network.clone(),
            endpoint: endpoint.into(),
        };
        // An empty server refuses none of its own namespaces.
        let _ = install::base(&sim.admin());
        sim
    }

    /// The network this cluster is reached through.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The endpoint it is reached behind.
    pub fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    /// Makes the cluster answer behind one more endpoint, as a load balancer or a second address does.
    pub fn answer_behind(&self, endpoint: &str) {
        self.network.attach(endpoint, &self.server);
    }

    /// The simulation's time.
    pub fn clock(&self) -> &Clock {
        self.server.clock()
    }

    /// A client that is `user` to this cluster. Needs a tokio runtime.
    pub fn client_as(&self, user: &str) -> kube::Client {
        kube::Client::new(self.service_as(user), "default")
    }

    /// The HTTP service that is `user` to this cluster; a request may impersonate another.
    pub fn service_as(&self, user: &str) -> SimService {
        service(&self.server, user)
    }

    /// Requests without HTTP: `user` is who asks, `program` the default field manager.
    pub fn agent_as(&self, user: &str, program: &str) -> Agent {
        Agent::new(&self.server, user, program)
    }

    /// Requests of a person with all rights.
    pub fn admin(&self) -> Agent {
        self.agent_as(ADMIN, "kubectl")
    }

    /// A client of the cluster behind an endpoint, if one answers there.
    pub fn dial(&self, endpoint: &str) -> Option<kube::Client> {
        self.dial_as(
            endpoint,
            "system:serviceaccount:federation-health-system:federation-health",
        )
    }

    /// As [`Self::dial`], as a user of that cluster.
    pub fn dial_as(&self, endpoint: &str, user: &str) -> Option<kube::Client> {
        let server = self.network.reach(endpoint)?;
        Some(kube::Client::new(service(&server, user), "default"))
    }

    /// UID of the namespace kube-system, which tells clusters apart.
    pub fn cluster_uid(&self) -> String {
        let namespace = self.admin().get(&NAMESPACES, "", "kube-system");
        namespace
            .map(|n| json::meta(&n, "uid").to_owned())
            .unwrap_or_default()
    }

    /// Gives this cluster the kube-system UID of another: what a restored backup or a cloned disk shares.
    pub fn clone_identity_of(&self, other: &Self) {
        let uid = other.cluster_uid();
        let mut state = self.server.lock();
        let Some(served) = state.lookup("", "namespaces").cloned() else {
            return;
        };
        if let Some(namespace) = state.find("", "namespaces", "", "kube-system").cloned() {
            let mut namespace = Value::clone(&namespace);
            json::set(&mut namespace, &["metadata", "uid"], Value::from(uid));
            state.store(&served, namespace);
        }
    }

    /// Listens on a loopback address with plain HTTP, for kubectl and other real clients. Needs wall time.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Listening> {
        listen::listen(self.service_as(ADMIN), address).await
    }

    /// Starts models on this cluster. Needs a tokio runtime.
    pub fn start_controllers(&self, which: &Controllers) -> Running {
        let mut tasks = Vec::new();
        if which.controller_manager {
            tasks.push(tokio::spawn(Collector::spawn(&self.server)));
            tasks.push(tokio::spawn(Lifecycle::spawn(&self.server)));
        }
        if which.kubesphere_binder {
            tasks.push(tokio::spawn(Binder::spawn(&self.server)));
        }
        if which.kubesphere_host {
            tasks.push(tokio::spawn(Templates::spawn(&self.server)));
            tasks.push(tokio::spawn(Clusters::spawn(&self.server, &self.network)));
        }
        for plane in &which.planes {
            tasks.push(tokio::spawn(Plane::spawn(
                &self.server,
                &self.network,
                plane.clone(),
            )));
        }
        Running { tasks }
    }

    /// Every answered request so far, oldest first; the newest 200,000.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.server.lock().trail.entries()
    }

    /// How many older entries the audit trail has dropped.
    pub fn audit_dropped(&self) -> u64 {
        self.server.lock().trail.dropped()
    }

    /// Empties the audit trail.
    pub fn clear_audit(&self) {
        self.server.lock().trail.clear();
    }

    /// Refusals by admission policy and binding.
    pub fn denials(&self) -> Vec<((String, String), u64)> {
        let state = self.server.lock();
        state
            .denials
            .iter()
            .map(|(key, count)| (key.clone(), *count))
            .collect()
    }

    /// Adds a rule of admission beside those of the hold.
    pub fn admit(&self, hook: impl Fn(&Review<'_>) -> Option<Denial> + Send + Sync + 'static) {
        self.server.lock().hooks.push(Arc::new(hook));
    }

    /// Adds a fault: what `rule` answers happens to requests over HTTP. The models' own requests are spared.
    pub fn inject(&self, rule: impl Fn(&RequestFacts) -> Option<Effect> + Send + Sync + 'static) {
        self.server.lock().faults.push(Fault(Arc::new(rule)));
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.server.lock().faults.clear();
    }

    /// Breaks the connection of every running watch.
    pub fn cut_watches(&self) {
        self.server.cut_watches();
    }

    /// Makes watches of a kind, by its plural name, show everything that much later: zero ends it.
    /// Watches of different kinds are not ordered, and a cache can always be behind.
    pub fn lag_watches(&self, plural: &str, lag: Duration) {
        let mut state = self.server.lock();
        if lag.is_zero() {
            state.lags.remove(plural);
        } else {
            state.lags.insert(plural.to_owned(), lag);
        }
    }

    /// Makes watches of a kind, by its plural name, tell something wrong; None ends it.
    pub fn garble_watches(&self, plural: &str, how: Option<Garble>) {
        let mut state = self.server.lock();
        match how {
            None => state.garbled.remove(plural),
            Some(how) => state.garbled.insert(plural.to_owned(), how),
        };
    }

    /// Forgets all history: watches and list pages that begin before now get 410.
    pub fn compact(&self) {
        self.server.lock().compact();
    }

    /// What a restart of the API server does: watches break, history is gone, and for half a minute
    /// policies with a parameter of a custom kind let everything through.
    pub fn restart_api_server(&self) {
        let known = self
            .clock()
            .now()
            .checked_add(SignedDuration::try_from(PARAMETERS_UNKNOWN).unwrap_or_default());
        let mut state = self.server.lock();
        if let Ok(known) = known {
            state.parameters_known_at = known;
        }
        state.compact();
        drop(state);
        self.server.cut_watches();
    }

    /// The newest resourceVersion.
    pub fn resource_version(&self) -> u64 {
        self.server.lock().version
    }

    /// Creates or replaces every object of a YAML text, as `kubectl apply` of new objects does.
    pub fn apply(&self, manifest: &str) -> Result<(), Refusal> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(manifest)
            .map_err(|e| Refusal::bad_request(format!("the manifest is not valid YAML: {e}")))?;
        documents
            .into_iter()
            .filter(|d| !d.is_null())
            .try_for_each(|document| self.apply_object(document))
    }

    /// Creates or replaces one object.
    pub fn apply_object(&self, object: Value) -> Result<(), Refusal> {
        let (api_version, kind) = (
            json::text(&object, &["apiVersion"]),
            json::text(&object, &["kind"]),
        );
        let found = self.server.lock().by_kind(api_version, kind);
        let served = found.ok_or_else(|| {
            Refusal::new(
                404,
                "NotFound",
                format!("no matches for kind {kind:?} in version {api_version:?}"),
            )
        })?;
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let resource = Resource::named(&served.kind.group, version, &served.kind.plural);
        let (namespace, name) = (
            json::meta(&object, "namespace").to_owned(),
            json::meta(&object, "name").to_owned(),
        );
        let admin = self.admin();
        if admin.get(&resource, &namespace, &name).is_none() {
            return admin.create(&resource, object).map(|_| ());
        }
        admin
            .merge(&resource, &namespace, &name, object)
            .map(|_| ())
    }
}

fn service(server: &Server, user: &str) -> SimService {
    SimService::new(
        server.clone(),
        Caller {
            user: user.into(),
            agent: "unknown".into(),
        },
    )
}
