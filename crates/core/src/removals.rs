//! Removals that KubeFed's own status tells of, for objects of every federated kind: `status.clusters[]` names a cluster that
//! the placement leaves out, with `WaitingForRemoval`.
//!
//! It is the one witness that every kind has: federated objects are watched for their placements anyway. What lies in the
//! clusters is watched for no kind but Workspaces, on this server neither: that would be one more right and one more watch
//! for each kind, all tenants' Deployments and claims among them. KubeFed's events lie in the namespace of their object, so
//! that for namespaced kinds they would take the right to every tenant's, and of a hundred deletions they tell ten. In the
//! recorded loops each deletion is in the status, and the object's return after it.

use crate::{
    facts::ObjectKey,
    federation::Federation,
    id::{RegistrationKey, Text},
    objects::{FEDERATED_NAMESPACE, FEDERATED_WORKSPACE, cluster_key, home},
    placement::Placement,
    time::Time,
};

/// Removals of one object through one name under one wish, from which on it is a loop: an honest removal is one, and a
/// KubeFed that is restarted in the middle of it begins a second.
pub(crate) const REMOVALS: usize = 3;
/// Within this time, in milliseconds: the longest pause of KubeFed's retries is a minute.
pub(crate) const WINDOW_MS: i64 = 300_000;
/// Names remembered of one object: a loop has one that deletes, or the few that one cluster bears.
const MAX_PARTIES: usize = 8;

/// What KubeFed's status says of a federated object in one cluster, where that is not success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// `WaitingForRemoval`: it deleted the object there, or found it being deleted.
    Waits,
    /// `DeletionFailed`, `DeletionTimedOut`: it tried to delete it in vain.
    Refused,
    /// Anything else that is not success.
    Other,
}

/// A name through which KubeFed removes the object.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) cluster: Text,
    /// The status names it at this moment.
    there: bool,
    /// When the last removals began, newest last, at most [`REMOVALS`].
    began: Vec<Time>,
    /// When the first of those that were counted in one go began, and how many they are.
    pub(crate) first: Time,
    pub(crate) sum: u64,
    /// When it last was a loop.
    pub(crate) looped: Option<Time>,
}

impl Party {
    fn new(cluster: Text) -> Self {
        Self {
            cluster,
            there: false,
            began: Vec::new(),
            first: Time::default(),
            sum: 0,
            looped: None,
        }
    }

    fn begins(&mut self, stood: impl Fn(Time) -> bool, now: Time) {
        self.began
            .retain(|at| now.since_ms(*at) < WINDOW_MS && stood(*at));
        if self.began.is_empty() {
            self.first = now;
            self.sum = 0;
        }
        if self.began.len() >= REMOVALS {
            self.began.remove(0);
        }
        self.began.push(now);
        self.sum += 1;
        if self.loops() {
            self.looped = Some(now);
        }
    }

    fn loops(&self) -> bool {
        self.began.len() >= REMOVALS
    }
}

/// Removals of one object, by name.
#[derive(Debug, Default)]
pub(crate) struct Removals(Vec<Party>);

impl Removals {
    /// Takes what the status says of the names that the placement leaves out; true if a removal began that makes a loop.
    ///
    /// A removal begins when a name comes that was not there: as long as it stays, whatever is said of it, the object was
    /// not seen to come back. `stood` tells whether nothing about the registration of a name changed since an instant: a
    /// member that goes and comes back is left out of the status and named in it again, for one and the same removal.
    pub(crate) fn hear(
        &mut self,
        unplaced: &[(Text, Report)],
        stood: impl Fn(&Text, Time) -> bool,
        now: Time,
    ) -> bool {
        let mut loops = false;
        for (cluster, report) in unplaced {
            let Some(party) = self.party(cluster) else {
                continue;
            };
            // A refusal is no removal, and it is told again and again.
            if *report == Report::Waits && !party.there {
                party.begins(|at| stood(cluster, at), now);
                loops |= party.loops();
            }
            party.there = true;
        }
        for party in &mut self.0 {
            party.there &= unplaced.iter().any(|(name, _)| *name == party.cluster);
        }
        loops
    }

    /// Under another wish nothing that was counted is a loop. One that was told is told until it has been quiet.
    pub(crate) fn renew(&mut self) {
        self.0.iter_mut().for_each(|party| party.began.clear());
    }

    /// How often it was removed in one go, as far as that is a loop.
    pub(crate) fn looping(&self) -> Option<u64> {
        let looping = self.0.iter().filter(|party| party.loops());
        looping.map(|party| party.sum).max()
    }

    /// Names through which it was removed in a loop.
    pub(crate) fn parties(&self) -> impl Iterator<Item = &Party> {
        self.0.iter().filter(|party| party.looped.is_some())
    }

    /// When a removal last began.
    pub(crate) fn last(&self) -> Option<Time> {
        let last = self.0.iter().filter_map(|party| party.began.last());
        last.max().copied()
    }

    /// What is known of this name. Where there is no room for it, one goes that is not there and was silent for longest.
    fn party(&mut self, cluster: &Text) -> Option<&mut Party> {
        let known = self.0.iter().position(|party| party.cluster == *cluster);
        let at = match known {
            Some(at) => at,
            None if self.0.len() < MAX_PARTIES => {
                self.0.push(Party::new(cluster.clone()));
                self.0.len() - 1
            }
            None => {
                let gone = self.0.iter().enumerate().filter(|(_, p)| !p.there);
                let (at, _) = gone.min_by_key(|(_, p)| (p.looped, p.began.last().copied()))?;
                self.0[at] = Party::new(cluster.clone());
                at
            }
        };
        self.0.get_mut(at)
    }
}

impl Federation {
    /// KubeFed's status of a federated object: clusters in which it is not as it should be.
    pub(crate) fn witness(
        &mut self,
        kind: &Text,
        key: ObjectKey,
        reports: &[(Text, Report)],
        now: Time,
    ) {
        if &**kind == FEDERATED_WORKSPACE {
            return self.workspace_removed(&key.name, reports, now);
        }
        let object = (kind.clone(), key);
        if reports.is_empty() && !self.removed.knows(&object) {
            return;
        }
        let unplaced = self.unplaced(kind, &object.1, reports);
        // What is placed nowhere is to go, wherever it comes from.
        let wished = |unplaced: &Vec<_>| {
            unplaced.is_empty() || self.selected(kind, &object.1).next().is_some()
        };
        match unplaced.filter(wished) {
            Some(unplaced) => {
                let wish = self.wish_of(kind, &object.1);
                let registry = &self.registry;
                self.removed.hear(&object, &unplaced, wish, registry, now);
            }
            None => self.removed.forget(&object),
        }
    }

    fn workspace_removed(&mut self, name: &Text, reports: &[(Text, Report)], now: Time) {
        let workspace = self.shared_name(name);
        let key = cluster_key(&workspace);
        let Some(unplaced) = self.unplaced(FEDERATED_WORKSPACE, &key, reports) else {
            return;
        };
        // Of this server's own Workspaces the UIDs tell.
        let elsewhere = unplaced.iter();
        let elsewhere = elsewhere.filter(|(name, _)| self.registry.is_elsewhere(name));
        let elsewhere: Vec<_> = elsewhere.cloned().collect();
        let wish = self.wish(&workspace);
        let registry = &self.registry;
        if self
            .witnesses
            .hear(&workspace, &elsewhere, wish, registry, now)
        {
            self.ledger.suspect(&workspace, now);
        }
        for (party, report) in unplaced {
            if report != Report::Other {
                self.ledger.witness(&workspace, party);
            }
        }
    }

    /// What is reported of names that the placement leaves out; None if nobody wishes for the object, or if its
    /// FederatedNamespace, which cuts its placement, goes or is not known.
    fn unplaced(
        &self,
        kind: &str,
        key: &ObjectKey,
        reports: &[(Text, Report)],
    ) -> Option<Vec<(Text, Report)>> {
        let (own, within) = self.placed(kind, key)?;
        let unplaced = reports.iter();
        let unplaced = unplaced.filter(|(name, _)| !self.registry.selects(name, own, within));
        Some(unplaced.cloned().collect())
    }

    /// The placement of an object that is wished for, and that of its FederatedNamespace.
    fn placed(&self, kind: &str, key: &ObjectKey) -> Option<(&Placement, Option<&Placement>)> {
        let standing = |kind: &str, key: &ObjectKey| {
            let row = self.objects.get(kind, key).filter(|row| !row.deleting)?;
            Some(row.placement.placement())
        };
        let own = standing(kind, key)?;
        match home(kind, key) {
            Some(home) => Some((own, Some(standing(FEDERATED_NAMESPACE, &home)?))),
            None => Some((own, None)),
        }
    }

    /// Identity of what decides where an object goes.
    fn wish_of(&self, kind: &str, key: &ObjectKey) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let around = home(kind, key);
        let around = around.and_then(|home| self.objects.get(FEDERATED_NAMESPACE, &home));
        let mut hasher = DefaultHasher::new();
        for row in [self.objects.get(kind, key), around] {
            row.map(|row| (row.uid, row.generation)).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Registrations that the placement of this object selects.
    pub(crate) fn selected(
        &self,
        kind: &str,
        key: &ObjectKey,
    ) -> impl Iterator<Item = &RegistrationKey> {
        let placed = self.placed(kind, key).into_iter();
        placed.flat_map(|(own, within)| self.registry.selected(own, within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(removals: &mut Removals, names: &[&str], now: i64) -> bool {
        let waits = |name: &&str| (Text::from(*name), Report::Waits);
        let unplaced: Vec<_> = names.iter().map(waits).collect();
        removals.hear(&unplaced, |_, _| true, Time(now))
    }

    #[test]
    fn names_that_wait_take_the_room_of_others_only_as_long_as_they_wait() {
        let many: Vec<String> = (0..1000).map(|n| format!("m{n}")).collect();
        let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut removals = Removals::default();
        for now in 0..10 {
            names.push("old");
            assert!(!says(&mut removals, &names, now));
            names.pop();
            assert!(!says(&mut removals, &names, now));
        }
        assert_eq!(removals.0.len(), MAX_PARTIES);
        says(&mut removals, &[], 10);
        let loops = (11..14).map(|now| {
            let loops = says(&mut removals, &["old"], now);
            says(&mut removals, &[], now);
            loops
        });
        assert_eq!(loops.collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(removals.0.len(), MAX_PARTIES);
        let parties: Vec<&str> = removals.parties().map(|p| &*p.cluster).collect();
        assert_eq!(parties, ["old"]);
    }
}
