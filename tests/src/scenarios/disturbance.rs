//! What may befall the guard while the loop rages.

use std::{fmt::Debug, time::Duration};

use federation_health_api::{FederationHealth, FederationHold, names};
use federation_health_testbed::{
    error::{Attempt as _, Error, Result},
    wait::{self, Look},
};
use k8s_openapi::{
    api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::bed::{Bed, SOON};
use crate::guarded;

/// A policy with a custom resource as parameter is open for 30 to 31 s after a restart of the API server.
const FAST_LAYER_OPEN: Duration = Duration::from_secs(35);
/// The collector and KubeFed try many times in this.
const AWHILE: Duration = Duration::from_secs(6);
/// Begins the names of our policies and bindings.
const OURS: &str = "federation-health-";
/// Our CRDs. The switch comes second: as long as there is a FederationHealth, the operator makes a switch for it.
const CRDS: [&str; 2] = [
    "federationhealths.federationhealth.io",
    "federationholds.federationhealth.io",
];

/// Something that befalls the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The API server restarts: the fast layer opens for half a minute.
    ApiServerRestarted,
    /// The operator is killed, and starts again after a second.
    OperatorKilled,
    /// FederationHealth and FederationHold are deleted by break-glass; nobody makes them again for a while.
    ObjectDeleted,
    /// Their CRDs are deleted, and the objects with them.
    DefinitionDeleted,
}

impl Disturbance {
    /// All of them, in the order in which one loop sees them.
    pub const ALL: [Self; 4] = [
        Self::ApiServerRestarted,
        Self::OperatorKilled,
        Self::ObjectDeleted,
        Self::DefinitionDeleted,
    ];

    /// Brings it about.
    pub async fn strike(self, bed: &Bed) -> Result<()> {
        let client = bed.federation.client();
        match self {
            Self::ApiServerRestarted => {
                let took = bed.federation.host().restart_api_server().await?;
                println!("API server restarted in {took:?}");
            }
            Self::OperatorKilled => operator(bed)?.kill(0).await?,
            Self::ObjectDeleted => {
                break_glass::<FederationHealth>(&client).await?;
                break_glass::<FederationHold>(&client).await?;
            }
            Self::DefinitionDeleted => {
                for name in CRDS {
                    delete_definition(&client, name).await?;
                }
            }
        }
        Ok(())
    }

    /// How long it is looked at before things are put right.
    pub fn lasts(self) -> Duration {
        match self {
            Self::ApiServerRestarted => FAST_LAYER_OPEN,
            _ => AWHILE,
        }
    }

    /// Puts things right.
    pub async fn mend(self, bed: &Bed, spec: &Value) -> Result<()> {
        let client = bed.federation.client();
        match self {
            Self::ApiServerRestarted => Ok(()),
            Self::OperatorKilled => operator(bed)?.wait_running(1, SOON).await,
            Self::ObjectDeleted => guarded::set_spec(&client, spec).await,
            Self::DefinitionDeleted => {
                guarded::install_definitions(&client).await?;
                guarded::set_spec(&client, spec).await
            }
        }
    }
}

fn operator(bed: &Bed) -> Result<&federation_health_testbed::runner::DeploymentRunner> {
    bed.guard
        .runner()
        .ok_or_else(|| Error::refused("the operator was not started here"))
}

/// The guard of the deletion refuses without the annotation, which is part of the check.
async fn break_glass<K>(client: &Client) -> Result<()>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let attempt = || format!("delete {} default by break-glass", K::kind(&()));
    if api
        .delete("default", &DeleteParams::default())
        .await
        .is_ok()
    {
        return Err(Error::refused(format!(
            "a {} that holds was deleted without break-glass",
            K::kind(&())
        )));
    }
    let patch = json!({"metadata": {"annotations": {names::BREAK_GLASS_ANNOTATION: "soak"}}});
    api.patch("default", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .attempt(attempt)?;
    api.delete("default", &DeleteParams::default())
        .await
        .attempt(attempt)
        .map(drop)
}

async fn delete_definition(client: &Client, name: &str) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let attempt = || format!("delete CRD {name}");
    api.delete(name, &DeleteParams::default())
        .await
        .attempt(attempt)?;
    wait::until("the CRD to be gone", SOON, || async {
        let found = api.get_opt(name).await.attempt(attempt)?;
        Ok(match found {
            None => Look::Done(()),
            Some(crd) => Look::Pending(format!("{:?}", crd.status.map(|s| s.conditions))),
        })
    })
    .await
}

/// Deletes our policies and bindings and installs them again. An informer that the server keeps for a former policy must
/// not answer for the new one.
pub async fn reinstall_policies(client: &Client) -> Result<()> {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    delete_ours(bindings).await?;
    delete_ours(policies).await?;
    guarded::install_policies(client).await
}

async fn delete_ours<K>(api: Api<K>) -> Result<()>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let attempt = || "delete our policies and bindings";
    let found = api.list(&ListParams::default()).await.attempt(attempt)?;
    for object in found {
        let name = object.meta().name.clone().unwrap_or_default();
        if name.starts_with(OURS) {
            api.delete(&name, &DeleteParams::default())
                .await
                .attempt(attempt)?;
        }
    }
    Ok(())
}
