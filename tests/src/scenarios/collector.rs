//! Waiting until the garbage collector follows Workspaces.

use std::{collections::BTreeMap, time::Duration};

use federation_health_testbed::{
    Federation,
    error::{Attempt as _, Result},
    kinds,
    wait::{self, Look},
};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ObjectMeta, PostParams},
};
use serde_json::json;

/// A collector looks for new kinds every 30 s.
const LIMIT: Duration = Duration::from_secs(90);
/// Of the Workspace and of what it owns.
const NAME: &str = "collector-check";

/// Waits until a deleted Workspace's dependents are collected. Before that a test of the hold shows nothing.
///
/// # Errors
/// The collector does not work, or the API server refused.
pub async fn wait_watching(bed: &Federation) -> Result<()> {
    let client = bed.client();
    let workspaces = kinds::all(&client, &kinds::workspace());
    let owner: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace",
        "metadata": {"name": NAME}, "spec": {},
    }))
    .attempt(|| "describe a Workspace")?;
    let owner = workspaces
        .create(&PostParams::default(), &owner)
        .await
        .attempt(|| format!("create Workspace {NAME}"))?;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let owned = ConfigMap {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            owner_references: Some(vec![OwnerReference {
                api_version: "tenant.kubesphere.io/v1alpha1".to_owned(),
                kind: "Workspace".to_owned(),
                name: NAME.to_owned(),
                uid: owner.uid().unwrap_or_default(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::new()),
        ..ConfigMap::default()
    };
    maps.create(&PostParams::default(), &owned)
        .await
        .attempt(|| format!("create ConfigMap {NAME}"))?;
    workspaces
        .delete(NAME, &DeleteParams::default())
        .await
        .attempt(|| format!("delete Workspace {NAME}"))?;
    wait::until("the collector to follow Workspaces", LIMIT, || async {
        let found = maps.get_opt(NAME).await.attempt(|| "read a ConfigMap")?;
        Ok(match found {
            None => Look::Done(()),
            Some(_) => Look::Pending("a dependent is not collected yet".to_owned()),
        })
    })
    .await
}
