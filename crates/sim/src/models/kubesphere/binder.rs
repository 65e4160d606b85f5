//! Workspaces and namespaces: finalizers, and the owner reference that makes a Workspace's death its namespaces' death.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::WORKSPACE_LABEL;
use crate::{
    agent::{
        Agent,
        resources::{NAMESPACES, WORKSPACES},
    },
    json,
    models::{self, Controller, queue::Queue},
    server::Server,
    state::{Change, ChangeType},
};

const WORKSPACE_FINALIZER: &str = "finalizers.tenant.kubesphere.io";
const NAMESPACE_FINALIZER: &str = "finalizers.kubesphere.io/namespaces";
const NAMESPACE_LABEL: &str = "kubesphere.io/namespace";

/// From a Workspace's deletionTimestamp to its end. Recorded: 6 to 10 ms.
const RELEASE: Duration = Duration::from_millis(7);
/// From a new Workspace to its finalizer. Recorded: 8 to 9 ms.
const ADOPT: Duration = Duration::from_millis(8);
/// From a new Workspace to the owner references on its namespaces. Recorded: 12 to 20 ms.
const BIND: Duration = Duration::from_millis(18);
/// From a change of a namespace to the answer of the namespace controller. It must be shorter than the
/// shortest life of a Workspace in the loop (28 ms): with a hold in place no namespace was ever unbound.
const REACTION: Duration = Duration::from_millis(3);
/// From a namespace's Terminating to the end of its finalizer. Recorded: 12 ms for the first.
const LET_GO: Duration = Duration::from_millis(12);
/// Retry after a refusal or a conflict.
const RETRY: Duration = Duration::from_millis(100);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    Workspace(String),
    Bind(String),
    Namespace(String),
}

pub(crate) struct Binder {
    agent: Agent,
    /// Namespaces by the Workspace that their label names.
    members: HashMap<String, BTreeSet<String>>,
}

impl Binder {
    pub(crate) fn spawn(server: &Server) -> impl Future<Output = ()> + Send + use<> {
        let (sender, changes) = mpsc::unbounded_channel();
        models::feed(server, &sender, |c| {
            matches!(c.kind.plural.as_str(), "workspaces" | "namespaces")
        });
        let binder = Self {
            agent: super::agent(server),
            members: HashMap::new(),
        };
        models::run(binder, changes)
    }

    fn workspace(&self, name: &str) -> bool {
        let Some(workspace) = self.agent.get(&WORKSPACES, "", name) else {
            return true;
        };
        let written = self.agent.edit(&WORKSPACES, "", name, |w| {
            if json::deleting(&workspace) {
                json::drop_finalizer(w, WORKSPACE_FINALIZER);
            } else {
                json::add_finalizer(w, WORKSPACE_FINALIZER);
            }
        });
        written.is_ok()
    }

    fn bind(&self, name: &str) -> bool {
        let Some(workspace) = self
            .agent
            .get(&WORKSPACES, "", name)
            .filter(|w| !json::deleting(w))
        else {
            return true;
        };
        let members = self.members.get(name).into_iter().flatten();
        // Each is bound, whatever became of the one before.
        let left = members.filter(|namespace| !self.own(namespace, &workspace));
        left.count() == 0
    }

    fn own(&self, namespace: &str, workspace: &Value) -> bool {
        let owner = json!({
            "apiVersion": workspace["apiVersion"], "kind": "Workspace", "name": workspace["metadata"]["name"],
            "uid": workspace["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
        });
        let written = self.agent.edit(&NAMESPACES, "", namespace, |n| {
            // Namespaces in KubeFed's care are bound by nobody.
            if json::label(n, "kubefed.io/managed") != Some("true") {
                set_owner(n, Some(owner));
            }
        });
        is_settled(&written)
    }

    fn namespace(&self, name: &str) -> bool {
        let Some(namespace) = self.agent.get(&NAMESPACES, "", name) else {
            return true;
        };
        if json::deleting(&namespace) {
            let written = self.agent.edit(&NAMESPACES, "", name, |n| {
                json::drop_finalizer(n, NAMESPACE_FINALIZER);
            });
            return is_settled(&written);
        }
        let workspace = json::label(&namespace, WORKSPACE_LABEL);
        let alive = workspace
            .and_then(|w| self.agent.get(&WORKSPACES, "", w))
            .filter(|w| !json::deleting(w));
        let unbind = workspace.is_some() && alive.is_none();
        let written = self.agent.edit(&NAMESPACES, "", name, |n| {
            json::add_finalizer(n, NAMESPACE_FINALIZER);
            json::set(n, &["metadata", "labels", NAMESPACE_LABEL], json!(name));
            if unbind {
                json::remove(n, &["metadata", "labels", WORKSPACE_LABEL]);
                set_owner(n, None);
            }
        });
        is_settled(&written) && alive.is_none_or(|workspace| self.own(name, &workspace))
    }

    fn index(&mut self, namespace: &Value, present: bool) {
        if let Some(workspace) = json::label(namespace, WORKSPACE_LABEL) {
            let name = json::meta(namespace, "name").to_owned();
            let members = self.members.entry(workspace.to_owned()).or_default();
            if present {
                members.insert(name);
            } else {
                members.remove(&name);
                if members.is_empty() {
                    self.members.remove(workspace);
                }
            }
        }
    }
}

/// Replaces the owner references to Workspaces.
fn set_owner(namespace: &mut Value, owner: Option<Value>) {
    let mut owners: Vec<Value> = json::items(namespace, &["metadata", "ownerReferences"])
        .iter()
        .filter(|o| json::text(o, &["kind"]) != "Workspace")
        .cloned()
        .collect();
    owners.extend(owner);
    if owners.is_empty() {
        json::remove(namespace, &["metadata", "ownerReferences"]);
    } else {
        json::set(
            namespace,
            &["metadata", "ownerReferences"],
            Value::from(owners),
        );
    }
}

fn is_settled(written: &Result<std::sync::Arc<Value>, crate::Refusal>) -> bool {
    written
        .as_ref()
        .err()
        .is_none_or(|refusal| refusal.code == 404)
}

impl Controller for Binder {
    type Key = Work;

    fn start(&mut self, queue: &mut Queue<Work>) {
        for namespace in self.agent.list(&NAMESPACES, "") {
            self.index(&namespace, true);
            queue.add(
                Work::Namespace(json::meta(&namespace, "name").to_owned()),
                REACTION,
            );
        }
        for workspace in self.agent.list(&WORKSPACES, "") {
            let name = json::meta(&workspace, "name").to_owned();
            queue.add(Work::Workspace(name.clone()), ADOPT);
            queue.add(Work::Bind(name), BIND);
        }
    }

    fn observe(&mut self, change: &Change, queue: &mut Queue<Work>) {
        let object = &change.object;
        let name = json::meta(object, "name").to_owned();
        if change.kind.plural == "namespaces" {
            if let Some(previous) = &change.previous {
                self.index(previous, false);
            }
            if change.what != ChangeType::Deleted {
                self.index(object, true);
                let delay = if json::deleting(object) {
                    LET_GO
                } else {
                    REACTION
                };
                queue.add(Work::Namespace(name), delay);
            }
            return;
        }
        match change.what {
            ChangeType::Deleted => {}
            _ if json::deleting(object) => queue.add(Work::Workspace(name), RELEASE),
            ChangeType::Added => {
                queue.add(Work::Workspace(name.clone()), ADOPT);
                queue.add(Work::Bind(name), BIND);
            }
            ChangeType::Modified => queue.add(Work::Workspace(name), ADOPT),
        }
    }

    fn work(&mut self, work: Work, queue: &mut Queue<Work>) {
        let done = match &work {
            Work::Workspace(name) => self.workspace(name),
            Work::Bind(name) => self.bind(name),
            Work::Namespace(name) => self.namespace(name),
        };
        if !done {
            queue.add(work, RETRY);
        }
    }
}
