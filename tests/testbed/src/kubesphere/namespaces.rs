//! The namespace controller: a finalizer, a label, and the owner reference to the Workspace.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DynamicObject, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};

use super::{Context, add, one_worker, remove, retry, unless_gone};
use crate::error::{Attempt, Error, Result};
use crate::kinds;

const FINALIZER: &str = "finalizers.kubesphere.io/namespaces";
const NAME_LABEL: &str = "kubesphere.io/namespace";

pub(super) fn controller(client: &Client) -> Controller<Namespace> {
    Controller::new(Api::all(client.clone()), watcher::Config::default()).with_config(one_worker())
}

pub(super) async fn run(controller: Controller<Namespace>, context: Arc<Context>) {
    controller
        .run(reconcile, retry, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(namespace: Arc<Namespace>, context: Arc<Context>) -> Result<Action, Error> {
    Context::filled(&context.workspaces).await?;
    let mut changed = namespace.as_ref().clone();
    if namespace.metadata.deletion_timestamp.is_some() {
        if remove(&mut changed.metadata.finalizers, FINALIZER) {
            write(&context.client, &changed, "take the finalizer off").await?;
        }
        return Ok(Action::await_change());
    }
    let name = namespace.name_any();
    let added = add(&mut changed.metadata.finalizers, FINALIZER);
    let labelled = changed
        .labels_mut()
        .insert(NAME_LABEL.to_owned(), name.clone());
    if added || labelled.as_ref() != Some(&name) {
        write(&context.client, &changed, "put finalizer and label on").await?;
        // The write is an event, so the binding follows at once and on the new version.
        return Ok(Action::await_change());
    }
    let is_kubefeds = namespace
        .labels()
        .get(kinds::MANAGED_LABEL)
        .map(String::as_str)
        == Some("true");
    if let Some(workspace) = namespace.labels().get(kinds::WORKSPACE_LABEL)
        && !is_kubefeds
    {
        match context.workspace(workspace) {
            Some(live) if live.metadata.deletion_timestamp.is_none() => {
                bind(&context.client, &namespace, &live).await?;
            }
            Some(_) => unbind(&context.client, &namespace).await?,
            None if is_bound(&namespace) => unbind(&context.client, &namespace).await?,
            // It may be on its way; the Workspace controller binds when it comes.
            None => {}
        }
    }
    Ok(Action::await_change())
}

/// Makes the Workspace the namespace's controller, in place of any Workspace before it.
pub(super) async fn bind(
    client: &Client,
    namespace: &Namespace,
    workspace: &DynamicObject,
) -> Result<()> {
    let uid = workspace.uid().unwrap_or_default();
    let bound = namespace
        .owner_references()
        .iter()
        .any(|owner| owner.uid == uid && owner.controller == Some(true));
    if bound {
        return Ok(());
    }
    let mut changed = namespace.clone();
    let owners = changed.owner_references_mut();
    owners.retain(|owner| owner.kind != "Workspace");
    owners.push(OwnerReference {
        api_version: "tenant.kubesphere.io/v1alpha1".to_owned(),
        kind: "Workspace".to_owned(),
        name: workspace.name_any(),
        uid,
        controller: Some(true),
        block_owner_deletion: Some(true),
    });
    write(client, &changed, "bind to its Workspace").await
}

async fn unbind(client: &Client, namespace: &Namespace) -> Result<()> {
    let mut changed = namespace.clone();
    changed.labels_mut().remove(kinds::WORKSPACE_LABEL);
    changed
        .owner_references_mut()
        .retain(|owner| owner.kind != "Workspace");
    write(client, &changed, "unbind from its Workspace").await
}

fn is_bound(namespace: &Namespace) -> bool {
    namespace
        .owner_references()
        .iter()
        .any(|owner| owner.kind == "Workspace" && owner.controller == Some(true))
}

async fn write(client: &Client, namespace: &Namespace, what: &str) -> Result<()> {
    let name = namespace.name_any();
    let api: Api<Namespace> = Api::all(client.clone());
    let stored = api.replace(&name, &PostParams::default(), namespace).await;
    unless_gone(stored).attempt(|| format!("namespace {name}: {what}"))
}
