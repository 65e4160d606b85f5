//! What each watched kind means: the wiring of index's translations to the watches.

use std::sync::Arc;

use federation_health_api::foreign;
use federation_health_core::{
    facts::{Change, Feed},
    id::Text,
};
use federation_health_index::{changes, facts};

use crate::{
    engine::Engine,
    kinds::Kinds,
    prober::Sites,
    sinks::{Reader, Unusable},
};

type Changes = Result<Vec<Change>, Unusable>;

/// KubeFedClusters; the prober keeps their connection data.
pub struct Registrations(pub Arc<Sites>);

impl Reader<foreign::KubeFedCluster> for Registrations {
    fn upsert(&mut self, object: foreign::KubeFedCluster, engine: &Engine) -> Changes {
        let (key, registration) = facts::registration(&object);
        let changes = changes::registration(&object, false);
        self.0.put(key, registration.asked(), object.spec);
        engine.registrations.notify_one();
        Ok(changes)
    }

    fn remove(&mut self, object: foreign::KubeFedCluster) -> Vec<Change> {
        self.0.remove(&facts::registration(&object).0);
        changes::registration(&object, true)
    }

    fn end(&mut self, engine: &Engine) {
        let federation = engine.federation();
        self.0
            .retain(|key| federation.registry().entry(key).is_some());
    }
}

/// KubeFedConfigs.
pub struct Configs;

impl Reader<foreign::KubeFedConfig> for Configs {
    fn upsert(&mut self, object: foreign::KubeFedConfig, _: &Engine) -> Changes {
        Ok(vec![changes::config(&object, false)])
    }

    fn remove(&mut self, object: foreign::KubeFedConfig) -> Vec<Change> {
        vec![changes::config(&object, true)]
    }
}

/// FederatedTypeConfigs; they decide which federated kinds are watched.
pub struct Types(pub Arc<Kinds>);

impl Reader<foreign::FederatedTypeConfig> for Types {
    fn upsert(&mut self, object: foreign::FederatedTypeConfig, _: &Engine) -> Changes {
        let (namespace, name, kind) = facts::federated_type(&object);
        let put = self.0.put(
            &namespace,
            &name,
            kind.is_some().then_some(&object.spec.federated_type),
            &object.spec.target_type.kind,
        );
        let mut changes = vec![changes::federated_type(&object, false)];
        if let Err(why) = put {
            tracing::warn!(%namespace, %name, %why, "a FederatedTypeConfig");
            // What is not watched is not judged, like what cannot be read.
            changes.push(Change::Malformed(Feed::Types, name));
        }
        Ok(changes)
    }

    fn remove(&mut self, object: foreign::FederatedTypeConfig) -> Vec<Change> {
        let (namespace, name, _) = facts::federated_type(&object);
        // What is taken away cannot be too much.
        let _ = self.0.put(&namespace, &name, None, "");
        vec![changes::federated_type(&object, true)]
    }

    fn end(&mut self, engine: &Engine) {
        let federation = engine.federation();
        self.0
            .retain(|namespace, name| federation.registry().enables(namespace, name));
    }
}

/// KubeSphere's Clusters.
pub struct Clusters;

impl Reader<foreign::Cluster> for Clusters {
    fn upsert(&mut self, object: foreign::Cluster, _: &Engine) -> Changes {
        Ok(vec![changes::cluster(&object, false)])
    }

    fn remove(&mut self, object: foreign::Cluster) -> Vec<Change> {
        vec![changes::cluster(&object, true)]
    }
}

/// WorkspaceTemplates.
pub struct Templates;

impl Reader<foreign::FederatedObject> for Templates {
    fn upsert(&mut self, object: foreign::FederatedObject, _: &Engine) -> Changes {
        let change = changes::template(&object, false).map_err(|e| unusable(&object, &e))?;
        Ok(vec![change])
    }

    fn remove(&mut self, object: foreign::FederatedObject) -> Vec<Change> {
        changes::template(&object, true).into_iter().collect()
    }
}

fn unusable(object: &foreign::FederatedObject, error: &facts::SelectorError) -> Unusable {
    Unusable {
        name: object.metadata.name.clone(),
        why: error.to_string(),
    }
}

/// Objects of one federated kind.
pub struct Federated(pub Text);

impl Reader<foreign::FederatedObject> for Federated {
    fn upsert(&mut self, object: foreign::FederatedObject, _: &Engine) -> Changes {
        changes::federated(&self.0, &object, false).map_err(|e| unusable(&object, &e))
    }

    fn remove(&mut self, object: foreign::FederatedObject) -> Vec<Change> {
        changes::federated(&self.0, &object, true).unwrap_or_default()
    }
}

/// Workspaces: the tripwire's feed.
pub struct Workspaces;

impl Reader<foreign::Object> for Workspaces {
    fn upsert(&mut self, object: foreign::Object, engine: &Engine) -> Changes {
        let ignore = engine.ignore();
        Ok(vec![changes::workspace(&object, false, ignore.as_ref())])
    }

    fn remove(&mut self, object: foreign::Object) -> Vec<Change> {
        vec![changes::workspace(&object, true, None)]
    }
}

/// Namespaces; kube-system tells this server's identity.
pub struct Namespaces;

impl Reader<foreign::Object> for Namespaces {
    fn upsert(&mut self, object: foreign::Object, _: &Engine) -> Changes {
        Ok(changes::namespace(&object, false))
    }

    fn remove(&mut self, object: foreign::Object) -> Vec<Change> {
        changes::namespace(&object, true)
    }
}

/// The definition of the kind FederatedWorkspace; no other is listed.
pub struct Definitions;

impl Reader<foreign::Object> for Definitions {
    fn upsert(&mut self, object: foreign::Object, _: &Engine) -> Changes {
        Ok(vec![changes::definition(&object, false)])
    }

    fn remove(&mut self, object: foreign::Object) -> Vec<Change> {
        vec![changes::definition(&object, true)]
    }
}

/// KubeFed's Deployments.
pub struct Controllers;

impl Reader<foreign::DeploymentView> for Controllers {
    fn upsert(&mut self, object: foreign::DeploymentView, _: &Engine) -> Changes {
        Ok(vec![changes::controller(&object, false)])
    }

    fn remove(&mut self, object: foreign::DeploymentView) -> Vec<Change> {
        vec![changes::controller(&object, true)]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_federated_kind_that_is_not_watched_is_no_part_of_a_good_verdict() {
        let (engine, _effects) = Engine::new(Clock::wall());
        let read = |all: bool| {
            let mut types = Types(Arc::new(Kinds::new(watch::channel(all).1)));
            let mut last = Vec::new();
            for n in 0..65 {
                let config = serde_json::from_value(json!({
                    "metadata": {"namespace": "kube-federation-system", "name": format!("kind{n}")},
                    "spec": {
                        "propagation": "Enabled",
                        "targetType": {"kind": format!("Kind{n}")},
                        "federatedType": {
                            "group": "types.kubefed.io",
                            "version": "v1beta1",
                            "kind": format!("FederatedKind{n}"),
                            "pluralName": format!("federatedkind{n}s"),
                        },
                    },
                }));
                last = types.upsert(config.unwrap(), &engine).unwrap();
            }
            last.pop()
        };
        let told = |change: Option<Change>| match change {
            Some(Change::Malformed(Feed::Types, name)) => name.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(read(true)), "kind64");
        assert!(matches!(read(false), Some(Change::Type(..))), "not wanted");
    }
}
