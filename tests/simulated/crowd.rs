//! A thousand members, of which a tenth swallows every packet: the others are identified as often as ever.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use federation_health_cluster::probe::{Dial, DialRequest, ProbeError, Probed};
use federation_health_sim::{Clock, Controllers, Network, Sim, resources};
use federation_health_tests::{
    guarded::observing,
    simulated::{HOST, Operator, PLANE, Setup, World, pass},
};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::json;
use tokio::time::Instant;

const MEMBERS: usize = 1000;
/// One in so many answers nothing.
const SILENT: usize = 10;
const PERIOD: Duration = Duration::from_secs(60);
/// A probe's own time limit.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A healthy member's answer, far slower than in one data center.
const ANSWER: Duration = Duration::from_millis(200);

/// When each endpoint answered.
#[derive(Default)]
struct Crowd(Mutex<BTreeMap<String, Vec<Instant>>>);

fn endpoint(n: usize) -> String {
    format!("https://10.0.{}.{}:6443", n / 250, n % 250 + 1)
}

fn silent(n: usize) -> bool {
    n.is_multiple_of(SILENT)
}

impl Dial for Crowd {
    fn dial(&self, request: DialRequest) -> BoxFuture<'_, Result<Probed, ProbeError>> {
        async move {
            let asked = request.target.site.endpoint.to_string();
            let number = (0..MEMBERS).find(|n| endpoint(*n) == asked);
            if number.is_none_or(silent) {
                tokio::time::sleep(request.timeout).await;
                return Err(ProbeError::Timeout);
            }
            tokio::time::sleep(ANSWER).await;
            let mut answered = self.0.lock().unwrap();
            answered.entry(asked).or_default().push(Instant::now());
            Ok(Probed {
                kube_system_uid: format!("00000000-0000-4000-8000-{:012}", number.unwrap()),
                leases: Vec::new(),
                leases_error: None,
                accounts: None,
            })
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_tenth_of_a_thousand_members_silent_the_others_are_probed_on_time() {
    let sim = Sim::in_network(&Network::default(), Clock::simulated(), HOST);
    sim.install_kubesphere().unwrap();
    let admin = sim.admin();
    for n in 0..MEMBERS {
        let secret = format!("m{n}-secret");
        let metadata = |name: &str| json!({"name": name, "namespace": PLANE});
        let token = json!({"metadata": metadata(&secret), "data": {"token": "dG9rZW4="}});
        admin.create(&resources::SECRETS, token).unwrap();
        let registration = json!({
            "metadata": metadata(&format!("m{n}")),
            "spec": {"apiEndpoint": endpoint(n), "secretRef": {"name": secret}},
        });
        admin
            .create(&resources::KUBEFED_CLUSTERS, registration)
            .unwrap();
    }
    let mut spec = observing();
    spec["probe"]["periodSeconds"] = json!(PERIOD.as_secs());
    spec["probe"]["timeoutSeconds"] = json!(TIMEOUT.as_secs());
    let setup = Setup {
        spec: Some(spec),
        controllers: Controllers {
            planes: Vec::new(),
            ..Controllers::host()
        },
        ..Setup::default()
    };
    let mut world = World::on(sim, setup).await.unwrap();
    let crowd = Arc::new(Crowd::default());
    world.operator = None;
    let dialer = crowd.clone();
    let operator = Operator::start_with(&world.sim, |around| around.dialer = dialer);
    world.operator = Some(operator.unwrap());
    pass(6 * PERIOD).await;

    let answered = crowd.0.lock().unwrap();
    assert_eq!(answered.len(), MEMBERS - MEMBERS / SILENT);
    let mut longest = Duration::ZERO;
    for times in answered.values() {
        assert!(times.len() >= 5, "{times:?}");
        // The first two may lie close together: everything is probed at once, then each in its turn.
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        longest = longest.max(gaps.max().unwrap_or_default());
    }
    println!("the longest time between two answers of a healthy member: {longest:?}");
    // Whoever is in its turn waits behind those whose probes run into their limit once at most.
    assert!(longest <= PERIOD + TIMEOUT + ANSWER, "{longest:?}");
}
