//! Volumes of namespaces that are, or may soon be, lost: which they are, as a list found them, and what is wished of them.
//!
//! They are no fact that is watched: a federation at rest has nothing to ask of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Around, RESURVEY_MS, Remedy,
    brake::Brake,
    follow::Sight,
    journal::Record,
    ladder::Peril,
    patience::Concern,
    plan::Wish,
    policy::Allowed,
    rung::{Kind, RETAIN, Rung, Target, Value},
};
use crate::{
    federation::Federation,
    id::{Text, Uid},
    time::Time,
};

/// A PersistentVolume that is bound to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Name.
    pub name: Text,
    /// UID.
    pub uid: Uid,
    /// What becomes of it when its claim goes.
    pub policy: Text,
    /// Namespace of the claim.
    pub namespace: Text,
    /// Name of the claim.
    pub claim: Text,
}

/// What the last list found.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    asked: BTreeSet<Text>,
    found: BTreeMap<Text, Volume>,
    at: Option<Time>,
    /// A policy was changed since.
    stale: bool,
}

impl Volumes {
    pub(super) fn changed(&mut self) {
        self.stale = true;
    }

    fn due(&self, needed: &BTreeSet<Text>, now: Time) -> bool {
        let fresh = self.at.is_some_and(|at| now.since_ms(at) < RESURVEY_MS)
            && !self.stale
            && needed.is_subset(&self.asked);
        !needed.is_empty() && !fresh
    }

    /// When a new list is due by time alone.
    pub(super) fn changes_at(&self) -> Option<Time> {
        let again = self.at.filter(|_| !self.asked.is_empty());
        again.map(|at| at.plus_ms(RESURVEY_MS))
    }

    /// What the list says of a volume that was kept.
    pub(super) fn sight(&self, target: &Target) -> Sight {
        if self.stale || !self.asked.contains(&target.namespace) {
            return Sight::Unknown;
        }
        match self.found.get(&target.name) {
            Some(volume) if volume.uid == target.uid => {
                Sight::Has(Value::new(&volume.policy), true)
            }
            // One that its claim left is in no list of bound ones, and is what was to be saved.
            _ => Sight::Unknown,
        }
    }
}

impl Remedy {
    /// The namespaces whose volumes must be known now, if they are not. Nobody asks while the owner allows nothing with them.
    pub(super) fn unlisted(
        &mut self,
        federation: &Federation,
        around: Around,
        now: Time,
    ) -> Option<BTreeSet<Text>> {
        if self.policy.allowed(Rung::RetainVolumes) == Allowed::Never {
            self.forget_volumes();
            return None;
        }
        let kept = self.journal.standing().filter(|r| is_volume(r));
        let mut needed: BTreeSet<Text> = kept.map(|r| r.target.namespace.clone()).collect();
        needed.extend(self.at_stake(federation, around, now).into_keys());
        if needed.is_empty() {
            self.forget_volumes();
        }
        let waits = self.patience.pause(&Concern::Volumes, now).is_some();
        (!waits && self.volumes.due(&needed, now)).then_some(needed)
    }

    fn forget_volumes(&mut self) {
        self.volumes = Volumes::default();
        self.patience.eased(&Concern::Volumes);
    }

    /// The volumes bound to claims in these namespaces, or why they could not be listed. That stops no other rung.
    pub fn listed(
        &mut self,
        namespaces: BTreeSet<Text>,
        found: Result<Vec<Volume>, String>,
        now: Time,
    ) {
        match found {
            Ok(found) => {
                self.patience.eased(&Concern::Volumes);
                self.volumes = Volumes {
                    asked: namespaces,
                    found: found.into_iter().map(|v| (v.name.clone(), v)).collect(),
                    at: Some(now),
                    stale: false,
                };
            }
            Err(why) => {
                let why = |until| Brake::RequestFailed(why, until);
                self.back_off(Concern::Volumes, why, now);
            }
        }
    }

    /// Volumes that would go with their claims: those of namespaces that go already, and those of the others. The others wait
    /// for what may prevent their loss: hundreds of reads and writes would use up the seconds that it has.
    pub(super) fn retains(
        &self,
        federation: &Federation,
        around: Around,
        now: Time,
    ) -> (Vec<Wish>, Vec<Wish>) {
        let stakes = self.at_stake(federation, around, now);
        let mut wishes: Vec<(bool, Wish)> = self
            .volumes
            .found
            .values()
            .filter(|volume| &*volume.policy != RETAIN)
            .filter_map(|volume| {
                let stake = stakes.get(&volume.namespace)?;
                let target = Target {
                    kind: Kind::PersistentVolume,
                    namespace: volume.namespace.clone(),
                    name: volume.name.clone(),
                    uid: volume.uid,
                };
                let wish = Wish {
                    rung: Rung::RetainVolumes,
                    against: self.known_against(Rung::RetainVolumes, &target),
                    target,
                    to: Value::new(RETAIN),
                    why: stake.why(&volume.namespace),
                    evidence: vec![format!(
                        "Bound to claim {}/{}.",
                        volume.namespace, volume.claim
                    )],
                };
                Some((!stake.going, wish))
            })
            .collect();
        wishes.sort_by(|(a, x), (b, y)| (a, &x.target).cmp(&(b, &y.target)));
        wishes.truncate(Rung::RetainVolumes.max_targets());
        let going = wishes.partition_point(|(waits, _)| !waits);
        let waiting = wishes.split_off(going);
        let bare = |wishes: Vec<(bool, Wish)>| wishes.into_iter().map(|(_, wish)| wish).collect();
        (bare(wishes), bare(waiting))
    }

    /// Namespaces of this server that go against their owner's wish, and those that may: the second only while no hold that is
    /// proven keeps them.
    ///
    /// A Workspace that only our label keeps out of danger is in it as before: a person may take the label back.
    ///
    /// Of a Workspace in danger every namespace that is being deleted counts. Who began it cannot be seen afterwards: KubeSphere
    /// binds even a namespace that terminates to the Workspace that was recreated. A volume kept in vain costs its space.
    fn at_stake(
        &self,
        federation: &Federation,
        around: Around,
        now: Time,
    ) -> BTreeMap<Text, Stake> {
        let tenants = &federation.tenants;
        let mut stakes = BTreeMap::new();
        for lost in federation.ledger.lost() {
            let live = tenants.namespace(&lost.name);
            if live.is_some_and(|n| n.uid == lost.uid && n.deleting) {
                let workspace = lost.workspace.clone();
                let going = true;
                stakes.insert(lost.name.clone(), Stake { workspace, going });
            }
        }
        let perils = super::ladder::perils(federation);
        let here = perils.iter().filter(|peril| peril.real.host);
        let endangered = here.flat_map(Peril::names);
        let unexplained = federation.hold.unexplained().map(|(name, _)| name);
        let unexplained = unexplained.filter(|name| !federation.hold.verifying(name, now));
        let shields = self.journal.standing();
        let shields = shields.filter(|r| r.rung == Rung::ShieldWorkspaces);
        let shielded = shields.map(|r| &r.target.name);
        let shielded = shielded.filter(|name| federation.danger_here(name).is_some());
        for workspace in endangered.chain(unexplained).chain(shielded) {
            for namespace in tenants.members(workspace) {
                let going = tenants.namespace(namespace).is_some_and(|n| n.deleting);
                if going || !around.held {
                    let workspace = workspace.clone();
                    stakes.insert(namespace.clone(), Stake { workspace, going });
                }
            }
        }
        stakes
    }

    /// The volume may get its former policy back: its claim's namespace stays, as far as is known.
    pub(super) fn may_be_let_go(federation: &Federation, record: &Record) -> bool {
        let namespace = federation.tenants.namespace(&record.target.namespace);
        !is_volume(record) || namespace.is_none_or(|namespace| !namespace.deleting)
    }
}

fn is_volume(record: &Record) -> bool {
    record.rung == Rung::RetainVolumes
}

/// Why a namespace's volumes are to be kept.
struct Stake {
    workspace: Text,
    /// It is being deleted.
    going: bool,
}

impl Stake {
    fn why(&self, namespace: &Text) -> String {
        let workspace = &self.workspace;
        if self.going {
            format!(
                "namespace {namespace} of Workspace {workspace} is being deleted against its owner's wish"
            )
        } else {
            format!("namespace {namespace} goes with Workspace {workspace}, which is in danger")
        }
    }
}
