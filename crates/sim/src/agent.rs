//! How models reach a server: the same requests as over HTTP, without the bytes.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Value, json};

use crate::{
    call::{Call, Caller, PatchKind, Query, Target, Verb},
    json,
    refusal::Refusal,
    reply::Reply,
    server::Server,
};

/// A resource of the API by group, version and plural.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    group: Cow<'static, str>,
    version: Cow<'static, str>,
    plural: Cow<'static, str>,
}

impl Resource {
    /// A resource known when the program is written.
    pub const fn known(group: &'static str, version: &'static str, plural: &'static str) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
        }
    }

    /// A resource that a document names, such as a FederatedTypeConfig.
    pub fn named(group: &str, version: &str, plural: &str) -> Self {
        Self {
            group: Cow::Owned(group.to_owned()),
            version: Cow::Owned(version.to_owned()),
            plural: Cow::Owned(plural.to_owned()),
        }
    }

    /// API group, empty for the core group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Plural name.
    pub fn plural(&self) -> &str {
        &self.plural
    }
}

/// Resources that the models work on.
pub mod resources {
    use super::Resource;

    /// Workspaces of KubeSphere.
    pub const WORKSPACES: Resource =
        Resource::known("tenant.kubesphere.io", "v1alpha1", "workspaces");
    /// Templates that KubeSphere turns into FederatedWorkspaces.
    pub const WORKSPACE_TEMPLATES: Resource =
        Resource::known("tenant.kubesphere.io", "v1alpha2", "workspacetemplates");
    /// Workspaces as KubeFed propagates them.
    pub const FEDERATED_WORKSPACES: Resource =
        Resource::known("types.kubefed.io", "v1beta1", "federatedworkspaces");
    /// Namespaces as KubeFed propagates them.
    pub const FEDERATED_NAMESPACES: Resource =
        Resource::known("types.kubefed.io", "v1beta1", "federatednamespaces");
    /// Registrations of clusters.
    pub const KUBEFED_CLUSTERS: Resource =
        Resource::known("core.kubefed.io", "v1beta1", "kubefedclusters");
    /// Settings of a control plane.
    pub const KUBEFED_CONFIGS: Resource =
        Resource::known("core.kubefed.io", "v1beta1", "kubefedconfigs");
    /// Kinds that a control plane propagates.
    pub const FEDERATED_TYPE_CONFIGS: Resource =
        Resource::known("core.kubefed.io", "v1beta1", "federatedtypeconfigs");
    /// Clusters of KubeSphere.
    pub const CLUSTERS: Resource = Resource::known("cluster.kubesphere.io", "v1alpha1", "clusters");
    /// Namespaces.
    pub const NAMESPACES: Resource = Resource::known("", "v1", "namespaces");
    /// ConfigMaps.
    pub const CONFIG_MAPS: Resource = Resource::known("", "v1", "configmaps");
    /// Secrets.
    pub const SECRETS: Resource = Resource::known("", "v1", "secrets");
    /// ServiceAccounts.
    pub const SERVICE_ACCOUNTS: Resource = Resource::known("", "v1", "serviceaccounts");
    /// Events, in their core/v1 shape.
    pub const EVENTS: Resource = Resource::known("", "v1", "events");
    /// Claims of volumes.
    pub const PERSISTENT_VOLUME_CLAIMS: Resource =
        Resource::known("", "v1", "persistentvolumeclaims");
    /// Volumes.
    pub const PERSISTENT_VOLUMES: Resource = Resource::known("", "v1", "persistentvolumes");
    /// Deployments.
    pub const DEPLOYMENTS: Resource = Resource::known("apps", "v1", "deployments");
    /// Leases.
    pub const LEASES: Resource = Resource::known("coordination.k8s.io", "v1", "leases");
    /// Definitions of custom resources.
    pub const CUSTOM_RESOURCE_DEFINITIONS: Resource =
        Resource::known("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    /// FederationHealth, this project's own kind.
    pub const FEDERATION_HEALTHS: Resource =
        Resource::known("federationhealth.io", "v1alpha1", "federationhealths");
    /// FederationHold, the switch of its hold.
    pub const FEDERATION_HOLDS: Resource =
        Resource::known("federationhealth.io", "v1alpha1", "federationholds");
}

/// One user at one server.
#[derive(Clone)]
pub struct Agent {
    server: Server,
    caller: Caller,
}

impl Agent {
    pub(crate) fn new(server: &Server, user: &str, agent: &str) -> Self {
        Self {
            server: server.clone(),
            caller: Caller {
                user: user.into(),
                agent: agent.into(),
            },
        }
    }

    fn call(
        &self,
        verb: Verb,
        resource: &Resource,
        place: (&str, &str, &str),
        body: Value,
    ) -> Result<Reply, Refusal> {
        let (namespace, name, subresource) = place;
        self.server.execute(&Call {
            caller: self.caller.clone(),
            verb,
            target: Target {
                group: resource.group.to_string(),
                version: resource.version.to_string(),
                plural: resource.plural.to_string(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                subresource: subresource.to_owned(),
            },
            query: Query::default(),
            body,
        })
    }

    /// The object as it is; models read without leaving a trace in the audit trail, as informers do.
    pub fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let state = self.server.lock();
        state
            .find(&resource.group, &resource.plural, namespace, name)
            .cloned()
    }

    /// All objects of a namespace, or of all namespaces when it is empty.
    pub fn list(&self, resource: &Resource, namespace: &str) -> Vec<Arc<Value>> {
        let state = self.server.lock();
        let Some(served) = state.lookup(&resource.group, &resource.plural) else {
            return Vec::new();
        };
        state.collections[served.collection]
            .objects
            .iter()
            .filter(|(key, _)| namespace.is_empty() || key.namespace == namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Creates an object.
    pub fn create(&self, resource: &Resource, mut object: Value) -> Result<Arc<Value>, Refusal> {
        // As a typed client does: custom resources are refused without their kind.
        let kind = self
            .server
            .lock()
            .lookup(&resource.group, &resource.plural)
            .map(|s| s.kind.kind.clone());
        if json::text(&object, &["kind"]).is_empty()
            && let Some(kind) = kind
        {
            json::set(&mut object, &["kind"], Value::from(kind));
        }
        let namespace = json::meta(&object, "namespace").to_owned();
        self.call(Verb::Create, resource, (&namespace, "", ""), object)
            .map(written)
    }

    /// Merges a patch into an object.
    pub fn merge(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Arc<Value>, Refusal> {
        self.call(
            Verb::Patch(PatchKind::Merge),
            resource,
            (namespace, name, ""),
            patch,
        )
        .map(written)
    }

    /// Replaces the status of an object.
    pub fn set_status(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        status: Value,
    ) -> Result<Arc<Value>, Refusal> {
        self.edit_part(resource, (namespace, name, "status"), |o| {
            o["status"] = status;
        })
    }

    /// Reads, changes and writes an object; nothing is written when the change changes nothing.
    pub fn edit(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Refusal> {
        self.edit_part(resource, (namespace, name, ""), change)
    }

    /// As [`Self::edit`], through a subresource.
    pub(crate) fn edit_part(
        &self,
        resource: &Resource,
        place: (&str, &str, &str),
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Refusal> {
        let old = self
            .get(resource, place.0, place.1)
            .ok_or_else(|| Refusal::not_found(&resource.group, &resource.plural, place.1))?;
        let mut new = Value::clone(&old);
        change(&mut new);
        if new == *old {
            return Ok(old);
        }
        self.call(Verb::Update, resource, place, new).map(written)
    }

    /// Scales an object.
    pub fn scale(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        replicas: u32,
    ) -> Result<(), Refusal> {
        let patch = json!({"spec": {"replicas": replicas}});
        self.call(
            Verb::Patch(PatchKind::Merge),
            resource,
            (namespace, name, "scale"),
            patch,
        )
        .map(|_| ())
    }

    /// Deletes an object; `options` is a DeleteOptions, or null.
    pub fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        options: Value,
    ) -> Result<(), Refusal> {
        self.call(Verb::Delete, resource, (namespace, name, ""), options)
            .map(|_| ())
    }
}

fn written(reply: Reply) -> Arc<Value> {
    match reply {
        Reply::Object { object, .. } => object,
        Reply::Raw { body, .. } => Arc::new(body),
        Reply::List { .. } => Arc::new(Value::Null),
    }
}
