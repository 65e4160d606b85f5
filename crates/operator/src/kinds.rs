//! Federated kinds and the watches that follow them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use federation_health_api::foreign::ResourceType;
use federation_health_core::{id::Text, objects::FEDERATED_WORKSPACE};
use federation_health_index::{
    changes::{is_readable, path},
    facts::federated_kind,
};
use tokio::sync::{Notify, watch as cell};

/// Kinds taken from FederatedTypeConfigs: KubeSphere federates 26, and each costs one watch on the API server.
const MAX_KINDS: usize = 64;

/// Which federated kinds the FederatedTypeConfigs enable, and where each is served.
pub struct Kinds {
    /// Whether more than FederatedWorkspaces is watched.
    pub all: cell::Receiver<bool>,
    by_config: Mutex<BTreeMap<(Text, Text), (Text, String)>>,
    /// The set changed.
    pub changed: Notify,
    /// What was wanted when the watches were last started and ended.
    followed: Mutex<Option<BTreeMap<Text, String>>>,
}

impl Kinds {
    /// None yet; `all` says whether more than FederatedWorkspaces is watched.
    pub fn new(all: cell::Receiver<bool>) -> Self {
        Self {
            all,
            by_config: Mutex::default(),
            changed: Notify::new(),
            followed: Mutex::default(),
        }
    }

    /// Takes a FederatedTypeConfig; none while it is gone or disabled.
    ///
    /// # Errors
    /// There are too many kinds, and this one should be watched.
    pub fn put(
        &self,
        namespace: &Text,
        name: &Text,
        federated: Option<&ResourceType>,
        target: &str,
    ) -> Result<(), TooManyKinds> {
        let mut map = self
            .by_config
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.clone(), name.clone());
        let before = map.remove(&key);
        let wanted = federated
            .filter(|kind| is_readable(kind, target))
            .map(|kind| (federated_kind(kind), path(kind)));
        // Several control planes federate the same kinds.
        let known: BTreeSet<&Text> = map.values().map(|(kind, _)| kind).collect();
        let room = |(kind, _): &(Text, String)| known.contains(kind) || known.len() < MAX_KINDS;
        let (entry, left_out) = match wanted {
            Some(entry) if !room(&entry) => (None, true),
            entry => (entry, false),
        };
        let changed = before != entry;
        map.extend(entry.map(|entry| (key, entry)));
        drop(map);
        if changed {
            self.changed.notify_one();
        }
        if left_out && *self.all.borrow() {
            return Err(TooManyKinds);
        }
        Ok(())
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

    /// Takes down that there is a watch for each of these, and for no other.
    pub fn follow(&self, wanted: BTreeMap<Text, String>) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        *followed = Some(wanted);
    }

    /// Whether there is a watch for everything that is to be watched, as far as is known.
    pub fn is_followed(&self) -> bool {
        let wanted = self.wanted(*self.all.borrow());
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.as_ref() == Some(&wanted)
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
        others.chain([workspace]).collect()
    }
}

/// What is federated is more than is watched.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_KINDS} kinds are federated, and this one is not watched")]
pub struct TooManyKinds;

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

    fn kinds() -> Kinds {
        Kinds::new(cell::channel(true).1)
    }

    #[test]
    fn secrets_are_never_watched() {
        let kinds = kinds();
        let put = |name: &str, federated: ResourceType, target: &str| {
            let namespace = Text::from("kube-federation-system");
            kinds.put(&namespace, &Text::from(name), Some(&federated), target)
        };
        put(
            "secrets",
            kind("FederatedSecret", "federatedsecrets"),
            "Secret",
        )
        .unwrap();
        put("odd", kind("FederatedThing", "federatedthings"), "Secret").unwrap();
        put(
            "deployments.apps",
            kind("FederatedDeployment", "federateddeployments"),
            "Deployment",
        )
        .unwrap();
        let wanted: Vec<String> = kinds.wanted(true).keys().map(ToString::to_string).collect();
        assert_eq!(wanted, ["FederatedDeployment", "FederatedWorkspace"]);
        assert_eq!(kinds.wanted(false).len(), 1);
    }

    #[test]
    fn kinds_are_counted_once_however_many_planes_federate_them_and_one_too_many_is_told() {
        let kinds = kinds();
        let put = |plane: &str, n: usize, enabled: bool| {
            let federated = kind(&format!("FederatedKind{n}"), &format!("federatedkind{n}s"));
            let (namespace, name) = (Text::from(plane), Text::from(format!("kind{n}").as_str()));
            kinds.put(&namespace, &name, enabled.then_some(&federated), "Kind")
        };
        for n in 0..MAX_KINDS {
            assert_eq!(put("a", n, true), Ok(()));
            assert_eq!(put("b", n, true), Ok(()), "the same of another plane");
        }
        assert_eq!(put("a", MAX_KINDS, true), Err(TooManyKinds));
        assert_eq!(put("b", 0, true), Ok(()), "seen again");
        assert_eq!(
            kinds.wanted(true).len(),
            MAX_KINDS + 1,
            "and FederatedWorkspace"
        );
        assert_eq!(put("a", 0, false), Ok(()));
        assert_eq!(put("b", 0, false), Ok(()));
        assert_eq!(
            put("a", MAX_KINDS, true),
            Ok(()),
            "there is room for it now"
        );
    }

    #[test]
    fn a_rivals_kind_of_the_same_name_in_another_group_is_watched_beside_ours() {
        let kinds = kinds();
        let ours = kind("FederatedNamespace", "federatednamespaces");
        let rivals = ResourceType {
            group: "types.rival.io".to_owned(),
            ..ours.clone()
        };
        let name = Text::from("namespaces");
        for (plane, federated) in [("a", &ours), ("b", &rivals)] {
            let namespace = Text::from(plane);
            kinds
                .put(&namespace, &name, Some(federated), "Namespace")
                .unwrap();
        }
        let wanted = kinds.wanted(true);
        let path = |kind: &str| wanted.get(&Text::from(kind)).map(String::as_str);
        assert_eq!(
            path("FederatedNamespace"),
            Some("/apis/types.kubefed.io/v1beta1/federatednamespaces")
        );
        assert_eq!(
            path("FederatedNamespace.types.rival.io"),
            Some("/apis/types.rival.io/v1beta1/federatednamespaces")
        );
    }
}
