//! How far the facts can be believed: which lists are complete, which watches still speak, which objects are unreadable.

use std::collections::BTreeSet;

use crate::{
    effect::Effect,
    facts::{Change, Feed, FeedState},
    federation::Federation,
    id::Text,
    objects::FEDERATED_WORKSPACE,
    time::Time,
};

/// A watch that has not said anything, bookmarks included, for this long is not trusted: bookmarks come every minute.
pub const STALE_MS: i64 = 100_000;
/// A watch may trail a write by this much on a busy server, in milliseconds.
pub(crate) const LAG_MS: i64 = 5_000;
/// Names of unreadable objects kept a feed: enough to look at, however many there are.
const MAX_MALFORMED: usize = 16;

/// A feed and when it last spoke.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeedHealth {
    pub(crate) state: FeedState,
    pub(crate) synced_once: bool,
    pub(crate) heard: Time,
    /// When a full list was last completed: beside a watch it finds what the API server never told of.
    listed: Option<Time>,
    /// When it came into its state.
    since: Time,
    /// Objects that exist and cannot be read.
    pub(crate) malformed: BTreeSet<Text>,
    /// A full list is under way; what it found unreadable so far.
    listing: Option<BTreeSet<Text>>,
    /// That list stands beside a watch which should have told the same.
    audit: bool,
}

impl FeedHealth {
    fn is_fresh(&self, now: Time) -> bool {
        self.state == FeedState::Synced && now.since_ms(self.heard) < STALE_MS
    }

    /// It will not say more than it has: a list was completed once, or there is none to complete.
    fn is_answered(&self) -> bool {
        self.synced_once || matches!(self.state, FeedState::NotInstalled | FeedState::Forbidden)
    }
}

/// The feed of FederatedWorkspaces.
pub(crate) fn federated_workspaces() -> Feed {
    Feed::Federated(Text::from(FEDERATED_WORKSPACE))
}

impl Federation {
    pub(crate) fn feed_state(&mut self, feed: &Feed, state: FeedState, now: Time) -> Vec<Effect> {
        let health = self.feeds.entry(feed.clone()).or_default();
        let was = (health.is_answered(), health.state);
        if was.1 != state {
            health.since = now;
        }
        health.state = state;
        health.synced_once |= state == FeedState::Synced;
        health.heard = now;
        if was.0 != health.is_answered() {
            return self.answered(now);
        }
        Vec::new()
    }

    /// A feed became as complete as it will be: what waited for it is decided.
    fn answered(&mut self, now: Time) -> Vec<Effect> {
        let effects = self.decide_undecided(now);
        self.settle_losses(now);
        effects
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
    }

    /// The feed is wanted, whatever has come of it.
    pub(crate) fn watches(&self, feed: &Feed) -> bool {
        self.feeds.contains_key(feed)
    }

    /// A list of this feed was completed, and nobody said since that there is no such kind.
    pub(crate) fn known(&self, feed: &Feed) -> bool {
        self.feeds.get(feed).is_some_and(|health| {
            health.synced_once
                && !matches!(health.state, FeedState::NotInstalled | FeedState::Forbidden)
        })
    }

    /// Everything that decides whether a deletion was wished has been read, as far as it can be.
    pub(crate) fn wishes_read(&self) -> bool {
        [
            Feed::Registrations,
            Feed::Workspaces,
            federated_workspaces(),
        ]
        .iter()
        .all(|feed| self.answered_by(feed))
            && self
                .feeds
                .get(&Feed::Templates)
                .is_none_or(FeedHealth::is_answered)
    }

    pub(crate) fn is_fresh(&self, feed: &Feed, now: Time) -> bool {
        let health = self.feeds.get(feed);
        health.is_some_and(|health| health.is_fresh(now))
    }

    /// Since when this feed says of every object whether it exists; None while it does not.
    pub(crate) fn tells_since(&self, feed: &Feed, now: Time) -> Option<Time> {
        let health = self.feeds.get(feed)?;
        let tells = health.is_fresh(now) || health.state == FeedState::NotInstalled;
        tells.then_some(health.since)
    }

    pub(crate) fn answered_by(&self, feed: &Feed) -> bool {
        self.feeds.get(feed).is_some_and(FeedHealth::is_answered)
    }

    pub(crate) fn listing(&self, feed: &Feed) -> bool {
        self.feeds.get(feed).is_some_and(|h| h.listing.is_some())
    }

    /// Every deciding feed is in order and every registration was dialled: only then may an absence be believed.
    pub(crate) fn sure(&self, now: Time) -> bool {
        let needed = [
            Feed::Registrations,
            Feed::Workspaces,
            Feed::Namespaces,
            federated_workspaces(),
        ];
        let federated = &needed[3];
        let in_order = needed
            .iter()
            .all(|feed| self.is_fresh(feed, now) || (feed == federated && self.kind_is_gone(now)));
        // These decide only where they exist: KubeSphere's Clusters carry identity, templates name what is in use, types say what a
        // plane works on.
        let others = self
            .feeds
            .iter()
            .filter(|(feed, _)| {
                matches!(
                    feed,
                    Feed::Clusters | Feed::Templates | Feed::Types | Feed::Federated(_)
                )
            })
            .filter(|(feed, _)| !needed.contains(feed))
            .all(|(_, health)| health.is_fresh(now) || health.state == FeedState::NotInstalled);
        let readable = self.no_malformed(&Feed::Registrations);
        let dialled = !self.policy.probing || self.registry.entries.iter().all(|(_, e)| e.probed());
        in_order && others && readable && dialled && !self.regroup_due
    }

    /// A full list of this feed begins.
    pub fn begin(&mut self, feed: &Feed) {
        match feed {
            Feed::Registrations => self.registry.entries.begin(),
            Feed::Configs => self.registry.configs.begin(),
            Feed::Types => self.registry.types.begin(),
            Feed::Clusters => self.registry.clusters.begin(),
            Feed::Controllers => self.registry.controllers.begin(),
            Feed::Definitions => self.registry.definitions.begin(),
            Feed::Templates => self.tenants.templates.begin(),
            Feed::Workspaces => {
                self.tenants.workspaces.begin();
                self.tenants.canaries.begin();
            }
            Feed::Namespaces => {
                self.tenants.namespaces.begin();
                self.registry.homes.begin();
            }
            Feed::Federated(kind) => self.objects.begin(kind),
        }
        self.feeds.entry(feed.clone()).or_default().listing = Some(BTreeSet::new());
    }

    /// The list that begins next is compared with a watch that is in order.
    pub fn audit(&mut self, feed: &Feed) {
        self.feeds.entry(feed.clone()).or_default().audit = true;
    }

    /// Deletions that the API server never told of, found by the lists beside the watches.
    pub fn lost_deletions(&self) -> u64 {
        self.lost_deletions
    }

    /// The list is complete: what it left out is gone, as if each had been reported so.
    pub fn end(&mut self, feed: &Feed, now: Time) -> Vec<Effect> {
        let gone = self.missing(feed);
        let health = self.feeds.entry(feed.clone()).or_default();
        if std::mem::take(&mut health.audit) {
            self.lost_deletions += gone.len() as u64;
        }
        let mut effects: Vec<Effect> = gone
            .into_iter()
            .flat_map(|change| self.apply(change, now))
            .collect();
        let health = self.feeds.entry(feed.clone()).or_default();
        health.listed = Some(now);
        if let Some(malformed) = health.listing.take() {
            health.malformed = malformed;
        }
        let completed = match feed {
            Feed::Registrations => self.registry.complete(),
            Feed::Types => self.registry.complete_types(),
            _ => false,
        };
        if completed || (self.regroup_due && *feed == Feed::Registrations) {
            effects.extend(self.regroup(now));
        }
        effects.extend(self.feed_state(feed, FeedState::Synced, now));
        effects.extend(self.diagnose(now));
        effects
    }

    fn missing(&self, feed: &Feed) -> Vec<Change> {
        let registry = &self.registry;
        let tenants = &self.tenants;
        match feed {
            Feed::Registrations => changes(registry.entries.missing(), |key| {
                Change::Registration(key, None)
            }),
            Feed::Configs => changes(registry.configs.missing(), |ns| Change::Config(ns, false)),
            Feed::Types => changes(registry.types.missing(), |(ns, name)| {
                Change::Type(ns, name, None)
            }),
            Feed::Clusters => changes(registry.clusters.missing(), |name| {
                Change::Cluster(name, None)
            }),
            Feed::Definitions => changes(registry.definitions.missing(), |kind| {
                Change::Definition(kind, None)
            }),
            Feed::Controllers => changes(registry.controllers.missing(), |(ns, name)| {
                Change::Controller(ns, name, None)
            }),
            Feed::Templates => changes(tenants.missing_templates(), |name| {
                Change::Template(name, None)
            }),
            Feed::Workspaces => {
                let mut gone = changes(tenants.missing_workspaces(), |name| {
                    Change::Workspace(name, None)
                });
                gone.extend(changes(tenants.canaries.missing(), |name| {
                    Change::Canary(name, None)
                }));
                gone
            }
            Feed::Namespaces => {
                let mut gone = changes(tenants.namespaces.missing(), |name| {
                    Change::Namespace(name, None)
                });
                gone.extend(changes(registry.homes.missing(), |name| {
                    Change::Home(name, None)
                }));
                gone
            }
            Feed::Federated(kind) => changes(self.objects.missing(kind), |key| {
                Change::Federated(kind.clone(), key, None)
            }),
        }
    }

    /// An object exists and cannot be read: what is known of it stays. Only its name is known, so every row of that name
    /// stays in kinds that have namespaces.
    pub(crate) fn malformed(&mut self, feed: &Feed, name: &Text) {
        let registry = &mut self.registry;
        match feed {
            Feed::Workspaces => self.tenants.touch_workspace(name),
            Feed::Namespaces => {
                self.tenants.namespaces.touch(name);
                registry.homes.touch(name);
            }
            Feed::Templates => self.tenants.touch_template(name),
            Feed::Clusters => registry.clusters.touch(name),
            Feed::Registrations => registry.entries.touch_where(|key| key.name == *name),
            Feed::Types => registry.types.touch_where(|key| key.1 == *name),
            Feed::Controllers => registry.controllers.touch_where(|key| key.1 == *name),
            // There is one, and it is known by its kind.
            Feed::Definitions => registry.definitions.touch_where(|_| true),
            // Any unreadable KubeFedConfig may be any namespace's: all are named alike.
            Feed::Configs => registry.configs.touch_where(|_| true),
            Feed::Federated(kind) => self.objects.touch(kind, name),
        }
        let health = self.feeds.entry(feed.clone()).or_default();
        for names in [Some(&mut health.malformed), health.listing.as_mut()]
            .into_iter()
            .flatten()
        {
            if names.len() < MAX_MALFORMED {
                names.insert(name.clone());
            }
        }
    }

    /// An object of this name exists perhaps, and cannot be read; where more names are unreadable than are kept, any may be.
    pub(crate) fn may_be_malformed(&self, feed: &Feed, name: &Text) -> bool {
        self.feeds.get(feed).is_some_and(|health| {
            health.malformed.len() >= MAX_MALFORMED || health.malformed.contains(name)
        })
    }

    /// Every object of this feed could be read.
    pub(crate) fn no_malformed(&self, feed: &Feed) -> bool {
        self.feeds
            .get(feed)
            .is_none_or(|health| health.malformed.is_empty())
    }

    /// A change that could be read ends what was said about the unreadable object of its name.
    pub(crate) fn readable_again(&mut self, change: &Change) {
        let (feed, name) = match change {
            Change::Registration(key, _) => (Feed::Registrations, &key.name),
            Change::Type(_, name, _) => (Feed::Types, name),
            Change::Cluster(name, _) => (Feed::Clusters, name),
            Change::Template(name, _) => (Feed::Templates, name),
            Change::Workspace(name, _) | Change::Canary(name, _) => (Feed::Workspaces, name),
            Change::Namespace(name, _) | Change::NamespaceLeft(name) => (Feed::Namespaces, name),
            Change::Controller(_, name, _) => (Feed::Controllers, name),
            Change::Federated(kind, key, _) => (Feed::Federated(kind.clone()), &key.name),
            Change::Config(..)
            | Change::Witness(..)
            | Change::Home(..)
            | Change::LookedAt(..)
            | Change::Definition(..)
            | Change::Accounts(..)
            | Change::TokenAccount(..)
            | Change::KubeSystem(_)
            | Change::Probed(..)
            | Change::Malformed(..)
            | Change::Told(_)
            | Change::Feed(..) => return,
        };
        if let Some(health) = self.feeds.get_mut(&feed)
            && !health.malformed.is_empty()
        {
            health.malformed.remove(name);
        }
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

    /// When the feed in order that was not listed for longest was last listed; none before the first list.
    pub fn oldest_list(&self) -> Option<Time> {
        let in_order = |health: &&FeedHealth| health.state == FeedState::Synced;
        let feeds = self.feeds.values().filter(in_order);
        feeds.filter_map(|health| health.listed).min()
    }

    /// Nothing that is still on its way could change the verdict: for the first one after a start.
    pub fn settled(&self, now: Time) -> bool {
        self.sure(now)
            && self
                .feeds
                .values()
                .all(|health| health.state != FeedState::Pending)
    }
}

fn changes<K>(keys: Vec<K>, change: impl Fn(K) -> Change) -> Vec<Change> {
    keys.into_iter().map(change).collect()
}
