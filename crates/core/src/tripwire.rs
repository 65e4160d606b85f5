//! The tripwire: the first sign of a Workspace's death, and whether anybody wished it.

use crate::{
    effect::{CauseKind, Effect},
    facts::{Desired, Managed, Workspace},
    federation::{Federation, LiveKind, LiveWish},
    feeds::federated_workspaces,
    id::{Text, Uid},
    ledger::NOBODY,
    losses::Excuse,
    objects::Row,
    tenants::Life,
    time::Time,
};

/// A template that went while its Workspace seemed to live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Former {
    uid: Uid,
    pub(crate) at: Time,
    /// The deletion that it explains was seen: the Workspace that lives is another template's.
    spent: bool,
}

impl Former {
    fn of(uid: Uid, at: Time) -> Self {
        Self {
            uid,
            at,
            spent: false,
        }
    }
}

/// A watch that was away comes back within this time of another, in milliseconds: twice the longest pause between tries.
pub(crate) const FORMER_MS: i64 = 60_000;

impl Federation {
    /// Takes a Workspace. Everything on this path is a look-up.
    pub(crate) fn workspace(
        &mut self,
        name: &Text,
        facts: Option<Workspace>,
        now: Time,
    ) -> Vec<Effect> {
        let before = self.tenants.workspace(name).copied();
        let Some(life) = self.tenants.put_workspace(name, facts) else {
            return Vec::new();
        };
        let marked = facts.or(before).unwrap_or_default();
        if let Life::Replaced(uid) = life {
            // Seen together: the former was wished for by the template that went, if one did.
            let wish = self.wish(name);
            let renewed = self.former.get(name).is_some_and(|f| !f.spent);
            let wish = if renewed { !wish } else { wish };
            self.ledger.died(name, uid, wish);
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
        let effects = match life {
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
        };
        // No former template has a part in what becomes of a new Workspace.
        if facts.is_some_and(|live| before.is_none_or(|old| old.uid != live.uid)) {
            self.former.remove(name);
        }
        effects
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
            let members: Vec<Text> = self.tenants.members(name).cloned().collect();
            for member in members {
                self.rearm(&member, now);
            }
        }
    }

    fn unexpected(&mut self, name: &Text, uid: Uid, now: Time) -> Vec<Effect> {
        self.excuses.remove(name);
        // A named cause that covers this Workspace, or did a moment ago, accounts for the deletion.
        let cause = self
            .covering_cause(name)
            .or_else(|| self.echoed_cause(name, now));
        if let Some((kind, subject)) = cause {
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
        let template = self.tenants.template(name);
        let by_template = template.is_some_and(|row| !self.row_wishes(row));
        let by_federated = match self.objects.workspace(name) {
            // By a person, for KubeSphere to make it anew, or with its kind: watches of two kinds are not ordered, so the
            // caches cannot tell.
            Some(row) if row.deleting && self.template_may_stand(name) => false,
            Some(row) => !self.row_wishes(row),
            // Nothing wishes for it, and KubeFed does not know it: its owner's own business.
            None => !managed && self.known(&federated_workspaces()),
        };
        by_template || by_federated
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
        // What goes while its template is there was wished only if its kind stands.
        let bereft = wish.is_bereft();
        let with_kind = bereft && (wish.kind == LiveKind::Goes || self.kind_goes());
        let by_itself = !bereft || (wish.kind == LiveKind::Stands && !with_kind);
        let by_federated = by_itself && wish.federated.as_ref().is_none_or(unwished);
        // Who deleted one template and made another wished the Workspace anew as well.
        let former = self.suspects.remove(workspace);
        let now_wished_by = wish.template.as_ref().map(|template| template.uid);
        let renewed = former
            .zip(now_wished_by)
            .is_some_and(|(former, uid)| former != uid);
        if let (true, Some(uid)) = (renewed, former) {
            let spent = Former {
                spent: true,
                ..Former::of(uid, now)
            };
            self.former.insert(workspace.clone(), spent);
        }
        let explained = by_federated || renewed || wish.template.as_ref().is_some_and(unwished);
        if !self.hold.verified(workspace, explained) {
            return;
        }
        if with_kind && !explained {
            self.kind_took(workspace, now);
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

    /// A template went, or another of its name came. A Workspace that it left alive may have been deleted with it, although
    /// we see that later: watches of two kinds that were away come back in any order.
    pub(crate) fn template_went(&mut self, name: &Text, uid: Uid, now: Time) {
        let survivor = self.tenants.workspace(name);
        let told = self.former.get(name).is_some_and(|known| known.uid == uid);
        let room = self.former.len() < crate::losses::MAX_EXCUSES;
        if room && !told && survivor.is_some_and(|workspace| !workspace.deleting) {
            self.former.insert(name.clone(), Former::of(uid, now));
        }
    }

    /// Of which template a deletion is to be judged: the one that may have taken the Workspace along, else the present one.
    fn wisher(&self, name: &Text) -> Option<Uid> {
        let former = self.former.get(name).filter(|former| !former.spent);
        let former = former.map(|former| former.uid);
        former.or_else(|| Some(self.tenants.template(name)?.uid))
    }

    fn excuse(&mut self, workspace: &Text, now: Time) {
        if self.excuses.len() < crate::losses::MAX_EXCUSES || self.excuses.contains_key(workspace) {
            self.excuses.insert(workspace.clone(), Excuse::at(now));
        }
    }

    /// Identity of the desired objects, to tell a fight from a person's own recreation; [`NOBODY`] if there are none.
    pub(crate) fn wish(&self, name: &Text) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let rows = [self.objects.workspace(name), self.tenants.template(name)];
        if rows.iter().all(Option::is_none) {
            return NOBODY;
        }
        let mut hasher = DefaultHasher::new();
        for row in rows {
            row.map(|row| (row.uid, row.generation)).hash(&mut hasher);
        }
        hasher.finish()
    }
}
