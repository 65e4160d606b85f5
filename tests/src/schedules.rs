//! The incident under seeded schedules, with remediation on: faults, crashes, KubeFed, KubeSphere, a GitOps agent and people,
//! each at its own time. Every write of the operator to what is not its own is judged at the moment at which the server takes
//! it.

mod judge;
mod people;
mod plan;
mod rest;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use federation_health_api::names::JOURNAL;
use federation_health_operator::metrics::Metrics;
use federation_health_sim::{Controllers, Effect, KubeFedOptions, RequestFacts, Running, Sim};
use federation_health_testbed::{
    Result,
    error::{Attempt as _, Error},
};
use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    guarded::USER,
    random::Random,
    simulated::{Operator, Setup, WORKSPACES, World, is, pass},
};
use judge::Judge;
use plan::{Plan, Replica};

/// KubeFed's Deployment.
pub const MANAGER: &str = "kubefed-controller-manager";
/// Afterwards everything that is taken back by itself has been: a freeze, a minute's watch, labels, volumes.
const REST: Duration = Duration::from_mins(6);
/// Requests that break off after the second registration where the hold is not on: remediation alone has the ten seconds to
/// KubeFed's first deletion, and requests that break off one after the other use those up. The hold stands in milliseconds,
/// whatever breaks off.
const BROKEN: u64 = 2;
/// Writes of the journal in one row at which a person edits what it says: the first may be about what was done before.
const EDITS: u64 = 3;
/// Everything happens in one thread.
const RELAXED: Ordering = Ordering::Relaxed;

/// A federation under a plan, with the judge on it.
struct Stage {
    world: World,
    /// The operator's other replica, while it runs.
    second: Option<Operator>,
    /// KubeSphere's controllers, while they run.
    kubesphere: Option<Running>,
    judge: Arc<Judge>,
    volumes: Vec<(&'static str, String)>,
    faults: Arc<Faults>,
    /// Edits what is planned when the faults say so.
    editor: JoinHandle<()>,
    /// Counters of processes that were killed.
    gone: Vec<Arc<Metrics>>,
    /// What really happened.
    counted: BTreeMap<String, u64>,
    /// The leftover's registration.
    leftover: Arc<Value>,
    /// Somebody placed a Workspace on a name that is not registered: it is not to be here.
    nowhere: bool,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.editor.abort();
    }
}

/// How far the faults have come.
struct Faults {
    /// Requests of the operator that may yet break off.
    breaks: AtomicU64,
    /// The right is lacking by now, for good.
    lacks: AtomicBool,
    /// Nothing is late or breaks off any more.
    over: AtomicBool,
    /// A person is about to edit what is planned next.
    edits: AtomicBool,
    edited: AtomicU64,
    moment: Notify,
}

/// KubeSphere's own controllers.
fn kubesphere(sim: &Sim) -> Running {
    sim.start_controllers(&Controllers::kubesphere())
}

/// The operator's second replica.
fn replica(sim: &Sim) -> Result<Operator> {
    Operator::start_with(sim, |around| "pod-2".clone_into(&mut around.instance))
}

impl Stage {
    async fn build(plan: &Plan, dice: Random) -> Result<Self> {
        let mut controllers = Controllers {
            kubesphere_host: false,
            kubesphere_binder: false,
            ..Controllers::host()
        };
        if dice.below(2) == 0 {
            controllers.planes = vec![KubeFedOptions::v0_10_0()];
        }
        let world = World::start(Setup {
            spec: Some(plan.spec.clone()),
            controllers,
            age: Duration::from_millis(1_000 + dice.below(20_000)),
            ..Setup::default()
        })
        .await?;
        let kubesphere = Some(kubesphere(&world.sim));
        let mut volumes = Vec::new();
        for namespace in WORKSPACES.iter().flat_map(|(_, namespaces)| namespaces) {
            let made = world.sim.add_volume(namespace, "data", "Delete");
            volumes.push((*namespace, made.attempt(|| "make a volume")?));
        }
        let judge = Judge::seat(&world.sim);
        let faults = Arc::new(Faults::none());
        if let Some(right) = plan.lacking {
            let faults = faults.clone();
            let lacks = move || faults.lacks.load(RELAXED);
            world
                .sim
                .inject(move |r| lacks().then(|| right.refuses(r)).flatten());
        }
        let (shared, seen) = (faults.clone(), judge.clone());
        world.sim.inject(move |request| {
            let effect = shared.disturb(&dice, request);
            seen.asked(request, effect.as_ref());
            effect
        });
        let (sim, shared) = (world.sim.clone(), faults.clone());
        let editor = tokio::spawn(async move {
            loop {
                shared.moment.notified().await;
                people::edit_all(&sim);
            }
        });
        world
            .wait("a first good verdict", Duration::from_mins(2), |h| {
                is(h, "Healthy", "True")
            })
            .await?;
        let second = if plan.two {
            Some(replica(&world.sim)?)
        } else {
            None
        };
        Ok(Self {
            world,
            second,
            kubesphere,
            judge,
            volumes,
            faults,
            editor,
            gone: Vec::new(),
            counted: BTreeMap::new(),
            leftover: Arc::default(),
            nowhere: false,
        })
    }
}

impl Faults {
    fn none() -> Self {
        Self {
            breaks: AtomicU64::new(u64::MAX),
            lacks: AtomicBool::new(false),
            over: AtomicBool::new(false),
            edits: AtomicBool::new(false),
            edited: AtomicU64::new(0),
            moment: Notify::new(),
        }
    }

    /// A person edited what the journal had just said.
    fn edited(&self) -> bool {
        self.edited.load(RELAXED) > 0
    }

    /// Requests of the operator are late, or break off before or after they are carried out.
    fn disturb(&self, dice: &Random, request: &RequestFacts) -> Option<Effect> {
        if request.user != USER || self.over.load(RELAXED) {
            return None;
        }
        let writes = matches!(request.verb, "patch" | "create") && request.name == JOURNAL;
        if writes && self.edits.load(RELAXED) {
            let done = self.edited.fetch_add(1, RELAXED) + 1;
            self.edits.store(done < EDITS, RELAXED);
            self.moment.notify_one();
        }
        let chance = dice.draw();
        let late = Duration::from_micros(chance % 8_000);
        let one = || {
            let left = self
                .breaks
                .fetch_update(RELAXED, RELAXED, |left| left.checked_sub(1));
            left.is_ok()
        };
        Some(match chance % 60 {
            0 if one() => Effect::Break,
            1 if one() => Effect::BreakAnswer,
            0..30 => Effect::Delay(late),
            _ => Effect::DelayAnswer(late),
        })
    }
}

/// What a seed stands for, in words.
pub fn describe(seed: u64) -> String {
    format!("seed {seed}\n{}", Plan::of(&Random::new(seed)))
}

/// Plays one schedule in paused time. Gives what happened in it, a word for each: who did what, which acts were begun, which
/// brakes stood.
///
/// # Errors
/// What was wrong, with the schedule.
pub async fn play(seed: u64) -> Result<BTreeSet<String>> {
    let dice = Random::new(seed);
    let plan = Plan::of(&dice);
    let mut stage = Stage::build(&plan, dice).await?;
    if !plan.holds_all() {
        stage.faults.breaks.store(BROKEN, RELAXED);
    }
    stage.faults.lacks.store(true, RELAXED);
    stage.world.double()?;
    stage.leftover = stage.world.leftover().unwrap_or_default();
    let begun = tokio::time::Instant::now();
    for (at, deed) in &plan.deeds {
        tokio::time::sleep_until(begun + Duration::from_millis(*at)).await;
        stage.act(*deed)?;
    }
    stage.faults.over.store(true, RELAXED);
    if stage.world.operator.is_none() {
        stage.start(Replica::First)?;
    }
    pass(REST).await;
    let wrong = stage.at_rest(&plan);
    if wrong.is_empty() {
        return Ok(stage.told(&plan));
    }
    Err(Error::refused(format!(
        "seed {seed}\n{plan}: {}\n{}",
        wrong.join("; "),
        stage.world.told()
    )))
}
