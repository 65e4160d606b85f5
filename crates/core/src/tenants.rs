//! Workspaces, their templates and their namespaces.

use std::collections::HashMap;

use crate::{
    facts::{Canary, Namespace, Workspace},
    id::{Text, Uid},
    objects::Row,
    table::{Put, Table},
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

/// Workspaces, templates, namespaces.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    pub(crate) workspaces: Table<Text, Workspace>,
    pub(crate) templates: Table<Text, Row>,
    pub(crate) namespaces: Table<Text, Namespace>,
    /// Ours; one at most.
    pub(crate) canaries: Table<Text, Canary>,
    members: HashMap<Text, Vec<Text>>,
}

impl Tenants {
    /// Takes a Workspace; None if it says what is known.
    pub(crate) fn put_workspace(&mut self, name: &Text, facts: Option<Workspace>) -> Option<Life> {
        let Some(new) = facts else {
            let old = self.workspaces.remove(name)?;
            return Some(if old.deleting {
                Life::Dead
            } else {
                Life::Dying(old.uid)
            });
        };
        match self.workspaces.put(name.clone(), new) {
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

    /// Takes a namespace, or None when it is gone or left.
    pub(crate) fn put_namespace(
        &mut self,
        name: &Text,
        facts: Option<Namespace>,
    ) -> Put<Namespace> {
        let to = facts.as_ref().map(|n| n.workspace.clone());
        let put = match facts {
            None => match self.namespaces.remove(name) {
                None => Put::Same,
                Some(old) => Put::Changed(old),
            },
            Some(new) => self.namespaces.put(name.clone(), new),
        };
        let from = match &put {
            Put::Same => return put,
            Put::New => None,
            Put::Changed(old) => Some(&old.workspace),
        };
        if from != to.as_ref() {
            if let Some(workspace) = from {
                self.forget_member(&workspace.clone(), name);
            }
            if let Some(workspace) = to {
                self.members
                    .entry(workspace)
                    // A vector's own first growth is to four; most Workspaces have fewer namespaces than that.
                    .or_insert_with(|| Vec::with_capacity(1))
                    .push(name.clone());
            }
        }
        put
    }

    fn forget_member(&mut self, workspace: &Text, name: &Text) {
        if let Some(list) = self.members.get_mut(workspace) {
            list.retain(|member| member != name);
            if list.is_empty() {
                self.members.remove(workspace);
            }
        }
    }

    /// The name as it is kept already.
    pub(crate) fn known_name(&self, name: &Text) -> Option<Text> {
        self.workspaces
            .kept(name)
            .or_else(|| self.templates.kept(name))
            .or_else(|| {
                self.members
                    .get_key_value(name)
                    .map(|(kept, _)| kept.clone())
            })
    }

    /// Namespaces of a Workspace, in no particular order.
    pub(crate) fn members(&self, workspace: &Text) -> &[Text] {
        self.members.get(workspace).map_or(&[], Vec::as_slice)
    }

    /// The garbage collector would delete it.
    pub(crate) fn armed(&self, namespace: &Namespace) -> bool {
        namespace.dangles(|workspace| self.workspaces.get(workspace).map(|live| live.uid))
    }
}
