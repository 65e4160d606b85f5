//! The simulation answers as a real API server does, and the incident happens in the same order.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use federation_health_sim::{Clock, Controllers, Sim};
use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, Federation, FederationOptions, apply, join::JoinOptions,
};
use federation_health_tests::conformance::{
    compare::compare,
    known::KNOWN,
    order::{ALIAS, Occurrence, first_cycle, violations},
    script::{self, Answer},
    witness::{Recorder, Sighting, recording},
};

const OURS: &str = include_str!("../../config/crd/federationhealths.yaml");
const KUBESPHERE: &str = include_str!("../testbed/manifests/kubesphere.yaml");

/// Runs on a clock that only moves when nothing else is left to do.
fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

fn in_real_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

async fn simulated_answers() -> Vec<Answer> {
    let sim = Sim::new(Clock::simulated());
    sim.apply(OURS).unwrap();
    sim.apply(KUBESPHERE).unwrap();
    let client = sim.client_as("kubernetes-admin");
    script::play(&client, &script::steps().unwrap(), || sim.compact())
        .await
        .unwrap()
}

async fn real_answers() -> Vec<Answer> {
    // Without controllers: what they add, and when, is no part of an answer.
    let options = ControlPlaneOptions {
        controller_manager: false,
        ..ControlPlaneOptions::default()
    };
    let plane = ControlPlane::start(options).await.unwrap();
    apply::yaml(&plane.client(), OURS).await.unwrap();
    apply::yaml(&plane.client(), KUBESPHERE).await.unwrap();
    let answers = script::play(&plane.client(), &script::steps().unwrap(), || {})
        .await
        .unwrap();
    plane.stop().await.unwrap();
    answers
}

#[test]
fn one_script_gets_the_same_answers_from_the_simulation_and_the_real_server() {
    let simulated = in_virtual_time(simulated_answers());
    let real = in_real_time(real_answers());
    let found = compare(&simulated, &real, KNOWN);
    println!(
        "{} steps, {} differences explained by {} rows",
        real.len(),
        found.explained,
        KNOWN.len()
    );
    assert!(
        found.mismatches.is_empty(),
        "{} steps differ:\n{}",
        found.mismatches.len(),
        found.mismatches.join("\n\n")
    );
    assert!(
        found.unused.is_empty(),
        "known, but no longer shown by any step: {:#?}",
        found.unused
    );
}

/// KubeFed deletes 10 to 21 s after a join, and a namespace ends some 6 s after that; a test machine that
/// also compiles gets three times as long.
const CYCLE_LIMIT: Duration = Duration::from_secs(90);
/// Between two looks at what was recorded.
const LOOK: Duration = Duration::from_millis(200);

/// On a busy machine the collector may take every namespace before KubeSphere binds one to the new Workspace; what then does
/// not happen cannot be compared.
const ATTEMPTS: usize = 3;

/// Waits until both Workspaces have gone through their first cycle; else tells what is missing.
async fn until_both_cycled(mut recorder: Recorder) -> Result<Vec<Sighting>, String> {
    let deadline = tokio::time::Instant::now() + CYCLE_LIMIT;
    loop {
        recorder.check().unwrap();
        let sightings = recorder.sightings();
        let missing = ["orders", "payments"]
            .iter()
            .find_map(|name| first_cycle(&sightings, name, &format!("{name}-")).err());
        let Some(missing) = missing else {
            return Ok(sightings);
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(format!("{missing} within {CYCLE_LIMIT:?}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn simulated_incident() -> Vec<Sighting> {
    let sim = Sim::new(Clock::simulated());
    sim.install_kubesphere().unwrap();
    for workspace in ["payments", "orders"] {
        let names = [1, 2, 3].map(|n| format!("{workspace}-{n}"));
        let namespaces: Vec<&str> = names.iter().map(String::as_str).collect();
        sim.add_workspace(workspace, &["host"], &namespaces)
            .unwrap();
    }
    let _running = sim.start_controllers(&Controllers::host());
    // Past the models' first rounds, as the recording was.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let recorder = Recorder::start(&sim.client_as("kubernetes-admin"))
        .await
        .unwrap();
    sim.join(ALIAS).unwrap();
    until_both_cycled(recorder).await.unwrap()
}

async fn real_incident() -> Vec<Sighting> {
    let mut missing = Vec::new();
    for _ in 0..ATTEMPTS {
        match one_real_incident().await {
            Ok(seen) => return seen,
            Err(what) => missing.push(what),
        }
    }
    panic!("{missing:?}");
}

async fn one_real_incident() -> Result<Vec<Sighting>, String> {
    let bed = Federation::start(FederationOptions::default())
        .await
        .unwrap();
    let recorder = Recorder::start(&bed.client()).await.unwrap();
    bed.join_alias(ALIAS, JoinOptions::default()).await.unwrap();
    let seen = until_both_cycled(recorder).await;
    bed.stop().await.unwrap();
    seen
}

fn in_words(cycle: &[Occurrence]) -> String {
    let words: Vec<String> = cycle.iter().map(ToString::to_string).collect();
    words.join(", ")
}

#[test]
fn three_witnesses_tell_the_incident_in_one_order() {
    let begun = Instant::now();
    let simulated = in_virtual_time(simulated_incident());
    let real = in_real_time(real_incident());
    println!("both incidents took {:?}", begun.elapsed());
    let recorded = recording().unwrap();
    for (workspace, short) in [("orders", "ord-"), ("payments", "pay-")] {
        let long = format!("{workspace}-");
        let mut told = Vec::new();
        for (witness, sightings, prefix) in [
            ("recording", &recorded, short),
            ("simulation", &simulated, &long),
            ("real control plane", &real, &long),
        ] {
            let mut cycle = first_cycle(sightings, workspace, prefix).unwrap();
            let words = in_words(&cycle);
            println!("{workspace}, {witness}: {words}");
            assert_eq!(
                violations(&cycle),
                Vec::<String>::new(),
                "{workspace}, {witness}: {words}"
            );
            cycle.sort();
            told.push(cycle);
        }
        assert!(
            told.windows(2).all(|pair| pair[0] == pair[1]),
            "{workspace}: the witnesses tell of different things: {told:?}"
        );
    }
}
