//! Control planes: where they are, what they work on, whether they work.

use std::collections::{BTreeMap, BTreeSet};

use super::Registry;
use crate::{
    facts::{Controller, FederatedKind, Home},
    id::Text,
    table::Put,
    time::Time,
};

impl Registry {
    /// A health check of this time was written down by KubeFed in this namespace.
    pub(crate) fn look(&mut self, plane: Text, at: Time) {
        let last = self.looked_at.entry(plane).or_insert(at);
        *last = at.max(*last);
    }

    /// When each plane last wrote down a health check.
    pub(crate) fn looked_at(&self) -> impl Iterator<Item = (&Text, Time)> {
        self.looked_at.iter().map(|(plane, at)| (plane, *at))
    }

    /// The definition of a kind was seen.
    pub(crate) fn definition(&mut self, kind: Text, terminating: Option<bool>) {
        match terminating {
            Some(terminating) => {
                self.definitions.put(kind, terminating);
            }
            None => {
                self.definitions.remove(&kind);
            }
        }
    }

    /// The definition of this kind is being deleted.
    pub(crate) fn kind_dies(&self, kind: &Text) -> bool {
        self.definitions.get(kind) == Some(&true)
    }

    /// Namespaces of control planes that are being deleted, and since when, in order.
    pub(crate) fn terminating_planes(&self) -> Vec<(Text, Time)> {
        let planes = self.planes().into_iter();
        let types = self
            .types
            .iter()
            .map(|((namespace, _), _)| namespace.clone());
        let names: BTreeSet<Text> = planes.chain(types).collect();
        names
            .into_iter()
            .filter_map(|name| {
                let since = self.homes.get(&name)?.terminating?;
                Some((name, since))
            })
            .collect()
    }

    pub(crate) fn put_home(&mut self, name: Text, home: Option<Home>) {
        match home {
            Some(home) => {
                self.homes.put(name, home);
            }
            None => {
                self.homes.remove(&name);
            }
        }
    }

    /// Namespaces in which a control plane was seen, by any sign, in order.
    pub fn planes(&self) -> Vec<Text> {
        let mut planes: BTreeSet<Text> = self.configs.iter().map(|(ns, ())| ns.clone()).collect();
        planes.extend(self.controllers.iter().map(|((ns, _), _)| ns.clone()));
        planes.extend(self.entries.iter().map(|(key, _)| key.namespace.clone()));
        planes.into_iter().collect()
    }

    /// Control planes that are configured to work: a KubeFedConfig, or a Deployment with replicas.
    pub fn working_planes(&self) -> BTreeMap<Text, Vec<(Text, Controller)>> {
        let mut planes: BTreeMap<Text, Vec<(Text, Controller)>> = self
            .configs
            .iter()
            .map(|(ns, ())| (ns.clone(), Vec::new()))
            .collect();
        for ((ns, name), controller) in self.controllers.iter() {
            if controller.replicas > 0 || planes.contains_key(ns) {
                planes
                    .entry(ns.clone())
                    .or_default()
                    .push((name.clone(), *controller));
            }
        }
        for list in planes.values_mut() {
            list.sort_by(|a, b| a.0.cmp(&b.0));
        }
        planes
    }

    /// Available and wished replicas of a plane's Deployments together; None without a Deployment.
    pub fn replicas(&self, plane: &Text) -> Option<(i32, i32)> {
        self.controllers
            .iter()
            .filter(|((namespace, _), _)| namespace == plane)
            .map(|(_, c)| (c.available, c.replicas))
            .reduce(|(a, w), (available, wished)| (a + available, w + wished))
    }

    pub(crate) fn remember_kind(
        &mut self,
        namespace: Text,
        name: Text,
        kind: Option<FederatedKind>,
    ) -> bool {
        match kind {
            Some(kind) => self.types.put((namespace, name), kind) != Put::Same,
            None => self.types.remove(&(namespace, name)).is_some(),
        }
    }
}
