//! What KubeFed's own status and events say of who deletes. For a member cluster there is no other witness.
//!
//! Events undercount, by ten in a fast loop: they name who does it, and their numbers are lower bounds.

use std::collections::BTreeMap;

use crate::{
    facts::{Deed, Told},
    federation::Federation,
    id::Text,
    placement::Placement,
    registry::Registry,
    time::Time,
};

/// Removals of one object through one name under one wish, from which on it is a loop: an honest removal is one, and a
/// KubeFed that is restarted in the middle of it begins a second.
const REMOVALS: usize = 3;
/// Within this time, in milliseconds: the longest pause of KubeFed's retries is a minute.
const WINDOW_MS: i64 = 300_000;
/// Objects remembered. One is remembered only while KubeFed removes it or shortly after; more at once have one cause.
const MAX_WITNESSED: usize = 4096;
/// Deeds in clusters remembered of one object's events, those heard of last: a loop has two parties.
const MAX_TOLD: usize = 8;
/// What somebody undoes is told for so long after KubeFed last said so, in milliseconds: after its first burst its client
/// lets one event of an object through in five minutes, and one of three tells of it.
const UNDONE_MS: i64 = 1_800_000;

#[derive(Debug)]
struct Witnessed {
    /// Identity of the wish under which the removals were counted.
    wish: u64,
    /// Names that it waits for at this moment.
    waiting: Box<[Text]>,
    /// When removals began, newest last.
    began: Vec<Time>,
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
            waiting: Box::default(),
            began: Vec::new(),
            told: BTreeMap::new(),
            undone: BTreeMap::new(),
        }
    }

    /// Under another wish nothing that was counted is a loop.
    fn renew(&mut self, wish: u64) {
        if self.wish != wish {
            self.wish = wish;
            self.began.clear();
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
        let signs = self.began.last().into_iter().chain(told);
        signs.chain(self.undone.values()).max().copied()
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

/// Workspaces that KubeFed says it removes.
#[derive(Debug, Default)]
pub(crate) struct Witnesses(BTreeMap<Text, Witnessed>);

impl Witnesses {
    /// KubeFed waits for these names; true if that makes a loop.
    fn hear(&mut self, workspace: &Text, waiting: Box<[Text]>, wish: u64, now: Time) -> bool {
        if waiting.is_empty() && !self.0.contains_key(workspace) {
            return false;
        }
        let known = self.known(workspace, wish);
        known.renew(wish);
        let begins = known.waiting.is_empty() && !waiting.is_empty();
        known.waiting = waiting;
        if begins {
            known.began.retain(|at| now.since_ms(*at) < WINDOW_MS);
            if known.began.len() >= REMOVALS {
                known.began.remove(0);
            }
            known.began.push(now);
        }
        begins && known.began.len() >= REMOVALS
    }

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

    fn known(&mut self, workspace: &Text, wish: u64) -> &mut Witnessed {
        if !self.0.contains_key(workspace) {
            self.make_room();
        }
        self.0
            .entry(workspace.clone())
            .or_insert_with(|| Witnessed::under(wish))
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
    pub(crate) fn removals(&self, workspace: &Text, registry: &Registry) -> usize {
        let Some(known) = self.0.get(workspace) else {
            return 0;
        };
        if known.began.len() >= REMOVALS || known.loops(registry) {
            known.began.len().max(REMOVALS)
        } else {
            0
        }
    }

    pub(crate) fn forget(&mut self, workspace: &Text) {
        self.0.remove(workspace);
    }

    fn make_room(&mut self) {
        if self.0.len() >= MAX_WITNESSED
            && let Some(oldest) = self
                .0
                .iter()
                .min_by_key(|(_, known)| known.last_sign())
                .map(|(name, _)| name.clone())
        {
            self.0.remove(&oldest);
        }
    }
}

impl Federation {
    /// KubeFed's status of a FederatedWorkspace: the names that its placement leaves out and that wait for its removal.
    pub(crate) fn witness(&mut self, workspace: &Text, waiting: Box<[Text]>, now: Time) {
        let workspace = self.shared_name(workspace);
        // Of this server's own Workspaces the UIDs tell; KubeFed's status also counts the deletions that were refused.
        let elsewhere = waiting
            .iter()
            .filter(|name| self.registry.is_elsewhere(name));
        let elsewhere = elsewhere.cloned().collect();
        let parties = waiting;
        if self
            .witnesses
            .hear(&workspace, elsewhere, self.wish(&workspace), now)
        {
            self.ledger.suspect(&workspace, now);
        }
        for party in parties {
            self.ledger.witness(&workspace, party);
        }
    }

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
