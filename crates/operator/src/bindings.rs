//! The durable bindings: active, dormant, or missing.

use std::sync::Arc;

use federation_health_api::foreign::Meta;
use federation_health_cluster::{host::durable, watch::Sink};
use federation_health_core::{effect::Rule, facts::FeedState};
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

/// Tells the engine about the durable bindings, and the prover that something changed.
pub struct BindingSink {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// Policies or bindings changed.
    pub changed: Arc<Notify>,
    /// Only changes matter: this watch is of policies, which have no switch.
    pub switches: bool,
    seen: Vec<Rule>,
}

impl BindingSink {
    /// A sink; `switches` for bindings, not for policies.
    pub fn new(engine: Arc<Engine>, changed: Arc<Notify>, switches: bool) -> Self {
        Self {
            engine,
            changed,
            switches,
            seen: Vec::new(),
        }
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
    }

    fn upsert(&mut self, object: BindingView) {
        if let Some(rule) = self.rule(&object) {
            self.seen.push(rule);
            self.engine.binding(rule, Some(object.active()));
        }
        if object.metadata.name.starts_with("federation-health-") {
            self.changed.notify_one();
        }
    }

    fn remove(&mut self, object: BindingView) {
        if let Some(rule) = self.rule(&object) {
            self.engine.binding(rule, None);
        }
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
        self.changed.notify_one();
    }

    fn malformed(&mut self, name: &str, error: &serde_json::Error) {
        tracing::warn!(object = name, %error, "a binding cannot be read");
    }

    fn state(&mut self, state: FeedState) {
        if state != FeedState::Synced {
            self.changed.notify_one();
        }
    }

    fn alive(&mut self) {}
}
