//! Federated kinds and the watches that follow them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use federation_health_api::foreign::ResourceType;
use federation_health_core::{id::Text, objects::FEDERATED_WORKSPACE};
use federation_health_index::changes::{is_readable, path};
use tokio::sync::Notify;

/// Kinds watched at once: KubeSphere federates 26, and each costs one watch on the API server.
const MAX_KINDS: usize = 64;

/// Which federated kinds the FederatedTypeConfigs enable, and where each is served.
#[derive(Default)]
pub struct Kinds {
    by_config: Mutex<BTreeMap<(Text, Text), (Text, String)>>,
    /// The set changed.
    pub changed: Notify,
}

impl Kinds {
    /// Takes a FederatedTypeConfig; none while it is gone or disabled.
    pub fn put(
        &self,
        namespace: &Text,
        name: &Text,
        federated: Option<&ResourceType>,
        target: &str,
    ) {
        let mut map = self
            .by_config
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.clone(), name.clone());
        let entry = federated
            .filter(|kind| is_readable(kind, target))
            .map(|kind| (Text::from(kind.kind.as_str()), path(kind)));
        let changed = match entry {
            Some(entry) => map.insert(key, entry.clone()).as_ref() != Some(&entry),
            None => map.remove(&key).is_some(),
        };
        drop(map);
        if changed {
            self.changed.notify_one();
        }
    }

    /// Forgets those whose FederatedTypeConfig does not exist.
    pub fn retain(&self, exists: impl Fn(&Text, &Text) -> bool) {
        let mut map = self
            .by_config
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = map.len();
        map.retain(|(namespace, name), _| exists(namespace, name));
        if map.len() != before {
            self.changed.notify_one();
        }
    }

    /// Kind and path of everything that is to be watched. FederatedWorkspaces always are: what they wish decides about
    /// Workspaces even before a FederatedTypeConfig is seen.
    pub fn wanted(&self, all: bool) -> BTreeMap<Text, String> {
        let map = self
            .by_config
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let workspace = (
            Text::from(FEDERATED_WORKSPACE),
            "/apis/types.kubefed.io/v1beta1/federatedworkspaces".to_owned(),
        );
        let others = map.values().filter(|_| all).cloned();
        others.take(MAX_KINDS).chain([workspace]).collect()
    }
}

/// Shared by the reader of FederatedTypeConfigs and the task that starts and stops watches.
pub type SharedKinds = Arc<Kinds>;

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(kind: &str, plural: &str) -> ResourceType {
        ResourceType {
            group: "types.kubefed.io".to_owned(),
            version: "v1beta1".to_owned(),
            kind: kind.to_owned(),
            plural_name: plural.to_owned(),
            scope: "Namespaced".to_owned(),
        }
    }

    #[test]
    fn secrets_are_never_watched() {
        let kinds = Kinds::default();
        let (ns, name) = (Text::from("kube-federation-system"), Text::from("secrets"));
        kinds.put(
            &ns,
            &name,
            Some(&kind("FederatedSecret", "federatedsecrets")),
            "Secret",
        );
        kinds.put(
            &ns,
            &Text::from("odd"),
            Some(&kind("FederatedThing", "federatedthings")),
            "Secret",
        );
        kinds.put(
            &ns,
            &Text::from("deployments.apps"),
            Some(&kind("FederatedDeployment", "federateddeployments")),
            "Deployment",
        );
        let wanted: Vec<String> = kinds.wanted(true).keys().map(ToString::to_string).collect();
        assert_eq!(wanted, ["FederatedDeployment", "FederatedWorkspace"]);
        assert_eq!(kinds.wanted(false).len(), 1);
    }
}
