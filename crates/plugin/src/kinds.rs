//! The kinds that are read, and what an object of each means to the decisions, as index has it for the operator's watches.

use federation_health_api::{
    foreign,
    names::{FEDERATED_WORKSPACES, KUBEFED_PLANE_LABEL, KUBEFED_PLANE_VALUE},
};
use federation_health_core::{
    facts::{Change, Feed},
    id::Text,
    objects::FEDERATED_WORKSPACE,
    placement::Selector,
};
use federation_health_index::{
    changes::{self, holds_credentials},
    facts::federated_kind,
};
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
            ("types.kubefed.io", kind) if !holds_credentials(kind) => {
                Self::Federated(Text::from(kind))
            }
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
        Ok(match self {
            Self::Registration => changes::registration(&read(object)?, gone),
            Self::Config => vec![changes::config(&read(object)?, gone)],
            Self::Type => vec![changes::federated_type(&read(object)?, gone)],
            Self::Cluster => vec![changes::cluster(&read(object)?, gone)],
            Self::Template => {
                vec![changes::template(&read(object)?, gone).map_err(|e| e.to_string())?]
            }
            Self::Workspace => vec![changes::workspace(&read(object)?, gone, ignore)],
            Self::Namespace => changes::namespace(&read(object)?, gone),
            Self::Controller => {
                let view: foreign::DeploymentView = read(object)?;
                let label = view.metadata.labels.get(KUBEFED_PLANE_LABEL);
                if label.map(String::as_str) != Some(KUBEFED_PLANE_VALUE) {
                    return Ok(Vec::new());
                }
                vec![changes::controller(&view, gone)]
            }
            Self::Definition => vec![changes::definition(&read(object)?, gone)],
            Self::Federated(kind) => {
                changes::federated(kind, &read(object)?, gone).map_err(|e| e.to_string())?
            }
        })
    }
}

fn read<T: DeserializeOwned>(object: &Value) -> Result<T, String> {
    T::deserialize(object).map_err(|e| e.to_string())
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
        let federated = &spec.federated_type;
        &*federated_kind(federated) != FEDERATED_WORKSPACE
            && changes::is_readable(federated, &spec.target_type.kind)
    });
    let paths = wanted.map(|spec| {
        let federated = spec.federated_type;
        let path = changes::path(&federated);
        (Kind::Federated(federated_kind(&federated)), path)
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
