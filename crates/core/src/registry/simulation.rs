//! What KubeFed would do, on all planes together.

use super::{Danger, RealCluster, Registry};
use crate::{
    facts::Readiness,
    id::{RegistrationKey, Text},
    objects::{FEDERATED_NAMESPACE, FEDERATED_WORKSPACE},
    placement::{self, Alias, Fate, Labels, Placement},
};

impl Registry {
    /// The plane in this namespace federates the kind. As long as the types have not been read, a plane without any known
    /// type is taken to federate everything.
    fn federates(&self, namespace: &Text, kind: &str) -> bool {
        let of_plane = || self.types.iter().filter(|((ns, _), _)| ns == namespace);
        of_plane().any(|(_, federated)| &*federated.kind == kind)
            || (!self.types_complete && of_plane().next().is_none())
    }

    /// Namespaces whose planes federate the kind.
    fn federating(&self, kind: &str) -> Vec<&Text> {
        self.registered_planes
            .iter()
            .filter(|namespace| self.federates(namespace, kind))
            .collect()
    }

    /// What KubeFed, on all planes together, would do to an object with this placement.
    ///
    /// `within` is the placement of the object's FederatedNamespace, which KubeFed intersects with its own. A loop is told
    /// for every cluster, this server first. LOST needs to know that the object lives there, which only Workspaces of this
    /// server tell; and while registrations are still being read, every name looks unregistered.
    pub(crate) fn danger(
        &self,
        kind: &str,
        own: &Placement,
        within: Option<&Placement>,
    ) -> Option<Danger> {
        let planes = self.federating(kind);
        let mut worst: Option<Danger> = None;
        let may_be_lost = kind == FEDERATED_WORKSPACE && self.names_nobody(own);
        for (cluster, real) in self.real.iter().enumerate() {
            let here = self.is_here(real);
            // KubeFed spares the host's own namespaces by UID (domain facts, section 1).
            if !(real.doubled() || (may_be_lost && here))
                || (kind == FEDERATED_NAMESPACE && real.host)
            {
                continue;
            }
            let fate = placement::fate(&self.aliases(&planes, real, own, within));
            let counts = match fate {
                Fate::Loop { .. } => true,
                Fate::Lost { .. } => may_be_lost && here,
                Fate::Stays => false,
            };
            if counts && (worst.is_none() || real.host) {
                worst = Some(Danger { cluster, fate });
            }
        }
        worst
    }

    /// What would become of an object with this placement in the cluster that `gone` names, once `gone` is no longer
    /// registered. An object that nothing places there, before or after, stays as it is.
    pub(crate) fn fate_without(
        &self,
        kind: &str,
        own: &Placement,
        within: Option<&Placement>,
        gone: &RegistrationKey,
    ) -> Fate {
        let planes = self.federating(kind);
        let Some(real) = self.real.iter().find(|real| real.members.contains(gone)) else {
            return Fate::Stays;
        };
        if kind == FEDERATED_NAMESPACE && real.host {
            return Fate::Stays;
        }
        let placed = self
            .aliases(&planes, real, own, within)
            .iter()
            .any(|a| a.selected);
        let mut rest = real.clone();
        rest.members.retain(|key| key != gone);
        let fate = placement::fate(&self.aliases(&planes, &rest, own, within));
        match fate {
            Fate::Lost { .. } if !placed => Fate::Stays,
            fate => fate,
        }
    }

    fn aliases(
        &self,
        planes: &[&Text],
        real: &RealCluster,
        own: &Placement,
        within: Option<&Placement>,
    ) -> Vec<Alias> {
        real.members
            .iter()
            .filter(|key| planes.contains(&&key.namespace))
            .filter_map(|key| {
                let facts = &self.entries.get(key)?.facts;
                let selected = own.selects(&key.name, &facts.labels)
                    && within.is_none_or(|placement| placement.selects(&key.name, &facts.labels));
                Some(Alias {
                    selected,
                    ready: facts.ready == Readiness::True,
                })
            })
            .collect()
    }

    /// The placement, cut by `within`, selects this name, on any plane that has it. What nobody registered has no labels.
    pub(crate) fn selects(&self, name: &Text, own: &Placement, within: Option<&Placement>) -> bool {
        let selects = |labels: &Labels| {
            let by = |placement: &Placement| placement.selects(name, labels);
            by(own) && within.is_none_or(by)
        };
        if !self.is_registered(name) {
            return selects(&Labels::new());
        }
        self.named(name)
            .any(|(_, entry)| selects(&entry.facts.labels))
    }

    /// What the placement, cut by `within`, selects.
    pub(crate) fn selected<'a>(
        &'a self,
        own: &'a Placement,
        within: Option<&'a Placement>,
    ) -> impl Iterator<Item = &'a RegistrationKey> {
        let selected = self.entries.iter().filter(move |(key, entry)| {
            let by = |placement: &Placement| placement.selects(&key.name, &entry.facts.labels);
            by(own) && within.is_none_or(by)
        });
        selected.map(|(key, _)| key)
    }

    /// The placement names a cluster that is not registered: a rename or a clean-up, not a wish to empty this one.
    fn names_nobody(&self, own: &Placement) -> bool {
        let Placement::Names(names) = own else {
            return false;
        };
        self.complete && names.iter().any(|name| !self.names.contains_key(name))
    }

    /// The real cluster is this server, or may be: while no registration is known to be, any of them is whose UID is not
    /// known to be another.
    pub(crate) fn is_here(&self, real: &RealCluster) -> bool {
        real.host || (self.host_unknown() && !real.members.iter().any(|key| self.is_foreign(key)))
    }

    /// No registration of this server bears this name.
    pub(crate) fn is_elsewhere(&self, name: &Text) -> bool {
        let here = |real: &RealCluster| {
            self.is_here(real) && real.members.iter().any(|key| key.name == *name)
        };
        !self.real.iter().any(here)
    }

    /// The placement selects this server through at least one registration. Before the registrations are read, any name may
    /// be this server's.
    pub(crate) fn places_here(&self, own: &Placement) -> bool {
        if !self.complete {
            return match own {
                Placement::Nowhere => false,
                Placement::Names(names) => !names.is_empty(),
                Placement::Selector(_) => true,
            };
        }
        self.real
            .iter()
            .filter(|real| self.is_here(real))
            .flat_map(|real| &real.members)
            .any(|key| {
                self.entries
                    .get(key)
                    .is_some_and(|entry| own.selects(&key.name, &entry.facts.labels))
            })
    }
}
