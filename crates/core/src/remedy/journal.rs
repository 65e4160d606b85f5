//! What was done, so that another process can finish it or take it back.
//!
//! ```text
//! Intended ─wrote──► Done ─seen──► Verified ─► Undoing ─wrote─► Undone
//!    └─refused, or found not done─► Failed        └─refused─► Verified
//! ```
//!
//! From Done and Verified another object under the name leads to Superseded, another writer to Contested, a passed
//! deadline to Expired, and a person's word to Closed. All of these are ends: nothing is written for them again.

use super::{
    experiment::lasts,
    rung::{Rung, Target, Value},
};
use crate::{id::Text, time::Time};

/// How long an act may be taken back without a person: longer than any weekend, shorter than the life of most backups, so
/// that a journal that came back with a restore is told and not acted on.
pub const UNDO_WITHIN_MS: i64 = 7 * 24 * 3_600_000;
/// Records kept: four batches of the largest size. At some 500 bytes each they fill half of what a ConfigMap may have.
pub const MAX_RECORDS: usize = 1024;
/// Bytes of all records, each with the longest note. A ConfigMap has 1 MiB; the rest is for what JSON escapes.
pub const MAX_BYTES: usize = 896 << 10;
/// Bytes of a field's content, before or after: as many as `status.actions` has room for, so that a successor that has nothing
/// else takes back what was there and not a part of it.
pub const MAX_VALUE: usize = 8192;
/// Bytes of a note that are written down: a refusal of the API server in its own words.
pub const MAX_NOTE: usize = 256;
/// Bytes of a line without its texts: the names of its fields, four times, a UID, the words.
const LINE: usize = 448;

/// What is noted of a write that got no answer, and of which nothing was found.
pub(super) const NOT_FOUND_DONE: &str = "Not found to have happened.";
/// What is noted of an act whose record is not this cluster's, or not this object's.
const RESTORED: &str = "Its record came with a restore.";

/// Where an act stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Written down; the write may or may not have happened.
    Intended,
    /// Written.
    Done,
    /// Its effect was seen.
    Verified,
    /// The way back is written down; it may or may not have happened.
    Undoing,
    /// Taken back.
    Undone,
    /// Taken back because its effect was not seen: the ladder stops until a person has looked.
    Revoked,
    /// It did not happen.
    Failed,
    /// The object is gone, or another one bears its name.
    Superseded,
    /// Somebody else changed the field after us.
    Contested,
    /// Too old to be taken back without a person, or another cluster's.
    Expired,
    /// A person took it over, or must: it stays as it is.
    Closed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Intended,
        Self::Done,
        Self::Verified,
        Self::Undoing,
        Self::Undone,
        Self::Revoked,
        Self::Failed,
        Self::Superseded,
        Self::Contested,
        Self::Expired,
        Self::Closed,
    ];

    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "Intended",
            Self::Done => "Done",
            Self::Verified => "Verified",
            Self::Undoing => "Undoing",
            Self::Undone => "Undone",
            Self::Revoked => "Revoked",
            Self::Failed => "Failed",
            Self::Superseded => "Superseded",
            Self::Contested => "Contested",
            Self::Expired => "Expired",
            Self::Closed => "Closed",
        }
    }

    /// It stands against further acts until a person has looked.
    pub fn latches(self) -> bool {
        matches!(self, Self::Revoked | Self::Contested)
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// One act on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number within the journal, rising.
    pub id: u64,
    /// Number of the first record of its batch: a rung taken once, whatever the number of objects, is one act.
    pub act: u64,
    /// The plan that it was a step of.
    pub plan: Text,
    /// Rung.
    pub rung: Rung,
    /// Object.
    pub target: Target,
    /// What the field was.
    pub from: Value,
    /// What it was made.
    pub to: Value,
    /// When it was begun.
    pub at: Time,
    /// Until when it may be taken back without a person.
    pub until: Time,
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// What a person should know.
    pub note: String,
}

impl Record {
    /// The change is in force, and ours.
    pub fn stands(&self) -> bool {
        matches!(self.state, State::Done | State::Verified)
    }

    /// It is not known whether a write happened.
    pub fn unsettled(&self) -> bool {
        matches!(self.state, State::Intended | State::Undoing)
    }

    /// It has not come to an end, or a person must look: it is never forgotten.
    pub fn open(&self) -> bool {
        self.stands() || self.unsettled() || self.state.latches()
    }

    /// It may have been an act: one of which nothing was found may have been taken back before anybody looked.
    fn may_count(&self) -> bool {
        self.state != State::Failed || self.note == NOT_FOUND_DONE
    }

    /// Bytes that it takes at most, whatever becomes of it.
    fn bytes(&self) -> usize {
        bytes(&self.target, &self.from, &self.to)
    }
}

/// Bytes that the record of such a write takes at most. Values may be JSON, whose quotes are escaped in the journal's.
pub fn bytes(target: &Target, from: &Value, to: &Value) -> usize {
    let values = 2 * (from.0.len() + to.0.len());
    LINE + MAX_NOTE + target.namespace.len() + target.name.len() + values
}

/// The acts of one federation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    records: Vec<Record>,
    /// It has changed since it was last written down.
    dirty: bool,
}

impl Journal {
    /// The journal that an earlier process left, in its two places. The newer word on a record wins; one that is in one
    /// place alone is kept: either object may have been deleted or restored.
    pub fn merged(a: Vec<Record>, b: Vec<Record>) -> Self {
        let differs = a != b;
        let mut records = a;
        for other in b {
            match records
                .iter_mut()
                .find(|r| r.id == other.id && r.target == other.target)
            {
                Some(known) if (other.since, other.state) > (known.since, known.state) => {
                    *known = other;
                }
                Some(_) => {}
                None => records.push(other),
            }
        }
        records.sort_by_key(|r| (r.id, r.at));
        let mut journal = Self {
            records,
            dirty: differs,
        };
        journal.trim();
        journal
    }

    /// Adds records of a place that was restored, as far as they are not known: they are told and not acted on.
    pub(crate) fn tell_restored(&mut self, records: Vec<Record>, now: Time) {
        let known = |r: &Record| {
            self.records
                .iter()
                .any(|k| k.id == r.id && k.target == r.target)
        };
        let mut new: Vec<Record> = records.into_iter().filter(|r| !known(r)).collect();
        let next = self.records.iter().map(|r| r.id + 1).max().unwrap_or(0);
        for record in &mut new {
            // Another act may have been given the number since.
            record.id += next;
            record.act += next;
            if record.stands() || record.unsettled() {
                record.state = State::Expired;
                record.since = now;
                RESTORED.clone_into(&mut record.note);
            }
        }
        self.dirty |= !new.is_empty();
        self.records.extend(new);
    }

    /// One of its places does not exist any more.
    pub(crate) fn lost(&mut self) {
        self.dirty |= !self.records.is_empty();
    }

    pub(crate) fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// Records, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// It must be written down before anything else is done.
    pub(crate) fn dirty(&self) -> bool {
        self.dirty
    }

    pub(crate) fn written(&mut self) {
        self.dirty = false;
    }

    /// Writes down a batch; gives the numbers of its records.
    pub(crate) fn intend(
        &mut self,
        plan: &Text,
        steps: impl IntoIterator<Item = (Rung, Target, Value, Value)>,
        now: Time,
    ) -> Vec<u64> {
        let first = self.records.iter().map(|r| r.id).max().unwrap_or_default() + 1;
        let mut ids = Vec::new();
        for (rung, target, from, to) in steps {
            self.forget_failures(rung, &target);
            let id = first + ids.len() as u64;
            ids.push(id);
            self.records.push(Record {
                id,
                act: first,
                plan: plan.clone(),
                rung,
                target,
                from,
                to,
                at: now,
                until: now.plus_ms(UNDO_WITHIN_MS),
                state: State::Intended,
                since: now,
                note: String::new(),
            });
        }
        self.dirty = true;
        self.trim();
        ids
    }

    /// What fails is tried for as long as the danger lasts: of the tries before the one that begins, the newest says it all.
    fn forget_failures(&mut self, rung: Rung, target: &Target) {
        let failed = |r: &Record| !r.may_count() && r.rung == rung && r.target == *target;
        let newest = self.records.iter().rfind(|r| failed(r)).map(|r| r.id);
        self.records.retain(|r| !failed(r) || Some(r.id) == newest);
    }

    /// Moves a record on; nothing happens to one that is there already.
    pub(crate) fn set(&mut self, id: u64, state: State, note: impl Into<String>, now: Time) {
        if let Some(record) = self
            .records
            .iter_mut()
            .find(|r| r.id == id && r.state != state)
        {
            record.state = state;
            record.since = now;
            if state == State::Failed || !lasts(&record.note) {
                record.note = note.into();
            }
            self.dirty = true;
        }
    }

    /// Notes of a batch that was just written down what it is, for as long as it is kept.
    pub(crate) fn note(&mut self, ids: &[u64], note: &str) {
        for record in self.records.iter_mut().filter(|r| ids.contains(&r.id)) {
            note.clone_into(&mut record.note);
        }
    }

    /// A record by number.
    pub fn get(&self, id: u64) -> Option<&Record> {
        self.records.iter().find(|r| r.id == id)
    }

    /// Records whose change is in force, oldest first.
    pub fn standing(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|r| r.stands())
    }

    /// Somebody reverted the rung on this object, and nobody has said since who is right.
    pub(crate) fn contested(&self, rung: Rung, target: &Target) -> Option<&Record> {
        self.records
            .iter()
            .rfind(|r| r.rung == rung && r.target.same_name(target))
            .filter(|r| r.state == State::Contested)
    }

    /// When the rung was last begun on this object; under this name, where a successor of the object is the same to whoever
    /// keeps it as it is. A mark that we took off ourselves does not count: put on again it fights nobody.
    pub(crate) fn last(&self, rung: Rung, target: &Target) -> Option<Time> {
        let same = |r: &&Record| match rung.outlives_its_object() {
            true => r.target.same_name(target),
            false => r.target == *target,
        };
        self.records
            .iter()
            .filter(|r| r.rung == rung && r.state != State::Failed)
            .filter(|r| !(rung.marks() && r.state == State::Undone))
            .filter(same)
            .map(|r| r.at)
            .max()
    }

    /// Acts begun since then, and when the oldest of them was. What is known not to have happened is none: a right that is
    /// missing must not use up what the other rungs need, and its retries are slowed down by themselves.
    pub(crate) fn acts_since(&self, then: Time) -> (usize, Option<Time>) {
        let mut acts: Vec<(u64, Time)> = self
            .records
            .iter()
            .filter(|r| r.at > then && r.may_count())
            .map(|r| (r.act, r.at))
            .collect();
        acts.sort_unstable();
        acts.dedup_by_key(|(act, _)| *act);
        (acts.len(), acts.iter().map(|(_, at)| *at).min())
    }

    /// Bytes of what is never forgotten.
    pub(crate) fn open_bytes(&self) -> usize {
        let open = self.records.iter().filter(|r| r.open());
        open.map(Record::bytes).sum()
    }

    /// Ends make room for new records; what is in force or unsettled is never forgotten.
    fn trim(&mut self) {
        let mut count = self.records.len();
        let mut bytes: usize = self.records.iter().map(Record::bytes).sum();
        self.records.retain(|r| {
            let goes = (count > MAX_RECORDS || bytes > MAX_BYTES) && !r.open();
            if goes {
                count -= 1;
                bytes -= r.bytes();
            }
            !goes
        });
    }
}
