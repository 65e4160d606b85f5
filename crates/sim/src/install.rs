//! Definitions and objects of a KubeSphere host with KubeFed: real names and shapes, only what is read or written.

use serde_json::{Value, json};

use crate::{
    Refusal, Sim,
    agent::{
        Agent,
        resources::{
            CLUSTERS, CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, FEDERATED_TYPE_CONFIGS,
            KUBEFED_CONFIGS, NAMESPACES,
        },
    },
};

struct Definition {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    status: bool,
}

const fn define(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    status: bool,
) -> Definition {
    Definition {
        group,
        version,
        kind,
        plural,
        namespaced,
        status,
    }
}

/// Whether a kind has a status subresource follows the recording: without one, a change of status counts as a generation.
#[rustfmt::skip]
const DEFINITIONS: &[Definition] = &[
    define("core.kubefed.io", "v1beta1", "KubeFedCluster", "kubefedclusters", true, true),
    define("core.kubefed.io", "v1beta1", "KubeFedConfig", "kubefedconfigs", true, false),
    define("core.kubefed.io", "v1beta1", "FederatedTypeConfig", "federatedtypeconfigs", true, true),
    define("types.kubefed.io", "v1beta1", "FederatedWorkspace", "federatedworkspaces", false, true),
    define("types.kubefed.io", "v1beta1", "FederatedNamespace", "federatednamespaces", true, true),
    define("tenant.kubesphere.io", "v1alpha1", "Workspace", "workspaces", false, false),
    define("tenant.kubesphere.io", "v1alpha2", "WorkspaceTemplate", "workspacetemplates", false, false),
    define("cluster.kubesphere.io", "v1alpha1", "Cluster", "clusters", false, false),
    define("devops.kubesphere.io", "v1alpha3", "DevOpsProject", "devopsprojects", false, false),
];

/// The first kubefed namespace, a constant in KubeFed and in KubeSphere.
pub(crate) const FEDERATION: &str = "kube-federation-system";

fn definition(d: &Definition) -> Value {
    let mut version = json!({
        "name": d.version, "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    });
    if d.status {
        version["subresources"] = json!({"status": {}});
    }
    if d.kind == "KubeFedCluster" {
        version["additionalPrinterColumns"] = json!([
            {"name": "age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"},
        ]);
    }
    json!({
        "metadata": {"name": format!("{}.{}", d.plural, d.group)},
        "spec": {
            "group": d.group, "scope": if d.namespaced { "Namespaced" } else { "Cluster" },
            "names": {
                "plural": d.plural, "singular": d.kind.to_lowercase(), "kind": d.kind,
                "listKind": format!("{}List", d.kind),
            },
            "versions": [version],
        },
    })
}

/// Objects every cluster has.
pub(crate) fn base(admin: &Agent) -> Result<(), Refusal> {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        namespace(admin, name)?;
    }
    let slices = crate::Resource::known("discovery.k8s.io", "v1", "endpointslices");
    admin.create(&slices, json!({
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    }))?;
    Ok(())
}

/// Creates a namespace unless it exists.
pub(crate) fn namespace(admin: &Agent, name: &str) -> Result<(), Refusal> {
    if admin.get(&NAMESPACES, "", name).is_none() {
        admin.create(&NAMESPACES, json!({"metadata": {"name": name}}))?;
    }
    Ok(())
}

/// Definitions of KubeFed and KubeSphere.
pub(crate) fn definitions(admin: &Agent) -> Result<(), Refusal> {
    for d in DEFINITIONS {
        admin.create(&CUSTOM_RESOURCE_DEFINITIONS, definition(d))?;
    }
    Ok(())
}

/// One control plane: its namespace, settings, Deployment and the two kinds the incident needs.
pub(crate) fn plane(admin: &Agent, namespace_name: &str) -> Result<(), Refusal> {
    namespace(admin, namespace_name)?;
    admin.create(&KUBEFED_CONFIGS, json!({
        "metadata": {"name": "kubefed", "namespace": namespace_name},
        "spec": {
            "scope": "Cluster",
            "clusterHealthCheck": {"period": "10s", "failureThreshold": 3, "successThreshold": 1, "timeout": "3s"},
            "controllerDuration": {"availableDelay": "20s", "unavailableDelay": "60s"},
            "leaderElect": {"leaseDuration": "15s", "renewDeadline": "10s", "retryPeriod": "5s", "resourceLock": "configmaps"},
            "syncController": {"adoptResources": "Enabled", "maxConcurrentReconciles": 1},
        },
    }))?;
    let labels = json!({"kubefed-control-plane": "controller-manager"});
    admin.create(&DEPLOYMENTS, json!({
        "metadata": {"name": "kubefed-controller-manager", "namespace": namespace_name, "labels": labels},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "kubefed-controller",
                    "containers": [{"name": "controller-manager", "image": "kubesphere/kubefed:v0.8.1"}],
                },
            },
        },
    }))?;
    federate(
        admin,
        namespace_name,
        "tenant.kubesphere.io",
        "v1alpha1",
        "Workspace",
        "workspaces",
        false,
    )?;
    federate(
        admin,
        namespace_name,
        "",
        "v1",
        "Namespace",
        "namespaces",
        false,
    )
}

/// Enables a federated kind in one control plane, and defines it if it is not.
pub(crate) fn federate(
    admin: &Agent,
    plane: &str,
    group: &str,
    version: &str,
    kind: &str,
    plural: &str,
    namespaced: bool,
) -> Result<(), Refusal> {
    let (federated_kind, federated_plural) =
        (format!("Federated{kind}"), format!("federated{plural}"));
    // A FederatedNamespace lives in its namespace, although Namespaces themselves are cluster-scoped.
    let federated_namespaced = namespaced || kind == "Namespace";
    if admin
        .get(
            &CUSTOM_RESOURCE_DEFINITIONS,
            "",
            &format!("{federated_plural}.types.kubefed.io"),
        )
        .is_none()
    {
        admin.create(&CUSTOM_RESOURCE_DEFINITIONS, json!({
            "metadata": {"name": format!("{federated_plural}.types.kubefed.io")},
            "spec": {
                "group": "types.kubefed.io", "scope": if federated_namespaced { "Namespaced" } else { "Cluster" },
                "names": {"plural": federated_plural, "kind": federated_kind},
                "versions": [{"name": "v1beta1", "served": true, "storage": true, "subresources": {"status": {}}}],
            },
        }))?;
    }
    let name = if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    };
    let scope = |namespaced: bool| if namespaced { "Namespaced" } else { "Cluster" };
    admin.create(&FEDERATED_TYPE_CONFIGS, json!({
        "metadata": {"name": name, "namespace": plane, "finalizers": ["core.kubefed.io/federated-type-config"]},
        "spec": {
            "propagation": "Enabled",
            "federatedType": {
                "group": "types.kubefed.io", "version": "v1beta1", "kind": federated_kind,
                "pluralName": federated_plural, "scope": scope(federated_namespaced),
            },
            "targetType": {
                "group": group, "version": version, "kind": kind, "pluralName": plural, "scope": scope(namespaced),
            },
        },
    }))?;
    Ok(())
}

/// KubeSphere's own namespaces and its Cluster for the host.
pub(crate) fn kubesphere(sim: &Sim, admin: &Agent) -> Result<(), Refusal> {
    for name in ["kubesphere-system", "kubesphere-controls-system"] {
        namespace(admin, name)?;
    }
    admin.create(
        &CLUSTERS,
        json!({
            "metadata": {
                "name": "host", "finalizers": ["finalizer.cluster.kubesphere.io"],
                "labels": {"cluster-role.kubesphere.io/host": "", "kubesphere.io/managed": "true"},
            },
            "spec": {
                "joinFederation": true, "enable": true, "provider": "kubesphere",
                "connection": {"type": "direct", "kubernetesAPIEndpoint": sim.endpoint()},
            },
            "status": {"uid": sim.cluster_uid(), "kubernetesVersion": "v1.37.2"},
        }),
    )?;
    Ok(())
}
