//! Which named causes stand, and what they put at risk.

use std::collections::BTreeSet;

use crate::{
    effect::{CauseKind, Effect},
    facts::{Managed, ObjectKey, Readiness},
    federation::{Federation, Risk, RiskLine},
    feeds::LAG_MS,
    findings::{MAX_NAMES, object_name},
    id::Text,
    objects::{FEDERATED_WORKSPACE, cluster_key},
    placement::Fate,
    registry::{Danger, RealCluster},
    text::clip,
    time::Time,
};

/// Bytes of a subject: that of a hold's cause in the CRD.
const MAX_SUBJECT: usize = 512;
/// Between the names of one real cluster.
const AND: &str = " and ";

impl Federation {
    /// Registrations or control planes changed: everything that rests on them is worked out afresh.
    pub(crate) fn regroup(&mut self, now: Time) -> Vec<Effect> {
        self.regroup_due = false;
        let before = self.in_danger_here();
        self.registry.regroup();
        self.objects.rejudge(&self.registry);
        for (workspace, cause) in before {
            self.leave_echo(&workspace, cause, now);
        }
        self.cover();
        self.risk_stale = true;
        self.diagnosis_stale = true;
        self.diagnose(now)
    }

    /// The federation rule covers the guarded namespace in any case, then planes that work, then every other sign of one.
    pub(crate) fn cover(&mut self) {
        let mut namespaces = vec![self.policy.namespace.clone()];
        namespaces.extend(self.registry.working_planes().into_keys());
        namespaces.extend(self.registry.planes());
        self.hold.cover(namespaces);
    }

    /// Takes the causes that stand to the hold, and gives what that asks for at once. Looks at the dangerous placements only
    /// if something they rest on changed.
    pub(crate) fn diagnose(&mut self, now: Time) -> Vec<Effect> {
        if std::mem::take(&mut self.diagnosis_stale) {
            self.standing = self.causes();
            self.subsume(now);
        }
        let sure = self.sure(now);
        let (doubtful, seen) = (self.doubtful(), self.kind_is_seen(now));
        self.hold.diagnose(
            &self.standing,
            |kind, subject| {
                let sure = sure && (kind != CauseKind::FederatedKindDeleted || seen);
                sure && !subject.split(AND).any(|name| doubtful.contains(name))
            },
            now,
        );
        self.hold.plan(now)
    }

    fn causes(&self) -> BTreeSet<(CauseKind, Text)> {
        let mut causes: BTreeSet<_> = self.kind_cause().into_iter().collect();
        for (danger, kind, members) in self.objects.endangered() {
            if let Some(cause) = self.named_cause(danger)
                && !causes.contains(&cause)
                && members
                    .iter()
                    .any(|key| self.endangers(&danger, kind, &key) || self.is_shielded(kind, &key))
            {
                causes.insert(cause);
            }
        }
        causes
    }

    /// The cause that this danger is, if it is this server's: what happens in members is none that a hold here could stop.
    pub(crate) fn named_cause(&self, danger: Danger) -> Option<(CauseKind, Text)> {
        let real = self.real_here(danger)?;
        let kind = match danger.fate {
            Fate::Lost { .. } => CauseKind::SelectedNowhere,
            _ if real.across_planes() => CauseKind::SecondControlPlane,
            _ => CauseKind::DoubledRegistration,
        };
        Some((kind, self.subject_of(danger.cluster)))
    }

    fn real_here(&self, danger: Danger) -> Option<&RealCluster> {
        let real = self.registry.real().get(danger.cluster)?;
        self.registry.is_here(real).then_some(real)
    }

    /// The danger is one to this object. A Workspace that is out of KubeFed's care is in none; one that does not exist here
    /// cannot be lost, but is created by a loop.
    pub(crate) fn endangers(&self, danger: &Danger, kind: &str, key: &ObjectKey) -> bool {
        if kind != FEDERATED_WORKSPACE {
            return true;
        }
        let live = self.tenants.workspace(&key.name);
        match danger.fate {
            Fate::Lost { .. } => live.is_some_and(|w| !w.ignored && w.managed == Managed::Yes),
            _ => live.is_none_or(|w| !w.ignored && w.managed != Managed::No),
        }
    }

    /// Only our label keeps it out of the danger. The hold stays for it: the cure by itself needs the hold, and the label goes
    /// when the danger does.
    fn is_shielded(&self, kind: &str, key: &ObjectKey) -> bool {
        kind == FEDERATED_WORKSPACE && self.shielded.contains(&key.name)
    }

    /// Deletions that a named cause accounts for need no cause of their own, and a hold whose record was lost none either.
    fn subsume(&mut self, now: Time) {
        let covered: Vec<(Text, bool)> = self
            .hold
            .unexplained()
            .filter(|(name, _)| self.covering_cause(name).is_some())
            .map(|(name, verifying)| (name.clone(), verifying))
            .collect();
        for (workspace, verifying) in covered {
            self.hold.subsume(&workspace);
            if verifying {
                self.ledger.unexpected(&workspace, now);
                self.settle_losses(now);
            }
        }
        if !self.standing.is_empty() {
            self.hold.account_for_unrecorded();
        }
    }

    /// The named cause whose placements this Workspace's is one of.
    pub(crate) fn danger_here(&self, workspace: &Text) -> Option<(CauseKind, Text)> {
        self.named_cause(self.objects.danger_of_workspace(workspace)?)
    }

    /// The named cause that deletes this Workspace, and stands: what is already gone cannot be lost again, and needs a cause
    /// of its own.
    pub(crate) fn covering_cause(&self, workspace: &Text) -> Option<(CauseKind, Text)> {
        let by_registration = || {
            let danger = self.objects.danger_of_workspace(workspace)?;
            let cause = self.named_cause(danger)?;
            let covers = self.endangers(&danger, FEDERATED_WORKSPACE, &cluster_key(workspace))
                || (matches!(danger.fate, Fate::Lost { .. }) && self.standing.contains(&cause));
            covers.then_some(cause)
        };
        self.kind_takes(workspace).or_else(by_registration)
    }

    /// Workspaces that a named cause puts in danger, whether they exist right now or not.
    fn in_danger_here(&self) -> Vec<(Text, (CauseKind, Text))> {
        let mut found = Vec::new();
        for (danger, kind, members) in self.objects.endangered() {
            if &**kind == FEDERATED_WORKSPACE
                && let Some(cause) = self.named_cause(danger)
            {
                found.extend(members.iter().map(|key| (key.name.clone(), cause.clone())));
            }
        }
        found
    }

    /// A Workspace was in danger from this cause: if it no longer is, a deletion may be on its way yet. A real KubeFed's last
    /// one was while the registration was taken away. At most the Workspaces that were in danger are kept, until a tick after
    /// [`LAG_MS`].
    pub(crate) fn leave_echo(&mut self, workspace: &Text, cause: (CauseKind, Text), now: Time) {
        let danger = self.objects.danger_of_workspace(workspace);
        if danger.is_none_or(|danger| self.real_here(danger).is_none()) {
            self.echoes.insert(workspace.clone(), (cause, now));
        }
    }

    /// The named cause that deleted this Workspace a moment after it was gone. It ends as such a cause does; one of its own
    /// would stand until a person ended it.
    pub(crate) fn echoed_cause(&self, workspace: &Text, now: Time) -> Option<(CauseKind, Text)> {
        let (cause, at) = self.echoes.get(workspace)?;
        (now.since_ms(*at) < LAG_MS).then(|| cause.clone())
    }

    /// Registrations that KubeFed works through and that no probe has identified: as long as a name is among them, nobody
    /// can say that it is not the cluster it was held for.
    fn doubtful(&self) -> BTreeSet<String> {
        if !self.policy.probing || !self.hold.stands() {
            return BTreeSet::new();
        }
        self.registry
            .entries
            .iter()
            .filter(|(_, e)| e.identity.is_none() && e.facts.ready == Readiness::True)
            .map(|(key, _)| key.to_string())
            .collect()
    }

    /// The registrations of a real cluster, as messages name them.
    pub(crate) fn subject_of(&self, cluster: usize) -> Text {
        let names: Vec<String> = self
            .registry
            .real()
            .get(cluster)
            .into_iter()
            .flat_map(|real| real.members.iter().map(ToString::to_string))
            .collect();
        Text::from(clip(&names.join(AND), MAX_SUBJECT))
    }

    /// What is at risk in one real cluster, by kind and placement; as of the last assessment.
    pub(crate) fn risk_in(&self, cluster: usize) -> impl Iterator<Item = &RiskLine> {
        self.risk
            .lines
            .iter()
            .filter(move |line| line.danger.cluster == cluster)
    }

    /// Brings the list of what is at risk up to date, if anything it rests on changed. Costs the size of what is at risk.
    pub(crate) fn refresh_risk(&mut self, now: Time) {
        if !std::mem::take(&mut self.risk_stale) {
            return;
        }
        let mut risk = Risk::default();
        for (danger, kind, members) in self.objects.endangered() {
            let here = self
                .registry
                .real()
                .get(danger.cluster)
                .is_some_and(|real| self.registry.is_here(real));
            let mut line = RiskLine {
                danger,
                kind: kind.clone(),
                count: 0,
                names: Vec::new(),
            };
            for key in members
                .iter()
                .filter(|key| self.endangers(&danger, kind, key))
            {
                line.count += 1;
                if line.names.len() < MAX_NAMES {
                    line.names.push(object_name(&key));
                }
                if &**kind != FEDERATED_WORKSPACE {
                    risk.objects.insert((kind.clone(), key.clone()));
                } else if risk.workspaces.insert(key.name.clone()) && here {
                    risk.namespaces += self.tenants.members(&key.name).count();
                }
            }
            if line.count > 0 {
                risk.lines.push(line);
            }
        }
        if self.kind_stands() {
            let names = self.objects.workspace_names();
            for name in names.filter(|name| self.template_may_stand(name)) {
                if self.tenants.workspace(name).is_some() && risk.workspaces.insert(name.clone()) {
                    risk.namespaces += self.tenants.members(name).count();
                }
            }
        }
        for (name, _) in self.hold.unexplained() {
            if !self.hold.verifying(name, now) && risk.workspaces.insert(name.clone()) {
                risk.namespaces += self.tenants.members(name).count();
            }
        }
        self.risk = risk;
    }
}
