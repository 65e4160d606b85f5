//! Processes that die around a write, lose their lease, or are followed by another replica: whatever the moment, the end is
//! the one of a run in which nothing happened.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::{Effect, RequestFacts};
use federation_health_tests::simulated::Operator;
use tokio::sync::Notify;

use super::{
    stories::{Story, counts, picture},
    *,
};

/// No story has more writes: a sweep ends at the first write that does not come.
const WRITES: usize = 100;
/// What a lease outlives its last renewal, less the moment in which a robbed holder may not know yet.
const LEASE: Duration = Duration::from_secs(14);

/// What happens around a write of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It dies before the write is sent, and is started again.
    Before,
    /// It dies when the write is stored and not yet answered, and is started again.
    Unanswered,
    /// It dies when it has the answer, and is started again.
    After,
    /// It dies when the write is stored; another replica was there all the time.
    Followed,
    /// Somebody else holds the lease from now on, and never renews it.
    Robbed,
}

impl Fate {
    fn restarts(self) -> bool {
        matches!(self, Self::Before | Self::Unanswered | Self::After)
    }

    fn effect(self) -> Option<Effect> {
        match self {
            Self::Before => Some(Effect::Break),
            Self::Unanswered | Self::Followed => Some(Effect::BreakAnswer),
            Self::After | Self::Robbed => None,
        }
    }
}

/// A story that came to its end.
struct End {
    world: World,
    /// UIDs of Workspaces and namespaces when it began.
    before: Vec<String>,
    /// Writes of the ladder.
    writes: usize,
    /// When the fate struck.
    struck: Option<k8s_openapi::jiff::Timestamp>,
}

/// Plays a story; the fate strikes at the leader's write of that number.
async fn play(story: Story, strike: Option<(Fate, usize)>) -> End {
    let followed = strike.is_some_and(|(fate, _)| !fate.restarts());
    let mut world = story.calm(followed).await;
    let second = followed.then(|| {
        let name = |around: &mut federation_health_operator::run::Surroundings| {
            around.instance = "pod-2".to_owned();
        };
        Operator::start_with(&world.sim, name).unwrap()
    });
    if followed {
        pass(SOON).await;
    }
    let count = Arc::new(AtomicUsize::new(0));
    let moment = Arc::new(Notify::new());
    let (seen, now) = (count.clone(), moment.clone());
    let journal = AtomicBool::new(false);
    world.sim.inject(move |request| {
        if !of_the_ladder(request, &journal) {
            return None;
        }
        let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
        let (fate, _) = strike.filter(|(_, k)| *k == number)?;
        now.notify_one();
        fate.effect()
    });
    let mut operator = world.operator.take();
    let sim = world.sim.clone();
    let struck = Arc::new(std::sync::OnceLock::new());
    let told = struck.clone();
    let reaper = tokio::spawn(async move {
        moment.notified().await;
        let fate = strike.map(|(fate, _)| fate);
        if fate == Some(Fate::After) {
            // Long enough for the answer, too short for anything more.
            pass(Duration::from_millis(2)).await;
        }
        let _ = told.set(sim.clock().now());
        if fate == Some(Fate::Robbed) {
            rob(&sim);
        } else {
            drop(operator.take());
        }
        if fate.is_some_and(Fate::restarts) {
            operator = Some(Operator::start(&sim).unwrap());
        }
        std::future::pending::<()>().await;
        drop(operator);
    });
    let before = uids(&world);
    story.strike(&world).await;
    pass(story.lasts()).await;
    let _ = world.cure();
    rest(&world, followed, &format!("{story:?} {strike:?}")).await;
    reaper.abort();
    drop(second);
    End {
        before,
        writes: count.load(Ordering::Relaxed),
        struck: struck.get().copied(),
        world,
    }
}

/// Lets time pass until all is well and nothing of ours is in force, and a while longer. Looks rarely: there are hundreds of
/// runs.
async fn rest(world: &World, leaderless: bool, told: &str) {
    // What looped while nobody led is told for longer than this lasts.
    let verdict = if leaderless {
        "ClustersUnique"
    } else {
        "Healthy"
    };
    let rests = |h: &FederationHealth| {
        let over = |type_: &str| condition(h, type_).is_none();
        is(h, verdict, "True") && over("Remediating") && over("Holding")
    };
    for _ in 0..72 {
        pass(SOON).await;
        if world.health().as_ref().is_some_and(rests) {
            return pass(2 * SOON).await;
        }
    }
    panic!(
        "{told}: no rest: {:#?}",
        world.health().and_then(|h| h.status)
    );
}

/// A write of the operator that is the ladder's: the journal's in both of its places, and every act. `journal`: the one to the
/// first place was the last.
fn of_the_ladder(request: &RequestFacts, journal: &AtomicBool) -> bool {
    if request.user != USER || matches!(request.verb, "get" | "list" | "watch") {
        return false;
    }
    match &*request.resource {
        "leases" | "federationholds" | "validatingadmissionpolicybindings" => false,
        "federationhealths" => journal.swap(false, Ordering::Relaxed),
        resource => {
            journal.store(resource == "configmaps", Ordering::Relaxed);
            true
        }
    }
}

fn rob(sim: &federation_health_sim::Sim) {
    let take = |lease: &mut Value| lease["spec"]["holderIdentity"] = json!("a-stranger");
    sim.admin()
        .edit(
            &resources::LEASES,
            OPERATOR_NAMESPACE,
            "federation-health",
            take,
        )
        .unwrap();
}

/// Plays a story with each of these fates at each of its writes.
async fn sweep(story: Story, fates: &[Fate]) {
    let calm = play(story, None).await;
    let wanted = |whole| picture(&calm.world, &calm.before, whole);
    let acts_wanted = counts(&acts(&calm.world));
    assert!(!acts_wanted.is_empty(), "{story:?} does nothing");
    let mut struck = 0;
    for fate in fates {
        for k in 1..=WRITES {
            let end = play(story, Some((*fate, k))).await;
            let Some(at) = end.struck else { break };
            struck += 1;
            let told = format!("{story:?}, {fate:?} at write {k} of {}", end.writes);
            let found = acts(&end.world);
            let whole = fate.restarts();
            assert_eq!(
                picture(&end.world, &end.before, whole),
                wanted(whole),
                "{told}"
            );
            if whole {
                assert_eq!(counts(&found), acts_wanted, "{told}");
            }
            let removals = |e: &&AuditEntry| e.verb == "delete" && e.resource != "workspaces";
            assert!(
                found.iter().filter(removals).count() <= 1,
                "{told}: {found:#?}"
            );
            if *fate == Fate::Robbed {
                let early = found.iter().find(|e| at < e.at && e.at < at + LEASE);
                assert!(early.is_none(), "{told}: without a lease {early:?}");
            }
        }
    }
    println!("{story:?}: struck {struck} times");
    assert!(struck > fates.len(), "{story:?}: struck {struck} times");
}

/// Each story is a test of its own, so that they run side by side.
macro_rules! swept {
    ($($story:ident: $killed:ident, $followed:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $killed() {
            sweep(Story::$story, &[Fate::Before, Fate::Unanswered, Fate::After]).await;
        }

        #[tokio::test(start_paused = true)]
        async fn $followed() {
            sweep(Story::$story, &[Fate::Followed, Fate::Robbed]).await;
        }
    )*};
}

swept! {
    Freeze: a_freeze_survives_a_death_around_any_of_its_writes,
        a_freeze_is_finished_by_the_other_replica;
    Shields: shields_survive_a_death_around_any_of_their_writes,
        shields_are_finished_by_the_other_replica;
    Volumes: kept_volumes_survive_a_death_around_any_of_their_writes,
        kept_volumes_are_finished_by_the_other_replica;
    Experiment: an_experiment_survives_a_death_around_any_of_its_writes,
        an_experiment_is_finished_by_the_other_replica;
    Disarm: a_disarming_survives_a_death_around_any_of_its_writes,
        a_disarming_is_finished_by_the_other_replica;
    Cure: a_cure_survives_a_death_around_any_of_its_writes,
        a_cure_is_finished_by_the_other_replica;
}
