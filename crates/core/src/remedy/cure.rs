//! The rungs that mend the cause: placements off the stale name, then the stale registration itself, each only where the
//! simulation afterwards shows no loop and no loss.

use super::{
    Around, Remedy,
    brake::Brake,
    plan::{MAX_TARGETS, Wish},
    policy::Allowed,
    rung::{Kind, Rung, Target, Value},
};
use crate::{
    facts::Feed,
    federation::Federation,
    id::{RegistrationKey, Text},
    objects::FEDERATED_WORKSPACE,
    placement::{Fate, Placement},
    registry::RealCluster,
};

/// A registration that is proven to be a leftover, and the name that stays.
struct Stale {
    key: RegistrationKey,
    survivor: RegistrationKey,
    evidence: Vec<String>,
}

/// Signs of one registration: for its being a leftover, against it.
fn signs(federation: &Federation, key: &RegistrationKey) -> (Vec<String>, Vec<String>) {
    let (mut stale, mut used) = (Vec::new(), Vec::new());
    if federation.known(&Feed::Clusters) {
        match federation.registry.cluster(&key.name) {
            None => stale.push(format!("KubeSphere has no Cluster {}.", key.name)),
            Some(c) if c.joins => used.push(format!("Cluster {} joins the federation.", key.name)),
            Some(_) => stale.push(format!(
                "Cluster {} does not join the federation.",
                key.name
            )),
        }
    }
    if federation
        .registry
        .entry(key)
        .is_some_and(|e| e.facts.host_label)
    {
        used.push(format!("{} carries KubeSphere's host label.", key.name));
    }
    (stale, used)
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
    let (of_a, of_b) = (signs(federation, a), signs(federation, b));
    let leftover =
        |(stale, used): &(Vec<String>, Vec<String>)| !stale.is_empty() && used.is_empty();
    let in_use = |(stale, used): &(Vec<String>, Vec<String>)| stale.is_empty() && !used.is_empty();
    let (key, survivor) = if leftover(&of_a) && in_use(&of_b) {
        (a, b)
    } else if leftover(&of_b) && in_use(&of_a) {
        (b, a)
    } else {
        return None;
    };
    let evidence = [of_a, of_b]
        .into_iter()
        .flat_map(|(stale, used)| stale.into_iter().chain(used));
    Some(Stale {
        key: key.clone(),
        survivor: survivor.clone(),
        evidence: evidence.collect(),
    })
}

impl Remedy {
    pub(super) fn cures(&self, federation: &Federation, around: &Around) -> Vec<Wish> {
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

    fn fixes(&self, federation: &Federation, stale: &Stale, around: &Around) -> Vec<Wish> {
        let mut named: Vec<_> = federation
            .tenants
            .templates
            .iter()
            .filter(|(_, row)| !row.deleting)
            .filter_map(|(name, row)| match row.placement.placement() {
                Placement::Names(names) if names.contains(&stale.key.name) => {
                    Some((name, row.uid, names))
                }
                _ => None,
            })
            .collect();
        named.sort_by(|a, b| a.0.cmp(b.0));
        let wish = |(name, uid, names): (&Text, _, &Box<[Text]>)| {
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
                against: unsafe_afterwards.or_else(|| self.needs_hold(Rung::FixPlacement, around)),
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

    fn removal(&self, federation: &Federation, stale: &Stale, around: &Around) -> Wish {
        let entry = federation.registry.entry(&stale.key);
        let target = Target {
            kind: Kind::KubeFedCluster,
            namespace: stale.key.namespace.clone(),
            name: stale.key.name.clone(),
            uid: entry.map(|e| e.facts.uid).unwrap_or_default(),
        };
        let joins = federation
            .registry
            .cluster(&stale.key.name)
            .is_some_and(|c| c.joins);
        let against = self
            .known_against(Rung::RemoveStaleCluster, &target)
            .or_else(|| joins.then(|| Brake::WouldComeBack(stale.key.name.clone())))
            .or_else(|| would_lose(federation, &stale.key))
            .or_else(|| self.needs_hold(Rung::RemoveStaleCluster, around));
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
    /// fall. A person who approves has looked, and may do it under a freeze.
    fn needs_hold(&self, rung: Rung, around: &Around) -> Option<Brake> {
        let frozen = self
            .journal
            .standing()
            .any(|r| r.rung == Rung::FreezeControllers);
        let safe = around.held || (frozen && self.policy.allowed(rung) == Allowed::Approval);
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
