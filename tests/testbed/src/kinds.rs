//! The foreign kinds the test bed reads and writes, as dynamic resources.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};

/// The namespace that KubeFed and KubeSphere both take for granted.
pub const KUBEFED_NAMESPACE: &str = "kube-federation-system";
/// KubeSphere's own namespace.
pub const KUBESPHERE_NAMESPACE: &str = "kubesphere-system";
/// Membership of a namespace in a Workspace.
pub const WORKSPACE_LABEL: &str = "kubesphere.io/workspace";
/// Whether an object is in KubeFed's care.
pub const MANAGED_LABEL: &str = "kubefed.io/managed";
/// Marks the host's Cluster and its registration; the value is empty.
pub const HOST_LABEL: &str = "cluster-role.kubesphere.io/host";

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// `KubeFedCluster`, namespaced: a registration.
pub fn kubefed_cluster() -> ApiResource {
    resource(
        "core.kubefed.io",
        "v1beta1",
        "KubeFedCluster",
        "kubefedclusters",
    )
}

/// `KubeFedConfig`, namespaced.
pub fn kubefed_config() -> ApiResource {
    resource(
        "core.kubefed.io",
        "v1beta1",
        "KubeFedConfig",
        "kubefedconfigs",
    )
}

/// `FederatedTypeConfig`, namespaced.
pub fn federated_type_config() -> ApiResource {
    resource(
        "core.kubefed.io",
        "v1beta1",
        "FederatedTypeConfig",
        "federatedtypeconfigs",
    )
}

/// `FederatedWorkspace`, cluster-scoped.
pub fn federated_workspace() -> ApiResource {
    resource(
        "types.kubefed.io",
        "v1beta1",
        "FederatedWorkspace",
        "federatedworkspaces",
    )
}

/// `FederatedNamespace`, namespaced (it lies in the namespace that it federates).
pub fn federated_namespace() -> ApiResource {
    resource(
        "types.kubefed.io",
        "v1beta1",
        "FederatedNamespace",
        "federatednamespaces",
    )
}

/// `FederatedPersistentVolumeClaim`, namespaced.
pub fn federated_persistent_volume_claim() -> ApiResource {
    resource(
        "types.kubefed.io",
        "v1beta1",
        "FederatedPersistentVolumeClaim",
        "federatedpersistentvolumeclaims",
    )
}

/// `FederatedDeployment`, namespaced.
pub fn federated_deployment() -> ApiResource {
    resource(
        "types.kubefed.io",
        "v1beta1",
        "FederatedDeployment",
        "federateddeployments",
    )
}

/// `Workspace`, cluster-scoped.
pub fn workspace() -> ApiResource {
    resource(
        "tenant.kubesphere.io",
        "v1alpha1",
        "Workspace",
        "workspaces",
    )
}

/// `WorkspaceTemplate`, cluster-scoped.
pub fn workspace_template() -> ApiResource {
    resource(
        "tenant.kubesphere.io",
        "v1alpha2",
        "WorkspaceTemplate",
        "workspacetemplates",
    )
}

/// KubeSphere's `Cluster`, cluster-scoped.
pub fn cluster() -> ApiResource {
    resource("cluster.kubesphere.io", "v1alpha1", "Cluster", "clusters")
}

/// All objects of a kind, or the cluster-scoped ones.
pub fn all(client: &Client, kind: &ApiResource) -> Api<DynamicObject> {
    Api::all_with(client.clone(), kind)
}

/// The objects of a kind in one namespace.
pub fn within(client: &Client, kind: &ApiResource, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, kind)
}
