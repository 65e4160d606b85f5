//! Writes to members: create or adopt, update, delete, or only take the label off.

use serde_json::{Value, json};

use super::{
    Outcome, Plane,
    sync::{Alias, MANAGED},
    types::FederatedType,
};
use crate::{
    agent::{Agent, resources::KUBEFED_CONFIGS},
    json,
    refusal::Refusal,
    state::Key,
};

/// What is to be done in a member.
pub(super) enum Action {
    Create,
    Update(Value),
    Unmanage,
    Delete,
}

/// What was done, how events call it, and what the status says of it.
struct Deed {
    verb: &'static str,
    text: &'static str,
    answer: Result<(), Refusal>,
    done: &'static str,
    failure: &'static str,
}

impl Plane {
    /// Acts in one member; the answer is its line in the status, empty for success.
    pub(super) fn act(
        &mut self,
        kind: &FederatedType,
        key: &Key,
        object: &Value,
        alias: &Alias,
        action: Action,
        outcome: &mut Outcome,
    ) -> &'static str {
        let place = kind.target_key(key);
        outcome.wrote = true;
        let Deed {
            verb,
            text,
            answer,
            done,
            failure,
        } = self.carry_out(kind, object, &place, alias, action);
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
                done
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
                failure
            }
        }
    }

    fn carry_out(
        &self,
        kind: &FederatedType,
        object: &Value,
        place: &Key,
        alias: &Alias,
        action: Action,
    ) -> Deed {
        let (agent, Key { namespace, name }) = (&alias.agent, place);
        let deed = |verb, text, answer, done, failure| Deed {
            verb,
            text,
            answer,
            done,
            failure,
        };
        match action {
            Action::Create => {
                let (answer, failure) = self.create(kind, object, place, alias);
                deed("Create", "Creating", answer, "", failure)
            }
            Action::Update(next) => {
                let answer = agent
                    .edit(&kind.target, namespace, name, |o| *o = next)
                    .map(|_| ());
                deed("Update", "Updating", answer, "", "UpdateFailed")
            }
            Action::Unmanage => {
                let answer = strip_label(agent, kind, place);
                deed(
                    "RemoveManagedLabel",
                    "Removing managed label from",
                    answer,
                    "",
                    "LabelRemovalFailed",
                )
            }
            Action::Delete => {
                let answer = agent.delete(&kind.target, namespace, name, Value::Null);
                deed(
                    "Delete",
                    "Deleting",
                    answer,
                    "WaitingForRemoval",
                    "DeletionFailed",
                )
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
}

/// Takes an object out of KubeFed's care.
pub(super) fn strip_label(agent: &Agent, kind: &FederatedType, place: &Key) -> Result<(), Refusal> {
    agent
        .edit(&kind.target, &place.namespace, &place.name, |o| {
            json::remove(o, &["metadata", "labels", MANAGED]);
        })
        .map(|_| ())
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
pub(super) fn needed_update(object: &Value, live: &Value) -> Option<Value> {
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
