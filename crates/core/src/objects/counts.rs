//! How many objects are placed where, kept up to date one object at a time.

use std::collections::HashMap;

use super::Shared;
use crate::{
    id::Text,
    placement::{Labels, Placement},
};

#[derive(Debug, Default)]
pub(super) struct Counts {
    names: HashMap<Text, usize>,
    /// Few distinct ones, whatever the number of objects.
    selectors: HashMap<Shared, usize>,
}

impl Counts {
    pub(super) fn add(&mut self, placement: &Shared) {
        match placement.placement() {
            Placement::Nowhere => {}
            Placement::Names(names) => {
                for name in names {
                    *self.names.entry(name.clone()).or_default() += 1;
                }
            }
            Placement::Selector(_) => *self.selectors.entry(placement.clone()).or_default() += 1,
        }
    }

    pub(super) fn remove(&mut self, placement: &Shared) {
        match placement.placement() {
            Placement::Nowhere => {}
            Placement::Names(names) => {
                for name in names {
                    drop_one(&mut self.names, name);
                }
            }
            Placement::Selector(_) => drop_one(&mut self.selectors, placement),
        }
    }

    pub(super) fn placed_on(&self, name: &Text, labels: &Labels) -> usize {
        let named = self.names.get(name).copied().unwrap_or_default();
        let selecting = self.selectors.iter().filter(|(shared, _)| {
            matches!(shared.placement(), Placement::Selector(s) if !s.terms().is_empty() && s.matches(labels))
        });
        named + selecting.map(|(_, objects)| objects).sum::<usize>()
    }
}

fn drop_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
