//! From wishes to a plan, and from a plan to its first act.

use std::collections::BTreeSet;

use super::{
    Around, Ask, RESURVEY_MS, Remedy,
    brake::Brake,
    experiment::UNFORESEEN,
    ladder::perils,
    plan::{Order, Plan, Step, Wish},
    policy::{Allowed, Mode},
    rung::{Rung, Target},
};
use crate::{federation::Federation, feeds::LAG_MS, time::Time};

impl Remedy {
    /// Makes the plan, and begins it if nothing stands against it.
    pub(super) fn consider(
        &mut self,
        federation: &Federation,
        around: Around,
        now: Time,
    ) -> Option<Ask> {
        self.brake = self.forward(federation, around, now);
        if let Some(namespaces) = self.unlisted(federation, around, now) {
            return Some(Ask::List(namespaces));
        }
        let wishes = self.wishes(federation, around, now);
        let keys: BTreeSet<(Rung, Target)> =
            wishes.iter().map(|w| (w.rung, w.target.clone())).collect();
        // What was read to see who changed an object is not read again at once.
        self.seen
            .retain(|key, (_, at)| keys.contains(key) || now.since_ms(*at) < LAG_MS);
        let Self {
            patience, journal, ..
        } = self;
        patience.retain(|rung, target| {
            let mut records = journal.records().iter();
            keys.contains(&(rung, target.clone()))
                || records
                    .any(|r| (r.stands() || r.unsettled()) && r.rung == rung && r.target == *target)
        });
        let unread: Vec<_> = keys
            .into_iter()
            .filter(|key| {
                let seen = self.seen.get(key);
                seen.is_none_or(|(_, at)| now.since_ms(*at) >= RESURVEY_MS)
                    && self.patience.pause_on(key.0, &key.1, now).is_none()
            })
            .collect();
        if !unread.is_empty() {
            return Some(Ask::Survey(unread));
        }
        self.make_plan(wishes, now);
        self.latch_approval(now);
        self.apply_brakes(now);
        if self.plan.is_none() && self.brake.is_none() {
            self.brake = self.undecided(federation);
        }
        if self.policy.mode == Mode::DryRun {
            return self.rehearse();
        }
        self.begin(federation, now)
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
            let never = self.policy.allowed(step.rung) == Allowed::Never;
            let allowed = self.allows(step.rung, &step.target, &step.to, now);
            if never || (step.brake.is_none() && !allowed) {
                step.brake = self.switch(step.rung, &plan.id, now);
            }
        }
        self.make_room(&mut plan.steps);
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

    /// Writes down the first rung of the plan that may act, with all its objects that follow one another: that is one act.
    fn begin(&mut self, federation: &Federation, now: Time) -> Option<Ask> {
        if !self.loaded || self.journal.dirty() || !self.batch.is_empty() {
            return None;
        }
        let plan = self.plan.as_ref().filter(|plan| plan.brake.is_none())?;
        let first = plan.steps.iter().position(|s| s.brake.is_none())?;
        let rung = plan.steps[first].rung;
        let steps: Vec<&Step> = plan.steps[first..]
            .iter()
            .take_while(|s| s.rung == rung)
            .filter(|s| s.brake.is_none())
            .take(rung.max_targets())
            .collect();
        let writes = steps
            .iter()
            .map(|s| (s.rung, s.target.clone(), s.from.clone(), s.to.clone()));
        let ids = self.journal.intend(&plan.id, writes, now);
        let unnamed = perils(federation).is_empty() && !federation.kind_stands();
        if rung == Rung::FreezeControllers && unnamed {
            self.journal.note(&ids, UNFORESEEN);
        }
        self.generations = ids
            .iter()
            .copied()
            .zip(steps.iter().map(|s| s.generation))
            .collect();
        self.batch = ids.into();
        self.batch_recorded = false;
        self.seen.retain(|(seen, _), _| *seen != rung);
        Some(Ask::Record(self.journal.records().to_vec()))
    }
}
