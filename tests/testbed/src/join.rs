//! Registering clusters as KubeSphere does, and taking registrations away.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::apply;
use crate::control_plane::ControlPlane;
use crate::error::{Attempt, Error, Result};
use crate::kinds;
use crate::wait;

/// The controller manager fills a token secret within milliseconds.
const TOKEN_LIMIT: Duration = Duration::from_secs(30);

/// How the authority's certificate is written into the registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaBundle {
    /// The bytes of the authority's PEM file.
    #[default]
    AsIs,
    /// The same certificate with another line width and a comment: other bytes, other hash, same
    /// trust.
    Reencoded,
}

/// How a cluster is registered.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// The namespace of the KubeFed that gets the registration.
    pub kubefed_namespace: String,
    /// The address in the registration, if not the member's own: see [`crate::forward::Forward`].
    pub endpoint: Option<String>,
    /// How the authority is written.
    pub ca_bundle: CaBundle,
    /// Labels of the registration.
    pub labels: BTreeMap<String, String>,
    /// Whether KubeSphere's Cluster object is made too. Leftovers have none.
    pub cluster_object: bool,
}

impl Default for JoinOptions {
    fn default() -> Self {
        Self {
            kubefed_namespace: kinds::KUBEFED_NAMESPACE.to_owned(),
            endpoint: None,
            ca_bundle: CaBundle::AsIs,
            labels: BTreeMap::new(),
            cluster_object: false,
        }
    }
}

impl JoinOptions {
    /// As KubeSphere registers the cluster it runs on.
    pub fn host() -> Self {
        Self {
            labels: BTreeMap::from([
                (kinds::HOST_LABEL.to_owned(), String::new()),
                ("kubesphere.io/managed".to_owned(), "true".to_owned()),
            ]),
            cluster_object: true,
            ..Self::default()
        }
    }

    /// The defaults with the registration in another namespace.
    pub fn in_namespace(namespace: impl Into<String>) -> Self {
        Self {
            kubefed_namespace: namespace.into(),
            ..Self::default()
        }
    }
}

/// Name of the ServiceAccount through which KubeFed acts on a member under this alias.
pub fn member_account(alias: &str) -> String {
    format!("{alias}-kubesphere")
}

/// User name of that ServiceAccount in audit logs.
pub fn member_user(kubefed_namespace: &str, alias: &str) -> String {
    format!(
        "system:serviceaccount:{kubefed_namespace}:{}",
        member_account(alias)
    )
}

/// Registers `member` at `host` under `alias` and returns the KubeFedCluster. Both may be the same
/// control plane. Two aliases of one control plane are the incident.
pub async fn join(
    host: &Client,
    member: &ControlPlane,
    alias: &str,
    options: &JoinOptions,
) -> Result<DynamicObject> {
    let namespace = &options.kubefed_namespace;
    let token = member_token(member, namespace, alias).await?;
    let endpoint = options
        .endpoint
        .clone()
        .unwrap_or_else(|| member.access().server.clone());
    if options.cluster_object {
        make_cluster_object(host, member, alias, &endpoint, options).await?;
    }
    let secret = format!("{alias}-secret");
    apply::object(
        host,
        &json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": secret, "namespace": namespace },
            "data": { "token": token },
        }),
    )
    .await?;
    let ca = match options.ca_bundle {
        CaBundle::AsIs => member.access().ca.clone(),
        CaBundle::Reencoded => reencode(&member.access().ca),
    };
    let registration: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster",
        "metadata": { "name": alias, "namespace": namespace, "labels": options.labels },
        "spec": {
            "apiEndpoint": endpoint,
            "caBundle": BASE64.encode(ca),
            "secretRef": { "name": secret },
        },
    }))
    .attempt(|| format!("describe KubeFedCluster {alias}"))?;
    kinds::within(host, &kinds::kubefed_cluster(), namespace)
        .create(&PostParams::default(), &registration)
        .await
        .attempt(|| format!("create KubeFedCluster {namespace}/{alias}"))
}

/// Takes a registration away as a person with kubectl would: the KubeFedCluster alone. Secret,
/// ServiceAccount and rights stay, as they do in KubeFed.
pub async fn unregister(host: &Client, kubefed_namespace: &str, alias: &str) -> Result<()> {
    kinds::within(host, &kinds::kubefed_cluster(), kubefed_namespace)
        .delete(alias, &DeleteParams::default())
        .await
        .attempt(|| format!("delete KubeFedCluster {kubefed_namespace}/{alias}"))?;
    Ok(())
}

/// Makes account, rights and token secret in the member; returns the token, base64.
async fn member_token(member: &ControlPlane, namespace: &str, alias: &str) -> Result<String> {
    let client = member.client();
    let account = member_account(alias);
    let role = format!("kubefed-controller-manager:{account}");
    let secret = format!("{account}-token");
    let manifests = [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": account, "namespace": namespace } }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": role },
            "rules": [
                { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] },
                { "nonResourceURLs": ["*"], "verbs": ["get"] },
            ] }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            // One account name in two namespaces is two subjects: two bindings.
            "metadata": { "name": if namespace == kinds::KUBEFED_NAMESPACE { role.clone() }
                          else { format!("{role}:{namespace}") } },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                         "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace }] }),
        json!({ "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": secret, "namespace": namespace,
                "annotations": { "kubernetes.io/service-account.name": account } },
            "type": "kubernetes.io/service-account-token" }),
    ];
    for manifest in &manifests {
        apply::object(&client, manifest).await?;
    }
    let what = format!("the controller manager to fill Secret {namespace}/{secret}");
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let filled = wait::for_object(
        secrets,
        &secret,
        &what,
        TOKEN_LIMIT,
        |secret: Option<&Secret>| secret.and_then(token_of).is_some(),
    )
    .await?;
    filled
        .as_ref()
        .and_then(token_of)
        .map(|token| BASE64.encode(token))
        .ok_or_else(|| Error::refused(format!("Secret {namespace}/{secret} lost its token")))
}

fn token_of(secret: &Secret) -> Option<&[u8]> {
    Some(secret.data.as_ref()?.get("token")?.0.as_slice())
}

async fn make_cluster_object(
    host: &Client,
    member: &ControlPlane,
    alias: &str,
    endpoint: &str,
    options: &JoinOptions,
) -> Result<()> {
    let system = Api::<k8s_openapi::api::core::v1::Namespace>::all(member.client())
        .get("kube-system")
        .await
        .attempt(|| format!("read kube-system of {}", member.name()))?;
    apply::object(
        host,
        &json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
            "metadata": { "name": alias, "labels": options.labels },
            "spec": {
                "connection": { "type": "direct", "kubernetesAPIEndpoint": endpoint },
                "enable": true, "joinFederation": true, "provider": "kubesphere",
            },
            "status": { "uid": system.metadata.uid },
        }),
    )
    .await?;
    Ok(())
}

/// The same certificates in PEM with lines of 48 characters and a comment before them.
fn reencode(pem: &str) -> String {
    let mut text = "# The same authority, written by another tool.\n".to_owned();
    let mut body = String::new();
    for line in pem.lines().map(str::trim) {
        if line.starts_with("-----BEGIN") {
            text.push_str(line);
            text.push('\n');
        } else if line.starts_with("-----END") {
            for start in (0..body.len()).step_by(48) {
                text.push_str(&body[start..body.len().min(start + 48)]);
                text.push('\n');
            }
            text.push_str(line);
            text.push('\n');
            body.clear();
        } else {
            body.push_str(line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reencoded_bundle_has_other_bytes_and_the_same_certificate() {
        let pem = crate::pki::Pki::generate("test").unwrap().ca;
        let other = reencode(&pem);
        let body = |text: &str| -> String {
            text.lines()
                .filter(|line| !line.starts_with(['-', '#']))
                .collect()
        };
        assert_ne!(pem, other);
        assert_eq!(body(&pem), body(&other));
        assert!(other.contains("-----BEGIN CERTIFICATE-----\n"));
    }
}
