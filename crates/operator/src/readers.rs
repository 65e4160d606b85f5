//! What each watched kind means: the wiring of index's translations to the watches.

use std::sync::Arc;

use federation_health_api::foreign;
use federation_health_core::{
    facts::Change,
    id::{Text, Uid},
    objects::FEDERATED_WORKSPACE,
};
use federation_health_index::facts;

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
        let looked = facts::looked_at(&object);
        let mut changes: Vec<Change> = looked
            .map(|at| Change::LookedAt(key.namespace.clone(), at))
            .into_iter()
            .collect();
        self.0.put(key.clone(), registration.uid, object.spec);
        changes.push(Change::Registration(key, Some(registration)));
        engine.registrations.notify_one();
        Ok(changes)
    }

    fn remove(&mut self, object: foreign::KubeFedCluster) -> Vec<Change> {
        let (key, _) = facts::registration(&object);
        self.0.remove(&key);
        vec![Change::Registration(key, None)]
    }
}

/// KubeFedConfigs.
pub struct Configs;

impl Reader<foreign::KubeFedConfig> for Configs {
    fn upsert(&mut self, object: foreign::KubeFedConfig, _: &Engine) -> Changes {
        Ok(vec![Change::Config(
            Text::from(object.metadata.namespace.unwrap_or_default()),
            true,
        )])
    }

    fn remove(&mut self, object: foreign::KubeFedConfig) -> Vec<Change> {
        vec![Change::Config(
            Text::from(object.metadata.namespace.unwrap_or_default()),
            false,
        )]
    }
}

/// FederatedTypeConfigs; they decide which federated kinds are watched.
pub struct Types(pub Arc<Kinds>);

impl Reader<foreign::FederatedTypeConfig> for Types {
    fn upsert(&mut self, object: foreign::FederatedTypeConfig, _: &Engine) -> Changes {
        let (namespace, name, kind) = facts::federated_type(&object);
        self.0.put(
            &namespace,
            &name,
            kind.is_some().then_some(&object.spec.federated_type),
            &object.spec.target_type.kind,
        );
        Ok(vec![Change::Type(namespace, name, kind)])
    }

    fn remove(&mut self, object: foreign::FederatedTypeConfig) -> Vec<Change> {
        let (namespace, name, _) = facts::federated_type(&object);
        self.0.put(&namespace, &name, None, "");
        vec![Change::Type(namespace, name, None)]
    }
}

/// KubeSphere's Clusters.
pub struct Clusters;

impl Reader<foreign::Cluster> for Clusters {
    fn upsert(&mut self, object: foreign::Cluster, _: &Engine) -> Changes {
        let (name, cluster) = facts::cluster(&object);
        Ok(vec![Change::Cluster(name, Some(cluster))])
    }

    fn remove(&mut self, object: foreign::Cluster) -> Vec<Change> {
        vec![Change::Cluster(facts::cluster(&object).0, None)]
    }
}

/// WorkspaceTemplates.
pub struct Templates;

impl Reader<foreign::FederatedObject> for Templates {
    fn upsert(&mut self, object: foreign::FederatedObject, _: &Engine) -> Changes {
        let (key, desired) = facts::desired(&object).map_err(|error| unusable(&object, &error))?;
        Ok(vec![Change::Template(key.name, Some(desired))])
    }

    fn remove(&mut self, object: foreign::FederatedObject) -> Vec<Change> {
        vec![Change::Template(Text::from(object.metadata.name), None)]
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
        let (key, desired) = facts::desired(&object).map_err(|error| unusable(&object, &error))?;
        let mut changes = Vec::new();
        if &*self.0 == FEDERATED_WORKSPACE {
            // After the wish: it is the new placement that the status is compared with.
            let waiting = facts::waiting(&object);
            let name = key.name.clone();
            changes.push(Change::Federated(self.0.clone(), key, Some(desired)));
            changes.push(Change::Witness(name, waiting));
        } else {
            changes.push(Change::Federated(self.0.clone(), key, Some(desired)));
        }
        Ok(changes)
    }

    fn remove(&mut self, object: foreign::FederatedObject) -> Vec<Change> {
        let key = facts::object_key(&object.metadata);
        vec![Change::Federated(self.0.clone(), key, None)]
    }
}

/// Workspaces: the tripwire's feed.
pub struct Workspaces;

impl Reader<foreign::Object> for Workspaces {
    fn upsert(&mut self, object: foreign::Object, engine: &Engine) -> Changes {
        let (name, workspace) = facts::workspace(&object, engine.ignore().as_ref());
        Ok(vec![Change::Workspace(name, Some(workspace))])
    }

    fn remove(&mut self, object: foreign::Object) -> Vec<Change> {
        vec![Change::Workspace(Text::from(object.metadata.name), None)]
    }
}

/// Namespaces; kube-system tells this server's identity.
pub struct Namespaces;

impl Reader<foreign::Object> for Namespaces {
    fn upsert(&mut self, object: foreign::Object, _: &Engine) -> Changes {
        let name = Text::from(object.metadata.name.as_str());
        let mut changes = Vec::new();
        if object.metadata.name == "kube-system"
            && let Some(uid) = object.metadata.uid.as_deref().and_then(Uid::parse)
        {
            changes.push(Change::KubeSystem(uid));
        }
        changes.push(Change::Home(name.clone(), facts::home(&object)));
        changes.push(match facts::namespace(&object) {
            Some(namespace) => Change::Namespace(name, Some(namespace)),
            None => Change::NamespaceLeft(name),
        });
        Ok(changes)
    }

    fn remove(&mut self, object: foreign::Object) -> Vec<Change> {
        let name = Text::from(object.metadata.name);
        vec![
            Change::Home(name.clone(), None),
            Change::Namespace(name, None),
        ]
    }
}

/// The definition of the kind FederatedWorkspace; no other is listed.
pub struct Definitions;

impl Reader<foreign::Object> for Definitions {
    fn upsert(&mut self, object: foreign::Object, _: &Engine) -> Changes {
        let terminating = object.metadata.deletion_timestamp.is_some();
        Ok(vec![Change::Definition(
            Text::from(FEDERATED_WORKSPACE),
            Some(terminating),
        )])
    }

    fn remove(&mut self, _: foreign::Object) -> Vec<Change> {
        vec![Change::Definition(Text::from(FEDERATED_WORKSPACE), None)]
    }
}

/// KubeFed's Deployments.
pub struct Controllers;

impl Reader<foreign::DeploymentView> for Controllers {
    fn upsert(&mut self, object: foreign::DeploymentView, _: &Engine) -> Changes {
        let (namespace, name, controller) = facts::controller(&object);
        Ok(vec![Change::Controller(namespace, name, Some(controller))])
    }

    fn remove(&mut self, object: foreign::DeploymentView) -> Vec<Change> {
        let (namespace, name, _) = facts::controller(&object);
        vec![Change::Controller(namespace, name, None)]
    }
}
