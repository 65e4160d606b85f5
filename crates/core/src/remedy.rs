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
    federation::Federation,
    id::{Text, Uid},
    time::Time,
    words::Reason,
};

pub mod brake;
mod conditions;
mod cure;
mod disarm;
pub mod experiment;
mod fleet;
mod follow;
mod gate;
pub mod journal;
mod ladder;
mod patience;
pub mod plan;
mod planning;
mod policy;
mod release;
pub mod rung;
mod settle;
#[cfg(test)]
mod tests;
mod volumes;

pub use gate::MAX_APPROVAL_MS;
pub use policy::{Allowed, Approval, Mode, RemedyPolicy, Undo};
pub use settle::{Loaded, Place};
pub use volumes::Volume;

use brake::{Brake, WITHOUT_PLAN};
use fleet::Fleet;
use journal::{Journal, Record, State};
use patience::{Concern, Patience};
use plan::{Order, Plan, Seen};
use rung::{Rung, Target, Value};
use volumes::Volumes;

/// A waiting plan's targets are read again after this: sixteen reads a minute during an incident, none at rest.
const RESURVEY_MS: i64 = 60_000;

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
    /// List the volumes that are bound to claims in these namespaces.
    List(BTreeSet<Text>),
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
    /// What of it this version does not understand.
    unread: Vec<Text>,
    loaded: bool,
    /// This process led when it was last asked.
    led: bool,
    /// What was said to the last request about the lease, if it was refused.
    no_lease: Option<String>,
    /// What failed and is not tried for a while.
    patience: Patience,
    /// Records that this process is about to carry out.
    batch: VecDeque<u64>,
    /// The batch stands in the journal as it was written down.
    batch_recorded: bool,
    /// The generations that their objects had in the plan.
    generations: BTreeMap<u64, i64>,
    /// Records to be taken back because their effect was not seen.
    revoke: BTreeSet<u64>,
    seen: BTreeMap<(Rung, Target), (Option<Seen>, Time)>,
    volumes: Volumes,
    plan: Option<Plan>,
    /// What stands against acting, whether there is a plan or not.
    brake: Option<Brake>,
    approved: BTreeSet<(Rung, Uid, Value)>,
    approved_plan: Option<Text>,
    fleet: Fleet,
    /// Since when no object is in danger.
    safe: Option<Time>,
    /// Since when no namespace is armed either, nor falls with a Workspace that is being deleted.
    quiet: Option<Time>,
    /// Unexpected deletions counted when the release began.
    watching: Option<u64>,
}

impl Federation {
    /// What remediation asks for next. Costs one pass over the registrations and over what is in danger.
    pub fn remedy_next(&mut self, around: Around, now: Time) -> Ask {
        let mut remedy = std::mem::take(&mut self.remedy);
        let ask = remedy.next(self, around, now);
        // A plane that we stopped is silent on purpose.
        let stopped = remedy
            .journal
            .standing()
            .filter(|r| r.rung == Rung::FreezeControllers);
        self.frozen = stopped.map(|r| r.target.namespace.clone()).collect();
        let shielded = remedy.shielded();
        if shielded != self.shielded {
            self.shielded = shielded;
            self.diagnosis_stale = true;
        }
        self.remedy = remedy;
        ask
    }

    /// Remediation may have something to write, be it the end of what it began before it was switched off.
    pub fn remedy_may_write(&self) -> bool {
        let remedy = &self.remedy;
        remedy.policy.mode != Mode::Observe || remedy.has_to_end(self)
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

    /// The lease was asked for: why it could not be kept, if it could not.
    pub fn lease_answered(&mut self, trouble: Option<String>) {
        self.no_lease = trouble;
    }

    fn next(&mut self, federation: &Federation, around: Around, now: Time) -> Ask {
        self.fleet.observe(&federation.registry, now);
        self.note_quiet(federation, now);
        // Whoever led meanwhile wrote the journal: what is in memory is no longer it.
        if around.leads && !self.led {
            self.loaded = false;
        }
        self.led = around.leads;
        // Also where nothing may be done: what an earlier process left in force must not be out of sight.
        if !self.loaded && self.journal_due(now) && federation.registry.kube_system.is_some() {
            return Ask::Load;
        }
        let observes = self.policy.mode == Mode::Observe;
        if observes {
            self.plan = None;
            self.brake = Some(Brake::Observing);
            if !self.has_to_end(federation) {
                let doubted = self.follow(federation, now);
                return doubted.unwrap_or(Ask::Rest(self.patience.ends(now)));
            }
        }
        if self.loaded
            && around.leads
            && let Some(ask) = self.carry_on(federation, around, now)
        {
            return ask;
        }
        if !observes && let Some(ask) = self.consider(federation, around, now) {
            return ask;
        }
        Ask::Rest(self.changes_at(federation, now))
    }

    /// What is left of an experiment goes although nothing is to be done any more, and is written down. What is only seen
    /// from then on is not.
    fn has_to_end(&self, federation: &Federation) -> bool {
        self.canary_left(federation) || (self.led && self.journal.dirty())
    }

    /// Finishes what was begun: the journal first, then writes under way, then what is not known to have happened.
    fn carry_on(&mut self, federation: &Federation, around: Around, now: Time) -> Option<Ask> {
        // How far a batch has come is written down at its end: a successor finds its records unsettled and looks.
        if !self.journal.dirty() || (self.batch_recorded && !self.batch.is_empty()) {
            while let Some(id) = self.batch.front().copied() {
                let Some(record) = self.journal.get(id).filter(|r| r.unsettled()).cloned() else {
                    self.batch.pop_front();
                    continue;
                };
                match self.onward(&record, federation, around, now) {
                    Some(brake) => self.abandon(&brake, now),
                    None => return Some(Ask::Perform(self.order(&record))),
                }
            }
        }
        if !self.journal.dirty() {
            if let Some(ask) = self.settle(around, now) {
                return Some(ask);
            }
            if let Some(ask) = self.follow(federation, now) {
                return Some(ask);
            }
            self.choose_way_back(federation, around, now);
        }
        (self.journal.dirty() && self.journal_due(now) && around.leads)
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

    fn journal_due(&self, now: Time) -> bool {
        self.patience.pause(&Concern::Journal, now).is_none()
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

    /// What refuses something now: the plan or, where nothing can be planned, what stands against that; and steps of the plan.
    pub fn refuses(&self) -> BTreeSet<Reason> {
        let all = self.refusal().map(Brake::reason);
        let all = all.filter(|reason| self.plan.is_some() || WITHOUT_PLAN.contains(reason));
        let steps = self.plan.iter().flat_map(|plan| &plan.steps);
        let steps = steps.filter_map(|step| step.brake.as_ref().map(Brake::reason));
        all.into_iter().chain(steps).collect()
    }

    /// What stands against acting now; None also while there is nothing to do.
    pub fn refusal(&self) -> Option<&Brake> {
        let refusal = match &self.plan {
            Some(plan) => plan.refusal(),
            None => self.brake.as_ref(),
        };
        match refusal {
            // What could not be looked up is in no plan, and says more than a switch that is off or than a guess whose fault it is.
            None | Some(Brake::ActionNever(_) | Brake::FleetUnhealthy { .. }) => {
                self.patience.first().or(refusal)
            }
            refusal => refusal,
        }
    }
}
