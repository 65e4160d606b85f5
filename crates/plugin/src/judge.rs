//! core's verdict on what was read: once from lists, or event by event from a recording. The same code that the operator runs.

use std::collections::BTreeMap;

use federation_health_api::{FederationHealth, v1alpha1::FederationHealthStatus};
use federation_health_core::{
    assess::{Assessment, Proof},
    effect::{Effect, HoldImage},
    facts::{Change, Desired, Feed, FeedState},
    federation::{Federation, LiveKind, LiveWish},
    id::Text,
    objects::FEDERATED_WORKSPACE,
    placement::Selector,
    time::Time,
};
use federation_health_index::{policy, status};
use serde_json::Value;

use crate::{Error, kinds::Kind};

/// Conditions that a look from outside can judge; the others are about the operator.
pub const JUDGED: [&str; 5] = [
    "ClustersUnique",
    "ControlPlaneUnique",
    "RegistrationsCurrent",
    "WorkspacesStable",
    "NamespacesSafe",
];
/// Incidents shown: as many as the object may keep.
const INCIDENTS: usize = 20;
/// Longer than core lets anything stand before it tells it, and shorter than a feed may be silent.
const GRACE_MS: i64 = 61_000;

/// One federation under judgement.
pub struct Judge {
    federation: Federation,
    ignore: Option<Selector>,
    feeds: Vec<Feed>,
    /// What Workspaces' desired objects say now: what the operator would read live.
    templates: BTreeMap<Text, Desired>,
    federated: BTreeMap<Text, Desired>,
    kind: LiveKind,
    /// Objects that cannot be read.
    pub malformed: Vec<String>,
}

impl Judge {
    /// Judges as this object asks; without one, as its defaults do.
    pub fn new(object: &FederationHealth, now: Time) -> Result<Self, Error> {
        let settings = policy::settings(object)
            .map_err(|e| Error::parse("read the spec of the FederationHealth object", e))?;
        let mut federation = Federation::default();
        let mut policy = settings.policy;
        // Nothing is dialled here: what a probe would tell is not waited for.
        policy.probing = false;
        federation.set_policy(policy, now);
        federation.observe_hold(HoldImage::default(), [false; 2], 1, true, now);
        Ok(Self {
            federation,
            ignore: settings.ignore,
            feeds: Vec::new(),
            templates: BTreeMap::new(),
            federated: BTreeMap::new(),
            // Where nothing was recorded of it, the objects of the kind say that it stood.
            kind: LiveKind::Stands,
            malformed: Vec::new(),
        })
    }

    /// A full list of a kind begins.
    pub fn begin(&mut self, kind: &Kind) {
        self.federation.begin(&kind.feed());
    }

    /// The list is complete.
    pub fn end(&mut self, kind: &Kind, now: Time) -> Vec<Effect> {
        self.known(kind.feed());
        let effects = self.federation.end(&kind.feed(), now);
        self.answer(effects, now)
    }

    /// A kind that could not be listed.
    pub fn state(&mut self, kind: &Kind, state: FeedState, now: Time) {
        self.known(kind.feed());
        self.federation.apply(Change::Feed(kind.feed(), state), now);
    }

    fn known(&mut self, feed: Feed) {
        if !self.feeds.contains(&feed) {
            self.feeds.push(feed);
        }
    }

    /// One object, or its end; what the operator would do at once.
    pub fn object(&mut self, kind: &Kind, object: &Value, gone: bool, now: Time) -> Vec<Effect> {
        match kind.changes(object, gone, self.ignore.as_ref()) {
            Ok(changes) => {
                let mut effects = Vec::new();
                for change in changes {
                    effects.extend(self.apply(change, now));
                }
                effects
            }
            Err(why) => {
                let name = object["metadata"]["name"].as_str().unwrap_or("?");
                self.malformed
                    .push(format!("{} {name}: {why}", kind.feed().as_str()));
                self.apply(Change::Malformed(kind.feed(), Text::from(name)), now)
            }
        }
    }

    /// One change.
    pub fn apply(&mut self, change: Change, now: Time) -> Vec<Effect> {
        match &change {
            Change::Template(name, desired) => {
                remember(&mut self.templates, name, desired.as_ref());
            }
            Change::Federated(kind, key, desired) if &**kind == FEDERATED_WORKSPACE => {
                remember(&mut self.federated, &key.name, desired.as_ref());
            }
            Change::Definition(_, terminating) => {
                self.kind = match terminating {
                    Some(false) => LiveKind::Stands,
                    Some(true) | None => LiveKind::Goes,
                };
            }
            _ => {}
        }
        let effects = self.federation.apply(change, now);
        self.answer(effects, now)
    }

    /// Answers what the operator would ask the server, from what is known: in a recording, what it would have read.
    fn answer(&mut self, mut effects: Vec<Effect>, now: Time) -> Vec<Effect> {
        let mut next = 0;
        while let Some(effect) = effects.get(next).cloned() {
            next += 1;
            let more = match effect {
                Effect::Verify(workspace, _) => {
                    let wish = LiveWish {
                        federated: self.federated.get(&workspace).cloned(),
                        template: self.templates.get(&workspace).cloned(),
                        kind: self.kind,
                    };
                    self.federation.verified(&workspace, Some(wish), now)
                }
                Effect::Raise(image) | Effect::Lower(image) => {
                    let version = self.federation.hold_version() + 1;
                    self.federation.hold_written(&image, Some(version), now)
                }
                Effect::Durable(rule, active) => {
                    self.federation.observe_binding(rule, Some(active), now)
                }
                Effect::ConfirmRelease => Vec::new(),
            };
            effects.extend(more);
        }
        effects
    }

    /// Time passed. A recording has no bookmarks: while it goes on, its feeds are alive.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        for feed in &self.feeds {
            self.federation.heard(feed, now);
        }
        let effects = self.federation.tick(now);
        self.answer(effects, now)
    }

    /// The verdict.
    pub fn assess(&mut self, now: Time) -> Assessment {
        self.federation.assess(now, &Proof::Pending)
    }

    /// The verdict as the object's status would say it.
    pub fn status(&mut self, now: Time) -> FederationHealthStatus {
        let assessment = self.assess(now);
        status::status(&assessment, &self.federation, 1, INCIDENTS, None, now)
    }

    /// The verdict on one look. A list shows a state and no moment: what it shows has stood for as long as the operator
    /// would wait before it tells it.
    pub fn look(&mut self, now: Time) -> FederationHealthStatus {
        self.tick(now);
        self.status(now);
        let later = now.plus_ms(GRACE_MS);
        self.tick(later);
        self.status(later)
    }
}

fn remember(map: &mut BTreeMap<Text, Desired>, name: &Text, desired: Option<&Desired>) {
    match desired {
        Some(desired) => map.insert(name.clone(), desired.clone()),
        None => map.remove(name),
    };
}
