//! Which brakes hold now.

use super::{
    Around, Remedy,
    brake::Brake,
    journal::{MAX_BYTES, MAX_VALUE, Record, State, bytes},
    ladder::perils,
    patience::Concern,
    plan::{Seen, Step, Wish},
    policy::{Allowed, Approval, Mode, Undo},
    rung::{Rung, Target, Value},
};
use crate::{federation::Federation, feeds::LAG_MS, id::Text, time::Time};

/// An hour: the budget's.
const HOUR_MS: i64 = 3_600_000;
/// Bytes of the journal that only a freeze may use: one is some 800.
const FOR_A_FREEZE: usize = 64 << 10;
/// Longest life of an approval: who approves is awake and knows what is going on.
pub const MAX_APPROVAL_MS: i64 = 24 * HOUR_MS;

impl Remedy {
    /// What stands against every act, the way back included.
    pub(super) fn at_all(&self, around: Around) -> Option<Brake> {
        self.unwanted().or_else(|| self.unable(around))
    }

    /// What stands against what a record says is to be done next. Nobody's word keeps an experiment's object in the cluster.
    pub(super) fn onward(
        &self,
        record: &Record,
        federation: &Federation,
        around: Around,
        now: Time,
    ) -> Option<Brake> {
        let brake = match (record.state, record.rung) {
            (State::Undoing, Rung::PlantCanary) => self.unable(around),
            (State::Undoing, _) => self.at_all(around),
            _ => self
                .forward(federation, around, now)
                .or_else(|| (self.policy.mode == Mode::DryRun).then_some(Brake::DryRun))
                .or_else(|| self.withdrawn(record, federation, around, now)),
        };
        brake.or_else(|| {
            self.patience
                .pause(&Concern::Rung(record.rung), now)
                .cloned()
        })
    }

    /// The owner wants nothing to be done, or does not say what.
    pub(super) fn unwanted(&self) -> Option<Brake> {
        if self.policy.mode == Mode::Observe {
            return Some(Brake::Observing);
        }
        if !self.policy.valid {
            return Some(Brake::InvalidSpec);
        }
        let pauses = &self.policy.pauses;
        (!pauses.is_empty()).then(|| Brake::Paused(pauses.clone()))
    }

    /// Nothing can be done, whatever the owner wants.
    pub(super) fn unable(&self, around: Around) -> Option<Brake> {
        // Also when its pause has ended: until it was read or written again nothing else is.
        if let Some(why) = self.patience.why(&Concern::Journal) {
            return Some(why.clone());
        }
        (!around.leads).then(|| Brake::NotLeading(self.no_lease.clone()))
    }

    /// What stands against every act forward.
    pub(super) fn forward(
        &self,
        federation: &Federation,
        around: Around,
        now: Time,
    ) -> Option<Brake> {
        if let Some(brake) = self.at_all(around) {
            return Some(brake);
        }
        // What cannot be understood may stand, and may bear the next number.
        if !self.unread.is_empty() {
            let lines = self.unread.join("; ");
            let why = format!("this version does not understand, and keeps, {lines}");
            return Some(Brake::JournalUnavailable(why));
        }
        if !federation.sure(now) {
            return Some(Brake::FactsStale);
        }
        if let Some(subject) = conflicting(federation) {
            return Some(Brake::EvidenceConflicts(subject));
        }
        if let Some(brake) = self.fleet.brake(&federation.registry, &self.policy, now) {
            return Some(brake);
        }
        let revoked = self
            .journal
            .records()
            .iter()
            .rfind(|r| r.state == State::Revoked);
        if let Some(record) = revoked {
            return Some(Brake::LadderStopped(record.rung, record.target.clone()));
        }
        self.policy
            .undo
            .as_ref()
            .map(|undo| Brake::UndoRequested(undo.text()))
    }

    /// The acts of the last hour.
    pub(super) fn budget(&self, now: Time) -> Option<Brake> {
        let max = self.policy.max_acts_per_hour;
        let (used, oldest) = self.journal.acts_since(now.plus_ms(-HOUR_MS));
        (used >= max).then(|| Brake::BudgetSpent {
            used,
            max,
            free: oldest.unwrap_or(now).plus_ms(HOUR_MS),
        })
    }

    /// What stands against one step.
    pub(super) fn against(&self, wish: &Wish, seen: &Seen, now: Time) -> Option<Brake> {
        let pause = || self.patience.pause_on(wish.rung, &wish.target, now);
        let longest = seen.value.0.len().max(wish.to.0.len());
        let too_long =
            || (longest > MAX_VALUE).then(|| Brake::TooLong(wish.target.clone(), longest));
        not_ours(wish.rung, &wish.target, seen)
            .or_else(|| wish.against.clone())
            .or_else(too_long)
            .or_else(|| pause().cloned())
            .or_else(|| self.cooling(wish, now))
    }

    /// The same was done a short while ago: done again it would be a fight with whoever took it back.
    pub(super) fn cooling(&self, wish: &Wish, now: Time) -> Option<Brake> {
        let cooled = self
            .journal
            .last(wish.rung, &wish.target)
            .map(|at| at.plus_ms(self.policy.cooldown_ms));
        // What stands is wished again only if somebody reverted it: until that is certain, it is no fight of ours.
        let settled = self
            .journal
            .standing()
            .filter(|r| r.rung == wish.rung && r.target == wish.target)
            .map(|r| r.since.plus_ms(LAG_MS));
        let again = cooled.into_iter().chain(settled).max();
        again
            .filter(|at| *at > now)
            .map(|at| Brake::CoolingDown(wish.target.clone(), at))
    }

    /// Begun is only what leaves room in the journal for all that may have to be taken back.
    pub(super) fn make_room(&self, steps: &mut [Step]) {
        let mut used = self.journal.open_bytes();
        for step in steps.iter_mut().filter(|step| step.brake.is_none()) {
            let reserved = match step.rung {
                Rung::FreezeControllers => 0,
                _ => FOR_A_FREEZE,
            };
            let needs = bytes(&step.target, &step.from, &step.to);
            let left = MAX_BYTES.saturating_sub(used + reserved);
            if needs > left {
                step.brake = Some(Brake::JournalFull { needs, left });
            } else {
                used += needs;
            }
        }
    }

    /// The rung's own switch.
    pub(super) fn switch(&self, rung: Rung, plan: &Text, now: Time) -> Option<Brake> {
        match self.policy.allowed(rung) {
            Allowed::Automatic => None,
            Allowed::Never => Some(Brake::ActionNever(rung)),
            Allowed::Approval => Some(Brake::NotApproved {
                plan: plan.clone(),
                why: self.approval_problem(plan, now),
            }),
        }
    }

    /// The rung may make this of the object, as far as its switch goes: by itself, or because a person approved just that.
    pub(super) fn allows(&self, rung: Rung, target: &Target, to: &Value, now: Time) -> bool {
        let valid = self.lasting_approval(now).is_some();
        match self.policy.allowed(rung) {
            Allowed::Automatic => true,
            Allowed::Never => false,
            Allowed::Approval => valid && self.approved.contains(&(rung, target.uid, to.clone())),
        }
    }

    /// The rung may act at once, as far as its switch goes.
    pub(super) fn allows_now(&self, rung: Rung) -> bool {
        match self.policy.allowed(rung) {
            Allowed::Automatic => true,
            Allowed::Never => false,
            Allowed::Approval => self.approved.iter().any(|(approved, ..)| *approved == rung),
        }
    }

    fn approval_problem(&self, plan: &Text, now: Time) -> Option<String> {
        match self.policy.approval.as_ref()? {
            Approval::Malformed(why) => Some(why.clone()),
            Approval::Plan(_, until) if *until <= now => {
                Some("the approval has expired".to_owned())
            }
            Approval::Plan(_, until) if until.since_ms(now) > MAX_APPROVAL_MS => {
                Some("an approval lasts 24 hours at most".to_owned())
            }
            Approval::Plan(id, _) if id != plan => {
                Some(format!("plan {id} was approved, which this is not"))
            }
            Approval::Plan(..) => None,
        }
    }

    /// The plan whose approval is one that counts, whatever else is planned by now.
    fn lasting_approval(&self, now: Time) -> Option<&Text> {
        match self.policy.approval.as_ref()? {
            Approval::Plan(id, _) => self.approval_problem(id, now).is_none().then_some(id),
            Approval::Malformed(_) => None,
        }
    }

    /// Takes an approval of this very plan over, so that its later steps stay approved when its first are done.
    pub(super) fn latch_approval(&mut self, now: Time) {
        let lasting = self.lasting_approval(now).cloned();
        if self.approved_plan != lasting {
            self.approved.clear();
            self.approved_plan = None;
        }
        let Some(plan) = self
            .plan
            .as_ref()
            .filter(|p| Some(&p.id) == lasting.as_ref())
        else {
            return;
        };
        self.approved = plan
            .steps
            .iter()
            .map(|s| (s.rung, s.target.uid, s.to.clone()))
            .collect();
        self.approved_plan = lasting;
    }

    /// A person asks for acts of this rung to be taken back.
    pub(super) fn asked_back(&self, rung: Rung) -> bool {
        self.policy
            .undo
            .as_ref()
            .is_some_and(|undo: &Undo| undo.covers(rung))
    }

    /// The same, whatever the danger. A volume kept in vain costs its space, one given back too early its data: in a danger that
    /// takes its own name, since whoever asks for everything thinks of what stands still.
    pub(super) fn asked_back_now(&self, rung: Rung) -> bool {
        let named = self.policy.undo == Some(Undo::Rung(rung));
        self.asked_back(rung) && (named || rung != Rung::RetainVolumes)
    }
}

/// Whoever has the object does not want the rung to touch it.
pub(super) fn not_ours(rung: Rung, target: &Target, seen: &Seen) -> Option<Brake> {
    if seen.opted_out {
        return Some(Brake::OptedOut(target.clone()));
    }
    // A program that keeps what it is told reverts a scale or a placement; a label on a Workspace it does not know.
    let keeper = seen.keeper.as_ref().filter(|_| kept(rung))?;
    Some(Brake::KeptByAnother(target.clone(), keeper.clone()))
}

fn kept(rung: Rung) -> bool {
    matches!(
        rung,
        Rung::FreezeControllers | Rung::FixPlacement | Rung::RemoveStaleCluster
    )
}

/// A group in danger of which some member is also named by weak or contradicting evidence: clones, suspected duplicates.
fn conflicting(federation: &Federation) -> Option<Text> {
    perils(federation).into_iter().find_map(|peril| {
        let weak = federation.registry.weak().iter();
        let mut doubtful =
            weak.filter(|group| group.members.iter().any(|m| peril.real.members.contains(m)));
        doubtful
            .next()
            .map(|_| federation.subject_of(peril.danger.cluster))
    })
}
