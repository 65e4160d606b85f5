//! Puts manifests on a server.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::wait::conditions;
use kube::{Api, Client};
use serde_json::Value;

use crate::error::{Attempt, Error, Result};
use crate::wait;

/// Field manager of everything that the test bed writes on a tester's behalf.
pub const FIELD_MANAGER: &str = "testbed";

/// The server needs less than a second; a machine that also compiles needs more.
const ESTABLISHED_LIMIT: Duration = Duration::from_secs(30);

/// Applies one object server-side and returns what is stored.
pub async fn object(client: &Client, manifest: &Value) -> Result<DynamicObject> {
    let describe = || {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
        let kind = manifest.get("kind").and_then(Value::as_str);
        format!(
            "apply {} {}",
            kind.unwrap_or("an object without kind"),
            name.unwrap_or("without name")
        )
    };
    let object: DynamicObject = serde_json::from_value(manifest.clone()).attempt(describe)?;
    let types = object.types.clone().ok_or_else(|| {
        Error::refused(format!("{}: apiVersion and kind are missing", describe()))
    })?;
    let kind = GroupVersionKind::try_from(types).attempt(describe)?;
    let kind = ApiResource::from_gvk(&kind);
    let api = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let name = object.metadata.name.clone().unwrap_or_default();
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(&object))
        .await
        .attempt(describe)
}

/// Applies every document of a YAML text, in order; the items of a `List` one by one. Waits until
/// CRDs among them are served.
pub async fn yaml(client: &Client, text: &str) -> Result<()> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).attempt(|| "read a YAML manifest")?;
    let mut definitions = Vec::new();
    for document in documents.iter().flat_map(items) {
        let stored = object(client, document).await?;
        let is_definition = document["kind"] == "CustomResourceDefinition";
        definitions.extend(stored.metadata.name.filter(|_| is_definition));
    }
    for name in definitions {
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        let what = format!("CRD {name} to be established");
        wait::for_object(
            api,
            &name,
            &what,
            ESTABLISHED_LIMIT,
            conditions::is_crd_established(),
        )
        .await?;
    }
    Ok(())
}

/// Applies a file of manifests.
pub async fn file(client: &Client, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path).attempt(|| format!("read {}", path.display()))?;
    yaml(client, &text).await.map_err(|error| match error {
        Error::Failed { attempt, source } => Error::Failed {
            attempt: format!("{attempt} (from {})", path.display()),
            source,
        },
        other => other,
    })
}

fn items(document: &Value) -> Vec<&Value> {
    match document.get("items").and_then(Value::as_array) {
        Some(items) if document["kind"] == "List" => items.iter().collect(),
        // An empty document between two separators.
        _ if document.is_null() => Vec::new(),
        _ => vec![document],
    }
}
