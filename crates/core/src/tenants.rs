//! Workspaces, their templates and their namespaces.

use std::collections::BTreeSet;

use crate::{
    facts::{Canary, Namespace, Workspace},
    id::{Text, Uid},
    keys::{Keys, Slot},
    objects::Row,
    table::{Column, Put, Table},
};

/// What a change of a Workspace means for its life.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Nothing new about life and death.
    Goes,
    /// It was not there before.
    Born,
    /// The first sign of its death: a deletionTimestamp, or gone without one.
    Dying(Uid),
    /// The same name with another UID, and no sign of the old one's death was seen.
    Replaced(Uid),
    /// Gone after it was seen dying.
    Dead,
}

/// A namespace as it is kept: its Workspace by slot, and the next namespace of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    uid: Uid,
    owner: Option<Uid>,
    deleting: bool,
    other_owner: bool,
    workspace: Slot,
    next: Option<Slot>,
}

/// Workspaces, templates, namespaces.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    /// Workspaces that are there, are wished for or have namespaces.
    names: Keys<Text>,
    pub(crate) workspaces: Column<Workspace>,
    /// Workspaces that are being deleted.
    dying: BTreeSet<Text>,
    pub(crate) templates: Column<Row>,
    /// The first namespace of each Workspace; the rest follow one from the other.
    first: Column<Slot>,
    pub(crate) namespaces: Table<Text, Bound>,
    /// Ours; one at most.
    pub(crate) canaries: Table<Text, Canary>,
}

impl Tenants {
    /// The Workspace of this name.
    pub(crate) fn workspace(&self, name: &Text) -> Option<&Workspace> {
        self.workspaces.get(self.names.find(name)?)
    }

    /// The WorkspaceTemplate of this name.
    pub(crate) fn template(&self, name: &Text) -> Option<&Row> {
        self.templates.get(self.names.find(name)?)
    }

    /// Templates in no particular order.
    pub(crate) fn templates(&self) -> impl Iterator<Item = (&Text, &Row)> {
        let names = self.names.iter();
        names.filter_map(|(slot, name)| Some((name, self.templates.get(slot)?)))
    }

    /// The namespace of this name.
    pub(crate) fn namespace(&self, name: &Text) -> Option<Namespace> {
        let bound = self.namespaces.get(name)?;
        Some(Namespace {
            uid: bound.uid,
            deleting: bound.deleting,
            workspace: self.names.key(bound.workspace)?.clone(),
            owner: bound.owner,
            other_owner: bound.other_owner,
        })
    }

    /// Takes a Workspace; None if it says what is known.
    pub(crate) fn put_workspace(&mut self, name: &Text, facts: Option<Workspace>) -> Option<Life> {
        if facts.is_some_and(|w| w.deleting) {
            self.dying.insert(name.clone());
        } else {
            self.dying.remove(name);
        }
        let Some(new) = facts else {
            let slot = self.names.find(name)?;
            let old = self.workspaces.take(slot)?;
            self.forget_unused(slot);
            return Some(if old.deleting {
                Life::Dead
            } else {
                Life::Dying(old.uid)
            });
        };
        let slot = self.names.enter(name.clone());
        match self.workspaces.put(slot, new) {
            Put::Same => None,
            Put::New if new.deleting => Some(Life::Dying(new.uid)),
            Put::New => Some(Life::Born),
            Put::Changed(old) if old.uid != new.uid && !old.deleting => {
                Some(Life::Replaced(old.uid))
            }
            Put::Changed(old) if old.uid != new.uid && new.deleting => Some(Life::Dying(new.uid)),
            Put::Changed(old) if old.uid != new.uid => Some(Life::Born),
            Put::Changed(old) if new.deleting && !old.deleting => Some(Life::Dying(new.uid)),
            Put::Changed(_) => Some(Life::Goes),
        }
    }

    /// Takes a WorkspaceTemplate; gives what was known before if that differs.
    pub(crate) fn put_template(&mut self, name: &Text, row: Option<Row>) -> Option<Row> {
        let Some(row) = row else {
            let slot = self.names.find(name)?;
            let old = self.templates.take(slot)?;
            self.forget_unused(slot);
            return Some(old);
        };
        let slot = self.names.enter(name.clone());
        match self.templates.put(slot, row) {
            Put::Changed(old) => Some(old),
            Put::New | Put::Same => None,
        }
    }

    /// Takes a namespace, or None when it is gone or left.
    pub(crate) fn put_namespace(
        &mut self,
        name: &Text,
        facts: Option<Namespace>,
    ) -> Put<Namespace> {
        let before = self.namespace(name);
        if before == facts {
            self.namespaces.touch(name);
            return Put::Same;
        }
        let workspace = |n: &Option<Namespace>| n.as_ref().map(|n| n.workspace.clone());
        let moves = workspace(&before) != workspace(&facts);
        if moves {
            self.unbind(name);
        }
        if let Some(new) = facts {
            self.bind(name, new, moves);
        } else {
            self.namespaces.remove(name);
        }
        before.map_or(Put::New, Put::Changed)
    }

    fn bind(&mut self, name: &Text, facts: Namespace, moves: bool) {
        let workspace = self.names.enter(facts.workspace);
        let next = match self.namespaces.get(name) {
            Some(bound) if !moves => bound.next,
            _ => self.first.get(workspace).copied(),
        };
        let bound = Bound {
            uid: facts.uid,
            owner: facts.owner,
            deleting: facts.deleting,
            other_owner: facts.other_owner,
            workspace,
            next,
        };
        self.namespaces.put(name.clone(), bound);
        if let (true, Some(slot)) = (moves, self.namespaces.slot(name)) {
            self.first.put(workspace, slot);
        }
    }

    /// Takes a namespace out of the chain of its Workspace's.
    fn unbind(&mut self, name: &Text) {
        let Some(slot) = self.namespaces.slot(name) else {
            return;
        };
        let Some(Bound {
            workspace, next, ..
        }) = self.namespaces.get(name).copied()
        else {
            return;
        };
        let mut at = self.first.get(workspace).copied();
        if at == Some(slot) {
            match next {
                Some(next) => drop(self.first.put(workspace, next)),
                None => drop(self.first.take(workspace)),
            }
            self.forget_unused(workspace);
            return;
        }
        while let Some(bound) = at.and_then(|at| self.namespaces.at_mut(at)) {
            if bound.next == Some(slot) {
                bound.next = next;
                return;
            }
            at = bound.next;
        }
    }

    fn forget_unused(&mut self, name: Slot) {
        let used = self.workspaces.get(name).is_some()
            || self.templates.get(name).is_some()
            || self.first.get(name).is_some();
        if !used {
            self.names.leave(name);
        }
    }

    /// The name of a Workspace as it is kept already.
    pub(crate) fn known_name(&self, name: &Text) -> Option<Text> {
        self.names.key(self.names.find(name)?).cloned()
    }

    /// Names of Workspaces that the last list of Workspaces has not named.
    pub(crate) fn missing_workspaces(&self) -> Vec<Text> {
        self.names.named(self.workspaces.missing())
    }

    /// Names of templates that the last list of templates has not named.
    pub(crate) fn missing_templates(&self) -> Vec<Text> {
        self.names.named(self.templates.missing())
    }

    /// The Workspace exists, but cannot be read: what is known of it stays.
    pub(crate) fn touch_workspace(&mut self, name: &Text) {
        if let Some(slot) = self.names.find(name) {
            self.workspaces.touch(slot);
        }
    }

    /// The template exists, but cannot be read: what is known of it stays.
    pub(crate) fn touch_template(&mut self, name: &Text) {
        if let Some(slot) = self.names.find(name) {
            self.templates.touch(slot);
        }
    }

    /// Namespaces of a Workspace, in no particular order.
    pub(crate) fn members(&self, workspace: &Text) -> impl Iterator<Item = &Text> {
        let slot = self.names.find(workspace);
        let first = slot.and_then(|slot| self.first.get(slot)).copied();
        let at = |slot: Option<Slot>| self.namespaces.at(slot?);
        std::iter::successors(at(first), move |(_, bound)| at(bound.next)).map(|(name, _)| name)
    }

    /// Workspaces that are being deleted and take namespaces along: the collector has them in the moment in which they are gone.
    pub(crate) fn falling(&self) -> impl Iterator<Item = &Text> {
        let collected = |name| self.namespace(name).is_some_and(|n| n.dangles(|_| None));
        self.dying
            .iter()
            .filter(move |workspace| self.members(workspace).any(collected))
    }

    /// The garbage collector would delete it.
    pub(crate) fn armed(&self, namespace: &Namespace) -> bool {
        namespace.dangles(|workspace| self.workspace(workspace).map(|live| live.uid))
    }
}

#[cfg(test)]
mod tests;
