//! What KubeFed's own status says of who deletes. For a member cluster there is no other witness.

use std::collections::BTreeMap;

use crate::{federation::Federation, id::Text, placement::Placement, time::Time};

/// Removals of one object through one name under one wish, from which on it is a loop: an honest removal is one, and a
/// KubeFed that is restarted in the middle of it begins a second.
const REMOVALS: usize = 3;
/// Within this time, in milliseconds: the longest pause of KubeFed's retries is a minute.
const WINDOW_MS: i64 = 300_000;
/// Objects remembered. One is remembered only while KubeFed removes it or shortly after; more at once have one cause.
const MAX_WITNESSED: usize = 4096;

#[derive(Debug)]
struct Witnessed {
    /// Identity of the wish under which the removals were counted.
    wish: u64,
    /// Names that it waits for at this moment.
    waiting: Box<[Text]>,
    /// When removals began, newest last.
    began: Vec<Time>,
}

/// Workspaces that KubeFed says it removes.
#[derive(Debug, Default)]
pub(crate) struct Witnesses(BTreeMap<Text, Witnessed>);

impl Witnesses {
    /// KubeFed waits for these names; true if that makes a loop.
    fn hear(&mut self, workspace: &Text, waiting: Box<[Text]>, wish: u64, now: Time) -> bool {
        let Some(known) = self.0.get_mut(workspace) else {
            if !waiting.is_empty() {
                self.make_room();
                let began = vec![now];
                self.0.insert(
                    workspace.clone(),
                    Witnessed {
                        wish,
                        waiting,
                        began,
                    },
                );
            }
            return false;
        };
        if known.wish != wish {
            known.wish = wish;
            known.began.clear();
        }
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

    /// Removals counted lately; fewer than a loop count as none.
    pub(crate) fn removals(&self, workspace: &Text) -> usize {
        let known = self.0.get(workspace).map_or(0, |known| known.began.len());
        if known >= REMOVALS { known } else { 0 }
    }

    pub(crate) fn forget(&mut self, workspace: &Text) {
        self.0.remove(workspace);
    }

    fn make_room(&mut self) {
        if self.0.len() >= MAX_WITNESSED
            && let Some(oldest) = self
                .0
                .iter()
                .min_by_key(|(_, known)| known.began.last().copied())
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
