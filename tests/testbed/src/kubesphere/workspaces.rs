//! The Workspace controller: a finalizer, and the namespaces that belong to the Workspace.

use std::sync::Arc;

use futures::StreamExt;
use kube::Client;
use kube::ResourceExt;
use kube::api::{DynamicObject, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;

use super::{Context, add, namespaces, one_worker, remove, retry, unless_gone};
use crate::error::{Attempt, Error, Result};
use crate::kinds;

const FINALIZER: &str = "finalizers.tenant.kubesphere.io";

pub(super) fn controller(client: &Client) -> Controller<DynamicObject> {
    let kind = kinds::workspace();
    Controller::new_with(
        kinds::all(client, &kind),
        watcher::Config::default(),
        kind.clone(),
    )
    .with_config(one_worker())
}

pub(super) async fn run(controller: Controller<DynamicObject>, context: Arc<Context>) {
    controller
        .run(reconcile, retry, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(workspace: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let mut changed = workspace.as_ref().clone();
    let deleting = changed.metadata.deletion_timestamp.is_some();
    let different = if deleting {
        remove(&mut changed.metadata.finalizers, FINALIZER)
    } else {
        add(&mut changed.metadata.finalizers, FINALIZER)
    };
    if different {
        let name = workspace.name_any();
        let api = kinds::all(&context.client, &kinds::workspace());
        let stored = api.replace(&name, &PostParams::default(), &changed).await;
        unless_gone(stored).attempt(|| format!("write the finalizers of Workspace {name}"))?;
    }
    if !deleting {
        bind_namespaces(&workspace, &context).await?;
    }
    Ok(Action::await_change())
}

async fn bind_namespaces(workspace: &DynamicObject, context: &Context) -> Result<()> {
    Context::filled(&context.namespaces).await?;
    let name = workspace.name_any();
    for namespace in context.namespaces.state() {
        let labels = namespace.labels();
        let is_member = labels.get(kinds::WORKSPACE_LABEL) == Some(&name);
        let is_kubefeds = labels.get(kinds::MANAGED_LABEL).map(String::as_str) == Some("true");
        if is_member && !is_kubefeds {
            namespaces::bind(&context.client, &namespace, workspace).await?;
        }
    }
    Ok(())
}
