//! What happened: recreations, incidents, lost namespaces. Bounded, whatever the storm.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::{
    churn::{ChurnTable, Level, Thresholds, Weight},
    id::{Text, Uid},
    time::Time,
};

mod suspects;

pub use suspects::{MAX_SUSPECTS, Suspect};
use suspects::{Suspects, milli};

/// An incident stays open for this long after its last sign: a quarter of an hour is several of KubeFed's longest pauses
/// (60 s back-off), and short enough for a morning's repair to show the same morning.
pub const OPEN_MS: i64 = 15 * 60 * 1000;
/// Incidents kept; status shows fewer. More than this many Workspaces at once is one common cause.
const MAX_INCIDENTS: usize = 1024;
/// Lost namespaces kept by name; the total goes on.
pub const MAX_LOST: usize = 100;
/// Names of dead Workspaces remembered to recognise their return (32 bytes each and the name).
const MAX_GRAVES: usize = 65_536;
/// Registrations named in one incident, and their bytes.
const MAX_PARTIES: usize = 8;
const MAX_PARTIES_BYTES: usize = 256;
/// Bytes of names of lost namespaces and their Workspaces: status shows all that are kept.
const MAX_LOST_BYTES: usize = 8192;

/// A Workspace deleted against its desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// First sign.
    pub first: Time,
    /// Last sign.
    pub last: Time,
    /// Completed recreations.
    pub recreations: u64,
    /// Registrations seen to take part.
    pub parties: BTreeSet<Text>,
    /// Namespaces lost.
    pub lost: u64,
    /// Both damped counts after the last recreation, in thousandths, fast one first: what survives a restart.
    pub penalties_milli: [u32; 2],
}

/// A lost namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Name.
    pub name: Text,
    /// UID.
    pub uid: Uid,
    /// Workspace.
    pub workspace: Text,
    /// When its deletion was seen.
    pub at: Time,
}

/// The wish of nobody.
pub(crate) const NOBODY: u64 = 0;

#[derive(Clone, Copy, Debug)]
struct Grave {
    uid: Uid,
    wish: u64,
    /// Looked at since it was last in line to be forgotten.
    visited: bool,
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    graves: HashMap<Text, Grave>,
    order: VecDeque<Text>,
    churn: ChurnTable,
    pub(crate) suspects: Suspects,
    incidents: BTreeMap<Text, Incident>,
    lost: VecDeque<Lost>,
    lost_total: u64,
    recreations: u64,
    /// Of both, what an earlier process counted.
    inherited: (u64, u64),
    unexpected: u64,
}

impl Ledger {
    /// A Workspace died; its desired objects stood as `wish` says.
    pub(crate) fn died(&mut self, name: &Text, uid: Uid, wish: u64) {
        if let Some(grave) = self.graves.get_mut(name) {
            *grave = Grave {
                uid,
                wish,
                visited: true,
            };
            return;
        }
        let grave = Grave {
            uid,
            wish,
            visited: false,
        };
        self.graves.insert(name.clone(), grave);
        self.order.push_back(name.clone());
        // Second chance: a name that flaps is not forgotten for thousands that died once.
        while self.graves.len() > MAX_GRAVES
            && let Some(oldest) = self.order.pop_front()
        {
            match self.graves.get_mut(&oldest) {
                Some(grave) if grave.visited && oldest != *name => {
                    grave.visited = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    self.graves.remove(&oldest);
                }
            }
        }
    }

    /// A Workspace is there, with this UID: counts a recreation if the name had another one.
    pub(crate) fn lives(
        &mut self,
        name: &Text,
        uid: Uid,
        wish: u64,
        now: Time,
        thresholds: &Thresholds,
    ) -> bool {
        let Some(former) = self.graves.get(name).copied() else {
            return false;
        };
        if former.uid == uid {
            return false;
        }
        let grave = Grave {
            uid,
            wish,
            visited: true,
        };
        self.graves.insert(name.clone(), grave);
        let weight = match (former.wish, wish) {
            // Nobody is known to have wished for either: their objects may be late, or gone and not yet back.
            (NOBODY, NOBODY) => Weight::Unknown,
            (before, after) if before == after => Weight::DesiredStable,
            _ => Weight::DesiredChanged,
        };
        let counter = self.churn.record(name, now, weight, thresholds);
        self.suspects.count(name, counter, now, thresholds);
        self.recreations += 1;
        let churns = matches!(counter.level(now, thresholds), Level::Churning { .. });
        if churns || self.incidents.contains_key(name) {
            let counted = counter.penalties(now, thresholds);
            let incident = self.open(name, now);
            incident.recreations += 1;
            incident.last = now;
            incident.penalties_milli = milli(counted);
        }
        true
    }

    fn open(&mut self, name: &Text, now: Time) -> &mut Incident {
        if self.incidents.len() >= MAX_INCIDENTS
            && !self.incidents.contains_key(name)
            && let Some(oldest) = self
                .incidents
                .iter()
                .min_by_key(|(_, i)| i.last)
                .map(|(n, _)| n.clone())
        {
            self.incidents.remove(&oldest);
        }
        self.incidents
            .entry(name.clone())
            .or_insert_with(|| Incident {
                first: now,
                last: now,
                recreations: 0,
                parties: BTreeSet::new(),
                lost: 0,
                penalties_milli: [0, 0],
            })
    }

    /// A Workspace was deleted, and live reads will tell whether against its desired state.
    pub(crate) fn suspect(&mut self, name: &Text, now: Time) {
        self.open(name, now).last = now;
    }

    /// A Workspace was deleted against its desired state.
    pub(crate) fn unexpected(&mut self, name: &Text, now: Time) {
        self.unexpected += 1;
        self.suspect(name, now);
    }

    /// The deletion turned out to be wished: an incident that rests on it alone never was.
    pub(crate) fn explained(&mut self, name: &Text) {
        if self
            .incidents
            .get(name)
            .is_some_and(|i| i.recreations == 0 && i.lost == 0)
        {
            self.incidents.remove(name);
        }
    }

    /// A registration was seen to hold what its placement leaves out.
    pub(crate) fn witness(&mut self, workspace: &Text, party: Text) {
        if let Some(incident) = self.incidents.get_mut(workspace)
            && incident.parties.len() < MAX_PARTIES
            && incident.parties.iter().map(Text::len).sum::<usize>() + party.len()
                <= MAX_PARTIES_BYTES
        {
            incident.parties.insert(party);
        }
    }

    /// A namespace was lost.
    pub(crate) fn lose(&mut self, lost: Lost) {
        // KubeSphere unbinds and binds a namespace again while it terminates: it is lost once all the same.
        if self.lost.iter().any(|known| known.uid == lost.uid) {
            return;
        }
        let now = lost.at;
        let incident = self.open(&lost.workspace.clone(), now);
        incident.lost += 1;
        incident.last = now;
        self.lost_total += 1;
        self.lost.push_front(lost);
        let mut left = MAX_LOST_BYTES;
        let fits = |lost: &&Lost| {
            let bytes = lost.name.len() + lost.workspace.len();
            left = left.saturating_sub(bytes);
            left > 0
        };
        let kept = self.lost.iter().take(MAX_LOST).take_while(fits).count();
        self.lost.truncate(kept.max(1));
    }

    /// The incident of this Workspace is open: its last sign is recent, or it comes again and again at its own pace.
    pub(crate) fn is_open(&self, workspace: &Text, now: Time, thresholds: &Thresholds) -> bool {
        let churning = || {
            matches!(
                self.level(workspace, now, thresholds),
                Level::Churning { .. }
            )
        };
        self.open_incident(workspace, now) || (self.incidents.contains_key(workspace) && churning())
    }

    /// The incident of this Workspace had a sign lately.
    pub(crate) fn open_incident(&self, workspace: &Text, now: Time) -> bool {
        self.incidents
            .get(workspace)
            .is_some_and(|i| now.since_ms(i.last) < OPEN_MS)
    }

    /// Incidents by Workspace.
    pub fn incidents(&self) -> &BTreeMap<Text, Incident> {
        &self.incidents
    }

    /// Lost namespaces, newest first.
    pub fn lost(&self) -> &VecDeque<Lost> {
        &self.lost
    }

    /// Namespaces lost since the ledger began.
    pub fn lost_total(&self) -> u64 {
        self.lost_total
    }

    /// Recreations since the ledger began.
    pub fn recreations(&self) -> u64 {
        self.recreations
    }

    /// Unexpected deletions since the ledger began.
    pub fn unexpected_total(&self) -> u64 {
        self.unexpected
    }

    /// Level of a Workspace's churn.
    pub(crate) fn level(&self, name: &Text, now: Time, thresholds: &Thresholds) -> Level {
        self.churn.get(name).level(now, thresholds)
    }

    /// When the answer for a Workspace could change by time alone.
    pub(crate) fn changes_at(&self, now: Time, thresholds: &Thresholds) -> Option<Time> {
        let decay = self
            .incidents
            .keys()
            .filter_map(|name| self.churn.get(name).changes_at(now, thresholds));
        let closing = self
            .incidents
            .values()
            .map(|i| i.last.plus_ms(OPEN_MS))
            .filter(|at| *at > now);
        decay.chain(closing).min()
    }

    /// Takes up what an earlier process left in status.
    pub(crate) fn restore(&mut self, restored: Restored) {
        self.incidents = restored.incidents.into_iter().take(MAX_INCIDENTS).collect();
        let of_incidents = self.incidents.iter().map(|(name, incident)| {
            let counted = Suspect {
                last: incident.last,
                penalties_milli: incident.penalties_milli,
            };
            (name.clone(), counted)
        });
        let suspects = restored.suspects.into_iter().take(MAX_SUSPECTS);
        for (name, suspect) in of_incidents.chain(suspects) {
            self.churn.restore(name.clone(), suspect.counter());
            self.suspects.restore(name, suspect);
        }
        self.lost = restored.lost.into_iter().take(MAX_LOST).collect();
        self.lost_total = restored.lost_total.max(self.lost.len() as u64);
        self.recreations = restored.recreations;
        self.inherited = (self.lost_total, self.recreations);
    }

    /// Namespaces lost and recreations completed since this process started: a counter that took up an earlier process' sum
    /// would look like a loss of them all at once.
    pub fn since_start(&self) -> (u64, u64) {
        let (lost, recreations) = self.inherited;
        (
            self.lost_total.saturating_sub(lost),
            self.recreations.saturating_sub(recreations),
        )
    }
}

/// What status remembers over a restart.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Incidents by Workspace.
    pub incidents: Vec<(Text, Incident)>,
    /// Lost namespaces, newest first.
    pub lost: Vec<Lost>,
    /// Namespaces lost in all.
    pub lost_total: u64,
    /// Recreations in all.
    pub recreations: u64,
    /// Names recreated lately, beside those of the incidents.
    pub suspects: Vec<(Text, Suspect)>,
}
