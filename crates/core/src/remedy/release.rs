//! The way back: on a person's word, because an act was without effect, or because the danger is gone.

use super::{
    Around, RESURVEY_MS, Remedy,
    brake::Brake,
    disarm,
    experiment::UNFORESEEN,
    follow::{NOT_SEEN, OWN_EVENT_MS},
    journal::{Record, State},
    rung::Rung,
};
use crate::{federation::Federation, feeds::LAG_MS, time::Time};

/// After a thaw KubeFed is watched for this long before anything that shielded its objects is taken away: its first deletion
/// comes at its second health check, 21 s after it starts to work at the latest.
const WATCH_MS: i64 = 60_000;

impl Remedy {
    /// Since when nothing is in danger, and nothing is armed or about to be either, by facts that are in order.
    pub(super) fn note_quiet(&mut self, federation: &Federation, now: Time) {
        let sure = federation.sure(now);
        let danger = federation.objects.any_danger() || federation.kind_stands();
        let armed = danger || !federation.armed.is_empty();
        if armed {
            self.watching = None;
        }
        let mut falling = federation.tenants.falling();
        let unquiet = armed || falling.any(|workspace| federation.wished(workspace));
        for (since, ends) in [(&mut self.safe, danger), (&mut self.quiet, unquiet)] {
            if ends {
                *since = None;
            } else if sure {
                since.get_or_insert(now);
            }
        }
    }

    /// Chooses what is taken back next, one rung at a time, and writes the intention down.
    pub(super) fn choose_way_back(&mut self, federation: &Federation, around: Around, now: Time) {
        if self.policy.undo.is_some() {
            self.close_latches(now);
        }
        if !self.batch.is_empty() || self.unable(around).is_some() {
            return;
        }
        let mut chosen = self.unwanted_canaries(now);
        if chosen.is_empty() && self.unwanted().is_none() {
            chosen = self.due_back(federation, now);
        }
        let Some(first) = chosen.first() else { return };
        let rung = first.rung;
        // What goes first must be known to be done; what goes later waits for its turn anyway.
        if self.unsettled_from(rung) {
            return;
        }
        chosen.retain(|r| r.rung == rung && self.patience.pause_on(rung, &r.target, now).is_none());
        for record in &chosen {
            let note = if self.revoke.contains(&record.id) {
                NOT_SEEN
            } else {
                ""
            };
            self.journal.set(record.id, State::Undoing, note, now);
            self.batch.push_back(record.id);
            self.batch_recorded = false;
        }
    }

    /// Of a write of this rung, or of one whose way back comes earlier, it is not known whether it happened. Nothing waits for a
    /// canary: nobody's object hangs on it.
    fn unsettled_from(&self, rung: Rung) -> bool {
        let mut records = self.journal.records().iter();
        records.any(|r| r.unsettled() && r.rung >= rung && r.rung != Rung::PlantCanary)
    }

    /// A person who asks acts back has looked: what latched the ladder is theirs now.
    fn close_latches(&mut self, now: Time) {
        let latched: Vec<u64> = self
            .journal
            .records()
            .iter()
            .filter(|r| (r.state.latches() || r.state == State::Expired) && self.asked_back(r.rung))
            .map(|r| r.id)
            .collect();
        for id in latched {
            self.journal
                .set(id, State::Closed, "A person took it over.", now);
        }
    }

    /// Records to take back now, the ones that go first in front.
    fn due_back(&mut self, federation: &Federation, now: Time) -> Vec<Record> {
        let standing: Vec<Record> = self.journal.standing().cloned().collect();
        let revoked: Vec<Record> = standing
            .iter()
            .filter(|r| self.revoke.contains(&r.id))
            .cloned()
            .collect();
        if !revoked.is_empty() {
            return revoked;
        }
        let pointless = self.pointless(now);
        if !pointless.is_empty() {
            return pointless;
        }
        let asked: Vec<Record> = in_order(
            standing
                .iter()
                // What mends a cause stays: its way back would bring the danger back, or place objects on a name that is gone.
                .filter(|r| r.rung.is_transient() && self.asked_back_now(r.rung))
                .filter(|r| Self::may_be_let_go(federation, r)),
        );
        if !asked.is_empty() {
            return asked;
        }
        let releases = in_order(
            standing
                .iter()
                .filter(|r| r.rung.released() && r.note != UNFORESEEN)
                .filter(|r| Self::may_be_let_go(federation, r)),
        );
        // Only KubeFed makes the owners anew that armed namespaces wait for: it is thawed before those are whole again.
        let thaw = releases
            .first()
            .is_some_and(|r| r.rung == Rung::FreezeControllers);
        let since = if thaw { self.safe } else { self.quiet };
        if releases.is_empty() || !Self::released(federation, since, now) {
            return Vec::new();
        }
        let total = federation.ledger.unexpected_total();
        let began = *self.watching.get_or_insert(total);
        // Something was deleted against its wish since the release began: it stops where it is.
        if total > began {
            return Vec::new();
        }
        let thawed = self
            .journal
            .records()
            .iter()
            .filter(|r| r.rung == Rung::FreezeControllers && r.state == State::Undone);
        let watched = thawed
            .map(|r| r.since.plus_ms(WATCH_MS))
            .max()
            .is_none_or(|until| until <= now);
        if thaw || watched {
            releases
        } else {
            Vec::new()
        }
    }

    /// All has been well for as long as the owner wants a hold to outlive its cause.
    fn released(federation: &Federation, since: Option<Time>, now: Time) -> bool {
        let after = federation.policy.hold.release_after_ms;
        federation.sure(now) && since.is_some_and(|since| now.since_ms(since) >= after)
    }

    /// When the answer changes by time alone.
    pub(super) fn changes_at(&self, federation: &Federation, now: Time) -> Option<Time> {
        let records = self.journal.records().iter();
        let effects = records
            .clone()
            .filter(|r| r.state == State::Done)
            .map(|r| r.since.plus_ms(r.rung.verify_within_ms()));
        let lags = records
            .clone()
            .filter(|r| r.stands())
            .flat_map(|r| [OWN_EVENT_MS, LAG_MS].map(|after| r.since.plus_ms(after)));
        let watch = records
            .clone()
            .filter(|r| r.rung == Rung::FreezeControllers && r.state == State::Undone)
            .map(|r| r.since.plus_ms(WATCH_MS));
        let releases = [self.safe, self.quiet]
            .into_iter()
            .flatten()
            .map(|since| since.plus_ms(federation.policy.hold.release_after_ms));
        let plan = self.plan.as_ref();
        let brakes = plan.into_iter().flat_map(|plan| {
            let steps = plan.steps.iter().filter_map(|s| s.brake.as_ref());
            plan.brake.iter().chain(steps).filter_map(Brake::ends)
        });
        let survey = plan.and_then(|_| {
            self.seen
                .values()
                .map(|(_, at)| at.plus_ms(RESURVEY_MS))
                .min()
        });
        effects
            .chain(lags)
            .chain(watch)
            .chain(brakes)
            .chain(releases)
            .chain(
                [
                    self.patience.ends(now),
                    survey,
                    self.fleet.changes_at(now),
                    self.volumes.changes_at(),
                    self.canary_changes_at(federation),
                    self.cure_changes_at(federation),
                    disarm::changes_at(federation),
                ]
                .into_iter()
                .flatten(),
            )
            .filter(|at| *at > now)
            .min()
    }
}

/// Thaw, unshield, disarm, and volumes last; within a rung the newest first.
fn in_order<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Record> {
    let mut records: Vec<Record> = records.cloned().collect();
    records.sort_by_key(|r| (std::cmp::Reverse(r.rung), std::cmp::Reverse(r.id)));
    records
}
