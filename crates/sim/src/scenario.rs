//! Helpers that bring a simulation into the states that tests and the demo begin with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    Refusal, Sim,
    agent::{
        Agent,
        resources::{
            FEDERATED_WORKSPACES, KUBEFED_CLUSTERS, NAMESPACES, PERSISTENT_VOLUME_CLAIMS,
            PERSISTENT_VOLUMES, SECRETS, SERVICE_ACCOUNTS, WORKSPACE_TEMPLATES, WORKSPACES,
        },
    },
    identity, install, json as path,
    models::kubesphere::WORKSPACE_LABEL,
};

impl Sim {
    /// Installs KubeFed and KubeSphere as on a host cluster: definitions, one control plane in
    /// `kube-federation-system`, the Cluster `host` and its registration, already Ready.
    pub fn install_kubesphere(&self) -> Result<(), Refusal> {
        let admin = self.admin();
        install::definitions(&admin)?;
        install::kubesphere(self, &admin)?;
        install::plane(&admin, install::FEDERATION)?;
        self.join("host")?;
        admin.merge(
            &KUBEFED_CLUSTERS,
            install::FEDERATION,
            "host",
            json!({"metadata": {"labels": {
                "cluster-role.kubesphere.io/host": "", "kubesphere.io/managed": "true",
            }}}),
        )?;
        self.mark_ready(install::FEDERATION, "host")
    }

    /// Installs what a member of a federation has: KubeSphere's definitions and namespaces.
    pub fn install_member(&self) -> Result<(), Refusal> {
        let admin = self.admin();
        install::definitions(&admin)?;
        install::namespace(&admin, "kubesphere-system")
    }

    /// Installs one more control plane, in another namespace; its Deployment wants it to run at once.
    pub fn install_plane(&self, namespace: &str) -> Result<(), Refusal> {
        install::plane(&self.admin(), namespace)
    }

    /// Enables a namespaced kind in the first control plane, such as `("apps", "v1", "Deployment", "deployments")`.
    pub fn federate(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        plural: &str,
    ) -> Result<(), Refusal> {
        install::federate(
            &self.admin(),
            install::FEDERATION,
            group,
            version,
            kind,
            plural,
            true,
        )
    }

    /// Registers this very cluster under one more name: the incident's cause, except for the first name.
    pub fn join(&self, alias: &str) -> Result<(), Refusal> {
        self.join_member(install::FEDERATION, alias, &self.endpoint())
    }

    /// Registers the cluster behind an endpoint in a control plane, as KubeSphere does: ServiceAccount and
    /// token in the member, secret and KubeFedCluster in the host.
    pub fn join_member(&self, plane: &str, alias: &str, endpoint: &str) -> Result<(), Refusal> {
        let member = self.network().reach(endpoint).ok_or_else(|| {
            Refusal::new(
                404,
                "NotFound",
                format!("no server of the simulation answers behind {endpoint}"),
            )
        })?;
        let remote = Agent::new(&member, ADMIN, "kubectl");
        install::namespace(&remote, plane)?;
        let account = format!("{alias}-kubesphere");
        let made = remote.create(
            &SERVICE_ACCOUNTS,
            json!({"metadata": {"name": account, "namespace": plane}}),
        )?;
        let secret = format!("{account}-token");
        let token = identity::token(plane, &account, path::meta(&made, "uid"), &secret);
        let admin = self.admin();
        admin.create(&SECRETS, json!({
            "metadata": {"name": format!("{alias}-secret"), "namespace": plane}, "type": "Opaque",
            "data": {"token": base64(&token)},
        }))?;
        admin.create(
            &KUBEFED_CLUSTERS,
            json!({
                "metadata": {"name": alias, "namespace": plane},
                "spec": {
                    "apiEndpoint": endpoint, "caBundle": identity::ca_bundle(endpoint),
                    "secretRef": {"name": format!("{alias}-secret")},
                },
            }),
        )?;
        Ok(())
    }

    /// Writes a registration's status as a passed health check leaves it.
    pub fn mark_ready(&self, plane: &str, alias: &str) -> Result<(), Refusal> {
        let now = crate::clock::seconds(self.clock().now());
        let status = json!({"conditions": [{
            "type": "Ready", "status": "True", "reason": "ClusterReady", "message": "/healthz responded with ok",
            "lastProbeTime": now, "lastTransitionTime": now,
        }]});
        self.admin()
            .set_status(&KUBEFED_CLUSTERS, plane, alias, status)
            .map(|_| ())
    }

    /// Makes a Workspace in the state that KubeSphere and KubeFed would leave it in: template, federated
    /// object with status, a Workspace in every member it is placed on, and on this cluster namespaces
    /// that it owns. It does not wait for controllers, so that ten thousand are made in seconds.
    pub fn add_workspace(
        &self,
        name: &str,
        clusters: &[&str],
        namespaces: &[&str],
    ) -> Result<(), Refusal> {
        let kubesphere = self.agent_as(crate::models::kubesphere::USER, "controller-manager");
        let names: Vec<Value> = clusters.iter().map(|c| json!({"name": c})).collect();
        let spec = json!({
            "placement": {"clusters": names},
            "template": {"metadata": {}, "spec": {"manager": "admin"}},
        });
        kubesphere.create(
            &WORKSPACE_TEMPLATES,
            json!({
                "metadata": {
                    "name": name, "labels": {"kubefed.io/managed": "false"},
                    "finalizers": ["finalizers.workspacetemplate.kubesphere.io"],
                },
                "spec": spec,
            }),
        )?;
        kubesphere.create(&FEDERATED_WORKSPACES, json!({
            "metadata": {
                "name": name, "labels": {"kubefed.io/managed": "false"}, "finalizers": ["kubefed.io/sync-controller"],
            },
            "spec": spec,
        }))?;
        for cluster in clusters {
            self.place(name, cluster)?;
        }
        let now = crate::clock::seconds(self.clock().now());
        kubesphere.set_status(&FEDERATED_WORKSPACES, "", name, json!({
            "clusters": names, "observedGeneration": 1,
            "conditions": [{"type": "Propagation", "status": "True", "lastTransitionTime": now, "lastUpdateTime": now}],
        }))?;
        for namespace in namespaces {
            self.add_namespace(namespace, name)?;
        }
        Ok(())
    }

    /// The Workspace in one member, as KubeFed makes it there.
    fn place(&self, name: &str, cluster: &str) -> Result<(), Refusal> {
        let Some(registration) = self
            .admin()
            .get(&KUBEFED_CLUSTERS, install::FEDERATION, cluster)
        else {
            return Ok(());
        };
        let Some(member) = self
            .network()
            .reach(path::text(&registration, &["spec", "apiEndpoint"]))
        else {
            return Ok(());
        };
        let user = format!(
            "system:serviceaccount:{}:{cluster}-kubesphere",
            install::FEDERATION
        );
        let kubefed = Agent::new(&member, &user, "controller-manager");
        if kubefed.get(&WORKSPACES, "", name).is_none() {
            kubefed.create(
                &WORKSPACES,
                json!({
                    "metadata": {
                        "name": name, "labels": {"kubefed.io/managed": "true"},
                        "finalizers": ["finalizers.tenant.kubesphere.io"],
                    },
                    "spec": {"manager": "admin"},
                }),
            )?;
        }
        Ok(())
    }

    /// Makes a namespace of a Workspace on this cluster, bound to the Workspace that lives here, if one does.
    pub fn add_namespace(&self, name: &str, workspace: &str) -> Result<(), Refusal> {
        let kubesphere = self.agent_as(crate::models::kubesphere::USER, "controller-manager");
        let mut metadata = json!({
            "name": name, "finalizers": ["finalizers.kubesphere.io/namespaces"],
            "labels": {WORKSPACE_LABEL: workspace, "kubesphere.io/namespace": name},
        });
        if let Some(owner) = kubesphere.get(&WORKSPACES, "", workspace) {
            metadata["ownerReferences"] = json!([{
                "apiVersion": owner["apiVersion"], "kind": "Workspace", "name": workspace,
                "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
            }]);
        }
        kubesphere
            .create(&NAMESPACES, json!({"metadata": metadata}))
            .map(|_| ())
    }

    /// UIDs of the Workspaces and their namespaces that live, by kind and name: what a tenant would miss.
    pub fn tenants(&self) -> BTreeMap<(&'static str, String), String> {
        let admin = self.admin();
        let workspaces = admin.list(&WORKSPACES, "").into_iter();
        let namespaces = admin.list(&NAMESPACES, "").into_iter();
        let workspaces = workspaces.map(|o| ("Workspace", o));
        let namespaces = namespaces.map(|o| ("Namespace", o));
        let bound = namespaces.filter(|(_, o)| path::label(o, WORKSPACE_LABEL).is_some());
        let text =
            |o: &Value, field: &str| o["metadata"][field].as_str().unwrap_or_default().to_owned();
        workspaces
            .chain(bound)
            .filter(|(_, o)| o["metadata"].get("deletionTimestamp").is_none())
            .map(|(kind, o)| ((kind, text(&o, "name")), text(&o, "uid")))
            .collect()
    }

    /// Makes a claim with a volume bound to it, as after provisioning; gives the volume's name.
    pub fn add_volume(
        &self,
        namespace: &str,
        claim: &str,
        reclaim_policy: &str,
    ) -> Result<String, Refusal> {
        let admin = self.admin();
        let volume = format!("pv-{namespace}-{claim}");
        let made = admin.create(
            &PERSISTENT_VOLUME_CLAIMS,
            json!({
                "metadata": {"name": claim, "namespace": namespace},
                "spec": {"volumeName": volume, "accessModes": ["ReadWriteOnce"]},
            }),
        )?;
        let bound = json!({"phase": "Bound"});
        admin.set_status(&PERSISTENT_VOLUME_CLAIMS, namespace, claim, bound.clone())?;
        admin.create(
            &PERSISTENT_VOLUMES,
            json!({
                "metadata": {"name": volume},
                "spec": {
                    "persistentVolumeReclaimPolicy": reclaim_policy, "capacity": {"storage": "1Gi"},
                    "claimRef": {"namespace": namespace, "name": claim, "uid": made["metadata"]["uid"]},
                },
            }),
        )?;
        admin.set_status(&PERSISTENT_VOLUMES, "", &volume, bound)?;
        Ok(volume)
    }

    /// Takes a namespace out of the store by emptying its finalizers, as people do who are tired of waiting: its contents
    /// stay, and come back into force with the next namespace of this name.
    pub fn force_finalize(&self, namespace: &str) -> Result<(), Refusal> {
        let admin = self.admin();
        admin.delete(&NAMESPACES, "", namespace, Value::Null)?;
        admin
            .edit_part(&NAMESPACES, ("", namespace, "finalize"), |n| {
                n["spec"]["finalizers"] = json!([]);
            })
            .map(|_| ())
    }

    /// Installs the admission policies, bindings and canaries of `config/policies`. From then on the
    /// simulation does what they do; without them it denies nothing.
    pub fn install_policies(&self) -> Result<(), Refusal> {
        install::namespace(&self.admin(), "federation-health-system")?;
        for manifest in [
            include_str!("../../../config/policies/collection-fast.yaml"),
            include_str!("../../../config/policies/collection-durable.yaml"),
            include_str!("../../../config/policies/federation-fast.yaml"),
            include_str!("../../../config/policies/federation-durable.yaml"),
            include_str!("../../../config/policies/guard.yaml"),
            include_str!("../../../config/policies/fence.yaml"),
            include_str!("../../../config/policies/canaries.yaml"),
        ] {
            self.apply(manifest)?;
        }
        Ok(())
    }
}

/// The user of everything that a person would do.
pub(crate) const ADMIN: &str = "kubernetes-admin";

fn base64(text: &str) -> String {
    use ::base64::{Engine as _, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}
