//! Probes through the simulation's network instead of through sockets.

use federation_health_cluster::probe::{Dial, DialRequest, LeaseRead, ProbeError, Probed};
use federation_health_sim::Sim;
use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace, rbac::v1::ClusterRole};
use kube::{
    Api, Client,
    api::{ListParams, ObjectList},
};

use crate::guarded::USER;

/// Leases that the real dialer takes at most from one member.
const MAX_LEASES: u32 = 20;

/// Reaches whatever answers behind an endpoint of the simulation.
pub struct SimDialer(Sim);

impl SimDialer {
    /// Dials through the network of this cluster.
    pub fn new(sim: &Sim) -> Self {
        Self(sim.clone())
    }
}

impl Dial for SimDialer {
    fn dial(&self, request: DialRequest) -> BoxFuture<'_, Result<Probed, ProbeError>> {
        async move {
            let endpoint = request.target.site.endpoint.to_string();
            let client = self
                .0
                .dial_as(&endpoint, USER)
                .ok_or(ProbeError::Unreachable)?;
            tokio::time::timeout(request.timeout, read(client, request.accounts))
                .await
                .unwrap_or(Err(ProbeError::Timeout))
        }
        .boxed()
    }
}

async fn read(client: Client, accounts: bool) -> Result<Probed, ProbeError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = namespaces.get("kube-system").await.map_err(class)?;
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let leases: Api<Lease> = Api::namespaced(client, "kube-system");
    let (leases, leases_error) = match leases.list(&ListParams::default().limit(MAX_LEASES)).await {
        Ok(list) => (list.items.into_iter().map(lease).collect(), None),
        Err(error) => (Vec::new(), Some(class(error))),
    };
    let accounts = match accounts {
        true => roles
            .list(&ListParams::default())
            .await
            .ok()
            .map(account_names),
        false => None,
    };
    Ok(Probed {
        kube_system_uid: namespace.metadata.uid.unwrap_or_default(),
        leases,
        leases_error,
        accounts,
    })
}

fn account_names(list: ObjectList<ClusterRole>) -> Vec<String> {
    let names = list.items.into_iter().filter_map(|role| role.metadata.name);
    names
        .filter_map(|name| Some(name.strip_prefix("kubefed-controller-manager:")?.to_owned()))
        .collect()
}

fn lease(lease: Lease) -> LeaseRead {
    let spec = lease.spec.unwrap_or_default();
    LeaseRead {
        name: lease.metadata.name.unwrap_or_default(),
        holder: spec.holder_identity.unwrap_or_default(),
        resource_version: lease
            .metadata
            .resource_version
            .and_then(|v| v.parse().ok())
            .unwrap_or_default(),
        renew_time_us: spec.renew_time.map_or(0, |time| time.0.as_microsecond()),
    }
}

fn class(error: kube::Error) -> ProbeError {
    match error {
        kube::Error::Api(status) => match status.code {
            401 => ProbeError::Unauthorized,
            403 => ProbeError::Forbidden,
            429 | 500.. => ProbeError::Unavailable,
            _ => ProbeError::NotKubernetes,
        },
        _ => ProbeError::Unreachable,
    }
}
