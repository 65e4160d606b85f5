//! What a proof rests on, as a number.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    time::Duration,
};

use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::{Installed, Layer, Part, addresses, canary::DEADLINE};
use crate::call::{Call, CallError};

/// Where each API server (1.26 and later) says that it lives.
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases\
    ?labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver";

/// The servers behind the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its `gitVersion`.
    pub version: String,
    /// Its addresses; empty if they cannot be read.
    pub addresses: Vec<SocketAddr>,
    /// The holder of each server's Lease, made up anew at every start: a restart may come with other admission plugins.
    /// Empty if the Leases cannot be read; then a restart goes unnoticed.
    pub starts: Vec<String>,
}

#[derive(Deserialize)]
struct LeaseList {
    #[serde(default)]
    items: Vec<Lease>,
}

#[derive(Deserialize)]
struct Lease {
    #[serde(default)]
    spec: LeaseSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeaseSpec {
    holder_identity: Option<String>,
}

/// The API server's `gitVersion`.
pub(crate) async fn version(client: &Client, deadline: Duration) -> Result<String, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    let call = Call::get(client, "/version".to_owned(), deadline);
    Ok(call.read::<Version>().await?.git_version)
}

impl Server {
    pub(super) async fn read(client: &Client) -> Option<Self> {
        Some(Self {
            version: version(client, DEADLINE).await.ok()?,
            addresses: addresses::read(client).await,
            starts: starts(client).await,
        })
    }
}

async fn starts(client: &Client) -> Vec<String> {
    let call = Call::get(client, LEASES.to_owned(), DEADLINE);
    let leases: LeaseList = match call.read().await {
        Ok(leases) => leases,
        Err(error) => {
            tracing::debug!(%error, "the Leases of the API servers cannot be read: a restart goes unnoticed");
            return Vec::new();
        }
    };
    let holders = leases.items.into_iter();
    let mut holders: Vec<String> = holders.filter_map(|l| l.spec.holder_identity).collect();
    holders.sort_unstable();
    holders
}

/// Changes when a policy or a binding changes or is made anew, and when the servers change; not when a binding is switched
/// or somebody writes metadata. Comparable within one run of this program.
pub fn fingerprint(installed: &Installed, server: &Server) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_all(&installed.policies, false, &mut hasher);
    hash_all(&installed.bindings, true, &mut hasher);
    server.version.hash(&mut hasher);
    server.addresses.hash(&mut hasher);
    server.starts.hash(&mut hasher);
    hasher.finish()
}

fn hash_all(objects: &BTreeMap<String, Value>, bindings: bool, hasher: &mut DefaultHasher) {
    objects.len().hash(hasher);
    for (name, object) in objects {
        name.hash(hasher);
        // A policy that is deleted and created again is compiled again, with a new informer for its parameter.
        object["metadata"]["uid"].as_str().hash(hasher);
        let durable = |part: &Part| part.layer == Layer::Durable && part.name() == name;
        let switched = bindings && Part::ALL.iter().any(durable);
        hash_value(&object["spec"], switched, hasher);
    }
}

fn hash_value(value: &Value, without_switch: bool, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(flag) => (1_u8, flag).hash(hasher),
        Value::Number(number) => (2_u8, number.to_string()).hash(hasher),
        Value::String(text) => (3_u8, text).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            for item in items {
                hash_value(item, without_switch, hasher);
            }
        }
        Value::Object(map) => {
            5_u8.hash(hasher);
            // The map's own order depends on a feature of serde_json.
            let mut entries: Vec<_> = map
                .iter()
                .filter(|(key, _)| !(without_switch && *key == "objectSelector"))
                .collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.len().hash(hasher);
            for (key, item) in entries {
                key.hash(hasher);
                hash_value(item, without_switch, hasher);
            }
        }
    }
}
