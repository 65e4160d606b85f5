//! The end of the kind FederatedWorkspace. Every FederatedWorkspace goes with its definition, and KubeFed's finalizer deletes
//! their Workspaces: nobody wished for that of one whose WorkspaceTemplate stands.

use crate::{
    effect::{CauseKind, Effect},
    facts::{Feed, FeedState},
    federation::Federation,
    feeds::federated_workspaces,
    id::Text,
    objects::FEDERATED_WORKSPACE,
    time::Time,
};

/// The definition, as finding and hold name it.
pub(crate) const DEFINITION: &str = "federatedworkspaces.types.kubefed.io";
/// FederatedWorkspaces that go although their templates stand, from which on it is the kind and not a few objects: fewer can
/// be somebody's repair by hand.
const BULK: usize = 3;

impl Federation {
    /// Takes the definition of a kind. Its deletionTimestamp comes before that of any object.
    pub(crate) fn definition(
        &mut self,
        kind: Text,
        terminating: Option<bool>,
        now: Time,
    ) -> Vec<Effect> {
        self.registry.definition(kind, terminating);
        self.risk_stale = true;
        self.diagnosis_stale = true;
        self.diagnose(now)
    }

    /// The definition is being deleted.
    pub(crate) fn kind_dies(&self) -> bool {
        self.registry.kind_dies(&Text::from(FEDERATED_WORKSPACE))
    }

    /// Most FederatedWorkspaces go while their templates stand: the definition's own end may be seen late, or never.
    pub(crate) fn goes_in_bulk(&self) -> bool {
        let bereft = self.bereft.len();
        bereft >= BULK && bereft * 2 > self.objects.count(FEDERATED_WORKSPACE)
    }

    /// FederatedWorkspaces go because all of them do.
    pub(crate) fn kind_goes(&self) -> bool {
        self.kind_dies() || self.goes_in_bulk()
    }

    /// The kind's end as a named cause, while it can take a Workspace that is wished for. Looks at each FederatedWorkspace
    /// only until the first of them.
    pub(crate) fn kind_cause(&self) -> Option<(CauseKind, Text)> {
        let takes = || {
            !self.bereft.is_empty()
                || self
                    .objects
                    .workspace_names()
                    .any(|name| self.template_may_stand(name))
        };
        (self.kind_goes() && takes()).then(cause)
    }

    /// That cause, if it is what deletes this Workspace.
    pub(crate) fn kind_takes(&self, workspace: &Text) -> Option<(CauseKind, Text)> {
        (self.kind_goes() && self.template_may_stand(workspace)).then(cause)
    }

    /// The cause stood at the last diagnosis.
    pub(crate) fn kind_stands(&self) -> bool {
        let mut standing = self.standing.iter();
        standing.any(|(kind, _)| *kind == CauseKind::FederatedKindDeleted)
    }

    /// What the live reads of a deletion found: the kind's end, which its own watch may tell later.
    pub(crate) fn kind_took(&mut self, workspace: &Text, now: Time) {
        let (kind, subject) = cause();
        self.hold.raise(kind, subject, None, now);
        self.hold.subsume(workspace);
    }

    /// A FederatedWorkspace or its template moved: does the diagnosis still hold? `in_bulk` as it was before.
    pub(crate) fn follow_kind(&mut self, name: &Text, in_bulk: bool) {
        let ward = || self.objects.workspace(name).is_some() && self.template_may_stand(name);
        let moved =
            self.goes_in_bulk() != in_bulk || (self.kind_goes() && ward() != self.kind_stands());
        self.risk_stale |= moved;
        self.diagnosis_stale |= moved;
    }

    /// A WorkspaceTemplate of this name stands as far as is known; before they are read any may.
    pub(crate) fn template_may_stand(&self, name: &Text) -> bool {
        match self.tenants.template(name) {
            Some(row) => !row.deleting,
            None => !self.known(&Feed::Templates) && !self.is_absent(&Feed::Templates),
        }
    }

    /// Whether the kind's end would be seen.
    pub(crate) fn kind_is_seen(&self, now: Time) -> bool {
        self.is_fresh(&Feed::Definitions, now)
    }

    /// There is no such kind, by both watches, and nothing of it is left that KubeFed could delete by.
    pub(crate) fn kind_is_gone(&self, now: Time) -> bool {
        self.kind_is_seen(now)
            && self.registry.definitions.iter().next().is_none()
            && self.is_absent(&federated_workspaces())
            && self.objects.count(FEDERATED_WORKSPACE) == 0
    }

    fn is_absent(&self, feed: &Feed) -> bool {
        let health = self.feeds.get(feed);
        health.is_some_and(|health| health.state == FeedState::NotInstalled)
    }
}

fn cause() -> (CauseKind, Text) {
    (CauseKind::FederatedKindDeleted, Text::from(DEFINITION))
}
