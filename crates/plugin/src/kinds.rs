//! The kinds that are read, and what an object of each means to the decisions. The operator's readers say the same of its
//! watches; what an object amounts to comes from index in both.

use federation_health_api::{
    foreign,
    names::{FEDERATED_WORKSPACES, KUBEFED_PLANE_LABEL, KUBEFED_PLANE_VALUE},
};
use federation_health_core::{
    facts::{Change, Feed, ObjectKey},
    id::{Text, Uid},
    objects::FEDERATED_WORKSPACE,
    placement::Selector,
};
use federation_health_index::facts;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Path of KubeFed's own kinds.
pub const KUBEFED: &str = "/apis/core.kubefed.io/v1beta1";

/// A kind that decisions rest on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// KubeFedCluster.
    Registration,
    /// KubeFedConfig.
    Config,
    /// FederatedTypeConfig.
    Type,
    /// KubeSphere's Cluster.
    Cluster,
    /// WorkspaceTemplate.
    Template,
    /// Workspace.
    Workspace,
    /// Namespace.
    Namespace,
    /// KubeFed's Deployment.
    Controller,
    /// The definition of the kind FederatedWorkspace.
    Definition,
    /// A federated kind.
    Federated(Text),
}

impl Kind {
    /// The kinds that are always read, FederatedWorkspaces included. What decides comes before what is judged by it.
    pub fn fixed() -> Vec<Self> {
        let mut kinds = vec![
            Self::Type,
            Self::Config,
            Self::Cluster,
            Self::Controller,
            Self::Definition,
            Self::Registration,
            Self::Template,
        ];
        kinds.push(Self::Federated(Text::from(FEDERATED_WORKSPACE)));
        kinds.extend([Self::Workspace, Self::Namespace]);
        kinds
    }

    /// The kind of an object by its own words; None: of no interest.
    pub fn of(object: &Value) -> Option<Self> {
        let group = object["apiVersion"].as_str().unwrap_or_default();
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let kind = object["kind"].as_str()?;
        Some(match (group, kind) {
            ("core.kubefed.io", "KubeFedCluster") => Self::Registration,
            ("core.kubefed.io", "KubeFedConfig") => Self::Config,
            ("core.kubefed.io", "FederatedTypeConfig") => Self::Type,
            ("cluster.kubesphere.io", "Cluster") => Self::Cluster,
            ("tenant.kubesphere.io", "WorkspaceTemplate") => Self::Template,
            ("tenant.kubesphere.io", "Workspace") => Self::Workspace,
            ("", "Namespace") => Self::Namespace,
            ("apps", "Deployment") => Self::Controller,
            ("apiextensions.k8s.io", "CustomResourceDefinition")
                if object["metadata"]["name"] == FEDERATED_WORKSPACES =>
            {
                Self::Definition
            }
            ("types.kubefed.io", kind) if !secret(kind) => Self::Federated(Text::from(kind)),
            _ => return None,
        })
    }

    /// The feed of core.
    pub fn feed(&self) -> Feed {
        match self {
            Self::Registration => Feed::Registrations,
            Self::Config => Feed::Configs,
            Self::Type => Feed::Types,
            Self::Cluster => Feed::Clusters,
            Self::Template => Feed::Templates,
            Self::Workspace => Feed::Workspaces,
            Self::Namespace => Feed::Namespaces,
            Self::Controller => Feed::Controllers,
            Self::Definition => Feed::Definitions,
            Self::Federated(kind) => Feed::Federated(kind.clone()),
        }
    }

    /// Where the collection is served, and which of its objects matter. Federated kinds other than Workspaces say
    /// in their FederatedTypeConfig where they are.
    pub fn path(&self) -> (String, Option<(&'static str, String)>) {
        let tenant = "/apis/tenant.kubesphere.io";
        let path = match self {
            Self::Registration => format!("{KUBEFED}/kubefedclusters"),
            Self::Config => format!("{KUBEFED}/kubefedconfigs"),
            Self::Type => format!("{KUBEFED}/federatedtypeconfigs"),
            Self::Cluster => "/apis/cluster.kubesphere.io/v1alpha1/clusters".to_owned(),
            Self::Template => format!("{tenant}/v1alpha2/workspacetemplates"),
            Self::Workspace => format!("{tenant}/v1alpha1/workspaces"),
            Self::Namespace => "/api/v1/namespaces".to_owned(),
            Self::Controller => "/apis/apps/v1/deployments".to_owned(),
            Self::Definition => {
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned()
            }
            Self::Federated(kind) => {
                format!("/apis/types.kubefed.io/v1beta1/{}s", kind.to_lowercase())
            }
        };
        let select = match self {
            Self::Controller => Some((
                "labelSelector",
                format!("{KUBEFED_PLANE_LABEL}={KUBEFED_PLANE_VALUE}"),
            )),
            Self::Definition => Some((
                "fieldSelector",
                format!("metadata.name={FEDERATED_WORKSPACES}"),
            )),
            _ => None,
        };
        (path, select)
    }

    /// What an object amounts to; `gone`: it was deleted.
    ///
    /// # Errors
    /// It cannot be read: it exists, and is not judged.
    pub fn changes(
        &self,
        object: &Value,
        gone: bool,
        ignore: Option<&Selector>,
    ) -> Result<Vec<Change>, String> {
        let changes = match self {
            Self::Registration => {
                let view: foreign::KubeFedCluster = read(object)?;
                let (key, facts) = facts::registration(&view);
                let looked = facts::looked_at(&view).filter(|_| !gone);
                let looked = looked.map(|at| Change::LookedAt(key.namespace.clone(), at));
                let mut changes: Vec<Change> = looked.into_iter().collect();
                changes.push(Change::Registration(key, (!gone).then_some(facts)));
                changes
            }
            Self::Config => {
                let config: foreign::KubeFedConfig = read(object)?;
                let namespace = config.metadata.namespace.unwrap_or_default();
                vec![Change::Config(Text::from(namespace), !gone)]
            }
            Self::Type => {
                let (namespace, name, kind) = facts::federated_type(&read(object)?);
                vec![Change::Type(namespace, name, kind.filter(|_| !gone))]
            }
            Self::Cluster => {
                let (name, facts) = facts::cluster(&read(object)?);
                vec![Change::Cluster(name, (!gone).then_some(facts))]
            }
            Self::Template => {
                let (key, desired) = desired(object)?;
                vec![Change::Template(key.name, (!gone).then_some(desired))]
            }
            Self::Workspace => {
                let (name, facts) = facts::workspace(&read(object)?, ignore);
                vec![Change::Workspace(name, (!gone).then_some(facts))]
            }
            Self::Namespace => namespace(object, gone)?,
            Self::Controller => {
                let view: foreign::DeploymentView = read(object)?;
                let label = view.metadata.labels.get(KUBEFED_PLANE_LABEL);
                if label.map(String::as_str) != Some(KUBEFED_PLANE_VALUE) {
                    return Ok(Vec::new());
                }
                let (namespace, name, facts) = facts::controller(&view);
                vec![Change::Controller(
                    namespace,
                    name,
                    (!gone).then_some(facts),
                )]
            }
            Self::Definition => {
                let view: foreign::Object = read(object)?;
                let dying = view.metadata.deletion_timestamp.is_some();
                let kind = Text::from(FEDERATED_WORKSPACE);
                vec![Change::Definition(kind, (!gone).then_some(dying))]
            }
            Self::Federated(kind) => federated(kind, object, gone)?,
        };
        Ok(changes)
    }
}

/// Kinds whose templates hold credentials are never read, not even offline.
fn secret(kind: &str) -> bool {
    matches!(kind, "FederatedSecret" | "FederatedUser")
}

fn read<T: DeserializeOwned>(object: &Value) -> Result<T, String> {
    T::deserialize(object).map_err(|e| e.to_string())
}

fn desired(object: &Value) -> Result<(ObjectKey, federation_health_core::facts::Desired), String> {
    facts::desired(&read(object)?).map_err(|e| e.to_string())
}

fn namespace(object: &Value, gone: bool) -> Result<Vec<Change>, String> {
    let view: foreign::Object = read(object)?;
    let name = Text::from(view.metadata.name.as_str());
    if gone {
        return Ok(vec![
            Change::Home(name.clone(), None),
            Change::Namespace(name, None),
        ]);
    }
    let mut changes = Vec::new();
    if let Some(uid) = view.metadata.uid.as_deref().and_then(Uid::parse)
        && &*name == "kube-system"
    {
        changes.push(Change::KubeSystem(uid));
    }
    changes.push(Change::Home(name.clone(), facts::home(&view)));
    changes.push(match facts::namespace(&view) {
        Some(facts) => Change::Namespace(name, Some(facts)),
        None => Change::NamespaceLeft(name),
    });
    Ok(changes)
}

fn federated(kind: &Text, object: &Value, gone: bool) -> Result<Vec<Change>, String> {
    let view: foreign::FederatedObject = read(object)?;
    let (key, facts) = facts::desired(&view).map_err(|e| e.to_string())?;
    let name = key.name.clone();
    let wish = Change::Federated(kind.clone(), key, (!gone).then_some(facts));
    let mut changes = vec![wish];
    // After the wish: it is the new placement that the status is compared with.
    if &**kind == FEDERATED_WORKSPACE && !gone {
        changes.push(Change::Witness(name, facts::waiting(&view)));
    }
    Ok(changes)
}

/// The federated kinds that a list of FederatedTypeConfigs enables, and where each is served.
pub fn enabled(types: &[Value]) -> Vec<(Kind, String)> {
    /// KubeSphere federates 26 kinds, and each costs one list.
    const MAX: usize = 64;
    let views = types
        .iter()
        .filter_map(|t| read::<foreign::FederatedTypeConfig>(t).ok());
    let kinds = views
        .filter(|t| t.spec.propagation == "Enabled")
        .map(|t| t.spec);
    let wanted = kinds.filter(|spec| {
        let f = &spec.federated_type;
        let known = !f.group.is_empty() && !f.version.is_empty() && !f.plural_name.is_empty();
        known
            && f.kind != FEDERATED_WORKSPACE
            && !secret(&f.kind)
            && !secret(&format!("Federated{}", spec.target_type.kind))
            && f.plural_name != "federatedsecrets"
    });
    let paths = wanted.map(|spec| {
        let f = spec.federated_type;
        let path = format!("/apis/{}/{}/{}", f.group, f.version, f.plural_name);
        (Kind::Federated(Text::from(f.kind)), path)
    });
    // Two control planes federate the same kinds.
    let mut known: Vec<(Kind, String)> = Vec::new();
    for (kind, path) in paths {
        if known.len() < MAX && !known.iter().any(|(k, _)| *k == kind) {
            known.push((kind, path));
        }
    }
    known
}
