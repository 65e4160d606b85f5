//! What is dialled when, and what the answer is worth when the registration has changed since.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use federation_health_api::FederationHealth;
use federation_health_cluster::probe::{Dial, DialRequest, ProbeError, Probed};
use federation_health_sim::{Clock, Garble, Network, Sim, resources};
use federation_health_tests::{
    guarded::holding,
    simulated::{HOST, Operator, PLANE, Setup, SimDialer, World, pass},
};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::json;
use tokio::sync::watch;

const MEMBER: &str = "https://127.0.0.1:7443";
const SECOND_ADDRESS: &str = "https://127.0.0.2:16443";
/// Between two probes of one registration.
const PERIOD: Duration = Duration::from_mins(1);
/// Past the next list beside the watch, which finds what was lost for good.
const AUDITED: Duration = Duration::from_mins(7);

/// A federation whose member `east` is probed through `dialer`.
async fn with(dialer: impl FnOnce(&Sim) -> Arc<dyn Dial>) -> (World, Sim) {
    let (network, clock) = (Network::default(), Clock::simulated());
    let host = Sim::in_network(&network, clock.clone(), HOST);
    let member = Sim::in_network(&network, clock, MEMBER);
    host.install_kubesphere().unwrap();
    member.install_member().unwrap();
    host.answer_behind(SECOND_ADDRESS);
    host.join_member(PLANE, "east", MEMBER).unwrap();
    let mut spec = holding();
    spec["probe"]["periodSeconds"] = json!(PERIOD.as_secs());
    let setup = Setup {
        spec: Some(spec),
        ..Setup::default()
    };
    let mut world = World::on(host, setup).await.unwrap();
    world.operator = None;
    let dialer = dialer(&world.sim);
    let operator = Operator::start_with(&world.sim, |around| around.dialer = dialer);
    world.operator = Some(operator.unwrap());
    (world, member)
}

/// Keeps answers of the member back while it is shut.
struct Door {
    open: watch::Receiver<bool>,
    kept: watch::Sender<usize>,
    inner: SimDialer,
}

impl Dial for Door {
    fn dial(&self, request: DialRequest) -> BoxFuture<'_, Result<Probed, ProbeError>> {
        async move {
            let kept = request.target.site.endpoint.to_string() == MEMBER;
            let answer = self.inner.dial(request).await;
            if kept && !*self.open.borrow() {
                self.kept.send_modify(|kept| *kept += 1);
                let _ = self.open.clone().wait_for(|open| *open).await;
            }
            answer
        }
        .boxed()
    }
}

fn told(health: &FederationHealth, code: &str) -> bool {
    let findings = health.status.iter().flat_map(|s| &s.findings);
    findings.clone().any(|finding| finding.code == code)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_moved_registration_outran_is_dropped_and_it_is_asked_anew_at_once() {
    let ((open, is_open), (kept, mut waits)) = (watch::channel(true), watch::channel(0));
    let (world, _member) = with(|sim| {
        Arc::new(Door {
            open: is_open,
            kept,
            inner: SimDialer::new(sim),
        })
    })
    .await;
    let settled = |h: &_| !told(h, "FH023") && !told(h, "FH004");
    world.wait("a verdict", PERIOD, settled).await.unwrap();
    pass(PERIOD).await;
    open.send_replace(false);
    waits.wait_for(|kept| *kept == 1).await.unwrap();

    // Both change, so that the token may go to the new endpoint.
    let admin = world.sim.admin();
    let token = json!({"data": {"token": "YW5vdGhlcg=="}});
    admin
        .merge(&resources::SECRETS, PLANE, "east-secret", token)
        .unwrap();
    let moved = json!({"spec": {"apiEndpoint": SECOND_ADDRESS}});
    admin
        .merge(&resources::KUBEFED_CLUSTERS, PLANE, "east", moved)
        .unwrap();
    let drifted = |h: &_| told(h, "FH023");
    world.wait("the drift", PERIOD, drifted).await.unwrap();
    open.send_replace(true);
    let doubled = |h: &_| told(h, "FH004");
    world
        .wait("the doubling", Duration::from_secs(3), doubled)
        .await
        .unwrap();
}

/// Which endpoints were dialled.
struct Log(Arc<Mutex<Vec<String>>>, SimDialer);

impl Dial for Log {
    fn dial(&self, request: DialRequest) -> BoxFuture<'_, Result<Probed, ProbeError>> {
        let endpoint = request.target.site.endpoint.to_string();
        self.0.lock().unwrap().push(endpoint);
        self.1.dial(request)
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_removed_unseen_is_dialled_and_watched_no_more() {
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let log = dialled.clone();
    let (world, _member) = with(|sim| Arc::new(Log(log, SimDialer::new(sim)))).await;
    pass(PERIOD).await;
    for kind in ["kubefedclusters", "federatedtypeconfigs"] {
        world.sim.garble_watches(kind, Some(Garble::NoDeletions));
    }
    let admin = world.sim.admin();
    for (resource, name) in [
        (&resources::KUBEFED_CLUSTERS, "east"),
        (&resources::FEDERATED_TYPE_CONFIGS, "namespaces"),
    ] {
        let unfinished = json!({"metadata": {"finalizers": null}});
        admin.merge(resource, PLANE, name, unfinished).unwrap();
        admin.delete(resource, PLANE, name, json!(null)).unwrap();
    }
    let before = world.requests().len();
    world.sim.cut_watches();
    let watched = |e: &federation_health_sim::AuditEntry| e.resource == "federatednamespaces";
    pass(AUDITED).await;
    assert!(world.requests()[before..].iter().any(watched));
    dialled.lock().unwrap().clear();
    let before = world.requests().len();
    world.sim.cut_watches();
    pass(AUDITED).await;
    let dialled = dialled.lock().unwrap();
    assert!(dialled.iter().any(|endpoint| endpoint == HOST));
    assert!(!dialled.iter().any(|endpoint| endpoint == MEMBER));
    assert!(!world.requests()[before..].iter().any(watched));
}
