//! Federated kinds: which resource holds the template and which one is propagated.

use serde_json::Value;

use crate::{agent::Resource, json, state::Key};

/// An enabled FederatedTypeConfig.
#[derive(Clone, Debug)]
pub(super) struct FederatedType {
    pub(super) federated: Resource,
    pub(super) federated_kind: String,
    pub(super) federated_api_version: String,
    pub(super) target: Resource,
    pub(super) target_kind: String,
    pub(super) target_namespaced: bool,
}

impl FederatedType {
    /// Name and content of a config; `None` when it is disabled, deleting or incomplete.
    pub(super) fn parse(config: &Value) -> Option<(String, Self)> {
        if json::text(config, &["spec", "propagation"]) != "Enabled" || json::deleting(config) {
            return None;
        }
        let resource = |side: &str| {
            let field = |name: &str| json::text(config, &["spec", side, name]);
            let plural = field("pluralName");
            (!plural.is_empty()).then(|| Resource::named(field("group"), field("version"), plural))
        };
        let side = |side: &str, name: &str| json::text(config, &["spec", side, name]).to_owned();
        let (group, version) = (
            side("federatedType", "group"),
            side("federatedType", "version"),
        );
        Some((
            json::meta(config, "name").to_owned(),
            Self {
                federated: resource("federatedType")?,
                federated_kind: side("federatedType", "kind"),
                federated_api_version: format!("{group}/{version}"),
                target: resource("targetType")?,
                target_kind: side("targetType", "kind"),
                target_namespaced: side("targetType", "scope") == "Namespaced",
            },
        ))
    }

    /// Namespaces are federated by an object that lives in them.
    pub(super) fn is_namespaces(&self) -> bool {
        self.target_kind == "Namespace"
    }

    /// Where in a member the object of a federated object is.
    pub(super) fn target_key(&self, federated: &Key) -> Key {
        if self.target_namespaced {
            federated.clone()
        } else {
            Key::new("", federated.name.clone())
        }
    }

    /// The federated object that a member's object belongs to.
    pub(super) fn federated_key(&self, target: &Value) -> Key {
        let name = json::meta(target, "name");
        if self.is_namespaces() {
            Key::new(name, name)
        } else {
            Key::of(target)
        }
    }
}
