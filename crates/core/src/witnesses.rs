//! What KubeFed's own status and events say of who deletes. For a member cluster, and for every federated kind but
//! Workspaces, there is no other witness.
//!
//! Events undercount, by ten in a fast loop: they name who does it, and their numbers are lower bounds. They are read of
//! Workspaces alone; `removals` says why the status is the witness of all others.

use std::collections::BTreeMap;

use crate::{
    facts::{Deed, Report, Told},
    federation::Federation,
    id::Text,
    ledger::OPEN_MS,
    placement::Placement,
    registry::Registry,
    removals::{Party, REMOVALS, Removals, WINDOW_MS},
    time::Time,
};

/// Objects remembered, Workspaces apart from others: a storm of the others must not make us forget a Workspace. One is
/// remembered from a removal on; more at once have one cause.
const MAX_WITNESSED: usize = 4096;
/// Share of them that is forgotten at once for want of room, so that looking for the oldest costs each newcomer little.
const FORGOTTEN_SHARE: usize = 16;
/// Deeds in clusters remembered of one object's events, those heard of last: a loop has two parties.
const MAX_TOLD: usize = 8;
/// What somebody undoes is told for so long after KubeFed last said so, in milliseconds: after its first burst its client
/// lets one event of an object through in five minutes, and one of three tells of it.
const UNDONE_MS: i64 = 1_800_000;

#[derive(Debug)]
struct Witnessed {
    /// Identity of the wish under which the removals were counted.
    wish: u64,
    /// Removals by KubeFed's status.
    removals: Removals,
    /// What events told, by deed and cluster.
    told: BTreeMap<(Deed, Text), Heard>,
    /// Clusters in which it loses its label again and again, and when KubeFed last took it up there.
    undone: BTreeMap<Text, Time>,
}

/// What the events of one deed in one cluster told.
#[derive(Debug, Default)]
struct Heard {
    /// Count of the event object that was seen last.
    last: u64,
    /// Deeds told of, in all.
    sum: u64,
    /// When those were told that happened while we watched, newest last, at most [`REMOVALS`].
    lately: Vec<Time>,
    /// When anything of it was told last.
    at: Time,
}

impl Heard {
    /// Takes an event's count; true if it tells of a deed that just happened. A count that fell is another object's.
    fn hear(&mut self, count: u64, fresh: bool, now: Time) -> bool {
        let new = if count >= self.last {
            count - self.last
        } else {
            count
        };
        self.last = count;
        self.sum = self.sum.saturating_add(new);
        if !fresh || new == 0 {
            return false;
        }
        for _ in 0..new.min(REMOVALS as u64) {
            if self.lately.len() >= REMOVALS {
                self.lately.remove(0);
            }
            self.lately.push(now);
        }
        true
    }
}

impl Witnessed {
    fn under(wish: u64) -> Self {
        Self {
            wish,
            removals: Removals::default(),
            told: BTreeMap::new(),
            undone: BTreeMap::new(),
        }
    }

    /// Under another wish nothing that was counted is a loop.
    fn renew(&mut self, wish: u64) {
        if self.wish != wish {
            self.wish = wish;
            self.removals.renew();
            self.undone.clear();
            self.told
                .values_mut()
                .for_each(|heard| heard.lately.clear());
        }
    }

    /// What is known of this deed in this cluster. Where there is no room for it, what was silent for longest goes.
    fn of(&mut self, key: (Deed, Text), count: u64) -> &mut Heard {
        let full = self.told.len() >= MAX_TOLD && !self.told.contains_key(&key);
        let mut last = 0;
        if full {
            let silent = self.told.iter();
            let silent = silent.min_by_key(|(_, heard)| (heard.lately.last(), heard.at));
            if let Some(silent) = silent.map(|(key, _)| key.clone()) {
                self.told.remove(&silent);
            }
            // It may have been forgotten itself: how much of its count is new is not known, one deed is.
            last = count.saturating_sub(1);
        }
        self.told.entry(key).or_insert_with(|| Heard {
            last,
            ..Heard::default()
        })
    }

    fn forget_before(&mut self, now: Time) {
        for heard in self.told.values_mut() {
            heard.lately.retain(|at| now.since_ms(*at) < WINDOW_MS);
        }
    }

    fn last_sign(&self) -> Option<Time> {
        let told = self.told.values().filter_map(|heard| heard.lately.last());
        let told = told.chain(self.undone.values()).max().copied();
        told.max(self.removals.last())
    }

    /// KubeFed took it up. Rewritten as well: one that somebody labelled `kubefed.io/managed: "false"` is tried again and
    /// again too, and never written.
    fn taken_up(&mut self, cluster: &Text, now: Time) {
        let lately = |deed| {
            let heard = self.told.get(&(deed, cluster.clone()));
            heard.map_or(0, |heard| heard.lately.len())
        };
        let again = lately(Deed::Adopts) >= REMOVALS && lately(Deed::Updates) >= REMOVALS - 1;
        if again || self.undone.contains_key(cluster) {
            self.undone.insert(cluster.clone(), now);
        }
    }

    /// Deletions and creations in turn: a deletion that fails is told again and again as well, but nothing is created.
    /// Deletions on this server count as none: there the UIDs tell, and KubeFed tells of those that were refused as well.
    fn loops(&self, registry: &Registry) -> bool {
        let lately = |deed| {
            let of = self.told.iter().filter(move |((d, cluster), _)| {
                *d == deed && (deed == Deed::Creates || registry.is_elsewhere(cluster))
            });
            of.map(|(_, heard)| heard.lately.len()).max().unwrap_or(0)
        };
        registry.is_complete()
            && lately(Deed::Deletes) >= REMOVALS
            && lately(Deed::Creates) >= REMOVALS - 1
    }
}

/// Objects that KubeFed says it removes.
#[derive(Debug)]
pub(crate) struct Witnesses<K>(BTreeMap<K, Witnessed>);

impl<K> Default for Witnesses<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Witnesses<K> {
    /// What KubeFed's status says of names that the placement leaves out; true if that makes a loop.
    pub(crate) fn hear(
        &mut self,
        object: &K,
        unplaced: &[(Text, Report)],
        wish: u64,
        registry: &Registry,
        now: Time,
    ) -> bool {
        if unplaced.is_empty() && !self.knows(object) {
            return false;
        }
        let known = self.known(object, wish);
        known.renew(wish);
        let stood = |name: &Text, at| registry.stood_since(name, at);
        known.removals.hear(unplaced, stood, now)
    }

    fn known(&mut self, object: &K, wish: u64) -> &mut Witnessed {
        if !self.0.contains_key(object) {
            self.make_room();
        }
        self.0
            .entry(object.clone())
            .or_insert_with(|| Witnessed::under(wish))
    }

    pub(crate) fn knows(&self, object: &K) -> bool {
        self.0.contains_key(object)
    }

    pub(crate) fn forget(&mut self, object: &K) {
        self.0.remove(object);
    }

    fn make_room(&mut self) {
        if self.0.len() < MAX_WITNESSED {
            return;
        }
        let signs = self.0.iter();
        let mut signs: Vec<(Option<Time>, K)> = signs
            .map(|(object, known)| (known.last_sign(), object.clone()))
            .collect();
        let (oldest, ..) = signs.select_nth_unstable(MAX_WITNESSED / FORGOTTEN_SHARE);
        for (_, object) in oldest {
            self.0.remove(object);
        }
    }

    /// Objects that were removed in a loop, by a name each, and told until they have been left alone for [`OPEN_MS`].
    pub(crate) fn looped(&self, now: Time) -> impl Iterator<Item = (&K, &Party)> {
        let parties = self.0.iter();
        let parties =
            parties.flat_map(|(key, known)| known.removals.parties().map(move |p| (key, p)));
        parties.filter(move |(_, party)| party.looped.is_some_and(|at| now.since_ms(at) < OPEN_MS))
    }

    /// When one of those will have been left alone for long enough.
    pub(crate) fn ends_at(&self) -> impl Iterator<Item = Time> {
        let parties = self.0.values().flat_map(|known| known.removals.parties());
        parties.filter_map(|party| Some(party.looped?.plus_ms(OPEN_MS)))
    }
}

impl Witnesses<Text> {
    /// KubeFed tells of a deed; true if that makes a loop.
    fn tell(&mut self, told: &Told, wish: u64, registry: &Registry, now: Time) -> bool {
        // Every creation is told of, and most are no loop's: an object is remembered from its first deletion on, or when it
        // is taken up for the second time.
        let begins = match told.deed {
            Deed::Deletes => true,
            Deed::Adopts => told.count > 1,
            Deed::Creates | Deed::Updates => false,
        };
        if !begins && !self.0.contains_key(&told.workspace) {
            return false;
        }
        let known = self.known(&told.workspace, wish);
        known.renew(wish);
        known.forget_before(now);
        let heard = known.of((told.deed, told.cluster.clone()), told.count);
        heard.at = now;
        let fresh = heard.hear(told.count, told.fresh, now);
        if fresh && matches!(told.deed, Deed::Adopts | Deed::Updates) {
            known.taken_up(&told.cluster, now);
            return false;
        }
        fresh && known.loops(registry)
    }

    /// Workspaces that lose their label in a cluster again and again, with how often KubeFed took each up, by cluster.
    pub(crate) fn undone(&self, now: Time) -> BTreeMap<&Text, Vec<(&Text, u64)>> {
        let mut found: BTreeMap<&Text, Vec<_>> = BTreeMap::new();
        for (workspace, known) in &self.0 {
            let open = known
                .undone
                .iter()
                .filter(|(_, last)| now.since_ms(**last) < UNDONE_MS);
            for (cluster, _) in open {
                let heard = known.told.get(&(Deed::Adopts, cluster.clone()));
                let times = heard.map_or(0, |heard| heard.sum);
                found.entry(cluster).or_default().push((workspace, times));
            }
        }
        found
    }

    /// When one of them will have been left alone for long enough.
    pub(crate) fn rests_at(&self) -> impl Iterator<Item = Time> {
        let all = self.0.values().flat_map(|known| known.undone.values());
        all.map(|last| last.plus_ms(UNDONE_MS))
    }

    /// Who did this to the object by KubeFed's events, and how often at least.
    pub(crate) fn told(&self, workspace: &Text, deed: Deed) -> impl Iterator<Item = (&Text, u64)> {
        let known = self.0.get(workspace).into_iter();
        known
            .flat_map(|known| &known.told)
            .filter(move |((d, _), _)| *d == deed)
            .map(|((_, cluster), heard)| (cluster, heard.sum))
    }

    /// Removals counted lately; fewer than a loop count as none.
    pub(crate) fn removals(&self, workspace: &Text, registry: &Registry) -> u64 {
        let Some(known) = self.0.get(workspace) else {
            return 0;
        };
        let by_events = known.loops(registry).then_some(REMOVALS as u64);
        known.removals.looping().max(by_events).unwrap_or(0)
    }
}

impl Federation {
    /// KubeFed tells of what it does. Of this server's own Workspaces the UIDs and its status tell: its events count there only
    /// where they name a member.
    pub(crate) fn told(&mut self, told: Told, now: Time) {
        let workspace = self.shared_name(&told.workspace);
        let told = Told { workspace, ..told };
        let wish = self.wish(&told.workspace);
        if self.witnesses.tell(&told, wish, &self.registry, now) {
            self.ledger.suspect(&told.workspace, now);
        }
    }

    /// Members in which KubeFed's events tell of deletions that the placement does not ask for.
    pub(crate) fn deleters(&self, workspace: &Text) -> Vec<(Text, u64)> {
        let row = self.objects.workspace(workspace);
        let unplaced = |name: &Text| match row.map(|row| row.placement.placement()) {
            Some(Placement::Names(names)) => !names.contains(name),
            _ => false,
        };
        let told = self.witnesses.told(workspace, Deed::Deletes);
        told.filter(|(name, _)| unplaced(name) && self.registry.is_elsewhere(name))
            .map(|(name, count)| (name.clone(), count))
            .collect()
    }

    /// Registered names that the placement of this Workspace lists, and through which nobody saw it deleted.
    pub(crate) fn makers(&self, workspace: &Text) -> Vec<Text> {
        let Some(row) = self.objects.workspace(workspace) else {
            return Vec::new();
        };
        let Placement::Names(names) = row.placement.placement() else {
            return Vec::new();
        };
        let parties = self.ledger.incidents().get(workspace).map(|i| &i.parties);
        names
            .iter()
            .filter(|name| self.registry.is_registered(name))
            .filter(|name| parties.is_none_or(|parties| !parties.contains(*name)))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_found_among_any_number_of_honest_removals() {
        let mut known = Witnesses::default();
        let registry = Registry::default();
        let waits = [(Text::from("old"), Report::Waits)];
        let mut says = |object: u64, unplaced: &[(Text, Report)], now| {
            let loops = known.hear(&object, unplaced, 1, &registry, Time(now));
            assert!(known.0.len() <= MAX_WITNESSED);
            loops
        };
        let mut loops = 0;
        for now in 1..20_000 {
            says(now, &waits, now as i64);
            if now % 1000 == 0 {
                loops += u64::from(says(0, &waits, now as i64));
                says(0, &[], now as i64);
            }
        }
        assert_eq!(loops, 19 - 2);
    }
}
