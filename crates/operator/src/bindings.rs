//! The durable bindings: active, dormant, or missing. And whether the join guard is installed.

use std::{collections::BTreeMap, sync::Arc};

use federation_health_api::{
    foreign::Meta,
    names::{JOIN_DENY, JOIN_WARN},
};
use federation_health_cluster::{
    host::durable,
    watch::{Sink, Unreadable},
};
use federation_health_core::{effect::Rule, facts::FeedState, joined::JoinPart};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::engine::Engine;

/// A ValidatingAdmissionPolicyBinding or a ValidatingAdmissionPolicy, as far as the switch needs it.
#[derive(Debug, Default, Deserialize)]
pub struct BindingView {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: SpecView,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecView {
    #[serde(default)]
    match_resources: Option<MatchView>,
    #[serde(default)]
    validation_actions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchView {
    #[serde(default)]
    object_selector: Option<serde_json::Map<String, serde_json::Value>>,
}

impl BindingView {
    /// Matches everything: an absent or empty selector.
    fn active(&self) -> bool {
        let selector = self
            .spec
            .match_resources
            .as_ref()
            .and_then(|m| m.object_selector.as_ref());
        selector.is_none_or(serde_json::Map::is_empty)
    }
}

/// The join guard's policies, and what the binding of each makes of a violation.
const JOIN: [(&str, &str); 2] = [(JOIN_DENY, "Deny"), (JOIN_WARN, "Warn")];

/// Tells the engine about the durable bindings and the join guard, and the prover that something changed.
pub struct BindingSink {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// Policies or bindings changed.
    pub changed: Arc<Notify>,
    /// Only changes matter: this watch is of policies, which have no switch.
    pub switches: bool,
    seen: Vec<Rule>,
    /// The objects of [`JOIN`] that exist, and whether each does what it is for.
    join: BTreeMap<&'static str, bool>,
    listing: bool,
}

impl BindingSink {
    /// A sink; `switches` for bindings, not for policies.
    pub fn new(engine: Arc<Engine>, changed: Arc<Notify>, switches: bool) -> Self {
        Self {
            engine,
            changed,
            switches,
            seen: Vec::new(),
            join: BTreeMap::new(),
            listing: false,
        }
    }

    /// Notes an object of the join guard; None when it is gone.
    fn note_join(&mut self, name: &str, object: Option<&BindingView>) {
        let Some((name, action)) = JOIN.into_iter().find(|(known, _)| *known == name) else {
            return;
        };
        match object {
            Some(object) => {
                let actions = &object.spec.validation_actions;
                let works = !self.switches || actions.iter().any(|a| a == action);
                self.join.insert(name, works);
            }
            None => {
                self.join.remove(name);
            }
        }
        if !self.listing {
            self.tell_join();
        }
    }

    fn tell_join(&self) {
        let works = |(name, _): &(&str, &str)| self.join.get(name) == Some(&true);
        self.join_installed(Some(JOIN.iter().all(works)));
    }

    fn join_installed(&self, installed: Option<bool>) {
        let part = if self.switches {
            JoinPart::Bindings
        } else {
            JoinPart::Policies
        };
        self.engine.step(|federation| {
            federation.observe_join_policies(part, installed);
            Vec::new()
        });
    }

    fn rule(&self, object: &BindingView) -> Option<Rule> {
        let name = &object.metadata.name;
        Rule::ALL
            .into_iter()
            .find(|rule| self.switches && durable(*rule).0 == name)
    }
}

impl Sink<BindingView> for BindingSink {
    fn begin(&mut self) {
        self.seen.clear();
        self.join.clear();
        self.listing = true;
    }

    fn upsert(&mut self, object: BindingView) {
        if let Some(rule) = self.rule(&object) {
            self.seen.push(rule);
            self.engine.binding(rule, Some(object.active()));
        }
        self.note_join(&object.metadata.name, Some(&object));
        if object.metadata.name.starts_with("federation-health-") {
            self.changed.notify_one();
        }
    }

    fn remove(&mut self, object: BindingView) {
        if let Some(rule) = self.rule(&object) {
            self.engine.binding(rule, None);
        }
        self.note_join(&object.metadata.name, None);
        if object.metadata.name.starts_with("federation-health-") {
            self.changed.notify_one();
        }
    }

    fn end(&mut self) {
        for rule in Rule::ALL
            .into_iter()
            .filter(|rule| self.switches && !self.seen.contains(rule))
        {
            self.engine.binding(rule, None);
        }
        self.listing = false;
        self.tell_join();
        self.changed.notify_one();
    }

    fn malformed(&mut self, name: &str, why: &Unreadable) {
        tracing::warn!(object = name, %why, "a binding cannot be read");
    }

    fn state(&mut self, state: FeedState) {
        match state {
            FeedState::NotInstalled => self.join_installed(Some(false)),
            FeedState::Forbidden => self.join_installed(None),
            FeedState::Pending | FeedState::Synced | FeedState::Failing => {}
        }
        if state != FeedState::Synced {
            self.changed.notify_one();
        }
    }

    fn alive(&mut self) {}
}
