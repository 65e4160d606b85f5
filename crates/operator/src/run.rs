//! Puts the parts together and keeps them running until the process is told to stop, or a part that must live ends.

use std::{
    future::{Future, pending},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use federation_health_api::names::{HEALTHS, HOLDS};
use federation_health_cluster::{
    host::Host,
    lease::Leases,
    probe::Dial,
    remedy::{Hands, Places},
    watch::{self, Resource, Sink},
};
use kube::Client;
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, watch as cell},
    task::JoinSet,
};

use crate::{
    admin::Admin,
    bindings::BindingSink,
    clock::Clock,
    contents,
    engine::Engine,
    events::Events,
    executor::Executor,
    feeds::Feeds,
    kinds::Kinds,
    known::{self, Known},
    lease::Keeper,
    metrics::Metrics,
    object::ObjectSink,
    page::Page,
    prober::{Prober, Sites},
    prove::{Proving, Rehearsal},
    reconcile::Reconciler,
    remedy::Remediator,
    sinks::EventSink,
    switch::{self, SwitchSink},
};

/// Everything from outside that the operator runs on.
pub struct Surroundings {
    /// For watches: no retries, no read timeout.
    pub watch_client: Client,
    /// For reads and ordinary writes: no retries.
    pub client: Client,
    /// For holds alone: a connection that no other request queues on.
    pub hold_client: Client,
    /// Dials registered clusters.
    pub dialer: Arc<dyn Dial>,
    /// Proves the hold chain.
    pub proving: Proving,
    /// Time.
    pub clock: Clock,
    /// Events, or none in simulations.
    pub events: Events,
    /// Admin endpoints.
    pub listen: Option<SocketAddr>,
    /// Serve the page beside the admin endpoints.
    pub page: bool,
    /// Object to serve.
    pub object: String,
    /// Name of this instance, as the lease carries it.
    pub instance: String,
    /// Namespace of the operator, where its journal lies.
    pub namespace: String,
    /// Create the object if there is none.
    pub create_default: bool,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A part that must live ended or panicked.
    #[error("the task \"{0}\" ended; the process ends with it, so that it is started afresh")]
    TaskEnded(String),
    /// Metrics could not be registered.
    #[error("metrics cannot be registered")]
    Metrics(#[source] prometheus::Error),
}

/// A running operator, for tests and the demo to look into.
pub struct Parts {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    tasks: Tasks,
}

/// Starts every part.
///
/// # Errors
/// Metrics cannot be registered.
pub fn start(around: Surroundings) -> Result<Parts, RunError> {
    let (engine, effects) = Engine::new(around.clock);
    let metrics = Arc::new(Metrics::new().map_err(RunError::Metrics)?);
    let known = Arc::new(Mutex::new(Known::default()));
    let sites = Arc::new(Sites::default());
    let mut tasks = JoinSet::new();
    remediate(&around, &engine, &metrics, &mut tasks);

    let policies = Arc::new(Notify::new());
    let object = ObjectSink::new(
        engine.clone(),
        around.object.clone(),
        known.clone(),
        policies.clone(),
        metrics.clone(),
    );
    let (probing, all_kinds) = (object.probing.subscribe(), object.all_kinds.subscribe());
    let switch = SwitchSink::new(
        engine.clone(),
        around.object.clone(),
        known.clone(),
        policies.clone(),
        metrics.clone(),
    );

    let executor = Arc::new(Executor {
        engine: engine.clone(),
        host: Host::new(around.client.clone(), &around.object),
        hold_host: Host::new(around.hold_client, &around.object),
        metrics: metrics.clone(),
        version: switch.version.subscribe(),
    });
    tasks.spawn(named("hold", executor.clone().hold()));
    tasks.spawn(named(
        "keep the hold's connection warm",
        executor.clone().keep_warm(),
    ));
    tasks.spawn(named("effects", executor.effects(effects)));

    let kinds = Arc::new(Kinds::new(all_kinds));
    let feeds = Feeds {
        engine: engine.clone(),
        client: around.watch_client.clone(),
        kinds: kinds.clone(),
        sites: sites.clone(),
    };
    feeds.start(&mut tasks);
    tasks.spawn(feeds.follow_kinds());
    watch_own(&mut tasks, &around.watch_client, (object, switch));
    let host = Host::new(around.client.clone(), &around.object);
    tasks.spawn(named(
        "keep the switch",
        switch::keep(host, known.clone(), policies.clone()),
    ));
    watch_events(&mut tasks, &around.watch_client, &engine);
    watch_policies(&mut tasks, &around.watch_client, &engine, &policies);
    let rehearsal = Rehearsal {
        engine: engine.clone(),
        known: known.clone(),
        proving: around.proving,
        changed: policies,
    };
    tasks.spawn(named("proof", rehearsal.run()));

    let prober = Prober {
        engine: engine.clone(),
        client: around.client.clone(),
        dialer: around.dialer,
        sites,
        bindings: Arc::default(),
        looked: Arc::default(),
    };
    tasks.spawn(named("prober", prober.run(probing)));

    let host = Host::new(around.client.clone(), &around.object);
    tasks.spawn(named(
        "count",
        contents::run(engine.clone(), host, metrics.clone()),
    ));

    let reconciler = Reconciler {
        engine: engine.clone(),
        host: Host::new(around.client.clone(), &around.object),
        known: known.clone(),
        metrics: metrics.clone(),
        kinds,
        events: around.events,
        name: around.object.clone(),
    };
    tasks.spawn(named("reconcile", reconciler.run()));
    if around.create_default {
        let host = Host::new(around.client, &around.object);
        tasks.spawn(create_default(host, known.clone(), engine.clone()));
    }
    if let Some(address) = around.listen {
        let admin = Arc::new(Admin {
            engine: engine.clone(),
            metrics: metrics.clone(),
            page: around.page.then(|| Page::new(engine.clone(), known)),
        });
        tasks.spawn(administer(admin, address));
    }
    Ok(Parts {
        engine,
        metrics,
        tasks,
    })
}

async fn administer(admin: Arc<Admin>, address: SocketAddr) -> &'static str {
    if let Err(error) = admin.serve(address).await {
        tracing::error!(%address, %error, "the admin endpoints cannot be served");
    }
    "admin endpoints"
}

/// Starts what acts, and what says whether this process may.
fn remediate(
    around: &Surroundings,
    engine: &Arc<Engine>,
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<&'static str>,
) {
    let keeper = Keeper {
        engine: engine.clone(),
        leases: Leases::new(around.client.clone(), &around.namespace),
        metrics: metrics.clone(),
        until: cell::Sender::new(None),
        instance: around.instance.clone(),
    };
    let remediator = Remediator {
        engine: engine.clone(),
        hands: Hands::new(around.client.clone(), &around.object, &around.namespace),
        metrics: metrics.clone(),
        places: Places::default(),
        until: keeper.until.subscribe(),
        leases: keeper.leases.clone(),
        instance: around.instance.clone(),
    };
    tasks.spawn(named("lease", keeper.run()));
    tasks.spawn(named("remediation", remediator.run()));
}

impl Parts {
    /// Waits until `stop` resolves, or until a part that must live ends.
    ///
    /// # Errors
    /// A part ended.
    pub async fn until(mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        tokio::select! {
            () = stop => {
                self.tasks.shutdown().await;
                Ok(())
            }
            Some(ended) = self.tasks.join_next() => Err(RunError::TaskEnded(match ended {
                Ok(name) => name.to_owned(),
                Err(error) => error.to_string(),
            })),
        }
    }
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}

type Tasks = JoinSet<&'static str>;

fn watch_own(tasks: &mut Tasks, client: &Client, (object, switch): (ObjectSink, SwitchSink)) {
    let (objects, switches) = (Resource::all(HEALTHS), Resource::all(HOLDS));
    tasks.spawn(feed("objects", client.clone(), objects, object));
    tasks.spawn(feed("switches", client.clone(), switches, switch));
}

fn watch_policies(tasks: &mut Tasks, client: &Client, engine: &Arc<Engine>, changed: &Arc<Notify>) {
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    for (plural, switches) in [
        ("validatingadmissionpolicybindings", true),
        ("validatingadmissionpolicies", false),
    ] {
        let sink = BindingSink::new(engine.clone(), changed.clone(), switches);
        let resource = Resource::all(format!("{GROUP}/{plural}"));
        tasks.spawn(feed("policies", client.clone(), resource, sink));
    }
}

/// KubeFed's events about FederatedWorkspaces; those of cluster-scoped objects lie in `default`.
fn watch_events(tasks: &mut Tasks, client: &Client, engine: &Arc<Engine>) {
    let events = Resource {
        field_selector: Some("involvedObject.kind=FederatedWorkspace".to_owned()),
        ..Resource::all("/api/v1/namespaces/default/events")
    };
    let sink = EventSink::new(engine.clone());
    tasks.spawn(feed("events", client.clone(), events, sink));
}

async fn feed<K: DeserializeOwned + Send + 'static>(
    name: &'static str,
    client: Client,
    resource: Resource,
    mut sink: impl Sink<K>,
) -> &'static str {
    watch::run(client, resource, &mut sink, pending::<()>()).await;
    name
}

/// Creates the object once its kind is served and none is there. Never again: a deleted object was deleted by somebody.
async fn create_default(host: Host, known: Arc<Mutex<Known>>, engine: Arc<Engine>) -> &'static str {
    loop {
        let (synced, present) = {
            let known = known::lock(&known);
            (known.synced, known.object.is_some())
        };
        if present {
            break;
        }
        if synced {
            match host.create_default().await {
                Ok(created) => {
                    tracing::info!(created, "FederationHealth object with defaults");
                    break;
                }
                Err(error) => {
                    tracing::warn!(class = error.class(), %error, "the default object could not be created");
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    drop(engine);
    pending::<()>().await;
    "default object"
}
