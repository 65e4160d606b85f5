//! `WorkspaceTemplate` to `FederatedWorkspace`, and the deletion of a template with all that it made.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::WORKSPACE_LABEL;
use crate::{
    agent::{
        Agent,
        resources::{FEDERATED_WORKSPACES, NAMESPACES, WORKSPACE_TEMPLATES},
    },
    json,
    models::{
        self, Controller,
        queue::{Backoff, Queue},
    },
    server::Server,
    state::Change,
};

/// Finalizer under which the template waits for its FederatedWorkspace and namespaces to be deleted.
const FINALIZER: &str = "finalizers.workspacetemplate.kubesphere.io";
/// A template with this finalizer keeps its namespaces.
const KEEP: &str = "orphan.finalizers.kubesphere.io";
const MANAGED: &str = "kubefed.io/managed";
/// Time from a change to the write that answers it.
const REACTION: Duration = Duration::from_millis(10);

pub(crate) struct Templates {
    agent: Agent,
    backoff: Backoff<String>,
}

impl Templates {
    pub(crate) fn spawn(server: &Server) -> impl Future<Output = ()> + Send + use<> {
        let (sender, changes) = mpsc::unbounded_channel();
        models::feed(server, &sender, |c| {
            matches!(
                c.kind.plural.as_str(),
                "workspacetemplates" | "federatedworkspaces"
            )
        });
        let backoff = Backoff::new(REACTION, Duration::from_mins(1));
        models::run(
            Self {
                agent: super::agent(server),
                backoff,
            },
            changes,
        )
    }

    fn reconcile(&self, name: &str) -> Result<(), crate::Refusal> {
        let Some(template) = self.agent.get(&WORKSPACE_TEMPLATES, "", name) else {
            return Ok(());
        };
        if json::deleting(&template) {
            return self.delete(name, &template);
        }
        self.agent.edit(&WORKSPACE_TEMPLATES, "", name, |t| {
            json::add_finalizer(t, FINALIZER);
            json::set(t, &["metadata", "labels", MANAGED], json!("false"));
        })?;
        let spec = template["spec"].clone();
        if self.agent.get(&FEDERATED_WORKSPACES, "", name).is_none() {
            let federated =
                json!({"metadata": {"name": name, "labels": {MANAGED: "false"}}, "spec": spec});
            return self
                .agent
                .create(&FEDERATED_WORKSPACES, federated)
                .map(|_| ());
        }
        self.agent
            .edit(&FEDERATED_WORKSPACES, "", name, |f| {
                if !json::deleting(f) {
                    json::set(f, &["spec"], spec);
                    json::set(f, &["metadata", "labels", MANAGED], json!("false"));
                }
            })
            .map(|_| ())
    }

    fn delete(&self, name: &str, template: &Value) -> Result<(), crate::Refusal> {
        let gone = |answer: Result<(), crate::Refusal>| match answer {
            Err(refusal) if refusal.code != 404 => Err(refusal),
            _ => Ok(()),
        };
        gone(
            self.agent
                .delete(&FEDERATED_WORKSPACES, "", name, Value::Null),
        )?;
        if !json::has_finalizer(template, KEEP) {
            for namespace in self.agent.list(&NAMESPACES, "") {
                if json::label(&namespace, WORKSPACE_LABEL) == Some(name)
                    && !json::deleting(&namespace)
                {
                    gone(self.agent.delete(
                        &NAMESPACES,
                        "",
                        json::meta(&namespace, "name"),
                        Value::Null,
                    ))?;
                }
            }
        }
        self.agent
            .edit(&WORKSPACE_TEMPLATES, "", name, |t| {
                json::drop_finalizer(t, FINALIZER);
                json::drop_finalizer(t, KEEP);
            })
            .map(|_| ())
    }
}

impl Controller for Templates {
    type Key = String;

    fn start(&mut self, queue: &mut Queue<String>) {
        for template in self.agent.list(&WORKSPACE_TEMPLATES, "") {
            queue.add(json::meta(&template, "name").to_owned(), REACTION);
        }
    }

    fn observe(&mut self, change: &Change, queue: &mut Queue<String>) {
        // Status is not KubeSphere's business, and in a loop it changes several times a second.
        let same = change.previous.as_ref().is_some_and(|p| {
            p["spec"] == change.object["spec"]
                && json::meta(p, "deletionTimestamp")
                    == json::meta(&change.object, "deletionTimestamp")
                && p["metadata"]["labels"] == change.object["metadata"]["labels"]
        });
        if !same {
            queue.add(json::meta(&change.object, "name").to_owned(), REACTION);
        }
    }

    fn work(&mut self, name: String, queue: &mut Queue<String>) {
        if self.reconcile(&name).is_ok() {
            self.backoff.forget(&name);
        } else {
            let wait = self.backoff.fail(&name);
            queue.add(name, wait);
        }
    }
}
