//! KubeFed's reconciliation of one federated object: the table that makes the loop.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Outcome, Plane, types::FederatedType};
use crate::{
    agent::{
        Agent,
        resources::{FEDERATED_NAMESPACES, KUBEFED_CONFIGS},
    },
    json,
    refusal::Refusal,
    selector::label_selector_matches,
    server::Server,
    state::Key,
};

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
struct Alias {
    name: String,
    agent: Agent,
    server: Server,
}

/// What is to be done in a member.
enum Action {
    Create,
    Update(Value),
    Wait,
    Unmanage,
    Delete,
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
        for cluster in &clusters {
            let name = json::meta(cluster, "name");
            let wanted = selected.contains(name);
            if !is_ready(cluster) {
                if wanted {
                    statuses.push((name.to_owned(), "ClusterNotReady"));
                }
                continue;
            }
            // A cluster that became Ready is looked at when its cache is filled.
            if !self.joined.contains(name) && !wanted {
                continue;
            }
            let Some(alias) = self.alias(cluster) else {
                statuses.push((name.to_owned(), "CachedRetrievalFailed"));
                outcome.failed = true;
                continue;
            };
            if let Some(status) = self.dispatch(kind, key, object, &alias, wanted, &mut outcome) {
                statuses.push((alias.name, status));
            }
        }
        self.write_status(kind, key, object, &statuses);
        outcome
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

    /// Names that the placement selects, as `pkg/controller/util/placement.go` computes them.
    fn selected(
        &self,
        kind: &FederatedType,
        object: &Value,
        clusters: &[std::sync::Arc<Value>],
    ) -> BTreeSet<String> {
        let mut names = placed(object, clusters);
        if kind.target_namespaced {
            let home = json::meta(object, "namespace");
            let namespace = self.agent.get(&FEDERATED_NAMESPACES, home, home);
            let homes = namespace.map(|n| placed(&n, clusters)).unwrap_or_default();
            names.retain(|n| homes.contains(n));
        }
        names
    }

    /// Acts in one member; the answer is its line in the status, empty for success.
    fn dispatch(
        &mut self,
        kind: &FederatedType,
        key: &Key,
        object: &Value,
        alias: &Alias,
        wanted: bool,
        outcome: &mut Outcome,
    ) -> Option<&'static str> {
        let place = kind.target_key(key);
        let live = alias.agent.get(&kind.target, &place.namespace, &place.name);
        // The cache of a member holds only what carries the label.
        let cached = live
            .as_deref()
            .filter(|o| json::label(o, MANAGED) == Some("true"));
        let is_host_namespace = kind.is_namespaces() && alias.server.is(&self.host);
        let action = match (cached, wanted) {
            (None, true) if is_host_namespace => return Some(""),
            (None, true) => Action::Create,
            (None, false) => return None,
            (Some(o), _) if json::deleting(o) => Action::Wait,
            (Some(o), true) => match needed_update(object, o) {
                Some(next) => Action::Update(next),
                None => return Some(""),
            },
            (Some(_), false) if is_host_namespace => Action::Unmanage,
            (Some(_), false) => Action::Delete,
        };
        if matches!(action, Action::Wait) {
            outcome.unfinished = true;
            return Some("WaitingForRemoval");
        }
        outcome.wrote = true;
        let (verb, text, answer, done, failure) = match action {
            Action::Create => {
                let (answer, failure) = self.create(kind, object, &place, alias);
                ("Create", "Creating", answer, "", failure)
            }
            Action::Update(next) => {
                let answer = alias
                    .agent
                    .edit(&kind.target, &place.namespace, &place.name, |o| *o = next);
                ("Update", "Updating", answer.map(|_| ()), "", "UpdateFailed")
            }
            Action::Unmanage => {
                let answer = strip_label(&alias.agent, kind, &place);
                (
                    "RemoveManagedLabel",
                    "Removing managed label from",
                    answer,
                    "",
                    "LabelRemovalFailed",
                )
            }
            Action::Delete | Action::Wait => {
                let answer =
                    alias
                        .agent
                        .delete(&kind.target, &place.namespace, &place.name, Value::Null);
                (
                    "Delete",
                    "Deleting",
                    answer,
                    "WaitingForRemoval",
                    "DeletionFailed",
                )
            }
        };
        let now = self.host.clock().stamp();
        let what = format!(
            "{} {:?} in cluster {:?}",
            kind.target_kind, place.name, alias.name
        );
        self.recorder.record(
            kind,
            object,
            &format!("{verb}InCluster"),
            &format!("{text} {what}"),
            &now,
            false,
        );
        match answer {
            Ok(()) => {
                outcome.unfinished |= done == "WaitingForRemoval";
                Some(done)
            }
            Err(refusal) => {
                let message = format!("Failed to {} {what}: {refusal}", verb.to_lowercase());
                self.recorder.record(
                    kind,
                    object,
                    &format!("{verb}InClusterFailed"),
                    &message,
                    &now,
                    true,
                );
                outcome.failed = true;
                Some(failure)
            }
        }
    }

    /// Creates the member's object, or adopts one that exists.
    fn create(
        &self,
        kind: &FederatedType,
        object: &Value,
        place: &Key,
        alias: &Alias,
    ) -> (Result<(), Refusal>, &'static str) {
        let desired = desired(kind, object, place);
        match alias.agent.create(&kind.target, desired) {
            Err(refusal) if refusal.reason == "AlreadyExists" => {}
            answer => return (answer.map(|_| ()), "CreationFailed"),
        }
        let Some(live) = alias.agent.get(&kind.target, &place.namespace, &place.name) else {
            return (Ok(()), "CreationFailed");
        };
        if json::label(&live, MANAGED) == Some("false") {
            let why = format!("the object has label {MANAGED}=false");
            return (Err(Refusal::new(409, "Conflict", why)), "ManagedLabelFalse");
        }
        let config = self
            .agent
            .get(&KUBEFED_CONFIGS, &self.options.namespace, "kubefed");
        let adopts = config.is_none_or(|c| {
            json::text(&c, &["spec", "syncController", "adoptResources"]) != "Disabled"
        });
        if !adopts {
            return (
                Err(Refusal::new(
                    409,
                    "AlreadyExists",
                    "resource pre-exist in cluster",
                )),
                "AlreadyExists",
            );
        }
        let answer = alias
            .agent
            .edit(&kind.target, &place.namespace, &place.name, |o| {
                if let Some(next) = needed_update(object, o) {
                    *o = next;
                }
            });
        (answer.map(|_| ()), "UpdateFailed")
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

fn strip_label(agent: &Agent, kind: &FederatedType, place: &Key) -> Result<(), Refusal> {
    agent
        .edit(&kind.target, &place.namespace, &place.name, |o| {
            json::remove(o, &["metadata", "labels", MANAGED]);
        })
        .map(|_| ())
}

/// A list of clusters wins when there is one, and an empty list means nowhere; otherwise the selector.
fn placed(object: &Value, clusters: &[std::sync::Arc<Value>]) -> BTreeSet<String> {
    let placement = &object["spec"]["placement"];
    let chosen = |cluster: &Value| {
        if let Some(list) = placement.get("clusters").and_then(Value::as_array) {
            return list
                .iter()
                .any(|c| json::text(c, &["name"]) == json::meta(cluster, "name"));
        }
        placement
            .get("clusterSelector")
            .filter(|s| !s.is_null())
            .is_some_and(|s| label_selector_matches(s, cluster))
    };
    clusters
        .iter()
        .filter(|c| chosen(c))
        .map(|c| json::meta(c, "name").to_owned())
        .collect()
}

/// The member's object as its template wants it.
fn desired(kind: &FederatedType, object: &Value, place: &Key) -> Value {
    let mut next = if kind.is_namespaces() {
        json!({})
    } else {
        object["spec"]["template"].clone()
    };
    json::remove(&mut next, &["metadata", "creationTimestamp"]);
    json::set(&mut next, &["metadata", "name"], json!(place.name));
    if !place.namespace.is_empty() {
        json::set(
            &mut next,
            &["metadata", "namespace"],
            json!(place.namespace),
        );
    }
    json::set(&mut next, &["metadata", "labels", MANAGED], json!("true"));
    next
}

/// The live object with what the template changes; `None` when it changes nothing. What others own is retained.
fn needed_update(object: &Value, live: &Value) -> Option<Value> {
    let template = &object["spec"]["template"];
    let mut next = live.clone();
    for (name, value) in template.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "metadata" | "status" | "apiVersion" | "kind") {
            let mut merged = next[name.as_str()].clone();
            json_patch::merge(&mut merged, value);
            next[name.as_str()] = merged;
        }
    }
    for (key, value) in json::at(template, &["metadata", "labels"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        json::set(&mut next, &["metadata", "labels", key], value.clone());
    }
    json::set(&mut next, &["metadata", "labels", MANAGED], json!("true"));
    (next != *live).then_some(next)
}
