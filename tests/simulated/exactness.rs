//! Counts against the audit log, whatever happens to the watches: a recreation is counted once, and none is invented.

use std::time::Duration;

use federation_health_core::time::Time;
use federation_health_sim::{Effect, Garble, resources};
use federation_health_tests::{
    guarded::{USER, observing},
    random::Random,
    simulated::{Setup, WORKSPACES, World, pass},
};
use serde_json::Value;

/// The first of the seeds: each moves the operator's start against KubeFed's schedule, and the faults against both.
const SEED: u64 = 20_261_123;
const SEEDS: u64 = 12;
const WATCHED: &str = "workspaces";
/// Workspaces besides the usual two; KubeFed works on one after the other, so that each is recreated less often.
const MORE: usize = 30;
const RAGE: Duration = Duration::from_secs(60);
/// Past the next list beside the watch, which finds what was lost for good.
const SETTLED: Duration = Duration::from_mins(7);
/// A watch that lost its place while nobody answered is listed anew within this: the outage and the driver's back-off.
const BLIND_MS: i64 = 40_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Cut,
    Twice,
    NoDeletions,
    /// The watch breaks, nobody answers for seconds, and its place is forgotten: 410, and a list.
    Expired,
}

struct Counted {
    sum: i64,
    /// Creations of each name in the audit log, oldest first, without its first.
    recreated: Vec<(String, Time)>,
    /// When the watches lost their place.
    expired: Vec<Time>,
}

impl Counted {
    /// Recreations that a list may have jumped over: all but one of each name in a blind time.
    fn hidden(&self) -> i64 {
        let blind = |at: Time, name: &str| {
            let within = self
                .recreated
                .iter()
                .filter(|(other, t)| other == name && (0..BLIND_MS).contains(&t.since_ms(at)));
            within.count().saturating_sub(1)
        };
        let mut names: Vec<&str> = self.recreated.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.dedup();
        let all = self
            .expired
            .iter()
            .flat_map(|at| names.iter().map(|name| blind(*at, name)));
        all.sum::<usize>() as i64
    }
}

async fn rage(seed: u64, more: usize, faults: &[Fault]) -> Counted {
    let random = Random::new(seed);
    let world = World::calm(Setup {
        spec: Some(observing()),
        age: Duration::from_millis(7_000 + random.below(10_000)),
        ..Setup::default()
    })
    .await
    .unwrap();
    for n in 0..more {
        let name = format!("tenant-{n}");
        world.sim.add_workspace(&name, &["host"], &[]).unwrap();
    }
    pass(Duration::from_secs(40)).await;
    world.double().unwrap();
    let end = tokio::time::Instant::now() + RAGE;
    let mut expired = Vec::new();
    while tokio::time::Instant::now() < end {
        pass(Duration::from_millis(100 + random.below(6_000))).await;
        let fault = faults[random.below(faults.len() as u64) as usize];
        let garble = match fault {
            Fault::Twice => Some(Garble::Twice),
            Fault::NoDeletions => Some(Garble::NoDeletions),
            Fault::Cut | Fault::Expired => None,
        };
        world.sim.garble_watches(WATCHED, garble);
        if fault == Fault::Expired {
            expired.push(world.now());
            world
                .sim
                .inject(|r| (r.user == USER && r.resource == WATCHED).then_some(Effect::Break));
        }
        if garble.is_none() {
            world.sim.cut_watches();
        }
        if fault == Fault::Expired {
            pass(Duration::from_millis(1_000 + random.below(8_000))).await;
            world.sim.compact();
            world.sim.clear_faults();
        }
    }
    world.cure().unwrap();
    pass(SETTLED).await;
    world.sim.garble_watches(WATCHED, None);
    let summary = world.health().unwrap().status.unwrap().summary.unwrap();
    let mut recreated: Vec<(String, Time)> = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for entry in world.sim.audit() {
        if entry.verb != "create" || entry.resource != WATCHED || !entry.is_effective_write() {
            continue;
        }
        if known.contains(&entry.name) {
            recreated.push((entry.name.clone(), Time(entry.at.as_millisecond())));
        } else {
            known.push(entry.name.clone());
        }
    }
    assert_eq!(world.sim.audit_dropped(), 0);
    assert_eq!(known.len(), WORKSPACES.len() + more);
    Counted {
        sum: summary.recreations,
        recreated,
        expired,
    }
}

#[tokio::test(start_paused = true)]
async fn cut_doubled_and_lost_events_change_no_count() {
    let faults = [Fault::Cut, Fault::Twice, Fault::NoDeletions];
    let mut all = 0;
    for seed in SEED..SEED + SEEDS {
        let run = rage(seed, MORE, &faults).await;
        assert_eq!(run.sum, run.recreated.len() as i64, "seed {seed}");
        all += run.recreated.len();
    }
    println!("{all} recreations under {SEEDS} seeds, each counted once");
    assert!(all > 20 * SEEDS as usize, "{all}");
}

/// Nothing recreates it, so only the list beside the watch can tell.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_the_server_lost_is_found_and_counted() {
    let world = World::calm(Setup::default()).await.unwrap();
    let lost = || {
        let metrics = &world.operator.as_ref().unwrap().metrics;
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        let name = "federationhealth_lost_deletions_total ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().parse::<u64>().unwrap()
    };
    world.sim.cut_watches();
    world.sim.restart_api_server();
    pass(Duration::from_mins(6)).await;
    assert_eq!(lost(), 0, "lists after a cut tell what nobody promised");
    let kinds = [
        "workspacetemplates",
        "federatedworkspaces",
        WATCHED,
        "namespaces",
    ];
    for kind in kinds {
        world.sim.garble_watches(kind, Some(Garble::NoDeletions));
    }
    let admin = world.sim.admin();
    admin
        .delete(&resources::WORKSPACE_TEMPLATES, "", "orders", Value::Null)
        .unwrap();
    pass(SETTLED).await;
    let summary = world.health().unwrap().status.unwrap().summary.unwrap();
    assert_eq!(summary.workspaces, WORKSPACES.len() as i64 - 1);
    // The template, what KubeFed made of it, and its namespaces.
    assert!(lost() >= 3 + WORKSPACES[0].1.len() as u64, "{}", lost());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_lost_its_place_hides_recreations_and_invents_none() {
    let mut hidden = 0;
    for seed in SEED..SEED + SEEDS {
        let run = rage(seed, 0, &[Fault::Expired, Fault::Cut, Fault::NoDeletions]).await;
        let (most, least) = (
            run.recreated.len() as i64,
            run.recreated.len() as i64 - run.hidden(),
        );
        assert!(
            (least..=most).contains(&run.sum),
            "seed {seed}: counted {}, {least} to {most} can be seen",
            run.sum
        );
        hidden += most - run.sum;
    }
    println!("{hidden} recreations fell into times without a watch");
    assert!(
        hidden > 0,
        "no list jumped over anything: the fault was none"
    );
}
