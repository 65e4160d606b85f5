//! A small federation to tell stories about: one control plane, this server registered as `host`.

use std::collections::BTreeMap;

use federation_health_core::{
    assess::{Assessment, Proof, Truth},
    effect::{CauseKind, Effect, HoldImage, Rule},
    facts::{
        Asked, Change, Desired, FederatedKind, Feed, FeedState, Namespace, Probe, Registration,
        Workspace,
    },
    federation::{Federation, LiveKind, LiveWish, Policy},
    id::Text,
    time::Time,
    words::ConditionType,
};

pub use crate::facts::*;

/// How much of the federation has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeds {
    /// All lists are complete.
    Synced,
    /// Nothing has been read.
    Unread,
}

/// A federation, its clock and what the API server would say.
pub struct Bed {
    pub federation: Federation,
    pub now: Time,
    version: u64,
    /// Rules that the switch's spec releases.
    pub released: [bool; 2],
    /// What the switch says.
    pub stored: HoldImage,
    /// Effects that the executor has not carried out by itself.
    pub left: Vec<Effect>,
}

impl Bed {
    /// An object with both holds on diagnosis, dormant bindings, and every feed as said.
    pub fn new(feeds: Feeds, policy: Policy) -> Self {
        let mut bed = Self::started(HoldImage::default(), Time(1_000_000_000), policy);
        for rule in Rule::ALL {
            bed.binding(rule, Some(false));
        }
        if feeds == Feeds::Synced {
            bed.sync();
        }
        bed
    }

    /// A process that has just started and read the object, but nothing else.
    pub fn started(stored: HoldImage, now: Time, policy: Policy) -> Self {
        let mut bed = Self {
            federation: Federation::default(),
            now,
            version: 1,
            released: [false; 2],
            stored,
            left: Vec::new(),
        };
        bed.policy(policy);
        bed.observe(true);
        bed
    }

    /// The usual: `host` is this server, Workspace `orders` is wished for, lives and owns a namespace.
    pub fn quiet() -> Self {
        Self::quiet_with(both())
    }

    pub fn quiet_with(policy: Policy) -> Self {
        let mut bed = Self::new(Feeds::Synced, policy);
        bed.host();
        bed.orders();
        assert_eq!(bed.left, [], "a quiet federation asks for nothing");
        bed
    }

    pub fn host(&mut self) {
        self.apply(Change::KubeSystem(uid(HERE)));
        self.apply(Change::Type(
            text(PLANE),
            text("workspaces"),
            Some(FederatedKind {
                kind: text(FW),
                target: text("Workspace"),
                namespaced: false,
            }),
        ));
        self.register(PLANE, "host", registration(1, "https://here:6443"));
    }

    pub fn orders(&mut self) {
        self.template("orders", Some(desired(10, &["host"])));
        self.federated("orders", Some(desired(20, &["host"])));
        self.workspace("orders", Some(workspace(30)));
        self.namespace("orders-dev", Some(namespace(40, "orders", 30)));
    }

    pub fn sync(&mut self) {
        for feed in feeds() {
            self.federation.begin(&feed);
            let effects = self.federation.end(&feed, self.now);
            self.carry_out(effects);
        }
    }

    /// Applies a change and plays the part of the executor: holds are written, bindings switched.
    pub fn apply(&mut self, change: Change) -> Vec<Effect> {
        let effects = self.federation.apply(change, self.now);
        self.carry_out(effects.clone());
        effects
    }

    pub fn register(&mut self, plane: &str, name: &str, facts: Registration) -> Vec<Effect> {
        self.apply(Change::Registration(key(plane, name), Some(facts)))
    }

    pub fn unregister(&mut self, plane: &str, name: &str) -> Vec<Effect> {
        self.apply(Change::Registration(key(plane, name), None))
    }

    pub fn probe(&mut self, name: &str, registration: u128, cluster: u128) -> Vec<Effect> {
        let answered = Probe::Answered {
            uid: uid(cluster),
            leases: Box::new([]),
        };
        self.probed(name, registration, answered)
    }

    pub fn probed(&mut self, name: &str, registration: u128, outcome: Probe) -> Vec<Effect> {
        let asked = self.asked(name, registration);
        self.apply(Change::Probed(key(PLANE, name), asked, outcome))
    }

    /// Whom a probe asks that begins now.
    pub fn asked(&self, name: &str, registration: u128) -> Asked {
        let entry = self.federation.registry().entry(&key(PLANE, name));
        Asked {
            uid: uid(registration),
            ..entry.map(|e| e.facts.asked()).unwrap_or_default()
        }
    }

    /// The incident's second name.
    pub fn double(&mut self) -> Vec<Effect> {
        self.register(PLANE, "produce-trt", registration(2, "https://here:6443"))
    }

    pub fn template(&mut self, name: &str, desired: Option<Desired>) -> Vec<Effect> {
        self.apply(Change::Template(text(name), desired))
    }

    pub fn federated(&mut self, name: &str, desired: Option<Desired>) -> Vec<Effect> {
        self.apply(Change::Federated(text(FW), cluster_key(name), desired))
    }

    pub fn workspace(&mut self, name: &str, facts: Option<Workspace>) -> Vec<Effect> {
        self.apply(Change::Workspace(text(name), facts))
    }

    pub fn dying(&mut self, name: &str, n: u128) -> Vec<Effect> {
        let facts = Workspace {
            deleting: true,
            ..workspace(n)
        };
        self.workspace(name, Some(facts))
    }

    pub fn namespace(&mut self, name: &str, facts: Option<Namespace>) -> Vec<Effect> {
        self.apply(Change::Namespace(text(name), facts))
    }

    pub fn dying_namespace(&mut self, name: &str, n: u128, ws: &str, owner: u128) {
        let facts = Namespace {
            deleting: true,
            ..namespace(n, ws, owner)
        };
        self.namespace(name, Some(facts));
    }

    pub fn feed(&mut self, feed: Feed, state: FeedState) {
        self.apply(Change::Feed(feed, state));
    }

    pub fn policy(&mut self, policy: Policy) -> Vec<Effect> {
        let effects = self.federation.set_policy(policy, self.now);
        self.carry_out(effects.clone());
        effects
    }

    pub fn observe(&mut self, first: bool) -> Vec<Effect> {
        let effects = self.federation.observe_hold(
            self.stored.clone(),
            self.released,
            self.version,
            first,
            self.now,
        );
        self.carry_out(effects.clone());
        effects
    }

    /// Somebody else writes the switch.
    pub fn foreign(&mut self, image: HoldImage) -> Vec<Effect> {
        self.stored = image;
        self.version += 1;
        self.observe(false)
    }

    pub fn binding(&mut self, rule: Rule, active: Option<bool>) -> Vec<Effect> {
        let effects = self.federation.observe_binding(rule, active, self.now);
        self.carry_out(effects.clone());
        effects
    }

    pub fn verified(&mut self, name: &str, wish: Option<LiveWish>) -> Vec<Effect> {
        let effects = self.federation.verified(&text(name), wish, self.now);
        self.carry_out(effects.clone());
        effects
    }

    /// Live reads find what stands in `orders`' wishes by default.
    pub fn still_wished(&mut self, name: &str) -> Vec<Effect> {
        let wish = LiveWish {
            federated: Some(desired(20, &["host"])),
            template: Some(desired(10, &["host"])),
            kind: LiveKind::Stands,
        };
        self.verified(name, Some(wish))
    }

    pub fn no_longer_wished(&mut self, name: &str) -> Vec<Effect> {
        let wish = LiveWish {
            federated: None,
            template: None,
            kind: LiveKind::Stands,
        };
        self.verified(name, Some(wish))
    }

    /// Time passes, and every watch speaks.
    pub fn pass(&mut self, ms: i64) -> Vec<Effect> {
        self.now = self.now.plus_ms(ms);
        for feed in feeds() {
            self.federation.heard(&feed, self.now);
        }
        self.tick()
    }

    /// Time passes in silence.
    pub fn silence(&mut self, ms: i64) -> Vec<Effect> {
        self.now = self.now.plus_ms(ms);
        self.tick()
    }

    pub fn tick(&mut self) -> Vec<Effect> {
        let effects = self.federation.tick(self.now);
        self.carry_out(effects.clone());
        effects
    }

    /// A consistent list was read.
    pub fn confirm(
        &mut self,
        namespaces: &[(&str, Namespace)],
        workspaces: &[(&str, u128)],
    ) -> Vec<Effect> {
        let live = |n| Workspace {
            uid: uid(n),
            ..Workspace::default()
        };
        let workspaces = workspaces.iter().map(|(name, n)| (*name, live(*n)));
        self.confirm_among(namespaces, &workspaces.collect::<Vec<_>>())
    }

    /// The same, of Workspaces of which some may be going.
    pub fn confirm_among(
        &mut self,
        namespaces: &[(&str, Namespace)],
        workspaces: &[(&str, Workspace)],
    ) -> Vec<Effect> {
        let namespaces: Vec<(Text, Namespace)> = namespaces
            .iter()
            .map(|(name, n)| (text(name), n.clone()))
            .collect();
        let workspaces: BTreeMap<Text, Workspace> = workspaces
            .iter()
            .map(|(name, workspace)| (text(name), *workspace))
            .collect();
        let effects = self
            .federation
            .confirm_release(Some((&namespaces, &workspaces)), self.now);
        self.carry_out(effects.clone());
        effects
    }

    pub fn carry(&mut self, effects: Vec<Effect>) {
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Raise(image) | Effect::Lower(image) => {
                    self.stored = image.clone();
                    self.version += 1;
                    let version = Some(self.version);
                    let more = self.federation.hold_written(&image, version, self.now);
                    self.carry_out(more);
                }
                Effect::Durable(rule, active) => {
                    let more = self
                        .federation
                        .observe_binding(rule, Some(active), self.now);
                    self.carry_out(more);
                }
                other => self.left.push(other),
            }
        }
    }

    pub fn assess(&mut self) -> Assessment {
        self.federation.assess(self.now, &Proof::default())
    }

    pub fn truth(&mut self, type_: ConditionType) -> Truth {
        self.assess().condition(type_).unwrap().status
    }

    pub fn codes(&mut self) -> Vec<&'static str> {
        self.assess().findings.iter().map(|(f, _)| f.code).collect()
    }

    pub fn holds(&self) -> (bool, bool) {
        (self.stored.collection, self.stored.federation)
    }

    pub fn durable(&self) -> (bool, bool) {
        let active = |rule| self.federation.hold().durable(rule) == Some(true);
        (active(Rule::Collection), active(Rule::Federation))
    }

    pub fn causes(&self) -> Vec<CauseKind> {
        self.stored.causes.iter().map(|c| c.kind).collect()
    }
}

impl Bed {
    /// Completes every list that is not complete yet, keeping what was applied outside of one.
    pub fn sync_rest(&mut self) {
        for feed in feeds() {
            let effects = self.federation.end(&feed, self.now);
            self.carry_out(effects);
        }
    }
}

/// Doubled, cured, and the time after which a hold may end has passed.
pub fn cured() -> Bed {
    let mut bed = Bed::quiet();
    bed.double();
    bed.unregister(PLANE, "produce-trt");
    bed.pass(RELEASE_AFTER_MS - 1);
    assert_eq!(bed.left, [], "too early to ask");
    bed.pass(1);
    bed
}
