//! What `status`, `report` and pictures show of a federation: the object's judgement beside what is registered now.
//!
//! Never a list of Workspaces: the object names those that matter, so that the first line comes as fast on 10,000 as on two.

use std::collections::BTreeMap;

use federation_health_api::{
    FederationHealth, foreign,
    names::{HOST_LABEL, KUBEFED_PLANE_LABEL, KUBEFED_PLANE_VALUE, WORKSPACE_LABEL},
    v1alpha1::ClusterGroup,
};
use federation_health_report::federation::{
    Namespace, Operator, Overview, Plane, Registration, group_of, workspaces,
};
use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, client::Cluster, kinds::KUBEFED, operator};

/// Workspaces whose namespaces are asked for: as many as status names at risk. Their names make the selector, which has to
/// fit a URL.
const MAX_WORKSPACES: usize = 50;

/// Reads it.
pub async fn read(cluster: &Cluster, health: FederationHealth) -> Result<Overview, Error> {
    let status = health.status.clone().unwrap_or_default();
    let selector = format!("{KUBEFED_PLANE_LABEL}={KUBEFED_PLANE_VALUE}");
    let named = workspaces(&status);
    let members = (!named.is_empty()).then(|| {
        let names: Vec<&str> = named.iter().take(MAX_WORKSPACES).map(|n| &**n).collect();
        format!("{WORKSPACE_LABEL} in ({})", names.join(","))
    });
    let (clusters_path, configs_path) = (
        format!("{KUBEFED}/kubefedclusters"),
        format!("{KUBEFED}/kubefedconfigs"),
    );
    let name = health.metadata.name.clone().unwrap_or_default();
    let (clusters, configs, deployments, operator, namespaces) = futures::join!(
        cluster.list(&clusters_path, None),
        cluster.list(&configs_path, None),
        cluster.list(
            "/apis/apps/v1/deployments",
            Some(("labelSelector", &selector))
        ),
        operator::look(cluster, &name),
        async {
            match &members {
                Some(selector) => {
                    cluster
                        .list("/api/v1/namespaces", Some(("labelSelector", selector)))
                        .await
                }
                None => Ok(Vec::new()),
            }
        }
    );
    let mut gaps = Vec::new();
    let clusters: Vec<foreign::KubeFedCluster> = decode(clusters, "KubeFedClusters", &mut gaps);
    let configs: Vec<foreign::KubeFedConfig> = decode(configs, "KubeFedConfigs", &mut gaps);
    let deployments: Vec<foreign::DeploymentView> =
        decode(deployments, "KubeFed's Deployments", &mut gaps);
    let namespaces: Vec<foreign::Object> = decode(namespaces, "namespaces", &mut gaps);
    let operator = operator.unwrap_or_else(|error| {
        gaps.push(gap("the operator's Deployment", &error));
        Operator::Unseen
    });
    let mut overview = Overview {
        operator,
        planes: planes(&health, &clusters, &configs, &deployments),
        namespaces: by_workspace(namespaces),
        health,
        gaps,
    };
    overview.sort();
    Ok(overview)
}

fn decode<T: DeserializeOwned>(
    listed: Result<Vec<Value>, Error>,
    what: &str,
    gaps: &mut Vec<String>,
) -> Vec<T> {
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            gaps.push(gap(what, &error));
            return Vec::new();
        }
    };
    let known = listed.len();
    let read: Vec<T> = listed
        .iter()
        .filter_map(|v| T::deserialize(v).ok())
        .collect();
    if read.len() < known {
        gaps.push(format!(
            "{what}: {} of {known} cannot be read",
            known - read.len()
        ));
    }
    read
}

fn gap(what: &str, error: &Error) -> String {
    format!("{what}: {}", error.report().trim_start_matches("error: "))
}

fn planes(
    health: &FederationHealth,
    clusters: &[foreign::KubeFedCluster],
    configs: &[foreign::KubeFedConfig],
    deployments: &[foreign::DeploymentView],
) -> Vec<Plane> {
    let groups = health
        .status
        .as_ref()
        .map_or(&[][..], |s| &s.cluster_groups);
    let mut put: Vec<Plane> = Vec::new();
    let mut change = |meta: &foreign::Meta, with: &dyn Fn(&mut Plane)| {
        let namespace = meta.namespace.clone().unwrap_or_default();
        if let Some(known) = put.iter_mut().find(|p| p.namespace == namespace) {
            return with(known);
        }
        let mut plane = Plane {
            namespace,
            ..Plane::default()
        };
        with(&mut plane);
        put.push(plane);
    };
    for config in configs {
        change(&config.metadata, &|_| {});
    }
    for deployment in deployments {
        change(&deployment.metadata, &|plane| {
            let made = created(&deployment.metadata);
            plane.since = plane.since.into_iter().chain(made).min();
            let (a, w) = plane.replicas.unwrap_or_default();
            plane.replicas = Some((
                a + deployment.status.available_replicas,
                w + deployment.spec.replicas.unwrap_or(1),
            ));
        });
    }
    for cluster in clusters {
        change(&cluster.metadata, &|plane| {
            plane.registrations.push(registration(cluster, groups));
        });
    }
    put
}

fn registration(cluster: &foreign::KubeFedCluster, groups: &[ClusterGroup]) -> Registration {
    let meta = &cluster.metadata;
    let ready = cluster
        .status
        .conditions
        .iter()
        .find(|c| c.type_ == "Ready");
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    Registration {
        name: meta.name.clone(),
        ready: ready.map_or_else(|| "Absent".to_owned(), |c| c.status.clone()),
        endpoint: cluster.spec.api_endpoint.clone(),
        host: meta.labels.contains_key(HOST_LABEL),
        created: created(meta),
        group: group_of(groups, namespace, &meta.name),
    }
}

fn created(meta: &foreign::Meta) -> Option<Timestamp> {
    meta.creation_timestamp
        .as_deref()
        .and_then(|t| t.parse().ok())
}

fn by_workspace(namespaces: Vec<foreign::Object>) -> BTreeMap<String, Vec<Namespace>> {
    let mut map: BTreeMap<String, Vec<Namespace>> = BTreeMap::new();
    for object in namespaces {
        let meta = object.metadata;
        if let Some(workspace) = meta.labels.get(WORKSPACE_LABEL) {
            map.entry(workspace.clone()).or_default().push(Namespace {
                name: meta.name,
                terminating: meta.deletion_timestamp.is_some(),
            });
        }
    }
    map
}
