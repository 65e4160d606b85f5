//! An imitation of KubeSphere 3.3.1's controllers, as far as the incident needs them.
//!
//! KubeSphere cannot be had as a module. Four of its controllers matter: they copy
//! WorkspaceTemplates to FederatedWorkspaces, keep a finalizer on Workspaces, bind namespaces to
//! the live Workspace, and re-register clusters. Each has one worker and reads from its caches, as
//! the originals do; that decides the order of events in the incident, and so is kept.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::controller::{Action, Config as ControllerConfig};
use kube::runtime::reflector::{Lookup, Store};
use serde_json::json;
use tokio::task::JoinSet;

use crate::apply;
use crate::control_plane::ControlPlane;
use crate::error::{Attempt, Error, Result};
use crate::kinds;

mod clusters;
mod namespaces;
mod templates;
mod workspaces;

/// KubeSphere's user name in audit logs.
pub const USER: &str = "system:serviceaccount:kubesphere-system:kubesphere";

/// A conflict means that the cache was behind: controller-runtime's first retry comes after 5 ms.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// How it behaves.
#[derive(Clone, Debug)]
pub struct KubesphereOptions {
    /// How often missing registrations of Clusters with `joinFederation` are made again; the
    /// original's period is two minutes.
    pub cluster_resync: Duration,
}

impl Default for KubesphereOptions {
    fn default() -> Self {
        Self {
            cluster_resync: Duration::from_mins(2),
        }
    }
}

/// Running controllers. Dropping it stops them.
#[derive(Debug)]
pub struct Kubesphere {
    _controllers: JoinSet<()>,
}

impl Kubesphere {
    /// Installs KubeSphere's CRDs. A garbage collector that runs already notices them within 30 s.
    pub async fn install_definitions(client: &Client) -> Result<()> {
        apply::yaml(client, include_str!("../manifests/kubesphere.yaml")).await
    }

    /// Installs CRDs, namespace and ServiceAccount, and starts the controllers under that account.
    /// KubeFed's CRDs must be there already.
    pub async fn start(plane: &ControlPlane, options: KubesphereOptions) -> Result<Self> {
        Self::install_definitions(&plane.client()).await?;
        install_account(&plane.client()).await?;
        let client = plane
            .access_as(kinds::KUBESPHERE_NAMESPACE, "kubesphere")
            .await?
            .client()
            .await?;
        let mut controllers = JoinSet::new();
        let namespace_controller = namespaces::controller(&client);
        let workspace_controller = workspaces::controller(&client);
        let context = Arc::new(Context {
            client: client.clone(),
            namespaces: namespace_controller.store(),
            workspaces: workspace_controller.store(),
        });
        controllers.spawn(namespaces::run(namespace_controller, Arc::clone(&context)));
        controllers.spawn(workspaces::run(workspace_controller, Arc::clone(&context)));
        controllers.spawn(templates::run(Arc::clone(&context)));
        controllers.spawn(clusters::run(client, options.cluster_resync));
        Ok(Self {
            _controllers: controllers,
        })
    }
}

/// What every controller shares.
struct Context {
    client: Client,
    namespaces: Store<k8s_openapi::api::core::v1::Namespace>,
    workspaces: Store<DynamicObject>,
}

impl Context {
    /// Waits until a cache is filled. As in the original, no controller works before every cache is: a Workspace that was
    /// not listed yet would be taken for one that is gone, and its namespaces unbound.
    async fn filled<K>(store: &Store<K>) -> Result<()>
    where
        K: Lookup + Clone + 'static,
        K::DynamicType: Eq + std::hash::Hash + Clone,
    {
        // kube wakes one waiter of a store only, and its own controller is another: so it is asked again.
        loop {
            if let Ok(filled) = tokio::time::timeout(RETRY_AFTER, store.wait_until_ready()).await {
                return filled.attempt(|| "wait for a cache to be filled");
            }
        }
    }

    /// The Workspace as the cache has it.
    fn workspace(&self, name: &str) -> Option<Arc<DynamicObject>> {
        let kind: ApiResource = kinds::workspace();
        self.workspaces
            .get(&kube::runtime::reflector::ObjectRef::new_with(name, kind))
    }
}

async fn install_account(client: &Client) -> Result<()> {
    let namespace = kinds::KUBESPHERE_NAMESPACE;
    let manifests = [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "kubesphere", "namespace": namespace } }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": "kubesphere" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                         "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "kubesphere",
                           "namespace": namespace }] }),
    ];
    for manifest in &manifests {
        apply::object(client, manifest).await?;
    }
    Ok(())
}

/// One worker each, as in the original.
fn one_worker() -> ControllerConfig {
    ControllerConfig::default().concurrency(1)
}

fn retry<K>(_object: Arc<K>, _error: &Error, _context: Arc<Context>) -> Action {
    Action::requeue(RETRY_AFTER)
}

fn add(list: &mut Option<Vec<String>>, entry: &str) -> bool {
    let list = list.get_or_insert_default();
    let missing = !list.iter().any(|present| present == entry);
    if missing {
        list.push(entry.to_owned());
    }
    missing
}

fn remove(list: &mut Option<Vec<String>>, entry: &str) -> bool {
    let Some(list) = list else { return false };
    let before = list.len();
    list.retain(|present| present != entry);
    list.len() != before
}

/// Gone or changed meanwhile is what a controller with a cache meets every day.
fn unless_gone<T>(result: kube::Result<T>) -> kube::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
