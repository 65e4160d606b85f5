//! Namespaces: which belong to whom, which are armed, and which were lost against their owner's wish.

use crate::{
    facts::Namespace, federation::Federation, id::Text, ledger::Lost, table::Put, time::Time,
};

/// How long an explained deletion of a Workspace explains that of its namespaces: their contents' finalizers may take minutes.
const EXCUSED_MS: i64 = 600_000;
/// Explained deletions remembered: more at once only cost a false line in the ledger.
pub(crate) const MAX_EXCUSES: usize = 65_536;
/// Deleted namespaces that wait for a verdict. Beyond this they are judged by what is known.
const MAX_UNDECIDED: usize = 4096;

/// Namespaces listed that left their Workspace during an incident; more are one and the same story.
const MAX_UNBOUND: usize = 1024;

/// The deletion of a Workspace was wished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excuse {
    pub(crate) until: Time,
}

impl Excuse {
    pub(crate) fn at(now: Time) -> Self {
        Self {
            until: now.plus_ms(EXCUSED_MS),
        }
    }
}

/// A deleted namespace of which it cannot be said yet whether that was wished.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    lost: Lost,
    facts: Namespace,
    /// It was being deleted when it was first seen.
    inherited: bool,
}

impl Federation {
    /// Takes a namespace; `gone`: it does not exist any more, rather than belonging to no Workspace.
    pub(crate) fn namespace(
        &mut self,
        name: &Text,
        mut facts: Option<Namespace>,
        gone: bool,
        now: Time,
    ) {
        if let Some(facts) = &mut facts {
            facts.workspace = self.shared_name(&facts.workspace);
        }
        let before = match self.tenants.put_namespace(name, facts.clone()) {
            Put::Same => return,
            Put::New => None,
            Put::Changed(old) => Some(old),
        };
        let replaced = before
            .as_ref()
            .zip(facts.as_ref())
            .is_some_and(|(old, new)| old.uid != new.uid);
        // Its last sign was that it lived, and now it is gone, or another has its name.
        if let Some(old) = before.as_ref().filter(|old| !old.deleting)
            && (replaced || (facts.is_none() && gone))
        {
            self.dead_namespace(name, old, false, now);
        }
        // A namespace first seen Terminating says by itself whose it was.
        if let Some(new) = facts.as_ref().filter(|new| new.deleting)
            && (replaced || before.as_ref().is_none_or(|old| !old.deleting))
        {
            self.dead_namespace(name, new, before.is_none(), now);
        }
        self.follow_owner(name, before.as_ref(), facts.as_ref(), gone, now);
        self.rearm(name, now);
        let touched = [before.as_ref(), facts.as_ref()].into_iter().flatten();
        if touched
            .map(|n| &n.workspace)
            .any(|ws| self.risk.workspaces.contains(ws))
        {
            self.risk_stale = true;
        }
    }

    /// What a namespace's owner and Workspace do while the namespace lives.
    fn follow_owner(
        &mut self,
        name: &Text,
        before: Option<&Namespace>,
        after: Option<&Namespace>,
        gone: bool,
        now: Time,
    ) {
        match (before, after) {
            (Some(old), Some(new)) => {
                let moved = old.uid == new.uid && old.owner.is_some() != new.owner.is_some();
                // In an incident the binder follows the Workspace's death and birth: that is no fight.
                if moved && !self.ledger.open_incident(&new.workspace, now) {
                    self.fights.changed(name, now);
                }
            }
            (Some(old), None)
                if !gone
                    && self.unbound.len() < MAX_UNBOUND
                    && self.ledger.open_incident(&old.workspace, now) =>
            {
                let ledger = &self.ledger;
                self.unbound
                    .retain(|_, (workspace, _)| ledger.open_incident(workspace, now));
                self.unbound
                    .insert(name.clone(), (old.workspace.clone(), now));
            }
            _ => {}
        }
        if after.is_some() || gone {
            self.unbound.remove(name);
        }
        if gone && after.is_none() {
            self.fights.forget(name);
        }
    }

    fn dead_namespace(&mut self, name: &Text, facts: &Namespace, inherited: bool, now: Time) {
        let loss = Loss {
            lost: Lost {
                name: name.clone(),
                uid: facts.uid,
                workspace: facts.workspace.clone(),
                at: now,
            },
            facts: facts.clone(),
            inherited,
        };
        if self.is_undecided(&loss, now) && self.losses.len() < MAX_UNDECIDED {
            self.losses.push(loss);
        } else {
            self.judge_loss(loss, now);
        }
    }

    /// While live reads are under way or what is wished has not been read, nobody can say.
    fn is_undecided(&self, loss: &Loss, now: Time) -> bool {
        !self.wishes_read() || self.hold.verifying(&loss.facts.workspace, now)
    }

    pub(crate) fn settle_losses(&mut self, now: Time) {
        for loss in std::mem::take(&mut self.losses) {
            if self.is_undecided(&loss, now) {
                self.losses.push(loss);
            } else {
                self.judge_loss(loss, now);
            }
        }
    }

    /// Lost is what was deleted with its Workspace, or in its incident, while the Workspace is still wished for.
    ///
    /// KubeSphere binds also a namespace that is being deleted to the Workspace that came after: whoever comes into the middle
    /// of an incident sees an owner that lives. The danger to the Workspace tells what happened before.
    fn judge_loss(&mut self, loss: Loss, now: Time) {
        let workspace = &loss.facts.workspace;
        let live = self.tenants.workspace(workspace);
        let orphaned = loss
            .facts
            .owner
            .is_some_and(|owner| live.is_none_or(|w| w.uid != owner || w.deleting));
        let in_incident = self.ledger.open_incident(workspace, now)
            || (loss.inherited && self.danger_here(workspace).is_some());
        if self.wished(workspace) && (orphaned || in_incident) {
            self.ledger.lose(loss.lost);
        }
    }

    /// Somebody wishes this Workspace to stand, and nobody that it goes.
    pub(crate) fn wished(&self, workspace: &Text) -> bool {
        let live = self.tenants.workspace(workspace);
        let excused = self.excuses.contains_key(workspace) || live.is_some_and(|live| live.ignored);
        let wished = match (
            self.tenants.template(workspace),
            self.objects.workspace(workspace),
        ) {
            (Some(template), Some(federated)) => {
                self.row_wishes(template) && self.row_wishes(federated)
            }
            (Some(row), None) | (None, Some(row)) => self.row_wishes(row),
            (None, None) => false,
        } || self.danger_here(workspace).is_some()
            || self.kind_takes(workspace).is_some();
        wished && !excused
    }

    /// Works out afresh whether the collector would delete this namespace.
    pub(crate) fn rearm(&mut self, name: &Text, now: Time) {
        if self
            .tenants
            .namespace(name)
            .is_some_and(|n| self.tenants.armed(&n))
        {
            self.armed.entry(name.clone()).or_insert(now);
        } else if self.armed.remove(name).is_some() && self.armed.is_empty() {
            self.hold.disarmed(now);
        }
    }
}
