//! Ten thousand Workspaces: the simulation must carry them, or nothing about scale can be tested on it.

use std::time::{Duration, Instant};

use crate::common::DELETER;
use federation_health_sim::{Clock, Controllers, Sim, resources};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PartialObjectMeta},
};

#[tokio::test(start_paused = true)]
async fn ten_thousand_workspaces_are_made_listed_and_looped_in_seconds() {
    const COUNT: usize = 10_000;
    let start = Instant::now();
    let sim = Sim::new(Clock::simulated());
    sim.install_kubesphere().unwrap();
    for i in 0..COUNT {
        sim.add_workspace(&format!("ws-{i:05}"), &["host"], &[&format!("ns-{i:05}")])
            .unwrap();
    }
    let made = start.elapsed();

    let client = sim.client_as("kubernetes-admin");
    let resource = kube::api::ApiResource {
        group: "tenant.kubesphere.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "tenant.kubesphere.io/v1alpha1".to_owned(),
        kind: "Workspace".to_owned(),
        plural: "workspaces".to_owned(),
    };
    let api: Api<PartialObjectMeta<kube::api::DynamicObject>> = Api::all_with(client, &resource);
    let mut params = ListParams::default().limit(500);
    let mut names = 0;
    loop {
        let page = api.list_metadata(&params).await.unwrap();
        names += page
            .items
            .iter()
            .filter(|w| !w.name_any().is_empty())
            .count();
        match page.metadata.continue_.filter(|c| !c.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names, COUNT);
    let listed = start.elapsed();

    let _running = sim.start_controllers(&Controllers::host());
    sim.join("produce-trt").unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let deletions = sim
        .audit()
        .iter()
        .filter(|e| e.user == DELETER && e.verb == "delete")
        .count();
    assert!(deletions > 100, "{deletions} deletions in the first minute");
    let left = sim.admin().list(&resources::NAMESPACES, "").len();
    println!(
        "{COUNT} Workspaces made in {made:.1?}, listed after {listed:.1?}, one minute of loop after {:.1?}: {deletions} deletions, {left} namespaces left",
        start.elapsed()
    );
    // Generous: a shared machine and a build without optimization.
    assert!(
        start.elapsed() < Duration::from_mins(4),
        "took {:.1?}",
        start.elapsed()
    );
}
