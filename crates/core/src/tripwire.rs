//! The tripwire: the first sign of a Workspace's death, and whether anybody wished it.

use crate::{
    effect::{CauseKind, Effect},
    facts::{Desired, Managed, Workspace},
    federation::{Federation, LiveWish},
    feeds::federated_workspaces,
    id::{Text, Uid},
    losses::Excuse,
    objects::{FEDERATED_WORKSPACE, Row},
    tenants::Life,
    time::Time,
};

/// The object that wishes for a Workspace: its template, or where there is none its FederatedWorkspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wisher {
    /// The WorkspaceTemplate of this UID.
    Template(Uid),
    /// The FederatedWorkspace of this UID.
    Federated(Uid),
}

impl Wisher {
    /// Another object of its name wishes now: who deleted the first and made the second wished the Workspace anew as well.
    /// It shows where a watch was away meanwhile, and Workspaces were listed before the objects that wish for them.
    fn renewed_by(self, wish: &LiveWish) -> bool {
        let (former, now) = match self {
            Self::Template(uid) => (uid, &wish.template),
            Self::Federated(uid) => (uid, &wish.federated),
        };
        now.as_ref().is_some_and(|desired| desired.uid != former)
    }
}

impl Federation {
    /// Takes a Workspace. Everything on this path is a look-up.
    pub(crate) fn workspace(
        &mut self,
        name: &Text,
        facts: Option<Workspace>,
        now: Time,
    ) -> Vec<Effect> {
        let before = self.tenants.workspaces.get(name).copied();
        let Some(life) = self.tenants.put_workspace(name, facts) else {
            return Vec::new();
        };
        let marked = facts.or(before).unwrap_or_default();
        if let Life::Replaced(uid) = life {
            self.ledger.died(name, uid, self.wish(name));
        }
        // Counted before its own death is recorded: it may be dying at first sight.
        if let Some(live) = facts
            && !marked.ignored
            && before.is_none_or(|old| old.uid != live.uid)
        {
            self.ledger
                .lives(name, live.uid, self.wish(name), now, &self.policy.churn);
        }
        if let Life::Dying(uid) = life {
            self.ledger.died(name, uid, self.wish(name));
        }
        self.workspace_moved(name, before, facts, now);
        match life {
            Life::Dying(_) | Life::Replaced(_) if marked.ignored => {
                self.excuse(name, now);
                Vec::new()
            }
            Life::Dying(uid) | Life::Replaced(uid) => {
                if self.explained(name, marked.managed == Managed::Yes) {
                    Vec::new()
                } else {
                    self.unexpected(name, uid, now)
                }
            }
            Life::Goes | Life::Born | Life::Dead => Vec::new(),
        }
    }

    /// What hangs on a Workspace's UID and on its being in KubeFed's care.
    fn workspace_moved(
        &mut self,
        name: &Text,
        before: Option<Workspace>,
        facts: Option<Workspace>,
        now: Time,
    ) {
        let care = |w: Option<Workspace>| w.map(|w| (w.managed, w.ignored));
        if care(before) != care(facts) && self.objects.danger_of_workspace(name).is_some() {
            self.risk_stale = true;
            self.diagnosis_stale = true;
        }
        if before.map(|w| w.uid) != facts.map(|w| w.uid) {
            for member in self.tenants.members(name).to_vec() {
                self.rearm(&member, now);
            }
        }
    }

    fn unexpected(&mut self, name: &Text, uid: Uid, now: Time) -> Vec<Effect> {
        self.excuses.remove(name);
        // A named cause that covers this Workspace accounts for the deletion.
        if let Some((kind, subject)) = self.covering_cause(name) {
            self.ledger.unexpected(name, now);
            self.hold.raise(kind, subject, None, now);
            return self.hold.plan(now);
        }
        let fresh = self
            .hold
            .raise(CauseKind::UnexpectedDeletion, name.clone(), Some(uid), now);
        let mut effects = self.hold.plan(now);
        if fresh {
            self.ledger.suspect(name, now);
            if let Some(wisher) = self.wisher(name) {
                self.suspects.insert(name.clone(), wisher);
            }
            effects.push(Effect::Verify(name.clone(), uid));
        } else if !self.hold.verifying(name, now) {
            self.ledger.unexpected(name, now);
        }
        effects
    }

    /// The caches know a reason for this deletion. What they do not know, live reads decide after the hold.
    fn explained(&self, name: &Text, managed: bool) -> bool {
        let template = self.tenants.templates.get(name);
        let by_template = template.is_some_and(|row| !self.row_wishes(row));
        let by_federated = match self.objects.workspace(name) {
            Some(row) => !(self.row_wishes(row) || self.goes_with_its_kind(template.is_some())),
            // Nothing wishes for it, and KubeFed does not know it: its owner's own business.
            None => !managed && self.known(&federated_workspaces()),
        };
        by_template || by_federated
    }

    /// FederatedWorkspaces go because their kind is being deleted: that is nobody's wish about one of them, while its
    /// WorkspaceTemplate stands.
    fn goes_with_its_kind(&self, template_stands: bool) -> bool {
        template_stands && self.registry.kind_dies(&Text::from(FEDERATED_WORKSPACE))
    }

    /// The object asks for a Workspace on this server.
    pub(crate) fn row_wishes(&self, row: &Row) -> bool {
        !row.deleting && self.registry.places_here(row.placement.placement())
    }

    /// Live reads of the desired objects came back; None: they failed, and nothing is known.
    pub fn verified(&mut self, workspace: &Text, wish: Option<LiveWish>, now: Time) -> Vec<Effect> {
        let Some(wish) = wish else {
            return self.hold.plan(now);
        };
        // Which name is this server's is not known before the registrations are: the deletion stays held until then.
        let readable_soon =
            !self.registry.is_complete() && !self.answered_by(&crate::facts::Feed::Registrations);
        if readable_soon && wish.federated.as_ref().is_some_and(|d| !d.deleting) {
            if self.hold.verifying(workspace, now) {
                self.undecided.insert(workspace.clone(), wish);
            }
            return self.hold.plan(now);
        }
        self.conclude(workspace, &wish, now);
        self.hold.plan(now)
    }

    fn conclude(&mut self, workspace: &Text, wish: &LiveWish, now: Time) {
        let unwished = |d: &Desired| d.deleting || !self.registry.places_here(&d.placement);
        let by_federated = wish.federated.as_ref().is_none_or(unwished)
            && !self.goes_with_its_kind(wish.template.is_some());
        let renewed = self
            .suspects
            .remove(workspace)
            .is_some_and(|former| former.renewed_by(wish));
        let explained = by_federated || renewed || wish.template.as_ref().is_some_and(unwished);
        if !self.hold.verified(workspace, explained) {
            return;
        }
        if explained {
            self.ledger.explained(workspace);
            self.excuse(workspace, now);
        } else {
            self.ledger.unexpected(workspace, now);
        }
        self.risk_stale = true;
        self.settle_losses(now);
    }

    /// The registrations were read: live reads that waited for them are decided.
    pub(crate) fn decide_undecided(&mut self, now: Time) -> Vec<Effect> {
        if !self.answered_by(&crate::facts::Feed::Registrations) {
            return Vec::new();
        }
        for (workspace, wish) in std::mem::take(&mut self.undecided) {
            self.conclude(&workspace, &wish, now);
        }
        self.hold.plan(now)
    }

    fn wisher(&self, name: &Text) -> Option<Wisher> {
        let template = self.tenants.templates.get(name);
        let template = template.map(|row| Wisher::Template(row.uid));
        let federated = || {
            self.objects
                .workspace(name)
                .map(|row| Wisher::Federated(row.uid))
        };
        template.or_else(federated)
    }

    fn excuse(&mut self, workspace: &Text, now: Time) {
        if self.excuses.len() < crate::losses::MAX_EXCUSES || self.excuses.contains_key(workspace) {
            self.excuses.insert(workspace.clone(), Excuse::at(now));
        }
    }

    /// Identity of the desired objects, to tell a fight from a person's own recreation.
    pub(crate) fn wish(&self, name: &Text) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        for row in [
            self.objects.workspace(name),
            self.tenants.templates.get(name),
        ] {
            row.map(|row| (row.uid, row.generation)).hash(&mut hasher);
        }
        hasher.finish()
    }
}
