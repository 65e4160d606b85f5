//! Policies and bindings as the server has them.

use std::collections::BTreeMap;

use federation_health_core::assess::Proof;
use kube::Client;
use serde_json::Value;

use super::{canary::DEADLINE, fault};
use crate::call::{Call, resources};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const POLICIES: &str = "validatingadmissionpolicies";
const BINDINGS: &str = "validatingadmissionpolicybindings";

/// What the server has of the policies and bindings that are wanted, by name; what it lacks is absent.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    /// ValidatingAdmissionPolicies.
    pub policies: BTreeMap<String, Value>,
    /// ValidatingAdmissionPolicyBindings.
    pub bindings: BTreeMap<String, Value>,
}

impl Installed {
    /// Reads each object by name, so that the right to these names is enough.
    pub(crate) async fn read(client: &Client, names: &[&str]) -> Result<Self, Proof> {
        supported(client).await?;
        let mut installed = Self::default();
        for &name in names {
            if let Some(policy) = object(client, POLICIES, name).await? {
                installed.policies.insert(name.to_owned(), policy);
            }
            if let Some(binding) = object(client, BINDINGS, name).await? {
                installed.bindings.insert(name.to_owned(), binding);
            }
        }
        Ok(installed)
    }
}

/// A missing object and a missing kind are both 404: discovery tells them apart.
pub(crate) async fn supported(client: &Client) -> Result<(), Proof> {
    let served = match resources(client, GROUP, DEADLINE).await {
        Ok(served) => served,
        Err(error) => {
            return Err(fault(
                "read what admissionregistration.k8s.io serves",
                &error,
            ));
        }
    };
    let serves = |resource: &str| served.iter().any(|name| name == resource);
    if serves(POLICIES) && serves(BINDINGS) {
        Ok(())
    } else {
        Err(Proof::Unsupported)
    }
}

async fn object(client: &Client, resource: &str, name: &str) -> Result<Option<Value>, Proof> {
    let uri = format!("{GROUP}/{resource}/{name}");
    let found = Call::get(client, uri, DEADLINE).find().await;
    found.map_err(|error| fault(&format!("get {resource} {name}"), &error))
}
