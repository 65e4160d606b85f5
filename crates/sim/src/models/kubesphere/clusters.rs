//! KubeSphere's clusters: each that takes part in the federation has a registration, made again when it is missing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    agent::{
        Agent,
        resources::{CLUSTERS, KUBEFED_CLUSTERS, NAMESPACES},
    },
    json,
    models::{self, Controller, queue::Queue},
    network::Network,
    server::Server,
    state::{Change, ChangeType},
};

/// Between two looks at all clusters.
const RESYNC: Duration = Duration::from_mins(2);
const REACTION: Duration = Duration::from_millis(50);
const HOST_LABEL: &str = "cluster-role.kubesphere.io/host";
const FEDERATION: &str = "kube-federation-system";

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    Resync,
    Cluster(String),
}

pub(crate) struct Clusters {
    agent: Agent,
    network: Network,
}

impl Clusters {
    pub(crate) fn spawn(
        server: &Server,
        network: &Network,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (sender, changes) = mpsc::unbounded_channel();
        models::feed(server, &sender, |c| {
            c.kind.plural == "clusters" && c.what != ChangeType::Deleted
        });
        let clusters = Self {
            agent: super::agent(server),
            network: network.clone(),
        };
        models::run(clusters, changes)
    }

    fn reconcile(&self, name: &str) {
        let Some(cluster) = self
            .agent
            .get(&CLUSTERS, "", name)
            .filter(|c| !json::deleting(c))
        else {
            return;
        };
        let endpoint = json::text(&cluster, &["spec", "connection", "kubernetesAPIEndpoint"]);
        let Some(member) = self.network.reach(endpoint) else {
            return;
        };
        let uid = Agent::new(&member, super::USER, "controller-manager")
            .get(&NAMESPACES, "", "kube-system")
            .map(|n| json::meta(&n, "uid").to_owned());
        // Refused writes are made up for at the next look.
        let _ = self.agent.edit(&CLUSTERS, "", name, |c| {
            json::put(c, &["status", "uid"], uid.map(Value::from));
            json::set(c, &["status", "kubernetesVersion"], json!("v1.37.2"));
        });
        let joins = json::at(&cluster, &["spec", "joinFederation"]) == Some(&json!(true));
        if joins
            && self
                .agent
                .get(&KUBEFED_CLUSTERS, FEDERATION, name)
                .is_none()
        {
            let mut labels = json!({});
            for key in [HOST_LABEL, "kubesphere.io/managed"] {
                if let Some(value) = json::label(&cluster, key) {
                    labels[key] = json!(value);
                }
            }
            let _ = self.agent.create(
                &KUBEFED_CLUSTERS,
                json!({
                    "metadata": {"name": name, "namespace": FEDERATION, "labels": labels},
                    "spec": {
                        "apiEndpoint": endpoint, "caBundle": crate::identity::ca_bundle(endpoint),
                        "secretRef": {"name": format!("{name}-secret")},
                    },
                }),
            );
        }
    }
}

impl Controller for Clusters {
    type Key = Work;

    fn start(&mut self, queue: &mut Queue<Work>) {
        queue.add(Work::Resync, REACTION);
    }

    fn observe(&mut self, change: &Change, queue: &mut Queue<Work>) {
        queue.add(
            Work::Cluster(json::meta(&change.object, "name").to_owned()),
            REACTION,
        );
    }

    fn work(&mut self, work: Work, queue: &mut Queue<Work>) {
        match work {
            Work::Cluster(name) => self.reconcile(&name),
            Work::Resync => {
                for cluster in self.agent.list(&CLUSTERS, "") {
                    self.reconcile(json::meta(&cluster, "name"));
                }
                queue.add(Work::Resync, RESYNC);
            }
        }
    }
}
