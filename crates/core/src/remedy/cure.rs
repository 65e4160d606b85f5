//! The rungs that mend the cause: placements off the stale name, then the stale registration itself, each only where the
//! simulation afterwards shows no loop and no loss.

use super::{
    Around, Remedy,
    brake::Brake,
    journal::State,
    ladder::{Peril, perils},
    plan::Wish,
    policy::Allowed,
    rung::{Kind, MAX_TARGETS, Rung, Target, Value},
};
use crate::{
    facts::KubeSphereCluster,
    federation::Federation,
    id::{RegistrationKey, Text},
    objects::FEDERATED_WORKSPACE,
    placement::{Fate, Placement},
    registry::RealCluster,
    staleness::{Sign, Staleness},
};

/// A registration that is proven to be a leftover, and the name that stays.
struct Stale {
    key: RegistrationKey,
    survivor: RegistrationKey,
    evidence: Vec<String>,
}

/// The one leftover of a cluster that is registered twice in one control plane. Every sign must point the same way, for both
/// names: age never counts, being unreachable never counts, and of two names in use neither is stale.
fn stale(federation: &Federation, real: &RealCluster) -> Option<Stale> {
    let [a, b] = real.members.as_slice() else {
        return None;
    };
    if a.namespace != b.namespace {
        return None;
    }
    let (key, survivor, signs) = match (federation.staleness(a), federation.staleness(b)) {
        (Staleness::Proven(stale), Staleness::InUse(used)) => (a, b, [stale, used]),
        (Staleness::InUse(used), Staleness::Proven(stale)) => (b, a, [stale, used]),
        _ => return None,
    };
    let [stale, used] = signs;
    let told = |key: &RegistrationKey, signs: &[Sign]| -> Vec<String> {
        signs
            .iter()
            .map(|sign| format!("{}: {sign}", key.name))
            .collect()
    };
    Some(Stale {
        key: key.clone(),
        survivor: survivor.clone(),
        evidence: [told(key, &stale), told(survivor, &used)].concat(),
    })
}

impl Remedy {
    pub(super) fn cures(&self, federation: &Federation, around: Around) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let doubled = federation
            .registry
            .real()
            .iter()
            .filter(|real| real.doubled());
        for stale in doubled.filter_map(|real| stale(federation, real)) {
            let fixes = self.fixes(federation, &stale, around);
            // A registration that placements still name is not stale to KubeFed.
            if fixes.is_empty() {
                wishes.push(self.removal(federation, &stale, around));
            }
            wishes.extend(fixes);
        }
        wishes.truncate(MAX_TARGETS);
        wishes
    }

    fn fixes(&self, federation: &Federation, stale: &Stale, around: Around) -> Vec<Wish> {
        let mut named: Vec<_> = federation
            .tenants
            .templates()
            .filter(|(_, row)| !row.deleting)
            .filter_map(|(name, row)| match row.placement.placement() {
                Placement::Names(names) if names.contains(&stale.key.name) => {
                    Some((name, row.uid, &**names))
                }
                _ => None,
            })
            .collect();
        named.sort_by(|a, b| a.0.cmp(b.0));
        let wish = |(name, uid, names): (&Text, _, &[Text])| {
            let kept = names
                .iter()
                .filter(|n| **n != stale.key.name && **n != stale.survivor.name);
            let next = Placement::names(kept.cloned().chain([stale.survivor.name.clone()]));
            let fate =
                federation
                    .registry
                    .fate_without(FEDERATED_WORKSPACE, &next, None, &stale.key);
            let to = match &next {
                Placement::Names(names) => Value::names(names.iter()),
                _ => Value::none(),
            };
            let unsafe_afterwards = (fate != Fate::Stays).then_some(Brake::WouldLose {
                loops: usize::from(matches!(fate, Fate::Loop { .. })),
                lost: usize::from(matches!(fate, Fate::Lost { .. })),
            });
            let target = Target {
                kind: Kind::WorkspaceTemplate,
                namespace: Text::default(),
                name: name.clone(),
                uid,
            };
            Wish {
                rung: Rung::FixPlacement,
                against: unsafe_afterwards
                    .or_else(|| self.needs_hold(Rung::FixPlacement, federation, around)),
                target,
                to,
                why: format!(
                    "its placement names {}, a leftover of {}",
                    stale.key, stale.survivor
                ),
                evidence: stale.evidence.clone(),
            }
        };
        named.into_iter().take(MAX_TARGETS).map(wish).collect()
    }

    /// Why nothing can be done about a cluster that one control plane has under several names.
    pub(super) fn undecided(&self, federation: &Federation) -> Option<Brake> {
        let real = federation.registry.real();
        let at = real
            .iter()
            .position(|real| real.doubled_in_one_plane() && stale(federation, real).is_none())?;
        let back = real[at]
            .members
            .iter()
            .find(|key| self.brought_back(federation, key));
        Some(match back {
            Some(key) => Brake::WouldComeBack(key.name.clone()),
            None => Brake::NoneStale(federation.subject_of(at)),
        })
    }

    /// We removed a registration of this name, and KubeSphere's Cluster of the name joins the federation.
    fn brought_back(&self, federation: &Federation, key: &RegistrationKey) -> bool {
        let joins = |cluster: &KubeSphereCluster| cluster.joins;
        federation.registry.cluster(&key.name).is_some_and(joins)
            && self.journal.records().iter().any(|record| {
                record.rung == Rung::RemoveStaleCluster
                    && record.target.name == key.name
                    && record.target.namespace == key.namespace
                    && record.state != State::Failed
            })
    }

    fn removal(&self, federation: &Federation, stale: &Stale, around: Around) -> Wish {
        let entry = federation.registry.entry(&stale.key);
        let target = Target {
            kind: Kind::KubeFedCluster,
            namespace: stale.key.namespace.clone(),
            name: stale.key.name.clone(),
            uid: entry.map(|e| e.facts.uid).unwrap_or_default(),
        };
        let against = self
            .known_against(Rung::RemoveStaleCluster, &target)
            .or_else(|| would_lose(federation, &stale.key))
            .or_else(|| self.needs_hold(Rung::RemoveStaleCluster, federation, around));
        Wish {
            rung: Rung::RemoveStaleCluster,
            against,
            target,
            to: Value::none(),
            why: format!(
                "it is a leftover of {}, and KubeFed deletes through it what it creates through the other",
                stale.survivor
            ),
            evidence: stale.evidence.clone(),
        }
    }

    /// By itself the operator mends a cause only under a durable hold that is proven: then nothing is urgent and nothing can
    /// fall. A person who approves has looked, and may do it under a freeze, or when every object in danger is shielded.
    fn needs_hold(&self, rung: Rung, federation: &Federation, around: Around) -> Option<Brake> {
        let approvable = self.policy.allowed(rung) == Allowed::Approval;
        let mut standing = self.journal.standing();
        let safe = around.held
            || approvable
                && (standing.any(|r| r.rung == Rung::FreezeControllers)
                    || perils(federation).iter().all(Peril::is_averted));
        (!safe).then_some(Brake::NotHeld)
    }
}

/// What KubeFed would do to every federated object if this registration were gone.
fn would_lose(federation: &Federation, gone: &RegistrationKey) -> Option<Brake> {
    let (mut loops, mut lost) = (0, 0);
    for (kind, own, within, count) in federation.objects.placements() {
        match federation.registry.fate_without(kind, own, within, gone) {
            Fate::Stays => {}
            Fate::Loop { .. } => loops += count,
            Fate::Lost { .. } => lost += count,
        }
    }
    (loops + lost > 0).then_some(Brake::WouldLose { loops, lost })
}
