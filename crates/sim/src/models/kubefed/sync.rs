//! KubeFed's reconciliation of one federated object: the table that makes the loop.

use serde_json::{Value, json};

use super::{
    Outcome, Plane,
    dispatch::{Action, needed_update, strip_label},
    types::FederatedType,
};
use crate::{agent::Agent, json, server::Server, state::Key};

/// Label of everything that KubeFed propagated; `false` takes an object out of its care.
pub(super) const MANAGED: &str = "kubefed.io/managed";
const FINALIZER: &str = "kubefed.io/sync-controller";
/// Annotation of a federated object whose members' objects stay when it is deleted.
const ORPHAN: &str = "kubefed.io/orphan";

/// Whether a registration's cluster is Ready.
pub(super) fn is_ready(cluster: &Value) -> bool {
    json::items(cluster, &["status", "conditions"])
        .iter()
        .any(|c| json::text(c, &["type"]) == "Ready" && json::text(c, &["status"]) == "True")
}

/// One member seen through one of its names.
pub(super) struct Alias {
    pub(super) name: String,
    pub(super) agent: Agent,
    pub(super) server: Server,
}

/// What a reconciliation does in one member.
enum Step {
    Nothing,
    Fine,
    Wait,
    Act(Action),
}

impl Plane {
    pub(super) fn reconcile(&mut self, kind: &FederatedType, key: &Key) -> Outcome {
        let Some(object) = self.agent.get(&kind.federated, &key.namespace, &key.name) else {
            return self.unmanage_everywhere(kind, key);
        };
        if json::deleting(&object) {
            return self.delete_everywhere(kind, key, &object);
        }
        if !json::has_finalizer(&object, FINALIZER) {
            let added = self
                .agent
                .edit(&kind.federated, &key.namespace, &key.name, |o| {
                    json::add_finalizer(o, FINALIZER);
                });
            // Its own change brings the object back.
            return Outcome {
                failed: added.is_err(),
                ..Outcome::default()
            };
        }
        self.sync_to_clusters(kind, key, &object)
    }

    fn sync_to_clusters(&mut self, kind: &FederatedType, key: &Key, object: &Value) -> Outcome {
        let clusters = self.clusters();
        let selected = self.selected(kind, object, &clusters);
        let mut outcome = Outcome::default();
        let mut statuses = Vec::new();
        let mut steps = Vec::new();
        // All caches are read before anything is written: what is created through one name is seen
        // through another only in the next reconciliation.
        for cluster in &clusters {
            let name = json::meta(cluster, "name");
            let wanted = selected.contains(name);
            if !is_ready(cluster) {
                if wanted {
                    statuses.push((name.to_owned(), "ClusterNotReady"));
                }
            } else if wanted || self.joined.contains(name) {
                if let Some(alias) = self.alias(cluster) {
                    steps.push((self.decide(kind, key, object, &alias, wanted), alias));
                } else {
                    statuses.push((name.to_owned(), "CachedRetrievalFailed"));
                    outcome.failed = true;
                }
            }
        }
        for (step, alias) in steps {
            match step {
                Step::Nothing => {}
                Step::Fine => statuses.push((alias.name, "")),
                Step::Wait => {
                    outcome.unfinished = true;
                    statuses.push((alias.name, "WaitingForRemoval"));
                }
                Step::Act(action) => {
                    let status = self.act(kind, key, object, &alias, action, &mut outcome);
                    statuses.push((alias.name, status));
                }
            }
        }
        self.write_status(kind, key, object, &statuses);
        outcome
    }

    /// The table: what one member needs, seen through one of its names.
    fn decide(
        &self,
        kind: &FederatedType,
        key: &Key,
        object: &Value,
        alias: &Alias,
        wanted: bool,
    ) -> Step {
        let place = kind.target_key(key);
        let live = alias.agent.get(&kind.target, &place.namespace, &place.name);
        // The cache of a member holds only what carries the label.
        let cached = live
            .as_deref()
            .filter(|o| json::label(o, MANAGED) == Some("true"));
        let is_host_namespace = kind.is_namespaces() && alias.server.is(&self.host);
        match (cached, wanted) {
            (None, true) if is_host_namespace => Step::Fine,
            (None, true) => Step::Act(Action::Create),
            (None, false) => Step::Nothing,
            (Some(o), _) if json::deleting(o) => Step::Wait,
            (Some(o), true) => match needed_update(object, o) {
                Some(next) => Step::Act(Action::Update(next)),
                None => Step::Fine,
            },
            (Some(_), false) if is_host_namespace => Step::Act(Action::Unmanage),
            (Some(_), false) => Step::Act(Action::Delete),
        }
    }

    fn alias(&self, cluster: &Value) -> Option<Alias> {
        let name = json::meta(cluster, "name").to_owned();
        let server = self.member(cluster)?;
        let user = format!(
            "system:serviceaccount:{}:{name}-kubesphere",
            self.options.namespace
        );
        Some(Alias {
            agent: Agent::new(&server, &user, "controller-manager"),
            name,
            server,
        })
    }

    fn write_status(
        &self,
        kind: &FederatedType,
        key: &Key,
        object: &Value,
        statuses: &[(String, &'static str)],
    ) {
        let now = self.host.clock().stamp();
        let clusters: Vec<Value> = statuses
            .iter()
            .map(|(name, status)| {
                if status.is_empty() {
                    json!({"name": name})
                } else {
                    json!({"name": name, "status": status})
                }
            })
            .collect();
        let fine = statuses.iter().all(|(_, status)| status.is_empty());
        let word = if fine { "True" } else { "False" };
        let before = json::items(object, &["status", "conditions"])
            .first()
            .cloned()
            .unwrap_or(Value::Null);
        let unchanged = json::text(&before, &["status"]) == word
            && object["status"]["clusters"] == json!(clusters)
            && object["status"]["observedGeneration"] == object["metadata"]["generation"];
        if unchanged {
            return;
        }
        let since = if json::text(&before, &["status"]) == word {
            json::text(&before, &["lastTransitionTime"]).to_owned()
        } else {
            now.clone()
        };
        let mut condition = json!({"type": "Propagation", "status": word, "lastTransitionTime": since, "lastUpdateTime": now});
        if !fine {
            condition["reason"] = json!("CheckClusters");
        }
        let mut status = json!({"conditions": [condition], "observedGeneration": object["metadata"]["generation"]});
        if !clusters.is_empty() {
            status["clusters"] = json!(clusters);
        }
        // An object that is gone needs no status; another conflict cannot happen, the read is fresh.
        let _ = self
            .agent
            .set_status(&kind.federated, &key.namespace, &key.name, status);
    }

    /// The federated object is being deleted: its members' objects go first, or are left to themselves.
    fn delete_everywhere(&mut self, kind: &FederatedType, key: &Key, object: &Value) -> Outcome {
        let mut outcome = Outcome::default();
        if !json::has_finalizer(object, FINALIZER) {
            return outcome;
        }
        let orphan = json::text(object, &["metadata", "annotations", ORPHAN]) == "true";
        let place = kind.target_key(key);
        for cluster in self.clusters() {
            // One cluster that is not Ready blocks every federated deletion (F12).
            let Some(alias) = self.alias(&cluster).filter(|_| is_ready(&cluster)) else {
                outcome.unfinished = true;
                continue;
            };
            let Some(live) = alias.agent.get(&kind.target, &place.namespace, &place.name) else {
                continue;
            };
            if json::label(&live, MANAGED) != Some("true") {
                continue;
            }
            outcome.wrote = true;
            let host_namespace = kind.is_namespaces() && alias.server.is(&self.host);
            let answer = if orphan || host_namespace {
                strip_label(&alias.agent, kind, &place)
            } else if json::deleting(&live) {
                outcome.unfinished = true;
                continue;
            } else {
                outcome.unfinished = true;
                alias
                    .agent
                    .delete(&kind.target, &place.namespace, &place.name, Value::Null)
            };
            outcome.failed |= answer.is_err();
        }
        let gone = self
            .clusters()
            .iter()
            .filter_map(|c| self.alias(c))
            .all(|alias| {
                let live = alias.agent.get(&kind.target, &place.namespace, &place.name);
                live.is_none_or(|o| json::label(&o, MANAGED) != Some("true"))
            });
        let all_ready = self.clusters().iter().all(|c| is_ready(c));
        if gone && all_ready && !outcome.failed {
            outcome = Outcome {
                wrote: outcome.wrote,
                ..Outcome::default()
            };
            // Gone already is as good.
            let _ = self
                .agent
                .edit(&kind.federated, &key.namespace, &key.name, |o| {
                    json::drop_finalizer(o, FINALIZER);
                });
        }
        outcome
    }

    /// A managed object without a federated one is let go, never deleted.
    fn unmanage_everywhere(&self, kind: &FederatedType, key: &Key) -> Outcome {
        let place = kind.target_key(key);
        let mut outcome = Outcome::default();
        for alias in self
            .clusters()
            .iter()
            .filter(|c| is_ready(c))
            .filter_map(|c| self.alias(c))
        {
            let live = alias.agent.get(&kind.target, &place.namespace, &place.name);
            if live.is_some_and(|o| json::label(&o, MANAGED) == Some("true")) {
                outcome.wrote = true;
                outcome.failed |= strip_label(&alias.agent, kind, &place).is_err();
            }
        }
        outcome
    }
}
