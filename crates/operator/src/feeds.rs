//! Which collections are watched, and the tasks that do.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    future::pending,
    sync::Arc,
};

use federation_health_api::{foreign, names::FEDERATED_WORKSPACES};
use federation_health_cluster::watch::{self, Resource};
use federation_health_core::{facts::Feed, id::Text};
use kube::Client;
use serde::de::DeserializeOwned;
use tokio::task::{AbortHandle, JoinSet};

use crate::{
    engine::Engine,
    kinds::SharedKinds,
    prober::Sites,
    readers::{
        Clusters, Configs, Controllers, Definitions, Federated, Namespaces, Registrations,
        Templates, Types, Workspaces,
    },
    sinks::{FeedSink, Reader},
};

/// What the watches need.
pub struct Feeds {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// For watches; without retries and read timeouts of its own.
    pub client: Client,
    /// Federated kinds.
    pub kinds: SharedKinds,
    /// Connection data for the prober.
    pub sites: Arc<Sites>,
}

impl Feeds {
    /// Starts every fixed watch. None of the tasks ends by itself.
    pub fn start(&self, tasks: &mut JoinSet<&'static str>) {
        let kubefed = "/apis/core.kubefed.io/v1beta1";
        self.watch::<foreign::Object, _>(
            tasks,
            Feed::Workspaces,
            all("/apis/tenant.kubesphere.io/v1alpha1/workspaces"),
            Workspaces,
        );
        self.watch::<foreign::Object, _>(
            tasks,
            Feed::Namespaces,
            all("/api/v1/namespaces"),
            Namespaces,
        );
        self.watch::<foreign::KubeFedCluster, _>(
            tasks,
            Feed::Registrations,
            all(&format!("{kubefed}/kubefedclusters")),
            Registrations(self.sites.clone()),
        );
        self.watch::<foreign::KubeFedConfig, _>(
            tasks,
            Feed::Configs,
            all(&format!("{kubefed}/kubefedconfigs")),
            Configs,
        );
        self.watch::<foreign::FederatedTypeConfig, _>(
            tasks,
            Feed::Types,
            all(&format!("{kubefed}/federatedtypeconfigs")),
            Types(self.kinds.clone()),
        );
        self.watch::<foreign::FederatedObject, _>(
            tasks,
            Feed::Templates,
            all("/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates"),
            Templates,
        );
        self.watch::<foreign::Cluster, _>(
            tasks,
            Feed::Clusters,
            all("/apis/cluster.kubesphere.io/v1alpha1/clusters"),
            Clusters,
        );
        let definition = Resource {
            field_selector: Some(format!("metadata.name={FEDERATED_WORKSPACES}")),
            ..all("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        };
        self.watch::<foreign::Object, _>(tasks, Feed::Definitions, definition, Definitions);
        let planes = Resource {
            label_selector: Some("kubefed-control-plane=controller-manager".to_owned()),
            ..all("/apis/apps/v1/deployments")
        };
        self.watch::<foreign::DeploymentView, _>(tasks, Feed::Controllers, planes, Controllers);
    }

    fn watch<T, R>(
        &self,
        tasks: &mut JoinSet<&'static str>,
        feed: Feed,
        resource: Resource,
        reader: R,
    ) where
        T: DeserializeOwned + Send + 'static,
        R: Reader<T> + 'static,
    {
        tasks.spawn(self.follow(feed, resource, reader));
    }

    /// From the call on the feed is pending, whenever the watch begins.
    fn follow<T, R>(
        &self,
        feed: Feed,
        resource: Resource,
        reader: R,
    ) -> impl Future<Output = &'static str> + Send + 'static
    where
        T: DeserializeOwned + Send + 'static,
        R: Reader<T> + 'static,
    {
        let mut sink = FeedSink::new(self.engine.clone(), feed, reader);
        let client = self.client.clone();
        async move {
            watch::run(client, resource, &mut sink, pending::<()>()).await;
            "watch"
        }
    }

    /// Follows the set of federated kinds: starts a watch for each new one, ends it for each that is no longer federated.
    pub async fn follow_kinds(self) -> &'static str {
        let mut all_kinds = self.kinds.all.clone();
        let mut running: BTreeMap<Text, (String, AbortHandle)> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let wanted = self.kinds.wanted(*all_kinds.borrow_and_update());
            let ended: Vec<Text> = running
                .iter()
                .filter(|(kind, (path, _))| wanted.get(*kind) != Some(path))
                .map(|(kind, _)| kind.clone())
                .collect();
            for kind in ended {
                if let Some((_, task)) = running.remove(&kind) {
                    task.abort();
                }
                let now = self.engine.clock.now();
                self.engine
                    .step(|federation| federation.forget_kind(&kind, now));
            }
            for (kind, path) in wanted.clone() {
                let Entry::Vacant(slot) = running.entry(kind.clone()) else {
                    continue;
                };
                let feed = Feed::Federated(kind.clone());
                let follow =
                    self.follow::<foreign::FederatedObject, _>(feed, all(&path), Federated(kind));
                slot.insert((path, tasks.spawn(follow)));
            }
            self.kinds.follow(wanted);
            self.engine.dirty.notify_one();
            tokio::select! {
                () = self.kinds.changed.notified() => {}
                changed = all_kinds.changed() => if changed.is_err() { return "federated kinds" },
            }
        }
    }
}

fn all(path: &str) -> Resource {
    Resource::all(path)
}
