//! Which members a federated object is placed on.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{Plane, types::FederatedType};
use crate::{agent::resources::FEDERATED_NAMESPACES, json, selector::label_selector_matches};

impl Plane {
    /// Names that the placement selects, as `pkg/controller/util/placement.go` computes them.
    pub(super) fn selected(
        &self,
        kind: &FederatedType,
        object: &Value,
        clusters: &[Arc<Value>],
    ) -> BTreeSet<String> {
        let mut names = placed(object, clusters);
        if kind.target_namespaced {
            let home = json::meta(object, "namespace");
            let namespace = self.agent.get(&FEDERATED_NAMESPACES, home, home);
            let homes = namespace.map(|n| placed(&n, clusters)).unwrap_or_default();
            names.retain(|n| homes.contains(n));
        }
        names
    }
}

/// A list of clusters wins when there is one, and an empty list means nowhere; otherwise the selector.
fn placed(object: &Value, clusters: &[Arc<Value>]) -> BTreeSet<String> {
    let placement = &object["spec"]["placement"];
    let chosen = |cluster: &Value| {
        if let Some(list) = placement.get("clusters").and_then(Value::as_array) {
            return list
                .iter()
                .any(|c| json::text(c, &["name"]) == json::meta(cluster, "name"));
        }
        placement
            .get("clusterSelector")
            .filter(|s| !s.is_null())
            .is_some_and(|s| label_selector_matches(s, cluster))
    };
    clusters
        .iter()
        .filter(|c| chosen(c))
        .map(|c| json::meta(c, "name").to_owned())
        .collect()
}
