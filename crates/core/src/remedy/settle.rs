//! Answers: the journal was read or written, targets were read, an order was carried out.

use std::collections::BTreeMap;

use super::{
    Around, Ask, Outcome, Remedy,
    brake::{Brake, CLAIM_DYING, CLAIM_GONE, GONE},
    follow::NOT_SEEN,
    journal::{Journal, NOT_FOUND_DONE, Record, State},
    patience::{Concern, Patience},
    plan::{Order, Seen},
    rung::{Rung, Target},
};
use crate::{
    id::{Text, Uid},
    time::Time,
};

/// One of the journal's places, as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Records.
    pub records: Vec<Record>,
    /// They were written into another object of this name: this one was made from a copy.
    pub restored: bool,
}

/// A journal as it was found, in its two places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The ConfigMap; None if there is none.
    pub kept: Option<Place>,
    /// `status.actions`.
    pub shown: Place,
    /// UID of the kube-system namespace of the cluster that it was written for.
    pub cluster: Option<Uid>,
    /// Lines that make no sense, a few words of each.
    pub unread: Vec<Text>,
}

/// What places say together. One that was restored says only what the others do not know. Of either sort there are two at most.
fn joined(places: Vec<Place>, now: Time) -> Journal {
    let (restored, ours): (Vec<Place>, Vec<Place>) = places.into_iter().partition(|p| p.restored);
    let merged = |places: Vec<Place>| {
        let mut records = places.into_iter().map(|place| place.records);
        let mut next = || records.next().unwrap_or_default();
        Journal::merged(next(), next())
    };
    let mut journal = merged(ours);
    journal.tell_restored(merged(restored).into_records(), now);
    journal
}

impl Remedy {
    /// The journal was read, or why it was not. `here` is this cluster: a journal of another one, one in an object that was
    /// made from a copy, or one that is too old, came with a restore and is told, not acted on.
    pub fn loaded(&mut self, found: Result<Loaded, String>, here: Option<Uid>, now: Time) {
        match found {
            Err(why) => {
                self.back_off(Concern::Journal, |_| Brake::JournalUnavailable(why), now);
            }
            Ok(found) => {
                self.patience = Patience::default();
                self.loaded = true;
                self.batch.clear();
                self.revoke.clear();
                // What was read while another process led is older than what that one wrote.
                self.seen.clear();
                self.volumes.changed();
                self.unread = found.unread;
                let foreign = found.cluster.is_some() && found.cluster != here;
                let mut places: Vec<Place> = found.kept.into_iter().chain([found.shown]).collect();
                for place in &mut places {
                    place.restored |= foreign;
                }
                // No successor has written it since: what this process knows is as good as what it has shown.
                let lost = places.len() < 2 || places[0].restored;
                if lost {
                    places.push(Place {
                        records: std::mem::take(&mut self.journal).into_records(),
                        restored: false,
                    });
                }
                self.journal = joined(places, now);
                if lost {
                    self.journal.lost();
                }
                let open = self.journal.records().iter();
                let open = open.filter(|r| r.stands() || r.unsettled());
                let old: Vec<u64> = open.filter(|r| now > r.until).map(|r| r.id).collect();
                for id in old {
                    let note = "Too old to be taken up.";
                    self.journal.set(id, State::Expired, note, now);
                }
            }
        }
    }

    /// The journal was written, or why it was not. `overtaken`: somebody else wrote it meanwhile.
    pub fn recorded(&mut self, outcome: Result<(), String>, overtaken: bool, now: Time) {
        match outcome {
            Ok(()) => {
                self.patience.eased(&Concern::Journal);
                self.batch_recorded = true;
                self.journal.written();
            }
            Err(why) => {
                // What is not written down is not done.
                for id in std::mem::take(&mut self.batch) {
                    match self.journal.get(id).map(|r| r.state) {
                        Some(State::Intended) => self.journal.set(
                            id,
                            State::Failed,
                            "Not begun: the journal could not be written.",
                            now,
                        ),
                        Some(State::Undoing) => self.journal.set(
                            id,
                            State::Verified,
                            "The journal could not be written.",
                            now,
                        ),
                        _ => {}
                    }
                }
                self.loaded &= !overtaken;
                self.back_off(Concern::Journal, |_| Brake::JournalUnavailable(why), now);
            }
        }
    }

    /// Targets were read live, or why they could not be read.
    pub fn surveyed(
        &mut self,
        found: BTreeMap<(Rung, Target), Result<Option<Seen>, String>>,
        now: Time,
    ) {
        for (key, seen) in found {
            match seen {
                Ok(seen) => {
                    self.seen.insert(key, (seen, now));
                }
                Err(why) => {
                    let why = format!("{}: read: {why}", key.1);
                    self.back_off_from(
                        key,
                        |until| Brake::RequestFailed(why.clone(), until),
                        false,
                        now,
                    );
                }
            }
        }
    }

    /// An order was carried out, or was not.
    pub fn performed(&mut self, order: &Order, outcome: Outcome, now: Time) {
        self.seen.remove(&(order.rung, order.target.clone()));
        if order.rung == Rung::RetainVolumes {
            self.volumes.changed();
        }
        let Some(id) = order.record else {
            self.tried(order, &outcome);
            return;
        };
        self.batch.retain(|pending| *pending != id);
        let Some(record) = self.journal.get(id).cloned() else {
            return;
        };
        let back = record.state == State::Undoing;
        let key = (order.rung, order.target.clone());
        let failed = |why: &str| {
            let why = format!("{}: {why}", order.target);
            move |until| Brake::RequestFailed(why.clone(), until)
        };
        match outcome {
            Outcome::Wrote => {
                self.patience.eased_on(order.rung, &order.target);
                if back {
                    self.taken_back(&record, now);
                } else {
                    self.journal.set(id, State::Done, "", now);
                }
            }
            Outcome::Refused(brake) => {
                let state = match &brake {
                    Brake::TargetChanged(_, GONE) if back => State::Superseded,
                    // Whoever says that it is to be left alone has it as it is.
                    Brake::TargetChanged(_, CLAIM_GONE) | Brake::OptedOut(_) if back => {
                        State::Closed
                    }
                    Brake::TargetChanged(_, CLAIM_DYING) if back => State::Verified,
                    Brake::TargetChanged(..) if back => State::Contested,
                    _ if back => State::Verified,
                    _ => State::Failed,
                };
                self.journal.set(id, state, brake.message(), now);
                // What the next survey shows by itself needs no pause.
                let shown = matches!(brake, Brake::OptedOut(_));
                if !shown && matches!(state, State::Verified | State::Failed) {
                    self.back_off_from(key, |_| brake.clone(), false, now);
                }
            }
            Outcome::Failed(why) => {
                let state = if back { State::Verified } else { State::Failed };
                self.journal.set(id, state, why.clone(), now);
                self.back_off_from(key, failed(&why), false, now);
            }
            // Stays unsettled: a live read decides.
            Outcome::Unknown(why) => self.back_off_from(key, failed(&why), true, now),
        }
    }

    fn tried(&mut self, order: &Order, outcome: &Outcome) {
        let words = match outcome {
            Outcome::Wrote => String::new(),
            Outcome::Refused(brake) => brake.message(),
            Outcome::Failed(why) | Outcome::Unknown(why) => why.clone(),
        };
        let steps = self.plan.iter_mut().flat_map(|plan| &mut plan.steps);
        for step in steps.filter(|s| s.rung == order.rung && s.target == order.target) {
            step.tried = Some(words.clone());
        }
    }

    fn taken_back(&mut self, record: &Record, now: Time) {
        let revoked = record.note == NOT_SEEN;
        self.revoke.remove(&record.id);
        let state = if revoked {
            State::Revoked
        } else {
            State::Undone
        };
        self.journal.set(record.id, state, record.note.clone(), now);
    }

    /// Records of which it is not known whether their write happened: a live read decides.
    pub(super) fn settle(&mut self, around: Around, now: Time) -> Option<Ask> {
        let open: Vec<Record> = self
            .journal
            .records()
            .iter()
            .filter(|r| r.unsettled() && !self.batch.contains(&r.id))
            .cloned()
            .collect();
        let mut unread = Vec::new();
        for record in open {
            let key = (record.rung, record.target.clone());
            match self.seen.remove(&key) {
                Some((seen, _)) => self.settle_one(&record, seen.as_ref(), now),
                None if self.patience.pause_on(key.0, &key.1, now).is_some() => {}
                None => unread.push(key),
            }
        }
        (!unread.is_empty() && around.leads).then_some(Ask::Survey(unread))
    }

    fn settle_one(&mut self, record: &Record, seen: Option<&Seen>, now: Time) {
        let id = record.id;
        let back = record.state == State::Undoing;
        if seen.is_none() && record.rung == Rung::RemoveStaleCluster {
            self.journal.set(id, State::Done, "", now);
            return;
        }
        let Some(seen) = seen.filter(|seen| seen.uid == record.target.uid) else {
            self.journal
                .set(id, State::Superseded, "The object is gone.", now);
            return;
        };
        match (back, &seen.value) {
            (true, value) if *value == record.from => self.taken_back(record, now),
            (true, value) if *value == record.to => {
                self.journal
                    .set(id, State::Verified, record.note.clone(), now);
            }
            (false, value) if *value == record.to => self.journal.set(id, State::Done, "", now),
            (false, value) if *value == record.from => {
                self.journal.set(id, State::Failed, NOT_FOUND_DONE, now);
            }
            (_, value) => {
                let note = format!("Somebody else made {} {value}.", record.rung.field());
                self.journal.set(id, State::Contested, note, now);
            }
        }
    }

    pub(super) fn back_off(
        &mut self,
        concern: Concern,
        why: impl FnOnce(Time) -> Brake,
        now: Time,
    ) {
        let danger = self.safe.is_none();
        self.patience.failed(concern, why, danger, now);
    }

    fn back_off_from(
        &mut self,
        key: (Rung, Target),
        why: impl Fn(Time) -> Brake,
        silent: bool,
        now: Time,
    ) {
        let danger = self.safe.is_none();
        self.patience.failed_on(key, why, silent, danger, now);
    }
}
