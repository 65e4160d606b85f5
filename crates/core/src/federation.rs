//! One federation: facts in, effects and judgement out.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    churn::Thresholds,
    effect::{CauseKind, Effect, HoldImage, Rule},
    facts::{Change, Desired, Feed, FeedState, Managed, Namespace, ObjectKey, Workspace},
    hold::{Hold, HoldPolicy},
    id::{Text, Uid},
    ledger::{Ledger, Lost, Restored},
    objects::{FEDERATED_NAMESPACE, FEDERATED_WORKSPACE, Objects, Row, cluster_key},
    registry::Registry,
    table::Put,
    tenants::{Life, Tenants},
    time::Time,
};

/// A watch that has not said anything, bookmarks included, for this long is not trusted: bookmarks come every minute.
pub const STALE_MS: i64 = 100_000;

/// What the owner asks for, validated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Generation of the spec.
    pub generation: i64,
    /// Namespace of the guarded federation.
    pub namespace: Text,
    /// Registrations are probed.
    pub probing: bool,
    /// Churn thresholds.
    pub churn: Thresholds,
    /// Holds.
    pub hold: HoldPolicy,
    /// Incidents shown.
    pub max_incidents: usize,
    /// Remediation is asked for.
    pub remediating: bool,
}

/// A feed and when it last spoke.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FeedHealth {
    pub(crate) state: FeedState,
    pub(crate) synced_once: bool,
    pub(crate) heard: Time,
}

/// What open findings put at risk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Risk {
    pub(crate) workspaces: BTreeSet<Text>,
    pub(crate) objects: BTreeSet<(Text, ObjectKey)>,
    pub(crate) namespaces: usize,
}

/// The desired objects of a Workspace, read live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveWish {
    /// The FederatedWorkspace; None if it does not exist.
    pub federated: Option<Desired>,
    /// The WorkspaceTemplate; None if it does not exist.
    pub template: Option<Desired>,
}

/// State of one federation.
#[derive(Debug, Default)]
pub struct Federation {
    pub(crate) policy: Policy,
    pub(crate) registry: Registry,
    pub(crate) objects: Objects,
    pub(crate) tenants: Tenants,
    pub(crate) ledger: Ledger,
    pub(crate) hold: Hold,
    pub(crate) feeds: BTreeMap<Feed, FeedHealth>,
    pub(crate) malformed: BTreeMap<Feed, BTreeSet<Text>>,
    pub(crate) risk: Risk,
    risk_stale: bool,
    pub(crate) armed: BTreeSet<Text>,
    pub(crate) since: BTreeMap<(&'static str, String), Time>,
}

impl Federation {
    /// Takes one change at `now` and gives what must be done at once. Nothing here grows with the number of Workspaces,
    /// except a change of registrations, which costs one pass over the distinct placements.
    pub fn apply(&mut self, change: Change, now: Time) -> Vec<Effect> {
        match change {
            Change::Workspace(name, facts) => return self.workspace(&name, facts, now),
            Change::Namespace(name, facts) => self.namespace(&name, facts, true, now),
            Change::NamespaceLeft(name) => self.namespace(&name, None, false, now),
            Change::Template(name, desired) => self.template(&name, desired),
            Change::Federated(kind, key, desired) => {
                if self.objects.apply(&kind, &key, desired, &self.registry) {
                    self.risk_stale = true;
                    return self.diagnose(now);
                }
            }
            Change::Witness(workspace, party) => self.ledger.witness(&workspace, party),
            Change::Malformed(feed, name) => self.malformed(feed, name),
            Change::Feed(feed, state) => self.feed(feed, state, now),
            structural => {
                if self.structural(structural, now) {
                    self.registry.regroup();
                    self.objects.rejudge(&self.registry);
                    self.hold.cover(self.registry.planes());
                    self.risk_stale = true;
                    return self.diagnose(now);
                }
            }
        }
        Vec::new()
    }

    fn structural(&mut self, change: Change, now: Time) -> bool {
        let registry = &mut self.registry;
        match change {
            Change::Registration(key, Some(facts)) => registry.put(key, facts, now),
            Change::Registration(key, None) => registry.entries.remove(&key).is_some(),
            Change::Config(namespace, true) => registry.configs.put(namespace, ()) != Put::Same,
            Change::Config(namespace, false) => registry.configs.remove(&namespace).is_some(),
            Change::Type(namespace, name, kind) => registry.remember_kind(namespace, name, kind),
            Change::Cluster(name, Some(facts)) => registry.clusters.put(name, facts) != Put::Same,
            Change::Cluster(name, None) => registry.clusters.remove(&name).is_some(),
            Change::Controller(namespace, name, Some(facts)) => {
                registry.controllers.put((namespace, name), facts) != Put::Same
            }
            Change::Controller(namespace, name, None) => {
                registry.controllers.remove(&(namespace, name)).is_some()
            }
            Change::KubeSystem(uid) => registry.kube_system.replace(uid) != Some(uid),
            Change::Probed(key, uid, probe) => registry.probed(&key, uid, probe),
            _ => false,
        }
    }

    /// The tripwire. Everything on this path is a look-up.
    fn workspace(&mut self, name: &Text, facts: Option<Workspace>, now: Time) -> Vec<Effect> {
        let before = self.tenants.workspaces.get(name).copied();
        let Some(life) = self.tenants.put_workspace(name, facts) else {
            return Vec::new();
        };
        let marked = facts.or(before);
        let ignored = marked.is_some_and(|w| w.ignored);
        let mut effects = Vec::new();
        if let Life::Dying(uid) | Life::Replaced(uid) = life {
            self.ledger.died(name, uid, self.wish(name));
            let managed = marked.is_some_and(|w| w.managed == Managed::Yes);
            if !ignored && !self.explained(name, managed) {
                effects = self.unexpected(name, uid, now);
            }
        }
        if let Some(live) = facts
            && !ignored
            && before.is_none_or(|old| old.uid != live.uid)
        {
            self.ledger
                .lives(name, live.uid, self.wish(name), now, &self.policy.churn);
        }
        if before.map(|w| (w.managed, w.ignored)) != facts.map(|w| (w.managed, w.ignored)) {
            self.risk_stale = true;
        }
        if before.map(|w| w.uid) != facts.map(|w| w.uid) {
            for member in self.tenants.members(name).to_vec() {
                self.rearm(&member);
            }
        }
        effects
    }

    fn unexpected(&mut self, name: &Text, uid: Uid, now: Time) -> Vec<Effect> {
        self.ledger.unexpected(name, now);
        // A named cause that covers this Workspace holds already, and accounts for the deletion.
        if self
            .objects
            .danger_of(FEDERATED_WORKSPACE, &cluster_key(name))
            .is_some()
        {
            return self.hold.plan(now);
        }
        let fresh = self
            .hold
            .raise(CauseKind::UnexpectedDeletion, name.clone(), Some(uid), now);
        let mut effects = self.hold.plan(now);
        if fresh {
            self.risk_stale = true;
            effects.push(Effect::Verify(name.clone(), uid));
        }
        effects
    }

    /// The caches know a reason for this deletion. What they do not know, live reads decide after the hold.
    fn explained(&self, name: &Text, managed: bool) -> bool {
        let wished =
            |row: &Row| !row.deleting && self.registry.places_here(row.placement.placement());
        let by_template = self
            .tenants
            .templates
            .get(name)
            .is_some_and(|row| !wished(row));
        let by_federated = match self.objects.workspace(name) {
            Some(row) => !wished(row),
            // Nothing wishes for it, and KubeFed does not know it: its owner's own business.
            None => !managed && self.synced(&Feed::Federated(Text::from(FEDERATED_WORKSPACE))),
        };
        by_template || by_federated
    }

    /// Live reads of the desired objects came back; None: they failed, and nothing is known.
    pub fn verified(&mut self, workspace: &Text, wish: Option<LiveWish>, now: Time) -> Vec<Effect> {
        let Some(wish) = wish else {
            return self.hold.plan(now);
        };
        let unwished = |d: &Desired| d.deleting || !self.registry.places_here(&d.placement);
        let explained = wish.federated.as_ref().is_none_or(unwished)
            || wish.template.as_ref().is_some_and(unwished);
        if explained {
            self.ledger.explained(workspace);
        }
        self.hold.verified(workspace, explained);
        self.risk_stale = true;
        self.hold.plan(now)
    }

    /// Identity of the desired objects, to tell a fight from a person's own recreation.
    fn wish(&self, name: &Text) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        for row in [
            self.objects.workspace(name),
            self.tenants.templates.get(name),
        ] {
            row.map(|row| (row.uid, row.generation)).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn template(&mut self, name: &Text, desired: Option<Desired>) {
        let before = match desired {
            Some(d) => {
                let placement = self.objects.intern(d.placement);
                let row = Row {
                    uid: d.uid,
                    generation: d.generation,
                    deleting: d.deleting,
                    placement,
                };
                match self.tenants.templates.put(name.clone(), row) {
                    Put::Changed(old) => Some(old),
                    Put::New | Put::Same => None,
                }
            }
            None => self.tenants.templates.remove(name),
        };
        if let Some(old) = before {
            self.objects.release(&old.placement);
        }
    }

    fn namespace(&mut self, name: &Text, facts: Option<Namespace>, gone: bool, now: Time) {
        let dying = facts.as_ref().is_some_and(|n| n.deleting);
        let Some(before) = self.tenants.put_namespace(name, facts.clone()) else {
            return;
        };
        let was_dying = before.as_ref().is_some_and(|n| n.deleting);
        let lost = (dying || (facts.is_none() && gone)) && !was_dying;
        // A namespace first seen Terminating says by itself whose it was.
        if let Some(known) = before.as_ref().or(facts.as_ref()).filter(|_| lost) {
            self.count_lost(name, &known.clone(), now);
        }
        self.rearm(name);
        let touched = [before.as_ref(), facts.as_ref()].into_iter().flatten();
        if touched
            .map(|n| &n.workspace)
            .any(|ws| self.risk.workspaces.contains(ws))
        {
            self.risk_stale = true;
        }
    }

    fn count_lost(&mut self, name: &Text, namespace: &Namespace, now: Time) {
        let workspace = &namespace.workspace;
        let live = self.tenants.workspaces.get(workspace);
        let orphaned = namespace
            .owner
            .is_some_and(|owner| live.is_none_or(|w| w.uid != owner || w.deleting));
        let managed = live.is_none_or(|w| w.managed == Managed::Yes);
        let unwished = self.explained(workspace, managed);
        if !unwished && (orphaned || self.ledger.open_incident(workspace, now)) {
            self.ledger.lose(Lost {
                name: name.clone(),
                uid: namespace.uid,
                workspace: workspace.clone(),
                at: now,
            });
        }
    }

    fn rearm(&mut self, name: &Text) {
        if self
            .tenants
            .namespaces
            .get(name)
            .is_some_and(|n| self.tenants.armed(n))
        {
            self.armed.insert(name.clone());
        } else {
            self.armed.remove(name);
        }
    }

    /// Works out which named causes stand, and what that asks for at once.
    fn diagnose(&mut self, now: Time) -> Vec<Effect> {
        let mut causes = BTreeMap::new();
        for (danger, _, _) in self.objects.endangered() {
            let real = &self.registry.real()[danger.cluster];
            if !(real.host || self.registry.host_unknown()) {
                continue;
            }
            let kind = if !real.doubled() {
                CauseKind::SelectedNowhere
            } else if real.across_planes() {
                CauseKind::SecondControlPlane
            } else {
                CauseKind::DoubledRegistration
            };
            causes.insert(self.subject_of(danger.cluster), kind);
        }
        self.hold.diagnose(&causes, self.sure(now), now);
        for workspace in self.hold.unexplained() {
            if self
                .objects
                .danger_of(FEDERATED_WORKSPACE, &cluster_key(&workspace))
                .is_some()
            {
                self.hold.subsume(&workspace);
            }
        }
        self.hold.plan(now)
    }

    /// The registrations of a real cluster, as messages name them.
    pub(crate) fn subject_of(&self, cluster: usize) -> Text {
        let names: Vec<String> = self.registry.real()[cluster]
            .members
            .iter()
            .map(ToString::to_string)
            .collect();
        Text::from(names.join(" and "))
    }

    fn malformed(&mut self, feed: Feed, name: Text) {
        match &feed {
            Feed::Workspaces => self.tenants.workspaces.touch(&name),
            Feed::Namespaces => self.tenants.namespaces.touch(&name),
            Feed::Templates => self.tenants.templates.touch(&name),
            Feed::Federated(kind) => self.objects.table(kind).touch(&cluster_key(&name)),
            _ => {}
        }
        /// Names kept a feed: enough to look at, however many there are.
        const MAX_MALFORMED: usize = 16;
        let names = self.malformed.entry(feed).or_default();
        if names.len() < MAX_MALFORMED {
            names.insert(name);
        }
    }

    fn feed(&mut self, feed: Feed, state: FeedState, now: Time) {
        let health = self.feeds.entry(feed).or_default();
        health.state = state;
        health.synced_once |= state == FeedState::Synced;
        health.heard = now;
    }

    /// A line came in on this feed.
    pub fn heard(&mut self, feed: &Feed, now: Time) {
        if let Some(health) = self.feeds.get_mut(feed) {
            health.heard = now;
        }
    }

    /// The feed is no longer wanted: its kind is not federated any more.
    pub fn drop_feed(&mut self, feed: &Feed) {
        self.feeds.remove(feed);
        self.malformed.remove(feed);
    }

    pub(crate) fn synced(&self, feed: &Feed) -> bool {
        self.feeds
            .get(feed)
            .is_some_and(|health| health.state == FeedState::Synced)
    }

    /// Every deciding feed is in order and every registration's identity is as well known as it will be: only then may an
    /// absence be believed.
    pub(crate) fn sure(&self, now: Time) -> bool {
        let deciding = |feed: &Feed| {
            matches!(
                feed,
                Feed::Registrations | Feed::Workspaces | Feed::Namespaces | Feed::Federated(_)
            )
        };
        let fresh = self
            .feeds
            .iter()
            .filter(|(feed, _)| deciding(feed))
            .all(|(_, health)| {
                health.state == FeedState::Synced && now.since_ms(health.heard) < STALE_MS
            });
        let known = [Feed::Registrations, Feed::Workspaces, Feed::Namespaces]
            .iter()
            .all(|feed| self.synced(feed));
        let probed = !self.policy.probing
            || self
                .registry
                .entries
                .iter()
                .all(|(_, entry)| entry.probed());
        fresh && known && probed
    }

    /// A full list of this feed begins.
    pub fn begin(&mut self, feed: &Feed) {
        match feed {
            Feed::Registrations => self.registry.entries.begin(),
            Feed::Configs => self.registry.configs.begin(),
            Feed::Types => self.registry.types.begin(),
            Feed::Clusters => self.registry.clusters.begin(),
            Feed::Controllers => self.registry.controllers.begin(),
            Feed::Templates => self.tenants.templates.begin(),
            Feed::Workspaces => self.tenants.workspaces.begin(),
            Feed::Namespaces => self.tenants.namespaces.begin(),
            Feed::Federated(kind) => self.objects.table(kind).begin(),
        }
        self.malformed.remove(feed);
    }

    /// The list is complete: what it left out is gone, as if each had been reported so.
    pub fn end(&mut self, feed: &Feed, now: Time) -> Vec<Effect> {
        let gone: Vec<Change> = match feed {
            Feed::Registrations => changes(self.registry.entries.missing(), |key| {
                Change::Registration(key, None)
            }),
            Feed::Configs => changes(self.registry.configs.missing(), |ns| {
                Change::Config(ns, false)
            }),
            Feed::Types => changes(self.registry.types.missing(), |(ns, name)| {
                Change::Type(ns, name, None)
            }),
            Feed::Clusters => changes(self.registry.clusters.missing(), |name| {
                Change::Cluster(name, None)
            }),
            Feed::Controllers => changes(self.registry.controllers.missing(), |(ns, name)| {
                Change::Controller(ns, name, None)
            }),
            Feed::Templates => changes(self.tenants.templates.missing(), |name| {
                Change::Template(name, None)
            }),
            Feed::Workspaces => changes(self.tenants.workspaces.missing(), |name| {
                Change::Workspace(name, None)
            }),
            Feed::Namespaces => changes(self.tenants.namespaces.missing(), |name| {
                Change::Namespace(name, None)
            }),
            Feed::Federated(kind) => changes(self.objects.table(kind).missing(), |key| {
                Change::Federated(kind.clone(), key, None)
            }),
        };
        self.feed(feed.clone(), FeedState::Synced, now);
        let mut effects: Vec<Effect> = gone
            .into_iter()
            .flat_map(|change| self.apply(change, now))
            .collect();
        effects.extend(self.diagnose(now));
        effects
    }

    /// State of every feed by name.
    pub fn feed_states(&self) -> Vec<(String, FeedState)> {
        self.feeds
            .iter()
            .map(|(feed, health)| (feed.as_str().to_owned(), health.state))
            .collect()
    }

    /// Every feed, and whether it is in order.
    pub fn feeds(&self) -> impl Iterator<Item = (&Feed, bool)> {
        self.feeds
            .iter()
            .map(|(feed, health)| (feed, health.state == FeedState::Synced))
    }

    /// Nothing that is still on its way could change the verdict: for the first one after a start.
    pub fn settled(&self, now: Time) -> bool {
        self.sure(now)
            && self
                .feeds
                .values()
                .all(|health| health.state != FeedState::Pending)
    }

    /// Takes the owner's wishes.
    pub fn set_policy(&mut self, policy: Policy, now: Time) -> Vec<Effect> {
        self.hold.set_policy(policy.hold.clone(), now);
        self.policy = policy;
        self.diagnose(now)
    }

    /// The object says this of the hold; `first` after a start, when an earlier process' causes are taken up.
    pub fn observe_hold(
        &mut self,
        image: HoldImage,
        version: u64,
        first: bool,
        now: Time,
    ) -> Vec<Effect> {
        if first {
            self.hold.restore(&image, now);
        }
        self.hold.observe(image, version);
        self.hold.plan(now)
    }

    /// The FederationHealth object is gone.
    pub fn object_vanished(&mut self) {
        self.hold.vanished();
    }

    /// Outcome of a write of `status.hold`: the new resourceVersion, or None if it failed.
    pub fn hold_written(&mut self, outcome: Option<u64>) {
        self.hold.wrote(outcome);
    }

    /// Newest resourceVersion of the object that is known from our own writes and its watch.
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
    /// Judges the list itself, not the caches: a stale cache never lowers a hold.
    pub fn confirm_release(
        &mut self,
        list: Option<(&[(Text, Namespace)], &BTreeMap<Text, Uid>)>,
        now: Time,
    ) -> Vec<Effect> {
        if let Some((namespaces, workspaces)) = list {
            let armed = namespaces.iter().filter(|(_, n)| {
                !n.deleting
                    && !n.other_owner
                    && n.owner
                        .is_some_and(|owner| workspaces.get(&n.workspace) != Some(&owner))
            });
            self.hold
                .confirmed(armed.map(|(name, _)| name.clone()).collect(), now);
        }
        self.hold.plan(now)
    }

    /// Time passed.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        let mut effects = self.diagnose(now);
        effects.extend(self.hold.tick(now));
        effects
    }

    /// Takes up what an earlier process left in status: the ledger, and since when findings are open.
    pub fn restore(&mut self, ledger: Restored, since: BTreeMap<(&'static str, String), Time>) {
        self.ledger.restore(ledger);
        self.since = since;
    }

    /// Registrations, real clusters and control planes.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Incidents and losses.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The hold.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Brings the list of what is at risk up to date, if anything it rests on changed.
    pub(crate) fn refresh_risk(&mut self) {
        if !std::mem::take(&mut self.risk_stale) {
            return;
        }
        let mut risk = Risk::default();
        for (danger, kind, members) in self.objects.endangered() {
            let real = &self.registry.real()[danger.cluster];
            let here = real.host || self.registry.host_unknown();
            for key in members {
                if &**kind != FEDERATED_WORKSPACE {
                    risk.objects.insert((kind.clone(), key.clone()));
                } else if !self.spared(&key.name) {
                    if here {
                        risk.namespaces += self.tenants.members(&key.name).len();
                    }
                    risk.workspaces.insert(key.name.clone());
                }
            }
        }
        for name in self.hold.unexplained() {
            if risk.workspaces.insert(name.clone()) {
                risk.namespaces += self.tenants.members(&name).len();
            }
        }
        self.risk = risk;
    }

    /// Out of KubeFed's care, or not to be judged.
    fn spared(&self, workspace: &Text) -> bool {
        self.tenants
            .workspaces
            .get(workspace)
            .is_some_and(|w| w.ignored || w.managed == Managed::No)
    }

    /// A kind is no longer federated: its objects are no longer simulated.
    pub fn forget_kind(&mut self, kind: &Text, now: Time) -> Vec<Effect> {
        let keys = self.objects.keys(kind);
        let effects = keys
            .into_iter()
            .flat_map(|key| self.apply(Change::Federated(kind.clone(), key, None), now))
            .collect();
        self.drop_feed(&Feed::Federated(kind.clone()));
        effects
    }

    /// The federated kind that decides for namespaced kinds.
    pub fn namespace_kind() -> &'static str {
        FEDERATED_NAMESPACE
    }
}

fn changes<K>(keys: Vec<K>, change: impl Fn(K) -> Change) -> Vec<Change> {
    keys.into_iter().map(change).collect()
}
