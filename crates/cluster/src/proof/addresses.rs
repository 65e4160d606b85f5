//! Every address of the API server: each server compiles policies and follows parameters for itself.

use std::net::{IpAddr, SocketAddr};

use federation_health_core::assess::Proof;
use kube::Client;
use serde::Deserialize;

use super::{Prover, canary::DEADLINE};
use crate::call::Call;

/// The endpoints of Service default/kubernetes.
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
    ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
/// etcd does not carry more than nine members and control planes have as many servers; beyond this, a foreign slice is
/// not worth the requests.
const MAX_ADDRESSES: usize = 16;

#[derive(Deserialize)]
struct SliceList {
    #[serde(default)]
    items: Vec<Slice>,
}

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
}

#[derive(Default, Deserialize)]
struct Conditions {
    /// Absent means ready.
    ready: Option<bool>,
}

#[derive(Deserialize)]
struct Port {
    name: Option<String>,
    port: Option<u16>,
}

/// One address and what came of it.
pub(super) struct Trial {
    /// For messages.
    pub(super) label: String,
    pub(super) client: Client,
    /// The first step that failed there.
    pub(super) fault: Option<Proof>,
}

/// Sorted, ready addresses; none if the list is empty or cannot be read.
pub(super) async fn read(client: &Client) -> Vec<SocketAddr> {
    let call = Call::get(client, SLICES.to_owned(), DEADLINE);
    let slices: SliceList = match call.read().await {
        Ok(slices) => slices,
        Err(error) => {
            tracing::debug!(%error, "the addresses of the API server cannot be read; the configured one is tried alone");
            return Vec::new();
        }
    };
    let mut found: Vec<SocketAddr> = slices.items.iter().flat_map(sockets).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_ADDRESSES);
    found
}

fn sockets(slice: &Slice) -> Vec<SocketAddr> {
    let ports = slice.ports.iter().flatten();
    let https = |port: &&Port| port.name.as_deref().is_none_or(|name| name == "https");
    let Some(port) = ports.filter(https).find_map(|port| port.port) else {
        return Vec::new();
    };
    let ready = |endpoint: &&Endpoint| endpoint.conditions.ready != Some(false);
    let endpoints = slice.endpoints.iter().flatten().filter(ready);
    endpoints
        .flat_map(|endpoint| &endpoint.addresses)
        .filter_map(|text| text.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, port))
        .collect()
}

impl Prover {
    /// The addresses to try; the configured URL alone where they are not known.
    pub(super) async fn trials(&self) -> Vec<Trial> {
        let addresses = read(&self.client).await;
        if addresses.is_empty() {
            return vec![Trial {
                label: "the configured address".to_owned(),
                client: self.client.clone(),
                fault: None,
            }];
        }
        let trial = |address: SocketAddr| {
            let client = (self.clients)(address);
            let fault = client
                .is_none()
                .then(|| Proof::Failed(format!("No client could be built for {address}.")));
            Trial {
                label: address.to_string(),
                client: client.unwrap_or_else(|| self.client.clone()),
                fault,
            }
        };
        addresses.into_iter().map(trial).collect()
    }
}
