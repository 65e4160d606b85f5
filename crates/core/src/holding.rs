//! What is told of the hold's switch and bindings, and of our own writes of them.

use std::collections::BTreeMap;

use crate::{
    effect::{Effect, HoldImage, Rule},
    facts::{Namespace, Workspace},
    federation::Federation,
    id::Text,
    remedy::RemedyPolicy,
    time::Time,
};

/// A consistent list, for a release: namespaces that belong to a Workspace, and the Workspaces.
pub type ReleaseList<'a> = (&'a [(Text, Namespace)], &'a BTreeMap<Text, Workspace>);

impl Federation {
    /// The switch says this, and a person released these rules (indexed as [`Rule`]); `first` after a start, when an earlier
    /// process' causes are taken up.
    pub fn observe_hold(
        &mut self,
        image: HoldImage,
        released: [bool; 2],
        version: u64,
        first: bool,
        now: Time,
    ) -> Vec<Effect> {
        self.hold.set_released(released);
        let verify = self.hold.observe(image, version, first, now);
        let mut effects = self.hold.plan(now);
        effects.extend(
            verify
                .into_iter()
                .map(|(name, uid)| Effect::Verify(name, uid)),
        );
        effects
    }

    /// The FederationHealth object is gone.
    pub fn object_vanished(&mut self) {
        self.hold.uninstructed();
        self.remedy.set_policy(RemedyPolicy::default());
    }

    /// The FederationHold object is gone.
    pub fn switch_vanished(&mut self) {
        self.hold.vanished();
    }

    /// Outcome of a write of this image to the switch: the new resourceVersion, or None if it failed and is given up. After a
    /// failure the next tick decides anew, so that its caller sets the pace.
    pub fn hold_written(
        &mut self,
        image: &HoldImage,
        outcome: Option<u64>,
        now: Time,
    ) -> Vec<Effect> {
        self.hold.wrote(image, outcome);
        match outcome {
            Some(_) => self.hold.plan(now),
            None => Vec::new(),
        }
    }

    /// Newest resourceVersion of the switch that is known from our own writes and its watch.
    pub fn hold_version(&self) -> u64 {
        self.hold.version()
    }

    /// A durable binding was seen: active, dormant (false) or missing (None).
    pub fn observe_binding(&mut self, rule: Rule, active: Option<bool>, now: Time) -> Vec<Effect> {
        self.hold.binding(rule, active);
        self.hold.plan(now)
    }

    /// A consistent list of namespaces and Workspaces was read for a release; None if it failed.
    ///
    /// Judges the list itself, not the caches: a stale cache never lowers a hold. An owner that is being deleted holds nothing:
    /// with KubeSphere away it waits for its finalizer, and its namespaces are collected in the moment in which that goes.
    pub fn confirm_release(&mut self, list: Option<ReleaseList<'_>>, now: Time) -> Vec<Effect> {
        if let Some((namespaces, workspaces)) = list {
            let stays = |owner: &Text| workspaces.get(owner).filter(|w| !w.deleting).map(|w| w.uid);
            let armed = namespaces
                .iter()
                .filter(|(_, n)| n.dangles(stays))
                .map(|(name, _)| name.clone())
                .collect();
            let sure = self.sure(now);
            self.hold.confirmed(armed, sure, now);
        }
        self.hold.plan(now)
    }
}
