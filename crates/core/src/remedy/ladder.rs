//! Which rungs the present danger asks for, least harm first.

use std::collections::BTreeSet;

use super::{
    Around, Remedy,
    brake::Brake,
    experiment::unforeseen,
    gate::not_ours,
    plan::Wish,
    rung::{Kind, MAX_TARGETS, Rung, Target, Value},
};
use crate::{
    effect::CauseKind,
    facts::{Managed, Workspace},
    federation::Federation,
    findings::{count, some_names},
    id::{Text, Uid},
    objects::FEDERATED_WORKSPACE,
    placement::Fate,
    registry::{Danger, RealCluster},
    time::Time,
};

/// Why KubeFed is stopped for the end of the kind FederatedWorkspace; a hold here does not reach the members.
const KIND_GOES: &str = "the kind FederatedWorkspace is being deleted, and its finalizer deletes every Workspace in every member";

/// A danger and what is in it.
pub(crate) struct Peril<'a> {
    pub(crate) danger: Danger,
    pub(crate) real: &'a RealCluster,
    /// Workspaces of this server that live and are KubeFed's.
    pub(crate) workspaces: Vec<(Text, Uid)>,
    /// Workspaces in danger that are being deleted or are not there right now.
    pub(crate) unsteady: Vec<Text>,
    /// Objects that no label on a Workspace saves: other kinds, and all in a remote member.
    pub(crate) others: usize,
}

/// Every danger that is certain enough to act on, in a stable order. Suspicions never get here: the registry simulates
/// certain groups alone.
pub(crate) fn perils(federation: &Federation) -> Vec<Peril<'_>> {
    let mut perils: Vec<Peril<'_>> = Vec::new();
    for (danger, kind, members) in federation.objects.endangered() {
        let Some(real) = federation.registry.real().get(danger.cluster) else {
            continue;
        };
        let same = |p: &Peril<'_>| {
            p.danger.cluster == danger.cluster && same_fate(p.danger.fate, danger.fate)
        };
        let at = perils.iter().position(same).unwrap_or_else(|| {
            perils.push(Peril {
                danger,
                real,
                workspaces: Vec::new(),
                unsteady: Vec::new(),
                others: 0,
            });
            perils.len() - 1
        });
        let peril = &mut perils[at];
        for key in members
            .iter()
            .filter(|key| federation.endangers(&danger, kind, key))
        {
            if &**kind != FEDERATED_WORKSPACE || !real.host {
                peril.others += 1;
                continue;
            }
            match federation.tenants.workspace(&key.name) {
                Some(Workspace {
                    uid,
                    deleting: false,
                    managed: Managed::Yes,
                    ..
                }) => {
                    peril.workspaces.push((key.name.clone(), *uid));
                }
                _ => peril.unsteady.push(key.name.clone()),
            }
        }
    }
    perils
}

/// KubeFed's Deployments that want replicas, in order.
fn running(federation: &Federation) -> Vec<Target> {
    let controllers = federation.registry.controllers.iter();
    let mut targets: Vec<Target> = controllers
        .filter(|(_, controller)| controller.replicas != 0)
        .map(|((namespace, name), controller)| Target {
            kind: Kind::Deployment,
            namespace: namespace.clone(),
            name: name.clone(),
            uid: controller.uid,
        })
        .collect();
    targets.sort();
    targets
}

/// No registration leads to another cluster: a hold here covers all that KubeFed can delete.
fn only_here(federation: &Federation) -> bool {
    federation.registry.real().iter().all(|real| real.host)
}

fn same_fate(a: Fate, b: Fate) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

impl Peril<'_> {
    /// Workspaces of this server that are in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Text> {
        let steady = self.workspaces.iter().map(|(name, _)| name);
        steady.chain(&self.unsteady)
    }

    /// Nothing is in it any more: all was shielded.
    pub(crate) fn is_averted(&self) -> bool {
        self.workspaces.is_empty() && self.unsteady.is_empty() && self.others == 0
    }

    fn why(&self, federation: &Federation) -> String {
        let subject = federation.subject_of(self.danger.cluster);
        match self.danger.fate {
            Fate::Lost { .. } => {
                format!("KubeFed deletes it: its placement selects no name of {subject}")
            }
            _ if self.real.across_planes() => format!(
                "two control planes work on {subject}, and one deletes what the other creates"
            ),
            _ => format!(
                "{subject} are one cluster, and KubeFed deletes through one name what it creates through the other"
            ),
        }
    }

    fn evidence(&self) -> Vec<String> {
        self.real.evidence.iter().map(ToString::to_string).collect()
    }

    /// The cause's kind, for what must agree with the hold.
    pub(crate) fn cause(&self) -> CauseKind {
        match self.danger.fate {
            Fate::Lost { .. } => CauseKind::SelectedNowhere,
            _ if self.real.across_planes() => CauseKind::SecondControlPlane,
            _ => CauseKind::DoubledRegistration,
        }
    }
}

impl Remedy {
    /// What the ladder wishes now. A rung is wished only for what no lower one covers.
    pub(super) fn wishes(&self, federation: &Federation, around: Around, now: Time) -> Vec<Wish> {
        let perils = perils(federation);
        // Where rung 1 is in force and proven nothing is urgent, and every further rung harms more.
        let urgent: Vec<&Peril<'_>> = perils
            .iter()
            .filter(|peril| !(around.held && peril.real.host))
            .collect();
        let workspaces: usize = urgent.iter().map(|peril| peril.workspaces.len()).sum();
        // More than one act labels are not covered by it.
        let crowded = workspaces > MAX_TARGETS;
        let (mut arms, mut shields, mut uncovered) = (Vec::new(), Vec::new(), Vec::new());
        for peril in urgent {
            let wished = self.shields(federation, peril);
            let covered = !crowded
                && peril.unsteady.is_empty()
                && peril.others == 0
                && wished.len() == peril.workspaces.len()
                && wished.iter().all(|wish| self.saves(wish, now));
            if !covered {
                uncovered.push(peril);
            }
            arms.extend(self.arms(federation, peril));
            shields.extend(wished);
        }
        arms.truncate(MAX_TARGETS);
        shields.truncate(MAX_TARGETS);
        let mut freezes = self.freezes(federation, &uncovered);
        let kind_goes = federation.kind_stands() && !(around.held && only_here(federation));
        if kind_goes {
            freezes = self.stop(federation, KIND_GOES, &[]);
        } else if perils.is_empty() && !around.held && !self.foreign_plane(now) {
            freezes = self.stops(federation, now);
        }
        let (mut wishes, waiting) = self.retains(federation, around, now);
        // A Workspace that is recreated several times a second cannot be labelled before it is deleted again.
        let storm = kind_goes || crowded || perils.iter().any(|peril| !peril.unsteady.is_empty());
        if storm && self.allows_now(Rung::FreezeControllers) {
            wishes.splice(0..0, std::mem::take(&mut freezes));
        }
        wishes.extend(arms);
        wishes.extend(shields);
        wishes.extend(freezes);
        wishes.extend(waiting);
        wishes.extend(self.canaries(federation, now));
        wishes.extend(self.disarms(federation, now));
        wishes.extend(self.cures(federation, around, now));
        wishes
    }

    /// The wish keeps its object, as far as is known: it may be carried out now and its rung can be relied on, or it has been
    /// already and the watch is late.
    fn saves(&self, wish: &Wish, now: Time) -> bool {
        let key = (wish.rung, wish.target.clone());
        let seen = self.seen.get(&key).and_then(|(seen, _)| seen.as_ref());
        let done = seen.is_some_and(|seen| seen.value == wish.to);
        let hindered = seen
            .and_then(|seen| not_ours(wish.rung, &wish.target, seen))
            .is_some()
            || wish.against.is_some()
            || self.cooling(wish, now).is_some()
            || self.patience.fails(wish.rung, &wish.target);
        self.allows(wish.rung, &wish.target, &wish.to, now) && (done || !hindered)
    }

    /// Workspaces that are out of KubeFed's care by our label, and will be in it again.
    pub(super) fn shielded(&self) -> BTreeSet<Text> {
        let records = self.journal.records().iter();
        records
            .filter(|r| r.rung == Rung::ShieldWorkspaces && (r.stands() || r.unsettled()))
            .map(|r| r.target.name.clone())
            .collect()
    }

    fn shields(&self, federation: &Federation, peril: &Peril<'_>) -> Vec<Wish> {
        self.on_workspaces(federation, peril, Rung::ShieldWorkspaces, "false")
    }

    fn arms(&self, federation: &Federation, peril: &Peril<'_>) -> Vec<Wish> {
        let mut wishes = self.on_workspaces(federation, peril, Rung::ArmOrphan, "true");
        let armed = |w: &Wish| {
            federation
                .tenants
                .workspace(&w.target.name)
                .is_some_and(|w| w.orphan)
        };
        wishes.retain(|wish| !armed(wish));
        wishes
    }

    fn on_workspaces(
        &self,
        federation: &Federation,
        peril: &Peril<'_>,
        rung: Rung,
        to: &str,
    ) -> Vec<Wish> {
        let wish = |(name, uid): &(Text, Uid)| {
            let target = Target {
                kind: Kind::Workspace,
                namespace: Text::default(),
                name: name.clone(),
                uid: *uid,
            };
            Wish {
                rung,
                against: self.known_against(rung, &target),
                target,
                to: Value::new(to),
                why: peril.why(federation),
                evidence: peril.evidence(),
            }
        };
        peril
            .workspaces
            .iter()
            .take(MAX_TARGETS)
            .map(wish)
            .collect()
    }

    /// The control planes that do it. Of two planes the rival is stopped, not the guarded one: the federation goes on.
    fn freezes(&self, federation: &Federation, perils: &[&Peril<'_>]) -> Vec<Wish> {
        let own = &federation.policy.namespace;
        let mut wishes: Vec<Wish> = Vec::new();
        for peril in perils {
            let planes: BTreeSet<&Text> = peril
                .real
                .members
                .iter()
                .map(|key| &key.namespace)
                .collect();
            let rivals: BTreeSet<&Text> = planes.iter().copied().filter(|ns| *ns != own).collect();
            let chosen = if peril.cause() == CauseKind::SecondControlPlane
                && !peril.real.doubled_in_one_plane()
            {
                rivals
            } else {
                planes
            };
            let names: Vec<Text> = peril
                .workspaces
                .iter()
                .map(|(name, _)| name.clone())
                .collect();
            let mut evidence = peril.evidence();
            if !names.is_empty() {
                evidence.push(format!("In danger: {}.", some_names(names.iter())));
            }
            let n = peril.unsteady.len() + peril.others;
            if n > 0 {
                evidence.push(format!("{} more that no label saves.", count(n, "object")));
            }
            for target in running(federation) {
                let known = wishes.iter().any(|w| w.target == target);
                if !known && chosen.contains(&target.namespace) {
                    wishes.push(self.freeze(target, peril.why(federation), evidence.clone()));
                }
            }
        }
        wishes.sort_by(|a, b| a.target.cmp(&b.target));
        wishes.truncate(MAX_TARGETS);
        wishes
    }

    /// Every control plane of this server, where Workspaces loop and no registration says why.
    fn stops(&self, federation: &Federation, now: Time) -> Vec<Wish> {
        let names = unforeseen(federation, now);
        if names.is_empty() {
            return Vec::new();
        }
        let why =
            "Workspaces are deleted and created again and again, and no registration says by whom";
        let evidence = vec![format!("In danger: {}.", some_names(names.iter()))];
        self.stop(federation, why, &evidence)
    }

    fn stop(&self, federation: &Federation, why: &str, evidence: &[String]) -> Vec<Wish> {
        running(federation)
            .into_iter()
            .take(MAX_TARGETS)
            .map(|target| self.freeze(target, why.to_owned(), evidence.to_vec()))
            .collect()
    }

    fn freeze(&self, target: Target, why: String, evidence: Vec<String>) -> Wish {
        Wish {
            rung: Rung::FreezeControllers,
            against: self.known_against(Rung::FreezeControllers, &target),
            target,
            to: Value::replicas(0),
            why,
            evidence,
        }
    }

    /// What the journal says against a rung on an object.
    pub(super) fn known_against(&self, rung: Rung, target: &Target) -> Option<Brake> {
        self.journal
            .contested(rung, target)
            .map(|record| Brake::Contested(record.target.clone()))
    }
}
