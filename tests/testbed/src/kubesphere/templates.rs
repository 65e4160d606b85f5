//! The WorkspaceTemplate controller: the FederatedWorkspace is a copy, and falls with its template.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::{Context, add, one_worker, remove, retry, unless_gone};
use crate::error::{Attempt, Error, Result};
use crate::kinds;

const FINALIZER: &str = "finalizers.workspacetemplate.kubesphere.io";
/// Put on by whoever wants to delete the Workspace and keep its namespaces.
const ORPHAN_FINALIZER: &str = "orphan.finalizers.kubesphere.io";

pub(super) async fn run(context: Arc<Context>) {
    let kind = kinds::workspace_template();
    let federated = kinds::federated_workspace();
    let template_kind = kind.clone();
    Controller::new_with(
        kinds::all(&context.client, &kind),
        watcher::Config::default(),
        kind.clone(),
    )
    .with_config(one_worker())
    .watches_with(
        kinds::all(&context.client, &federated),
        federated,
        watcher::Config::default(),
        move |copy| Some(ObjectRef::new_with(&copy.name_any(), template_kind.clone())),
    )
    .run(reconcile, retry, context)
    .for_each(|_| std::future::ready(()))
    .await;
}

async fn reconcile(template: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let client = &context.client;
    let mut changed = template.as_ref().clone();
    if template.metadata.deletion_timestamp.is_some() {
        let finalizers = template.finalizers();
        let orphan = finalizers.iter().any(|entry| entry == ORPHAN_FINALIZER);
        if orphan || finalizers.iter().any(|entry| entry == FINALIZER) {
            delete_workspace(client, &template.name_any(), orphan).await?;
            remove(&mut changed.metadata.finalizers, FINALIZER);
            remove(&mut changed.metadata.finalizers, ORPHAN_FINALIZER);
            write(client, &changed).await?;
        }
        return Ok(Action::await_change());
    }
    let added = add(&mut changed.metadata.finalizers, FINALIZER);
    let labelled = changed
        .labels_mut()
        .insert(kinds::MANAGED_LABEL.to_owned(), "false".to_owned());
    if added || labelled.as_deref() != Some("false") {
        write(client, &changed).await?;
    }
    copy_to_federated(client, &template).await?;
    Ok(Action::await_change())
}

async fn write(client: &Client, template: &DynamicObject) -> Result<()> {
    let name = template.name_any();
    let api = kinds::all(client, &kinds::workspace_template());
    let stored = api.replace(&name, &PostParams::default(), template).await;
    unless_gone(stored).attempt(|| format!("write WorkspaceTemplate {name}"))
}

async fn copy_to_federated(client: &Client, template: &DynamicObject) -> Result<()> {
    let name = template.name_any();
    let api = kinds::all(client, &kinds::federated_workspace());
    let attempt = || format!("copy WorkspaceTemplate {name} to its FederatedWorkspace");
    let spec = &template.data["spec"];
    let Some(mut copy) = api.get_opt(&name).await.attempt(attempt)? else {
        let copy: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedWorkspace",
            "metadata": { "name": name, "labels": { kinds::MANAGED_LABEL: "false" } },
            "spec": spec,
        }))
        .attempt(attempt)?;
        api.create(&PostParams::default(), &copy)
            .await
            .attempt(attempt)?;
        return Ok(());
    };
    if copy.metadata.deletion_timestamp.is_none() && copy.data["spec"] != *spec {
        copy.data["spec"] = spec.clone();
        let stored = api.replace(&name, &PostParams::default(), &copy).await;
        unless_gone(stored).attempt(attempt)?;
    }
    Ok(())
}

/// KubeSphere deletes the namespaces itself, and does not leave them to the garbage collector.
async fn delete_workspace(client: &Client, name: &str, orphan: bool) -> Result<()> {
    let federated = kinds::all(client, &kinds::federated_workspace());
    let attempt = || format!("delete what belongs to WorkspaceTemplate {name}");
    if orphan {
        let keep = json!({ "metadata": { "annotations": {
            "kubefed.io/deleteoption": r#"{"propagationPolicy":"Orphan"}"#,
        }}});
        let stored = federated
            .patch(name, &PatchParams::default(), &Patch::Merge(keep))
            .await;
        unless_gone(stored).attempt(attempt)?;
    } else {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let selector = format!("{}={name}", kinds::WORKSPACE_LABEL);
        let list = namespaces
            .list(&ListParams::default().labels(&selector))
            .await
            .attempt(attempt)?;
        for namespace in list {
            let deleted = namespaces
                .delete(&namespace.name_any(), &DeleteParams::default())
                .await;
            unless_gone(deleted).attempt(attempt)?;
        }
    }
    unless_gone(federated.delete(name, &DeleteParams::default()).await).attempt(attempt)
}
