//! What may befall the guard while the loop rages.

use std::time::Duration;

use federation_health_api::{FederationHealth, names};
use federation_health_testbed::{
    apply,
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
use serde_json::{Value, json};

use super::bed::{Bed, SOON};
use crate::guarded::{self, root};

/// A policy with a custom resource as parameter is open for 30 to 31 s after a restart of the API server.
const FAST_LAYER_OPEN: Duration = Duration::from_secs(35);
/// The collector and KubeFed try many times in this.
const AWHILE: Duration = Duration::from_secs(6);
/// Begins the names of our policies and bindings.
const OURS: &str = "federation-health-";
/// The CRD of FederationHealth.
const CRD: &str = "federationhealths.federationhealth.io";

/// Something that befalls the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The API server restarts: the fast layer opens for half a minute.
    ApiServerRestarted,
    /// The operator is killed, and starts again after a second.
    OperatorKilled,
    /// The FederationHealth object is deleted by break-glass; nobody makes it again for a while.
    ObjectDeleted,
    /// Its CRD is deleted, and the object with it.
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
            Self::ObjectDeleted => break_glass(&client).await?,
            Self::DefinitionDeleted => delete_definition(&client).await?,
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
                let file = root().join("config/crd/federationhealths.yaml");
                apply::file(&client, &file).await?;
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
async fn break_glass(client: &Client) -> Result<()> {
    let api: Api<FederationHealth> = Api::all(client.clone());
    let attempt = || "delete FederationHealth default by break-glass";
    if api
        .delete("default", &DeleteParams::default())
        .await
        .is_ok()
    {
        return Err(Error::refused(
            "a FederationHealth that holds was deleted without break-glass",
        ));
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

async fn delete_definition(client: &Client) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let attempt = || format!("delete CRD {CRD}");
    api.delete(CRD, &DeleteParams::default())
        .await
        .attempt(attempt)?;
    wait::until("the CRD to be gone", SOON, || async {
        let found = api.get_opt(CRD).await.attempt(attempt)?;
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
