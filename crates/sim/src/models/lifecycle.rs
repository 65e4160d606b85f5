//! The rest of the controller manager that an incident needs: namespaces and their contents, volumes, Deployments, and a Lease.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Controller, feed, queue::Queue};
use crate::{
    agent::{
        Agent, Resource,
        resources::{DEPLOYMENTS, LEASES, NAMESPACES, PERSISTENT_VOLUMES},
    },
    json,
    server::Server,
    state::{Change, ChangeType},
};

/// From a namespace's Terminating to the deletion of its contents: the controller's grace period.
const CONTENTS_AFTER: Duration = Duration::from_secs(5);
/// From there to the end of the namespace. Recorded: 5.7 to 6.3 s in all.
const FINISH_AFTER: Duration = Duration::from_millis(700);
/// How often a namespace whose contents or finalizers remain is looked at again.
const RECHECK: Duration = Duration::from_secs(1);
/// From a change of a Deployment to the status that reports it; there are no pods to start.
const ROLLOUT: Duration = Duration::from_millis(100);
/// Renewal of the controller manager's Lease: `leader-elect-retry-period`.
const RENEWAL: Duration = Duration::from_secs(2);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    Contents(String),
    Finish(String),
    Volume(String),
    Deployment(String, String),
    Lease,
}

pub(crate) struct Lifecycle {
    server: Server,
    namespaces: Agent,
    volumes: Agent,
    deployments: Agent,
    lease: Agent,
    holder: String,
    contents: Vec<Resource>,
}

impl Lifecycle {
    pub(crate) fn spawn(server: &Server) -> impl Future<Output = ()> + Send + use<> {
        const KINDS: &[&str] = &[
            "namespaces",
            "persistentvolumeclaims",
            "deployments",
            "customresourcedefinitions",
        ];
        let (sender, changes) = mpsc::unbounded_channel();
        feed(server, &sender, |c| KINDS.contains(&c.kind.plural.as_str()));
        let agent = |name: &str| {
            let user = format!("system:serviceaccount:kube-system:{name}");
            Agent::new(server, &user, "kube-controller-manager")
        };
        let holder = format!("control-plane_{}", server.lock().new_uid());
        super::run(
            Self {
                server: server.clone(),
                namespaces: agent("namespace-controller"),
                volumes: agent("persistent-volume-binder"),
                deployments: agent("deployment-controller"),
                lease: Agent::new(
                    server,
                    "system:kube-controller-manager",
                    "kube-controller-manager",
                ),
                holder,
                contents: Vec::new(),
            },
            changes,
        )
    }

    fn find_contents(&mut self) {
        let state = self.server.lock();
        self.contents = state
            .kinds()
            .iter()
            .filter(|s| s.kind.namespaced && s.kind.group != crate::events::GROUP)
            .map(|s| Resource::named(&s.kind.group, s.kind.storage(), &s.kind.plural))
            .collect();
    }

    /// Deletes what is in a namespace; true when nothing is left.
    fn empty(&self, namespace: &str) -> bool {
        for resource in &self.contents {
            for object in self.namespaces.list(resource, namespace) {
                if !json::deleting(&object) {
                    // A refusal is met again at the next look.
                    let _ = self.namespaces.delete(
                        resource,
                        namespace,
                        json::meta(&object, "name"),
                        Value::Null,
                    );
                }
            }
        }
        self.contents
            .iter()
            .all(|r| self.namespaces.list(r, namespace).is_empty())
    }

    fn finish(&self, namespace: &str) {
        let place = ("", namespace, "finalize");
        // Gone already is as good.
        let _ = self.namespaces.edit_part(&NAMESPACES, place, |o| {
            json::set(o, &["spec", "finalizers"], json!([]));
        });
    }

    /// What becomes of a volume when its claim is gone.
    fn reclaim(&self, name: &str) {
        let Some(volume) = self.volumes.get(&PERSISTENT_VOLUMES, "", name) else {
            return;
        };
        if json::text(&volume, &["spec", "persistentVolumeReclaimPolicy"]) == "Retain" {
            let _ = self.volumes.set_status(
                &PERSISTENT_VOLUMES,
                "",
                name,
                json!({"phase": "Released"}),
            );
        } else {
            let _ = self
                .volumes
                .delete(&PERSISTENT_VOLUMES, "", name, Value::Null);
        }
    }

    fn roll_out(&self, namespace: &str, name: &str) {
        let Some(deployment) = self.deployments.get(&DEPLOYMENTS, namespace, name) else {
            return;
        };
        let replicas = json::at(&deployment, &["spec", "replicas"])
            .and_then(Value::as_i64)
            .unwrap_or(1);
        let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
        if replicas > 0 {
            for field in [
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
            ] {
                status[field] = json!(replicas);
            }
        }
        let _ = self
            .deployments
            .set_status(&DEPLOYMENTS, namespace, name, status);
    }

    fn renew(&self) {
        const NAME: &str = "kube-controller-manager";
        let now = self.server.clock().micro_stamp();
        let renewed = self.lease.edit(&LEASES, "kube-system", NAME, |lease| {
            json::set(lease, &["spec", "renewTime"], json!(now));
        });
        if renewed.is_err() {
            let _ = self.lease.create(&LEASES, json!({
                "metadata": {"name": NAME, "namespace": "kube-system"},
                "spec": {
                    "holderIdentity": self.holder, "leaseDurationSeconds": 15, "acquireTime": now,
                    "renewTime": now, "leaseTransitions": 0,
                },
            }));
        }
    }
}

impl Controller for Lifecycle {
    type Key = Work;

    fn start(&mut self, queue: &mut Queue<Work>) {
        self.find_contents();
        queue.add(Work::Lease, Duration::ZERO);
        for namespace in self.namespaces.list(&NAMESPACES, "") {
            if json::deleting(&namespace) {
                queue.add(
                    Work::Contents(json::meta(&namespace, "name").to_owned()),
                    CONTENTS_AFTER,
                );
            }
        }
        for deployment in self.deployments.list(&DEPLOYMENTS, "") {
            let work = Work::Deployment(
                json::meta(&deployment, "namespace").to_owned(),
                json::meta(&deployment, "name").to_owned(),
            );
            queue.add(work, ROLLOUT);
        }
    }

    fn observe(&mut self, change: &Change, queue: &mut Queue<Work>) {
        let object = &change.object;
        let name = json::meta(object, "name").to_owned();
        match (change.kind.plural.as_str(), change.what) {
            ("namespaces", ChangeType::Modified) => {
                let before = change.previous.as_ref().is_some_and(|p| json::deleting(p));
                if json::deleting(object) && !before {
                    queue.add(Work::Contents(name), CONTENTS_AFTER);
                }
            }
            ("persistentvolumeclaims", ChangeType::Deleted) => {
                let volume = json::text(object, &["spec", "volumeName"]);
                if !volume.is_empty() {
                    queue.add(Work::Volume(volume.to_owned()), ROLLOUT);
                }
            }
            ("deployments", ChangeType::Added | ChangeType::Modified) => {
                queue.add(
                    Work::Deployment(json::meta(object, "namespace").to_owned(), name),
                    ROLLOUT,
                );
            }
            ("customresourcedefinitions", _) => self.find_contents(),
            _ => {}
        }
    }

    fn work(&mut self, work: Work, queue: &mut Queue<Work>) {
        match work {
            Work::Contents(name) => {
                let emptied = self.empty(&name);
                let next = if emptied {
                    Work::Finish(name)
                } else {
                    Work::Contents(name)
                };
                queue.add(next, if emptied { FINISH_AFTER } else { RECHECK });
            }
            Work::Finish(name) => self.finish(&name),
            Work::Volume(name) => self.reclaim(&name),
            Work::Deployment(namespace, name) => self.roll_out(&namespace, &name),
            Work::Lease => {
                self.renew();
                queue.add(Work::Lease, RENEWAL);
            }
        }
    }
}
