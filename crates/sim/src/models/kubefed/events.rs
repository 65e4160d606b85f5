//! Events about federated objects. Their number says little: the client library counts repeats in one
//! object and drops what comes too often, so that a hundred deletions leave two events.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::types::FederatedType;
use crate::{
    agent::{Agent, resources::EVENTS},
    json,
};

/// Events about one object at once, and the time after which one more is let through: client-go's spam filter.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_mins(5);

pub(super) struct Recorder {
    agent: Agent,
    names: HashMap<(String, String, String), String>,
    budgets: HashMap<String, (u32, Instant)>,
    written: u64,
}

impl Recorder {
    pub(super) fn new(agent: Agent) -> Self {
        Self {
            agent,
            names: HashMap::new(),
            budgets: HashMap::new(),
            written: 0,
        }
    }

    /// Records an event about a federated object; `problem` makes it a warning.
    pub(super) fn record(
        &mut self,
        kind: &FederatedType,
        about: &Value,
        reason: &str,
        message: &str,
        now: &str,
        problem: bool,
    ) {
        let uid = json::meta(about, "uid");
        if !self.allow(uid) {
            return;
        }
        let namespace = match json::meta(about, "namespace") {
            "" => "default",
            namespace => namespace,
        };
        let id = (uid.to_owned(), reason.to_owned(), message.to_owned());
        if let Some(name) = self.names.get(&id) {
            let repeated = self.agent.edit(&EVENTS, namespace, name, |e| {
                let count = e["count"].as_i64().unwrap_or(0) + 1;
                e["count"] = json!(count);
                e["lastTimestamp"] = json!(now);
            });
            if repeated.is_ok() {
                return;
            }
        }
        self.written += 1;
        let name = format!(
            "{}.{:016x}",
            json::meta(about, "name"),
            crate::state::mix(self.written)
        );
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "kind": kind.federated_kind, "apiVersion": kind.federated_api_version, "uid": uid,
                "name": json::meta(about, "name"), "namespace": json::meta(about, "namespace"),
                "resourceVersion": json::meta(about, "resourceVersion"),
            },
            "reason": reason, "message": message, "count": 1,
            "type": if problem { "Warning" } else { "Normal" },
            "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": format!("{}-controller", kind.federated_kind.to_lowercase())},
            "reportingComponent": "", "reportingInstance": "",
        });
        // Events are best effort: a namespace that is terminating takes none.
        if self.agent.create(&EVENTS, event).is_ok() {
            self.names.insert(id, name);
        }
    }

    fn allow(&mut self, uid: &str) -> bool {
        let now = Instant::now();
        let (left, since) = self.budgets.entry(uid.to_owned()).or_insert((BURST, now));
        let refilled = now.duration_since(*since).as_secs() / REFILL.as_secs();
        if refilled > 0 {
            *left = (*left + refilled as u32).min(BURST);
            *since = now;
        }
        if *left == 0 {
            return false;
        }
        *left -= 1;
        true
    }
}
