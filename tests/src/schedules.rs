//! The incident under seeded schedules, with remediation on: faults, a GitOps agent, a person and crashes, each at its own
//! time. Every write of the operator to what is not its own is judged at the moment at which the server takes it.

mod judge;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use federation_health_core::remedy::experiment::CANARY;
use federation_health_sim::{Controllers, Effect, KubeFedOptions, Sim, resources};
use federation_health_testbed::{
    Result,
    error::{Attempt as _, Error},
};
use serde_json::{Value, json};

use crate::{
    guarded::USER,
    random::Random,
    rights::Lacking,
    simulated::{PLANE, Setup, WORKSPACES, World, is, pass},
};
use judge::Judge;

/// KubeFed's Deployment.
pub const MANAGER: &str = "kubefed-controller-manager";
/// From the second registration on the actors act within this; KubeFed's first deletion comes 10 to 21 s after it.
const ACTING_MS: u64 = 60_000;
/// Afterwards everything that is taken back by itself has been: a freeze, a minute's watch, labels, volumes.
const REST: Duration = Duration::from_mins(6);
/// Requests that break off after the second registration where the hold is not on: remediation alone has the ten seconds to
/// KubeFed's first deletion, and requests that break off one after the other use those up. The hold stands in milliseconds,
/// whatever breaks off.
const BROKEN: u64 = 2;
/// Files of the roles of which one right may be lacking for good.
const RIGHTS: [&str; 2] = ["remediator", "holder"];
/// Every action of `spec.remediation.actions`.
const ACTIONS: [&str; 8] = [
    "retainVolumes",
    "armOrphan",
    "shieldWorkspaces",
    "freezeControllers",
    "plantCanary",
    "disarmNamespaces",
    "fixPlacement",
    "removeStaleCluster",
];

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// The person takes the second registration away.
    Cure,
    /// The GitOps agent sees to it that KubeFed runs.
    ScaleBack,
    /// The person pauses remediation, or lifts the pause.
    Pause(bool),
    /// The person keeps this from being touched.
    OptOut(&'static str),
    /// The person asks everything back, or no more.
    Undo(bool),
    /// The person sets a Workspace's label.
    Relabel(&'static str),
    /// The process is killed, and started again a while later.
    Kill,
    Start,
    /// The API server is started anew.
    Restart,
    /// Watches break off.
    Cut,
    /// The person asks for the experiment.
    Experiment,
}

/// One schedule.
struct Plan {
    spec: Value,
    /// Milliseconds after the second registration, in order.
    deeds: Vec<(u64, Deed)>,
    /// What the operator may not do any more from the second registration on.
    lacking: Option<Lacking>,
}

impl Plan {
    fn of(dice: &Random) -> Self {
        let mut actions = json!({});
        for action in ACTIONS {
            actions[action] = json!(if dice.below(3) == 0 {
                "Never"
            } else {
                "Automatic"
            });
        }
        let rule = || {
            if dice.below(2) == 0 {
                "OnDiagnosis"
            } else {
                "Never"
            }
        };
        let spec = json!({
            "probe": {"mode": "Probe", "allowedEndpoints": ["127.0.0.0/8"]},
            "hold": {"collection": rule(), "federation": rule(), "releaseAfterSeconds": 5},
            "remediation": {"mode": "Apply", "actions": actions, "limits": {"maxActionsPerHour": 60}},
        });
        let mut deeds = Vec::new();
        for _ in 0..dice.below(6) {
            let at = dice.below(ACTING_MS);
            match dice.below(10) {
                0 | 1 => deeds.push((at, Deed::ScaleBack)),
                2 => deeds.extend([
                    (at, Deed::Pause(true)),
                    (at + dice.below(60_000), Deed::Pause(false)),
                ]),
                3 => deeds.push((
                    at,
                    Deed::OptOut(if dice.below(2) == 0 {
                        MANAGER
                    } else {
                        "orders"
                    }),
                )),
                4 => deeds.extend([(at, Deed::Undo(true)), (at + 30_000, Deed::Undo(false))]),
                5 => deeds.push((at, Deed::Relabel("payments"))),
                6 => deeds.extend([(at, Deed::Kill), (at + dice.below(20_000), Deed::Start)]),
                7 => deeds.push((at, Deed::Restart)),
                8 => deeds.push((at, Deed::Cut)),
                _ => deeds.push((at, Deed::Experiment)),
            }
        }
        deeds.push((20_000 + dice.below(ACTING_MS), Deed::Cure));
        deeds.sort_by_key(|(at, _)| *at);
        let lacking = (dice.below(3) == 0).then(|| {
            let rights: Vec<Lacking> = RIGHTS.into_iter().flat_map(Lacking::each).collect();
            rights[dice.below(rights.len() as u64) as usize]
        });
        Self {
            spec,
            deeds,
            lacking,
        }
    }

    /// Nobody and nothing hinders the operator.
    fn unhindered(&self) -> bool {
        let harmless = |deed: &Deed| matches!(deed, Deed::Cure | Deed::Experiment | Deed::Cut);
        self.deeds.iter().all(|(_, deed)| harmless(deed))
    }

    fn automatic(&self, action: &str) -> bool {
        self.spec["remediation"]["actions"][action] == "Automatic"
    }

    /// An action is switched on and, as far as rights go, can be taken on these resources.
    fn able(&self, action: &str, resources: &[&str]) -> bool {
        self.automatic(action) && !self.shackled() && !self.lacks_on(resources)
    }

    /// It can neither act nor take back what it did before, for it cannot write that down or does not lead.
    fn shackled(&self) -> bool {
        self.lacks_on(&["configmaps", "leases"])
    }

    fn lacks_on(&self, resources: &[&str]) -> bool {
        self.lacking
            .is_some_and(|l| resources.contains(&l.resource))
    }

    fn lacks(&self, verb: &str, resource: &str) -> bool {
        self.lacking
            .is_some_and(|l| (l.verb, l.resource) == (verb, resource))
    }

    fn holds_all(&self) -> bool {
        let rule = |name: &str| self.spec["hold"][name] == "OnDiagnosis";
        rule("collection") && rule("federation")
    }
}

/// A federation under a plan, with the judge on it.
struct Stage {
    world: World,
    judge: Arc<Judge>,
    volumes: Vec<(&'static str, String)>,
    /// Requests of the operator that may yet break off.
    breaks: Arc<AtomicU64>,
    /// The right is lacking by now.
    lacks: Arc<AtomicBool>,
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
        let lacks = Arc::new(AtomicBool::new(false));
        if let Some(right) = plan.lacking {
            refuse(&world.sim, right, lacks.clone());
        }
        let breaks = Arc::new(AtomicU64::new(u64::MAX));
        let left = breaks.clone();
        world
            .sim
            .inject(move |r| disturbance(&dice, &r.user, &left));
        world
            .wait("a first good verdict", Duration::from_mins(2), |h| {
                is(h, "Healthy", "True")
            })
            .await?;
        Ok(Self {
            world,
            judge,
            volumes,
            breaks,
            lacks,
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

/// Requests of the operator are late, or break off before or after they are carried out.
fn disturbance(dice: &Random, user: &str, breaks: &AtomicU64) -> Option<Effect> {
    if user != USER {
        return None;
    }
    let chance = dice.draw();
    let late = Duration::from_micros(chance % 8_000);
    let relaxed = Ordering::Relaxed;
    let one = || {
        breaks
            .fetch_update(relaxed, relaxed, |left| left.checked_sub(1))
            .is_ok()
    };
    Some(match chance % 60 {
        0 if one() => Effect::Break,
        1 if one() => Effect::BreakAnswer,
        0..30 => Effect::Delay(late),
        _ => Effect::DelayAnswer(late),
    })
}

/// From when the flag is up the right is lacking, for good.
fn refuse(sim: &Sim, right: Lacking, lacks: Arc<AtomicBool>) {
    sim.inject(move |request| {
        let begun = lacks.load(Ordering::Relaxed);
        begun.then(|| right.refuses(request)).flatten()
    });
}

/// What a seed stands for, in words.
pub fn describe(seed: u64) -> String {
    let plan = Plan::of(&Random::new(seed));
    let (spec, deeds) = (&plan.spec, &plan.deeds);
    let lacking = plan.lacking.map_or_else(String::new, |l| l.words());
    format!(
        "seed {seed}\nspec {spec}\ndeeds, milliseconds after the second registration: {deeds:?}\nlacking: {lacking}"
    )
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
        stage.breaks.store(BROKEN, Ordering::Relaxed);
    }
    stage.lacks.store(true, Ordering::Relaxed);
    stage.world.double()?;
    let begun = tokio::time::Instant::now();
    for (at, deed) in &plan.deeds {
        tokio::time::sleep_until(begun + Duration::from_millis(*at)).await;
        stage.act(*deed)?;
    }
    stage.world.sim.clear_faults();
    if let Some(right) = plan.lacking {
        refuse(&stage.world.sim, right, stage.lacks.clone());
    }
    if stage.world.operator.is_none() {
        stage.world.restart_operator()?;
    }
    pass(REST).await;
    let wrong = stage.at_rest(&plan);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{}: {}\n{}",
        describe(seed),
        wrong.join("; "),
        stage.world.told()
    )))
}
