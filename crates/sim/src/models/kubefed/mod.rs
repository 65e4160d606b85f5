//! One KubeFed control plane: health checks of its registrations, and a worker for each federated kind.

mod dispatch;
mod events;
mod health;
mod placement;
mod sync;
mod types;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Controller, feed,
    queue::{Backoff, Queue},
};
use crate::{
    agent::{
        Agent,
        resources::{DEPLOYMENTS, FEDERATED_TYPE_CONFIGS, KUBEFED_CLUSTERS},
    },
    json,
    network::Network,
    server::Server,
    state::{Change, ChangeType, Key},
};
use events::Recorder;
use health::Registration;
use types::FederatedType;

/// How fast and in which namespace a control plane works.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeFedOptions {
    /// Namespace of the control plane, its registrations and its Deployment.
    pub namespace: String,
    /// Period of the health checks of registered clusters.
    pub health_period: Duration,
    /// From the health check that finds a cluster Ready for the second time to the first look at what it holds.
    pub first_sync: Duration,
    /// Writes to members a second, once the burst is used up.
    pub actions_per_second: u32,
    /// Writes to members at once.
    pub burst: u32,
    /// Wait for the leader lock after a stop.
    pub leader_wait: Duration,
}

impl KubeFedOptions {
    /// KubeFed 0.8.1 as KubeSphere ships it: 0.2 s between two writes of a kind, hence 0.4 s between two
    /// deletions of a single looping Workspace and 0.8 s of each of two.
    pub fn v0_8_1() -> Self {
        Self {
            namespace: "kube-federation-system".to_owned(),
            health_period: Duration::from_secs(10),
            first_sync: Duration::from_millis(600),
            actions_per_second: 5,
            burst: 10,
            leader_wait: Duration::from_secs(15),
        }
    }

    /// KubeFed 0.10.0, which works in parallel: 234 cycles of each of two Workspaces in 45 s.
    pub fn v0_10_0() -> Self {
        Self {
            actions_per_second: 21,
            ..Self::v0_8_1()
        }
    }

    /// The same control plane in another namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }
}

/// Name of the Deployment that runs a control plane.
pub(crate) const DEPLOYMENT: &str = "kubefed-controller-manager";
/// From a change of a federated object to the write it causes. Recorded: 25 ms from the deletion of a
/// Workspace to its return, 28 to 38 ms from there to the next deletion.
const REACTION: Duration = Duration::from_millis(28);
/// From a change in a member to its reconciliation: KubeFed's `RetryDelay`.
const MEMBER_DELAY: Duration = Duration::from_secs(10);
/// Duration of a reconciliation that writes. Recorded: 8 to 12 ms between the actions of a burst.
const ACTION: Duration = Duration::from_millis(9);
/// From a plane's start to its first health check and synchronization.
const START: Duration = Duration::from_secs(1);
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// Whether the plane runs has to be looked at.
    Plane,
    Start,
    Health,
    /// All objects of all kinds, because a cluster came.
    Everything,
    /// One object of one kind is due.
    Sync(String, Key),
    /// A kind's worker is free again.
    Worker(String),
}

/// The single worker of a federated kind and what waits for it.
struct Worker {
    config: FederatedType,
    waiting: VecDeque<Key>,
    queued: BTreeSet<Key>,
    /// When the next write may begin, by rate: a leaky bucket.
    next_write: Instant,
    busy_until: Instant,
}

/// One control plane.
pub(crate) struct Plane {
    options: KubeFedOptions,
    host: Server,
    network: Network,
    agent: Agent,
    sender: mpsc::UnboundedSender<Change>,
    watched: Vec<Server>,
    workers: BTreeMap<String, Worker>,
    registrations: BTreeMap<String, Registration>,
    /// Clusters whose objects are in the plane's caches.
    joined: BTreeSet<String>,
    backoff: Backoff<(String, Key)>,
    recorder: Recorder,
    running: bool,
}

impl Plane {
    pub(crate) fn spawn(
        host: &Server,
        network: &Network,
        options: KubeFedOptions,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (sender, changes) = mpsc::unbounded_channel();
        let user = format!(
            "system:serviceaccount:{}:kubefed-controller",
            options.namespace
        );
        let agent = Agent::new(host, &user, "controller-manager");
        let mut plane = Self {
            options,
            host: host.clone(),
            network: network.clone(),
            recorder: Recorder::new(agent.clone()),
            agent,
            sender,
            watched: Vec::new(),
            workers: BTreeMap::new(),
            registrations: BTreeMap::new(),
            joined: BTreeSet::new(),
            backoff: Backoff::new(Duration::from_secs(5), Duration::from_mins(1)),
            running: false,
        };
        plane.watch(host);
        super::run(plane, changes)
    }

    fn watch(&mut self, server: &Server) {
        if self.watched.iter().any(|s| s.is(server)) {
            return;
        }
        feed(server, &self.sender, |c| {
            // Everything a plane may have to look at: its own kinds, and what it manages.
            let managed = |o: &Value| json::label(o, sync::MANAGED) == Some("true");
            matches!(
                c.kind.group.as_str(),
                "core.kubefed.io" | "types.kubefed.io"
            ) || c.kind.plural == "deployments"
                || managed(&c.object)
                || c.previous.as_ref().is_some_and(|p| managed(p))
        });
        self.watched.push(server.clone());
    }

    fn look_at_plane(&mut self, queue: &mut Queue<Work>) {
        let replicas = self
            .agent
            .get(&DEPLOYMENTS, &self.options.namespace, DEPLOYMENT)
            .and_then(|d| json::at(&d, &["spec", "replicas"]).and_then(Value::as_i64))
            .unwrap_or(0);
        if replicas == 0 && self.running {
            self.running = false;
            queue.clear();
            for worker in self.workers.values_mut() {
                worker.waiting.clear();
                worker.queued.clear();
            }
        } else if replicas > 0 && !self.running {
            self.running = true;
            let wait = if self.registrations.is_empty() {
                START
            } else {
                self.options.leader_wait
            };
            queue.add(Work::Start, wait);
        }
    }

    fn begin(&mut self, queue: &mut Queue<Work>) {
        self.load_types();
        self.registrations.clear();
        self.joined = self
            .clusters()
            .iter()
            .filter(|c| sync::is_ready(c))
            .map(|c| json::meta(c, "name").to_owned())
            .collect();
        for cluster in self.clusters() {
            self.watch_member(&cluster);
        }
        queue.add(Work::Health, Duration::ZERO);
        queue.add(Work::Everything, Duration::ZERO);
    }

    fn load_types(&mut self) {
        let configs = self
            .agent
            .list(&FEDERATED_TYPE_CONFIGS, &self.options.namespace);
        let types: BTreeMap<String, FederatedType> = configs
            .iter()
            .filter_map(|c| FederatedType::parse(c))
            .collect();
        self.workers.retain(|name, _| types.contains_key(name));
        for (name, config) in types {
            if let Some(worker) = self.workers.get_mut(&name) {
                worker.config = config;
                continue;
            }
            let now = Instant::now();
            let worker = Worker {
                config,
                waiting: VecDeque::new(),
                queued: BTreeSet::new(),
                next_write: now,
                busy_until: now,
            };
            self.workers.insert(name, worker);
        }
    }

    fn clusters(&self) -> Vec<std::sync::Arc<Value>> {
        self.agent.list(&KUBEFED_CLUSTERS, &self.options.namespace)
    }

    fn member(&self, cluster: &Value) -> Option<Server> {
        self.network
            .reach(json::text(cluster, &["spec", "apiEndpoint"]))
    }

    fn watch_member(&mut self, cluster: &Value) {
        if let Some(server) = self.member(cluster) {
            self.watch(&server);
        }
    }

    fn enqueue_everything(&mut self, queue: &mut Queue<Work>) {
        for (name, worker) in &self.workers {
            for object in self.agent.list(&worker.config.federated, "") {
                queue.add(Work::Sync(name.clone(), Key::of(&object)), Duration::ZERO);
            }
        }
    }

    /// Lets a kind's worker take the next object that waits for it.
    fn run_worker(&mut self, name: &str, queue: &mut Queue<Work>) {
        let now = Instant::now();
        let Some(worker) = self.workers.get_mut(name) else {
            return;
        };
        if worker.waiting.is_empty() {
            return;
        }
        let interval = Duration::from_secs(1) / self.options.actions_per_second;
        // A bucket that leaks: idle time refills it up to the burst.
        let earliest = worker
            .next_write
            .checked_sub(interval * self.options.burst)
            .unwrap_or(now);
        let free = worker.busy_until.max(earliest);
        if free > now {
            queue.add(Work::Worker(name.to_owned()), free - now);
            return;
        }
        let Some(key) = worker.waiting.pop_front() else {
            return;
        };
        worker.queued.remove(&key);
        let config = worker.config.clone();
        let outcome = self.reconcile(&config, &key);
        if let Some(worker) = self.workers.get_mut(name)
            && outcome.wrote
        {
            worker.busy_until = now + ACTION;
            worker.next_write = worker.next_write.max(now) + interval;
        }
        let id = (name.to_owned(), key.clone());
        let again = Work::Sync(id.0.clone(), key);
        if outcome.failed {
            let wait = self.backoff.fail(&id);
            queue.add(again, wait);
        } else {
            self.backoff.forget(&id);
            if outcome.unfinished {
                queue.add(again, MEMBER_DELAY);
            }
        }
        queue.add(Work::Worker(name.to_owned()), Duration::ZERO);
    }
}

/// What a reconciliation did.
#[derive(Default)]
struct Outcome {
    wrote: bool,
    failed: bool,
    unfinished: bool,
}

impl Controller for Plane {
    type Key = Work;

    fn start(&mut self, queue: &mut Queue<Work>) {
        queue.add(Work::Plane, Duration::ZERO);
    }

    fn observe(&mut self, change: &Change, queue: &mut Queue<Work>) {
        let object = &change.object;
        if change.kind.plural == "deployments" && json::meta(object, "name") == DEPLOYMENT {
            queue.add(Work::Plane, Duration::from_millis(50));
        }
        if !self.running {
            return;
        }
        let ours = json::meta(object, "namespace") == self.options.namespace;
        match change.kind.plural.as_str() {
            "federatedtypeconfigs" if ours => self.load_types(),
            "kubefedclusters" if ours && change.what == ChangeType::Deleted => {
                self.joined.remove(json::meta(object, "name"));
            }
            _ => {}
        }
        for (name, worker) in &self.workers {
            let resource = (change.kind.group.as_str(), change.kind.plural.as_str());
            if resource
                == (
                    worker.config.federated.group(),
                    worker.config.federated.plural(),
                )
            {
                queue.add(Work::Sync(name.clone(), Key::of(object)), REACTION);
            } else if resource == (worker.config.target.group(), worker.config.target.plural()) {
                queue.add(
                    Work::Sync(name.clone(), worker.config.federated_key(object)),
                    MEMBER_DELAY,
                );
            }
        }
    }

    fn work(&mut self, work: Work, queue: &mut Queue<Work>) {
        if work == Work::Plane {
            self.look_at_plane(queue);
            return;
        }
        if !self.running {
            return;
        }
        match work {
            Work::Plane => {}
            Work::Start => self.begin(queue),
            Work::Health => self.check_health(queue),
            Work::Everything => self.enqueue_everything(queue),
            Work::Sync(name, key) => {
                if let Some(worker) = self.workers.get_mut(&name)
                    && worker.queued.insert(key.clone())
                {
                    worker.waiting.push_back(key);
                    queue.add(Work::Worker(name), Duration::ZERO);
                }
            }
            Work::Worker(name) => self.run_worker(&name, queue),
        }
    }
}
