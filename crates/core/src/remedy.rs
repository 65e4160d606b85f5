//! Remediation: the ladder, its brakes, its journal. Nothing is on by default.
//!
//! One act at a time, as a conversation: [`Federation::remedy_next`] asks for one thing, the caller does it and brings the
//! answer. Nothing is written before the journal says what and how to take it back; nothing is written that a live read does
//! not show as planned; nothing is written twice.
//!
//! ```text
//! danger ─► wishes ─survey─► plan ─brakes─► journal ─► write ─► seen ─► next rung
//!                              └─► why not            └─► not seen: taken back, the ladder stops
//! danger gone for releaseAfter ─► journal ─► thaw ─ watch ─► unshield
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    assess::{ConditionState, Truth},
    federation::Federation,
    id::{Text, Uid},
    time::Time,
    words::{ConditionType, Reason},
};

pub mod brake;
mod cure;
mod fleet;
mod follow;
mod gate;
pub mod journal;
mod ladder;
pub mod plan;
mod policy;
mod release;
pub mod rung;
mod settle;
#[cfg(test)]
mod tests;

pub use gate::MAX_APPROVAL_MS;
pub use policy::{Allowed, Approval, Mode, RemedyPolicy, Undo};
pub use settle::Loaded;

use brake::Brake;
use fleet::Fleet;
use journal::{Journal, Record, State};
use plan::{MAX_TARGETS, Order, Plan, Seen, Step, Wish};
use rung::{Rung, Target, Value};

/// A waiting plan's targets are read again after this: sixteen reads a minute during an incident, none at rest.
const RESURVEY_MS: i64 = 60_000;
/// Pause after a failed write or read: doubled up to the longest.
const RETRY_MS: i64 = 1000;
const RETRY_MAX_MS: i64 = 60_000;

/// What is known outside of the facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// This process holds the lease.
    pub leads: bool,
    /// Both durable rules of the hold are in force, and the chain is proven.
    pub held: bool,
}

/// What is asked for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing until facts change, or until then.
    Rest(Option<Time>),
    /// Read the journal that an earlier process left.
    Load,
    /// Write the journal down, in both places.
    Record(Vec<Record>),
    /// Read these targets live.
    Survey(Vec<(Rung, Target)>),
    /// Read lease and target live, check the order against it, and write.
    Perform(Order),
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written, or in a dry run accepted.
    Wrote,
    /// A live read says no: nothing was sent.
    Refused(Brake),
    /// The server said no: nothing was written.
    Failed(String),
    /// No answer: it may have been written.
    Unknown(String),
}

/// State of remediation.
#[derive(Debug, Default)]
pub struct Remedy {
    policy: RemedyPolicy,
    journal: Journal,
    loaded: bool,
    /// This process led when it was last asked.
    led: bool,
    /// Why the journal is not available.
    trouble: Option<String>,
    /// Why nothing is tried for a while, and until when.
    pause: Option<(Brake, Time)>,
    failures: u32,
    /// Records that this process is about to carry out.
    batch: VecDeque<u64>,
    /// The generations that their objects had in the plan.
    generations: BTreeMap<u64, i64>,
    /// Records to be taken back because their effect was not seen.
    revoke: BTreeSet<u64>,
    seen: BTreeMap<(Rung, Target), (Option<Seen>, Time)>,
    plan: Option<Plan>,
    /// What stands against acting, whether there is a plan or not.
    brake: Option<Brake>,
    approved: BTreeSet<(Rung, Uid, Value)>,
    approved_plan: Option<Text>,
    fleet: Fleet,
    /// Since when no object is in danger.
    quiet: Option<Time>,
    /// Unexpected deletions counted when the release began.
    watching: Option<u64>,
}

impl Federation {
    /// What remediation asks for next. Costs one pass over the registrations and over what is in danger.
    pub fn remedy_next(&mut self, around: &Around, now: Time) -> Ask {
        let mut remedy = std::mem::take(&mut self.remedy);
        let ask = remedy.next(self, around, now);
        self.remedy = remedy;
        ask
    }

    /// Remediation: plan, journal, brakes.
    pub fn remedy(&self) -> &Remedy {
        &self.remedy
    }

    /// For the answers to what was asked.
    pub fn remedy_mut(&mut self) -> &mut Remedy {
        &mut self.remedy
    }
}

impl Remedy {
    pub(crate) fn set_policy(&mut self, policy: RemedyPolicy) {
        self.policy = policy;
    }

    /// The newest spec cannot be used: nothing is done on the word of an older one.
    pub fn spec_is_invalid(&mut self) {
        self.policy.valid = false;
    }

    fn next(&mut self, federation: &Federation, around: &Around, now: Time) -> Ask {
        if self.policy.mode == Mode::Observe {
            self.plan = None;
            self.brake = Some(Brake::Observing);
            return Ask::Rest(None);
        }
        self.fleet.observe(&federation.registry, now);
        self.note_quiet(federation, now);
        // Whoever led meanwhile wrote the journal: what is in memory is no longer it.
        if around.leads && !self.led {
            self.loaded = false;
        }
        self.led = around.leads;
        if !self.loaded && self.due(now) && federation.registry.kube_system.is_some() {
            return Ask::Load;
        }
        if self.loaded && around.leads {
            if let Some(ask) = self.carry_on(federation, around, now) {
                return ask;
            }
        }
        if let Some(ask) = self.consider(federation, around, now) {
            return ask;
        }
        Ask::Rest(self.changes_at(federation, now))
    }

    /// Finishes what was begun: the journal first, then writes under way, then what is not known to have happened.
    fn carry_on(&mut self, federation: &Federation, around: &Around, now: Time) -> Option<Ask> {
        if !self.journal.dirty() {
            while let Some(id) = self.batch.front().copied() {
                let Some(record) = self.journal.get(id).filter(|r| r.unsettled()).cloned() else {
                    self.batch.pop_front();
                    continue;
                };
                let undoing = record.state == State::Undoing;
                let brake = if undoing {
                    self.at_all(around, now)
                } else {
                    self.forward(federation, around, now)
                };
                match brake {
                    Some(brake) => self.abandon(&brake, now),
                    None => return Some(Ask::Perform(self.order(&record))),
                }
            }
            if let Some(ask) = self.settle(around, now) {
                return Some(ask);
            }
            self.follow(federation, now);
            self.choose_way_back(federation, around, now);
        }
        (self.journal.dirty() && self.due(now) && around.leads)
            .then(|| Ask::Record(self.journal.records().to_vec()))
    }

    /// What was written down and not yet sent is not done.
    fn abandon(&mut self, brake: &Brake, now: Time) {
        for id in std::mem::take(&mut self.batch) {
            match self.journal.get(id).map(|r| r.state) {
                Some(State::Intended) => {
                    self.journal.set(
                        id,
                        State::Failed,
                        format!("Not begun. {}", brake.message()),
                        now,
                    );
                }
                Some(State::Undoing) => self.journal.set(id, State::Verified, brake.message(), now),
                _ => {}
            }
        }
    }

    /// Makes the plan, and begins it if nothing stands against it.
    fn consider(&mut self, federation: &Federation, around: &Around, now: Time) -> Option<Ask> {
        self.brake = self.forward(federation, around, now);
        let wishes = self.wishes(federation, around);
        let keys: BTreeSet<(Rung, Target)> =
            wishes.iter().map(|w| (w.rung, w.target.clone())).collect();
        self.seen.retain(|key, _| keys.contains(key));
        let unread: Vec<_> = keys
            .into_iter()
            .filter(|key| {
                self.seen
                    .get(key)
                    .is_none_or(|(_, at)| now.since_ms(*at) >= RESURVEY_MS)
            })
            .collect();
        if !unread.is_empty() && self.due(now) {
            return Some(Ask::Survey(unread));
        }
        self.make_plan(wishes, now);
        self.latch_approval(now);
        self.apply_brakes(now);
        if self.policy.mode == Mode::DryRun {
            return self.rehearse();
        }
        self.begin(now)
    }

    fn make_plan(&mut self, wishes: Vec<Wish>, now: Time) {
        let steps: Vec<Step> = wishes
            .into_iter()
            .filter_map(|wish| self.step(wish, now))
            .collect();
        let before = self.plan.take();
        if steps.is_empty() {
            return;
        }
        let mut plan = Plan::new(steps, now);
        if let Some(before) = before.filter(|before| before.id == plan.id) {
            plan.since = before.since;
            for (step, old) in plan.steps.iter_mut().zip(before.steps) {
                step.tried = old.tried;
                step.version = old.version;
            }
        }
        self.plan = Some(plan);
    }

    /// A wish whose object was read and is still what the caches say; others wait for the caches to catch up.
    fn step(&self, wish: Wish, now: Time) -> Option<Step> {
        let (seen, _) = self.seen.get(&(wish.rung, wish.target.clone()))?;
        let seen = seen.as_ref()?;
        if seen.uid != wish.target.uid || seen.deleting || seen.value == wish.to {
            return None;
        }
        Some(Step {
            brake: self.against(&wish, seen, now),
            rung: wish.rung,
            target: wish.target,
            version: seen.version.clone(),
            generation: seen.generation,
            from: seen.value.clone(),
            to: wish.to,
            why: wish.why,
            evidence: wish.evidence,
            tried: None,
        })
    }

    fn apply_brakes(&mut self, now: Time) {
        let Some(mut plan) = self.plan.take() else {
            return;
        };
        plan.brake = self.brake.clone().or_else(|| self.budget(now));
        for step in &mut plan.steps {
            let approved = self
                .approved
                .contains(&(step.rung, step.target.uid, step.to.clone()));
            let never = self.policy.allowed(step.rung) == Allowed::Never;
            if never || (step.brake.is_none() && !approved) {
                step.brake = self.switch(step.rung, &plan.id, now);
            }
        }
        if self.policy.mode == Mode::DryRun && plan.brake.is_none() {
            plan.brake = Some(Brake::DryRun);
        }
        self.plan = Some(plan);
    }

    /// The next write that was not tried yet. What the switches do not allow is tried all the same: that is what a dry run is
    /// for.
    fn rehearse(&mut self) -> Option<Ask> {
        let plan = self
            .plan
            .as_ref()
            .filter(|plan| plan.brake == Some(Brake::DryRun))?;
        let step = plan
            .steps
            .iter()
            .find(|s| s.tried.is_none() && s.may_be_tried())?;
        Some(Ask::Perform(Order {
            record: None,
            rung: step.rung,
            target: step.target.clone(),
            generation: Some(step.generation),
            from: step.from.clone(),
            to: step.to.clone(),
            dry_run: true,
        }))
    }

    /// Writes down the first rung of the plan that may act, with all its objects: that is one act.
    fn begin(&mut self, now: Time) -> Option<Ask> {
        if !self.loaded || self.journal.dirty() || !self.batch.is_empty() {
            return None;
        }
        let plan = self.plan.as_ref().filter(|plan| plan.brake.is_none())?;
        let rung = plan.steps.iter().find(|s| s.brake.is_none())?.rung;
        let steps: Vec<&Step> = plan
            .steps
            .iter()
            .filter(|s| s.rung == rung && s.brake.is_none())
            .take(MAX_TARGETS)
            .collect();
        let writes = steps
            .iter()
            .map(|s| (s.rung, s.target.clone(), s.from.clone(), s.to.clone()));
        let ids = self.journal.intend(&plan.id, writes, now);
        self.generations = ids
            .iter()
            .copied()
            .zip(steps.iter().map(|s| s.generation))
            .collect();
        self.batch = ids.into();
        self.seen.retain(|(seen, _), _| *seen != rung);
        Some(Ask::Record(self.journal.records().to_vec()))
    }

    /// The write that a record stands for, or the way back.
    fn order(&self, record: &Record) -> Order {
        let back = record.state == State::Undoing;
        let (from, to) = if back {
            (&record.to, &record.from)
        } else {
            (&record.from, &record.to)
        };
        Order {
            record: Some(record.id),
            rung: record.rung,
            target: record.target.clone(),
            generation: self.generations.get(&record.id).copied().filter(|_| !back),
            from: from.clone(),
            to: to.clone(),
            dry_run: false,
        }
    }

    fn due(&self, now: Time) -> bool {
        self.pause.as_ref().is_none_or(|(_, until)| *until <= now)
    }

    /// How far the owner lets it go.
    pub fn mode(&self) -> Mode {
        self.policy.mode
    }

    /// The plan, if there is one.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// What was done.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What stands against acting now; None also while there is nothing to do.
    pub fn refusal(&self) -> Option<&Brake> {
        match &self.plan {
            Some(plan) => plan.refusal(),
            None => self.brake.as_ref(),
        }
    }

    pub(crate) fn conditions(&self) -> Vec<ConditionState> {
        let mut conditions = Vec::new();
        let mut push = |type_, status, reason, message: String| {
            conditions.push(ConditionState {
                type_,
                status,
                reason,
                message,
            });
        };
        let wanted = self.policy.mode != Mode::Observe;
        if wanted {
            match self.refusal() {
                Some(brake) => push(
                    ConditionType::RemediationAllowed,
                    Truth::False,
                    brake.reason(),
                    brake.message(),
                ),
                None => push(
                    ConditionType::RemediationAllowed,
                    Truth::True,
                    Reason::AsExpected,
                    String::new(),
                ),
            }
            if !self.policy.pauses.is_empty() {
                let brake = Brake::Paused(self.policy.pauses.clone());
                push(
                    ConditionType::Paused,
                    Truth::True,
                    brake.reason(),
                    brake.message(),
                );
            }
        }
        let standing: Vec<String> = self
            .journal
            .records()
            .iter()
            .filter(|r| r.unsettled() || (r.stands() && r.rung.released()))
            .take(MAX_TARGETS)
            .map(|r| format!("{} on {}", r.rung.as_str(), r.target))
            .collect();
        if !standing.is_empty() {
            push(
                ConditionType::Remediating,
                Truth::True,
                Reason::ActsInForce,
                format!("In force: {}.", standing.join(", ")),
            );
        }
        conditions
    }
}
