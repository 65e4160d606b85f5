//! The incident under seeded schedules, with remediation on: faults, a GitOps agent, a person and crashes, each at its own
//! time. Every write of the operator to what is not its own is judged at the moment at which the server takes it.

mod judge;
mod plan;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use federation_health_core::remedy::experiment::CANARY;
use federation_health_sim::{Controllers, Effect, KubeFedOptions, resources};
use federation_health_testbed::{
    Result,
    error::{Attempt as _, Error},
};
use serde_json::{Value, json};

use crate::{
    guarded::USER,
    random::Random,
    simulated::{PLANE, Setup, WORKSPACES, World, is, pass},
};
use judge::Judge;
use plan::{Deed, Plan};

/// KubeFed's Deployment.
pub const MANAGER: &str = "kubefed-controller-manager";
/// Afterwards everything that is taken back by itself has been: a freeze, a minute's watch, labels, volumes.
const REST: Duration = Duration::from_mins(6);
/// Requests that break off after the second registration where the hold is not on: remediation alone has the ten seconds to
/// KubeFed's first deletion, and requests that break off one after the other use those up. The hold stands in milliseconds,
/// whatever breaks off.
const BROKEN: u64 = 2;
/// A federation under a plan, with the judge on it.
struct Stage {
    world: World,
    judge: Arc<Judge>,
    volumes: Vec<(&'static str, String)>,
    faults: Arc<Faults>,
}

/// How far the faults have come.
struct Faults {
    /// Requests of the operator that may yet break off.
    breaks: AtomicU64,
    /// The right is lacking by now, for good.
    lacks: AtomicBool,
    /// Nothing is late or breaks off any more.
    over: AtomicBool,
}

impl Stage {
    async fn build(plan: &Plan, dice: Random) -> Result<Self> {
        let mut controllers = Controllers::host();
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
        let mut volumes = Vec::new();
        for namespace in WORKSPACES.iter().flat_map(|(_, namespaces)| namespaces) {
            let made = world.sim.add_volume(namespace, "data", "Delete");
            volumes.push((*namespace, made.attempt(|| "make a volume")?));
        }
        let judge = Judge::seat(&world.sim);
        let faults = Arc::new(Faults {
            breaks: AtomicU64::new(u64::MAX),
            lacks: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        if let Some(right) = plan.lacking {
            let faults = faults.clone();
            let lacks = move || faults.lacks.load(Ordering::Relaxed);
            world
                .sim
                .inject(move |r| lacks().then(|| right.refuses(r)).flatten());
        }
        let shared = faults.clone();
        world.sim.inject(move |r| shared.disturb(&dice, &r.user));
        world
            .wait("a first good verdict", Duration::from_mins(2), |h| {
                is(h, "Healthy", "True")
            })
            .await?;
        Ok(Self {
            world,
            judge,
            volumes,
            faults,
        })
    }

    fn annotate(
        &self,
        resource: &federation_health_sim::Resource,
        place: (&str, &str),
        annotation: &str,
        value: &Value,
    ) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        // What is gone meanwhile needs no annotation.
        let _ = self
            .world
            .sim
            .admin()
            .merge(resource, place.0, place.1, patch);
    }

    fn act(&mut self, deed: Deed) -> Result<()> {
        let health = (&resources::FEDERATION_HEALTHS, ("", "default"));
        let admin = self.world.sim.admin();
        match deed {
            // It may have been removed already.
            Deed::Cure => drop(self.world.cure()),
            Deed::ScaleBack => {
                let running = admin.get(&resources::DEPLOYMENTS, PLANE, MANAGER);
                if running.is_some_and(|d| d["spec"]["replicas"] == 0) {
                    self.judge.scaled_back();
                    drop(admin.scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 2));
                }
            }
            Deed::Pause(on) => {
                let requests = if on {
                    json!([{"name": "a person", "reason": "look first"}])
                } else {
                    Value::Null
                };
                let patch = json!({"spec": {"remediation": {"pauseRequests": requests}}});
                let written = admin.merge(health.0, "", "default", patch);
                written.attempt(|| "pause")?;
                self.judge.paused(on);
            }
            Deed::OptOut(name) => {
                let opt_out = "federationhealth.io/opt-out";
                if name == MANAGER {
                    self.annotate(
                        &resources::DEPLOYMENTS,
                        (PLANE, MANAGER),
                        opt_out,
                        &json!("true"),
                    );
                } else {
                    self.annotate(&resources::WORKSPACES, ("", name), opt_out, &json!("true"));
                }
            }
            Deed::Undo(on) => {
                let value = if on { json!("all") } else { Value::Null };
                self.judge.asked_back();
                self.annotate(health.0, health.1, "federationhealth.io/undo", &value);
            }
            Deed::Relabel(name) => {
                let patch = json!({"metadata": {"labels": {"kubefed.io/managed": "true", "touched": "by-hand"}}});
                drop(admin.merge(&resources::WORKSPACES, "", name, patch));
            }
            Deed::Kill => self.world.operator = None,
            Deed::Start => self.world.restart_operator()?,
            Deed::Restart => self.world.sim.restart_api_server(),
            Deed::Cut => self.world.sim.cut_watches(),
            Deed::Experiment => {
                let until = (self.world.sim.clock().now() + Duration::from_mins(30)).to_string();
                self.annotate(
                    health.0,
                    health.1,
                    "federationhealth.io/experiment",
                    &json!(until),
                );
            }
        }
        Ok(())
    }

    /// What must be true when all has come to rest.
    fn at_rest(&self, plan: &Plan) -> Vec<String> {
        let mut wrong = self.judge.verdict();
        let admin = self.world.sim.admin();
        let canary = admin.get(&resources::WORKSPACES, "", CANARY);
        if canary.is_some() && !plan.lacks("delete", "workspaces") && !plan.shackled() {
            wrong.push("the canary stands".to_owned());
        }
        if self.world.operator.as_ref().is_none_or(|o| !o.lives()) {
            wrong.push("the operator died".to_owned());
        }
        if !plan.unhindered() {
            return wrong;
        }
        let saves = plan.holds_all()
            || plan.able("freezeControllers", &["deployments", "deployments/scale"])
            || plan.able("shieldWorkspaces", &["workspaces"]);
        let lost = self.world.deletions("namespaces");
        if saves && !lost.is_empty() {
            wrong.push(format!("{} namespaces were lost", lost.len()));
        }
        if plan.shackled() {
            return wrong;
        }
        let replicas = admin.get(&resources::DEPLOYMENTS, PLANE, MANAGER);
        if replicas.is_none_or(|d| d["spec"]["replicas"] != 2) {
            wrong.push("KubeFed does not run as before".to_owned());
        }
        // A volume is given back only to a claim that is known to stay.
        let back = ["persistentvolumeclaims", "namespaces"]
            .iter()
            .all(|claim| !plan.lacks("get", claim));
        for (namespace, volume) in &self.volumes {
            let lives = admin.get(&resources::NAMESPACES, "", namespace).is_some();
            let policy = admin.get(&resources::PERSISTENT_VOLUMES, "", volume);
            let policy = policy.map(|v| v["spec"]["persistentVolumeReclaimPolicy"].clone());
            if lives && back && policy != Some(json!("Delete")) {
                wrong.push(format!("volume {volume} has policy {policy:?}"));
            }
            let kept = plan.able("retainVolumes", &["persistentvolumes"]);
            if !lives && kept && policy.is_none() {
                wrong.push(format!("volume {volume} is gone"));
            }
        }
        wrong
    }
}

impl Faults {
    /// Requests of the operator are late, or break off before or after they are carried out.
    fn disturb(&self, dice: &Random, user: &str) -> Option<Effect> {
        let relaxed = Ordering::Relaxed;
        if user != USER || self.over.load(relaxed) {
            return None;
        }
        let chance = dice.draw();
        let late = Duration::from_micros(chance % 8_000);
        let one = || {
            let left = self
                .breaks
                .fetch_update(relaxed, relaxed, |left| left.checked_sub(1));
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

/// Plays one schedule in paused time.
///
/// # Errors
/// What was wrong, with the schedule.
pub async fn play(seed: u64) -> Result<()> {
    let dice = Random::new(seed);
    let plan = Plan::of(&dice);
    let mut stage = Stage::build(&plan, dice).await?;
    if !plan.holds_all() {
        stage.faults.breaks.store(BROKEN, Ordering::Relaxed);
    }
    stage.faults.lacks.store(true, Ordering::Relaxed);
    stage.world.double()?;
    let begun = tokio::time::Instant::now();
    for (at, deed) in &plan.deeds {
        tokio::time::sleep_until(begun + Duration::from_millis(*at)).await;
        stage.act(*deed)?;
    }
    stage.faults.over.store(true, Ordering::Relaxed);
    if stage.world.operator.is_none() {
        stage.world.restart_operator()?;
    }
    pass(REST).await;
    let wrong = stage.at_rest(&plan);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "seed {seed}\n{plan}: {}\n{}",
        wrong.join("; "),
        stage.world.told()
    )))
}
