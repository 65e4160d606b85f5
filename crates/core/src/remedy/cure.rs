//! The rungs that mend the cause: placements off the stale name, then the stale registration itself, each only where the
//! simulation afterwards shows no loop and no loss.

use super::{
    Around, Remedy,
    brake::{Brake, UNWISHED},
    experiment::{PODS_END_MS, all_stopped},
    journal::{Record, State},
    ladder::{Peril, perils},
    plan::Wish,
    policy::Allowed,
    rung::{Kind, MAX_TARGETS, Rung, Target, Value},
};
use crate::{
    facts::{Feed, KubeSphereCluster},
    federation::Federation,
    findings::some_names,
    id::{RegistrationKey, Text},
    objects::{FEDERATED_NAMESPACE, FEDERATED_WORKSPACE},
    placement::{Fate, Placement},
    registry::RealCluster,
    staleness::{Sign, Staleness},
    time::Time,
};

/// KubeSphere's users: their template holds a password's hash.
const FEDERATED_USER: &str = "FederatedUser";

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
    pub(super) fn cures(&self, federation: &Federation, around: Around, now: Time) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let doubled = federation
            .registry
            .real()
            .iter()
            .filter(|real| real.doubled());
        for real in doubled {
            let Some(stale) = stale(federation, real) else {
                continue;
            };
            let unsafe_under = |rung| self.needs_hold(rung, federation, real, around, now);
            let unheld = unsafe_under(Rung::FixPlacement);
            let fixes = self.fixes(federation, &stale, unheld.as_ref());
            // A registration that placements still name is not stale to KubeFed.
            if fixes.is_empty() {
                let unheld = unsafe_under(Rung::RemoveStaleCluster);
                wishes.push(self.removal(federation, &stale, unheld));
            }
            wishes.extend(fixes);
        }
        wishes.truncate(MAX_TARGETS);
        wishes
    }

    fn fixes(&self, federation: &Federation, stale: &Stale, unheld: Option<&Brake>) -> Vec<Wish> {
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
                against: self
                    .known_against(Rung::FixPlacement, &target)
                    .or(unsafe_afterwards)
                    .or_else(|| unheld.cloned()),
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

    fn removal(&self, federation: &Federation, stale: &Stale, unheld: Option<Brake>) -> Wish {
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
            .or_else(|| self.unsimulated(federation, &stale.key))
            .or(unheld);
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

    /// Enabled kinds of which nobody has looked at the objects, and of which one may be placed on this name alone: those that
    /// the owner leaves out, and those whose templates hold credentials. A person who approves has looked at them.
    fn unsimulated(&self, federation: &Federation, gone: &RegistrationKey) -> Option<Brake> {
        let labels = &federation.registry.entry(gone)?.facts.labels;
        let feed = |kind: &Text| Feed::Federated(kind.clone());
        let namespaces = Text::from(FEDERATED_NAMESPACE);
        // What is in a namespace is placed where the namespace is, at most.
        let mut placements = federation.objects.placements();
        let empty = federation.watches(&feed(&namespaces))
            && !placements
                .any(|(kind, own, ..)| *kind == namespaces && own.selects(&gone.name, labels));
        let types = federation.registry.types.iter();
        let mut unseen: Vec<Text> = types
            .filter(|((plane, _), _)| *plane == gone.namespace)
            .map(|(_, kind)| kind)
            .filter(|kind| !federation.watches(&feed(&kind.kind)))
            // KubeSphere places its users by a selector that matches everything, and puts that back.
            .filter(|kind| !(kind.namespaced && empty) && &*kind.kind != FEDERATED_USER)
            .map(|kind| kind.kind.clone())
            .collect();
        unseen.sort();
        let approvable = self.policy.allowed(Rung::RemoveStaleCluster) == Allowed::Approval;
        (!approvable && !unseen.is_empty())
            .then(|| Brake::Unsimulated(Text::from(some_names(unseen.iter()))))
    }

    /// By itself the operator mends a cause only under a durable hold that is proven: then nothing is urgent and nothing can
    /// fall, and only where more than a token says that the names are one cluster. A person who approves has looked, and may do
    /// it under a freeze, or when every object in danger is shielded.
    fn needs_hold(
        &self,
        rung: Rung,
        federation: &Federation,
        real: &RealCluster,
        around: Around,
        now: Time,
    ) -> Option<Brake> {
        let approvable = self.policy.allowed(rung) == Allowed::Approval;
        if !approvable && real.told_by_token_alone() {
            let names = some_names(real.members.iter().map(|key| &key.name));
            return Some(Brake::EvidenceConflicts(Text::from(names)));
        }
        // The rules stand on this server, and name the guarded plane's accounts.
        let own = |key: &RegistrationKey| key.namespace == federation.policy.namespace;
        let held = around.held && real.host && real.members.iter().all(own);
        let safe = held
            || approvable
                && (self
                    .stopped_at(federation, real)
                    .is_some_and(|at| at <= now)
                    || perils(federation).iter().all(Peril::is_averted));
        (!safe).then_some(Brake::NotHeld)
    }

    /// From when on none of the control planes that have this cluster registered does anything any more: each was stopped by
    /// us, was seen to be, and had the time in which its last pods end.
    fn stopped_at(&self, federation: &Federation, real: &RealCluster) -> Option<Time> {
        let ends = |key: &RegistrationKey| {
            let freezes = self.journal.standing().filter(|r| {
                r.rung == Rung::FreezeControllers
                    && r.state == State::Verified
                    && r.target.namespace == key.namespace
            });
            let last = freezes.map(|r| r.since.plus_ms(PODS_END_MS)).max()?;
            all_stopped(federation, |namespace| *namespace == key.namespace).then_some(last)
        };
        let ends: Option<Vec<Time>> = real.members.iter().map(ends).collect();
        ends?.into_iter().max()
    }

    /// When a cure becomes safe by time alone.
    pub(super) fn cure_changes_at(&self, federation: &Federation) -> Option<Time> {
        let doubled = federation.registry.real().iter().filter(|r| r.doubled());
        doubled
            .filter_map(|real| self.stopped_at(federation, real))
            .min()
    }

    /// Why what was planned a moment ago is not to be done any more. Between plan and write lie the journal's two writes, in
    /// which an owner may change the switch, the hold or a placement.
    pub(super) fn withdrawn(
        &self,
        record: &Record,
        federation: &Federation,
        around: Around,
        now: Time,
    ) -> Option<Brake> {
        let (rung, target) = (record.rung, &record.target);
        if !self.allows(rung, target, &record.to, now) {
            return self.switch(rung, &record.plan, now);
        }
        if !rung.destructive() {
            return None;
        }
        let cures = self.cures(federation, around, now);
        let wish = cures
            .into_iter()
            .find(|w| w.rung == rung && w.target == *target && w.to == record.to);
        match wish {
            Some(wish) => wish.against,
            None => Some(Brake::TargetChanged(target.clone(), UNWISHED)),
        }
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
