//! The operator's page: off by default, the report's own document, no secret in it, bounded.

use std::{net::SocketAddr, time::Duration};

use federation_health_sim::{Clock, Network, Sim, resources};
use federation_health_tests::{
    scenarios::admin,
    simulated::{ALIAS, HOST, Operator, PLANE, health, install_crds, is, set_spec},
};
use serde_json::json;

/// More of everything than a page may show.
const CLUSTERS: usize = 300;
const WORKSPACES: usize = 2000;
/// Lists and pictures are bounded one by one; together they stay below what a browser opens at once.
const MAX_PAGE: usize = 256 << 10;

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A doubled host among many clusters, in real time, since the page is read through a socket.
fn crowded() -> Sim {
    let sim = Sim::in_network(&Network::default(), Clock::wall(), HOST);
    sim.install_kubesphere().unwrap();
    install_crds(&sim).unwrap();
    set_spec(&sim, "default", &json!({})).unwrap();
    for n in 0..CLUSTERS {
        let endpoint = format!("https://127.0.0.1:{}", 10_000 + n);
        sim.answer_behind(&endpoint);
        sim.join_member(PLANE, &format!("member-{n:04}"), &endpoint)
            .unwrap();
    }
    for n in 0..WORKSPACES {
        sim.add_workspace(&format!("workspace-{n:04}"), &["host"], &[])
            .unwrap();
    }
    sim.join(ALIAS).unwrap();
    sim
}

async fn judged(sim: &Sim) {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while !health(sim, "default").is_some_and(|h| is(&h, "ClustersUnique", "False")) {
        assert!(tokio::time::Instant::now() < end, "no verdict");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_page_is_the_report_within_bounds_and_tells_no_secret() {
    let sim = crowded();
    let address = free();
    let _operator = Operator::start_with(&sim, |around| {
        around.listen = Some(address);
        around.page = true;
    })
    .unwrap();
    judged(&sim).await;
    // The page is made once a second at most; what it is made of has been written by now.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (head, page) = admin::answer(&address.to_string(), "/").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let head = head.to_ascii_lowercase();
    for line in [
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert!(
        page.contains(&format!("{PLANE}/{ALIAS}")),
        "the leftover's name"
    );
    assert!(
        page.contains("more names"),
        "the graph counts what it does not draw"
    );
    assert!(
        page.contains(">Controllers<"),
        "the control plane that runs has a lane"
    );
    assert!(page.contains("2000 Workspaces: ") && page.contains(" and 1950 more"));
    for active in [
        "<script",
        "<link",
        "<img",
        "style=\"",
        "onload",
        "http-equiv=\"refresh",
    ] {
        assert!(!page.contains(active), "the page contains {active}");
    }
    let admin = sim.admin();
    for secret in admin.list(&resources::SECRETS, "") {
        let token = secret["data"]["token"].as_str().unwrap();
        assert!(!page.contains(token), "a token is on the page");
    }
    assert!(page.len() < MAX_PAGE, "{} bytes", page.len());
}

#[tokio::test]
async fn nobody_gets_the_page_who_did_not_ask_for_it() {
    let sim = Sim::new(Clock::wall());
    install_crds(&sim).unwrap();
    let address = free();
    let _operator = Operator::start_with(&sim, |around| around.listen = Some(address)).unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        match admin::get(&address.to_string(), "/").await {
            Ok((status, body)) => {
                assert_eq!(status, 404);
                return assert!(!body.contains('<'), "{body}");
            }
            Err(error) => assert!(tokio::time::Instant::now() < end, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
