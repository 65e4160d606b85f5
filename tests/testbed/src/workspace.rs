//! Workspaces and their namespaces: making them, waiting for them, and telling what was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::apply;
use crate::error::{Attempt, Result};
use crate::kinds;
use crate::wait::{self, Look};

/// Where a Workspace is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// `placement.clusters`: these names, none of them when empty.
    Clusters(Vec<String>),
    /// `placement.clusterSelector.matchLabels`: all when empty.
    Labels(BTreeMap<String, String>),
}

impl Placement {
    /// A list of names.
    pub fn clusters<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Clusters(names.into_iter().map(Into::into).collect())
    }

    /// As `spec.placement` has it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Clusters(names) => {
                let names: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
                json!({ "clusters": names })
            }
            Self::Labels(labels) => json!({ "clusterSelector": { "matchLabels": labels } }),
        }
    }
}

/// A Workspace to make.
#[derive(Clone, Debug)]
pub struct WorkspaceSpec {
    /// Its name.
    pub name: String,
    /// Where it is to be.
    pub placement: Placement,
    /// The namespaces that belong to it.
    pub namespaces: Vec<String>,
}

impl WorkspaceSpec {
    /// A Workspace on the cluster `host` with `count` namespaces `<name>-1`, `<name>-2`, ….
    pub fn on_host(name: &str, count: usize) -> Self {
        Self {
            name: name.to_owned(),
            placement: Placement::clusters(["host"]),
            namespaces: (1..=count).map(|n| format!("{name}-{n}")).collect(),
        }
    }

    /// Another placement.
    #[must_use]
    pub fn placed(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }
}

/// Makes the WorkspaceTemplate and the namespaces, as a person in KubeSphere's console would.
pub async fn create(client: &Client, spec: &WorkspaceSpec) -> Result<()> {
    let template = json!({
        "apiVersion": "tenant.kubesphere.io/v1alpha2", "kind": "WorkspaceTemplate",
        "metadata": { "name": spec.name, "annotations": { "kubesphere.io/creator": "admin" } },
        "spec": {
            "placement": spec.placement.to_json(),
            "template": { "spec": { "manager": "admin" } },
        },
    });
    apply::object(client, &template).await?;
    for namespace in &spec.namespaces {
        create_namespace(client, namespace, &spec.name).await?;
    }
    Ok(())
}

/// Makes a namespace of a Workspace. Created, not applied: apply would fight KubeSphere for labels.
pub async fn create_namespace(client: &Client, name: &str, workspace: &str) -> Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    namespace
        .labels_mut()
        .insert(kinds::WORKSPACE_LABEL.to_owned(), workspace.to_owned());
    api.create(&PostParams::default(), &namespace)
        .await
        .attempt(|| format!("create namespace {name} of Workspace {workspace}"))?;
    Ok(())
}

/// Makes the Workspace itself as KubeFed would have, for test beds without KubeFed.
pub async fn create_as_kubefed(client: &Client, name: &str) -> Result<()> {
    let workspace = json!({
        "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace",
        "metadata": { "name": name, "labels": { kinds::MANAGED_LABEL: "true" } },
        "spec": { "manager": "admin" },
    });
    let workspace =
        serde_json::from_value(workspace).attempt(|| format!("describe Workspace {name}"))?;
    kinds::all(client, &kinds::workspace())
        .create(&PostParams::default(), &workspace)
        .await
        .attempt(|| format!("create Workspace {name}"))?;
    Ok(())
}

/// Changes the placement where it must be changed: on the WorkspaceTemplate.
pub async fn set_placement(client: &Client, name: &str, placement: &Placement) -> Result<()> {
    let patch = json!([
        { "op": "replace", "path": "/spec/placement", "value": placement.to_json() }
    ]);
    let patch: kube::core::params::Patch<Value> = Patch::Json(
        serde_json::from_value(patch).attempt(|| format!("describe the placement of {name}"))?,
    );
    kinds::all(client, &kinds::workspace_template())
        .patch(name, &PatchParams::default(), &patch)
        .await
        .attempt(|| format!("change the placement of WorkspaceTemplate {name}"))?;
    Ok(())
}

/// Waits until KubeSphere has copied the placement to the FederatedWorkspace.
pub async fn wait_placement(
    client: &Client,
    name: &str,
    placement: &Placement,
    limit: Duration,
) -> Result<()> {
    let api = kinds::all(client, &kinds::federated_workspace());
    let wanted = placement.to_json();
    let what = format!("the placement of {name} to be {wanted}");
    wait::until(&what, limit, || async {
        let found = api.get(name).await.attempt(|| what.clone())?;
        let placed = &found.data["spec"]["placement"];
        Ok(if *placed == wanted {
            Look::Done(())
        } else {
            Look::Pending(placed.to_string())
        })
    })
    .await
}

/// One namespace at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceState {
    /// Its UID.
    pub uid: String,
    /// Whether it has a deletionTimestamp.
    pub terminating: bool,
    /// Label `kubesphere.io/workspace`.
    pub workspace: Option<String>,
    /// UID of the owner that is its controller.
    pub owner: Option<String>,
}

/// One Workspace at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceState {
    /// Its UID.
    pub uid: String,
    /// Whether it has a deletionTimestamp.
    pub deleting: bool,
    /// Label `kubefed.io/managed`.
    pub managed: Option<String>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
}

/// Workspaces and namespaces at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By name.
    pub workspaces: BTreeMap<String, WorkspaceState>,
    /// By name; all namespaces of the server.
    pub namespaces: BTreeMap<String, NamespaceState>,
}

impl Snapshot {
    /// Reads both kinds with consistent lists, one after the other.
    pub async fn take(client: &Client) -> Result<Self> {
        let workspaces = kinds::all(client, &kinds::workspace())
            .list(&ListParams::default())
            .await
            .attempt(|| "list Workspaces")?
            .into_iter()
            .map(|workspace| {
                let state = WorkspaceState {
                    uid: workspace.uid().unwrap_or_default(),
                    deleting: workspace.metadata.deletion_timestamp.is_some(),
                    managed: workspace.labels().get(kinds::MANAGED_LABEL).cloned(),
                    finalizers: workspace.finalizers().to_vec(),
                };
                (workspace.name_any(), state)
            })
            .collect();
        let namespaces = Api::<Namespace>::all(client.clone())
            .list(&ListParams::default())
            .await
            .attempt(|| "list namespaces")?
            .into_iter()
            .map(|namespace| (namespace.name_any(), NamespaceState::of(&namespace)))
            .collect();
        Ok(Self {
            workspaces,
            namespaces,
        })
    }

    /// Namespaces of the earlier snapshot that are gone, replaced or terminating now. One that
    /// terminated then already does not count.
    pub fn lost_since(&self, earlier: &Self) -> Vec<String> {
        earlier
            .namespaces
            .iter()
            .filter(|(_, before)| !before.terminating)
            .filter(|(name, before)| {
                self.namespaces
                    .get(*name)
                    .is_none_or(|now| now.terminating || now.uid != before.uid)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Why this Workspace is not yet whole: existing, not deleting, its namespaces bound to it.
    pub fn missing(&self, spec: &WorkspaceSpec) -> Option<String> {
        let name = &spec.name;
        let Some(workspace) = self.workspaces.get(name) else {
            return Some(format!("no Workspace {name}"));
        };
        if workspace.deleting {
            return Some(format!("Workspace {name} is being deleted"));
        }
        spec.namespaces
            .iter()
            .find_map(|namespace| match self.namespaces.get(namespace) {
                None => Some(format!("no namespace {namespace}")),
                Some(state) if state.terminating => Some(format!("{namespace} terminates")),
                Some(state) if state.owner.as_ref() != Some(&workspace.uid) => {
                    Some(format!("{namespace} is not bound to Workspace {name}"))
                }
                Some(_) => None,
            })
    }
}

impl NamespaceState {
    fn of(namespace: &Namespace) -> Self {
        Self {
            uid: namespace.uid().unwrap_or_default(),
            terminating: namespace.metadata.deletion_timestamp.is_some(),
            workspace: namespace.labels().get(kinds::WORKSPACE_LABEL).cloned(),
            owner: namespace
                .owner_references()
                .iter()
                .find(|owner| owner.controller == Some(true))
                .map(|owner| owner.uid.clone()),
        }
    }
}

/// Waits until every Workspace exists and its namespaces are bound to it; returns that moment.
pub async fn wait_bound(
    client: &Client,
    specs: &[WorkspaceSpec],
    limit: Duration,
) -> Result<Snapshot> {
    let what = "Workspaces to exist and own their namespaces";
    wait::until(what, limit, || async {
        let snapshot = Snapshot::take(client).await?;
        Ok(match specs.iter().find_map(|spec| snapshot.missing(spec)) {
            Some(missing) => Look::Pending(missing),
            None => Look::Done(snapshot),
        })
    })
    .await
}

/// Waits until so many namespaces of the earlier snapshot are lost; returns their names.
pub async fn wait_lost(
    client: &Client,
    earlier: &Snapshot,
    count: usize,
    limit: Duration,
) -> Result<Vec<String>> {
    let what = format!("{count} namespaces to be lost");
    wait::until(&what, limit, || async {
        let lost = Snapshot::take(client).await?.lost_since(earlier);
        Ok(if lost.len() >= count {
            Look::Done(lost)
        } else {
            Look::Pending(format!("lost: {lost:?}"))
        })
    })
    .await
}
