//! What a hostile member costs in memory, as the allocator of this process counts it. One test and no other, so that nobody
//! else's memory is counted.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

#[path = "../src/probe/tests/server.rs"]
#[expect(dead_code, reason = "the dialer's own tests use all of it")]
mod server;

use std::{sync::Arc, time::Duration};

use federation_health_api::foreign::KubeFedClusterSpec;
use federation_health_cluster::{
    endpoint::EndpointPolicy,
    probe::{Dial as _, DialRequest, ProbeError, Probed, Site, Target, TlsDialer, Token},
};
use peak_alloc::PeakAlloc;
use tokio::runtime::Builder;

use self::server::{Authority, Reply, Server, crumbs, json, namespace};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Of one probe, the server in the same process included.
const BAR: usize = 16 << 20;
/// A body of which the last byte is still read.
const BODY: usize = 1 << 20;
/// Generous: a busy machine is no slow member.
const PATIENCE: Duration = Duration::from_mins(1);

/// A body that is full of the same item.
fn full(size: usize, before: &str, item: &str, after: &str) -> String {
    let count = (size - before.len() - after.len()) / (item.len() + 1);
    format!("{before}{}{after}", vec![item; count].join(","))
}

/// The outcome of a probe of a server that answers so on this path, and the memory that was allocated meanwhile.
async fn cost(path: &'static str, answer: Reply) -> (Result<Probed, ProbeError>, usize) {
    let authority = Authority::new();
    let server = Server::start(&authority.server("127.0.0.1"), move |asked| {
        match asked.contains(path) {
            true => answer.clone(),
            false => namespace(),
        }
    })
    .await;
    let spec = KubeFedClusterSpec {
        api_endpoint: server.endpoint(),
        ca_bundle: authority.bundle(),
        ..Default::default()
    };
    let request = DialRequest {
        target: Target {
            site: Site::of(&spec).unwrap(),
            token: Token::new("canary-token").unwrap(),
        },
        policy: Arc::new(EndpointPolicy::parse(&["127.0.0.0/8"]).unwrap()),
        timeout: PATIENCE,
        accounts: true,
    };
    let dialer = TlsDialer::default();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let outcome = dialer.dial(request).await;
    (outcome, MEMORY.peak_usage() - before)
}

#[test]
fn no_answer_costs_more_than_a_few_megabytes() {
    let list = |item| json(200, &full(BODY, r#"{"items":["#, item, "]}"));
    let lease = r#"{"metadata":{"name":"a","resourceVersion":"1"}}"#;
    let role = r#"{"metadata":{"name":"kubefed-controller-manager:a"}}"#;
    let own = r#"{"kind":"Namespace","metadata":{"name":"kube-system","uid":"u"},"items":["#;
    let cases = [
        (
            "/namespaces/kube-system",
            json(200, &full(BODY, own, "{}", "]}")),
        ),
        ("/leases", list("{}")),
        ("/leases", list(lease)),
        ("/leases", list(r#"{"metadata":{},"spec":{}}"#)),
        (
            "/leases",
            crumbs(&full(BODY / 2, r#"{"items":["#, lease, "]}")),
        ),
        ("/clusterroles", list("{}")),
        ("/clusterroles", list(role)),
    ];
    for (case, (path, answer)) in cases.into_iter().enumerate() {
        // With its runtime goes all that a case leaves behind.
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (outcome, bytes) = runtime.block_on(cost(path, answer));
        drop(runtime);
        println!("case {case}, {path}: {bytes} bytes");
        let probed = outcome.unwrap();
        assert_eq!(probed.leases_error, None, "case {case}: it was not read");
        assert!(probed.accounts.is_some(), "case {case}: it was not read");
        assert!(bytes < BAR, "case {case}, {path}: {bytes} bytes");
    }
}
