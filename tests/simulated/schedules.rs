//! The incident under many schedules: other phases, other delays, other orders of the same events.

use std::time::Duration;

use federation_health_sim::{Controllers, Effect, KubeFedOptions};
use federation_health_testbed::Result;
use federation_health_tests::{
    guarded::{USER, condition, holds},
    random::Random,
    schedules::play,
    simulated::{Setup, World, is, pass},
};

const SEEDS: u64 = 20;
/// Each takes some seconds of a busy processor, most of them where KubeFed loops unhindered.
const REMEDIED: u64 = 6;
/// Each showed a fault once: a mark that came between plan and act, a start on a senseless spec, an approval that replaced
/// another one, templates that were not read yet, a Workspace that was still being deleted when its hold ended, an act of a dead
/// process that a person had taken back.
const TELLING: [u64; 6] = [877, 1606, 3283, 14_187, 60_457, 74_195];

/// A federation whose phases, KubeFed and delays follow from a seed.
async fn scheduled(seed: u64) -> Result<World> {
    let random = Random::new(seed);
    let mut controllers = Controllers::host();
    if random.draw().is_multiple_of(2) {
        controllers.planes = vec![KubeFedOptions::v0_10_0()];
    }
    let setup = Setup {
        controllers,
        age: Duration::from_millis(1_000 + random.draw() % 20_000),
        ..Setup::default()
    };
    let world = World::start(setup).await?;
    world.sim.inject(move |r| {
        if r.user != USER {
            return None;
        }
        let chance = random.draw();
        let late = Duration::from_micros(chance % 8_000);
        Some(match chance % 40 {
            0 => Effect::Break,
            1 => Effect::BreakAnswer,
            2..20 => Effect::Delay(late),
            _ => Effect::DelayAnswer(late),
        })
    });
    world
        .wait("a first good verdict", Duration::from_mins(1), |h| {
            is(h, "Healthy", "True")
        })
        .await?;
    Ok(world)
}

/// `make schedules` plays as many as one has time for.
#[test]
fn no_schedule_with_other_actors_makes_remediation_do_wrong() {
    for seed in (0..REMEDIED).chain(TELLING) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let played = runtime.block_on(play(seed));
        played.unwrap_or_else(|error| panic!("{error}"));
    }
}

#[tokio::test(start_paused = true)]
async fn no_schedule_loses_anything_or_leaves_a_hold_behind() {
    for seed in 0..SEEDS {
        let world = scheduled(seed)
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        let joined = world.double().unwrap();
        let held = world
            .wait("both holds", Duration::from_secs(8), |h| {
                holds(h) == (true, true)
            })
            .await;
        held.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        let took = world.now().since_ms(joined);
        assert!(took < 2_000, "seed {seed}: held after {took} ms");
        pass(Duration::from_secs(20 + seed)).await;
        if seed % 3 == 0 {
            world.sim.restart_api_server();
            pass(Duration::from_secs(5)).await;
        }
        assert_eq!(holds(&world.health().unwrap()), (true, true), "seed {seed}");
        world.cure().unwrap();
        let good = world
            .wait("the end of it", Duration::from_mins(1), |h| {
                is(h, "Healthy", "True")
                    && holds(h) == (false, false)
                    && condition(h, "Holding").is_none()
            })
            .await;
        good.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        pass(Duration::from_secs(30)).await;
        let deleted = (world.deletions("workspaces"), world.deletions("namespaces"));
        assert!(
            deleted.0.is_empty() && deleted.1.is_empty(),
            "seed {seed}: {deleted:?}"
        );
        assert!(
            is(&world.health().unwrap(), "Healthy", "True"),
            "seed {seed}"
        );
        assert!(world.operator.as_ref().unwrap().lives(), "seed {seed}");
    }
}
