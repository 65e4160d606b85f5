//! What an object means to the decisions, or its end (`gone`): the same for a watch, a list and a recording.

use federation_health_api::foreign::{
    Cluster, DeploymentView, FederatedObject, FederatedTypeConfig, KubeFedCluster, KubeFedConfig,
    Object, ResourceType,
};
use federation_health_core::{
    facts::Change,
    id::{Text, Uid},
    objects::FEDERATED_WORKSPACE,
    placement::Selector,
};

use crate::facts::{self, SelectorError};

/// Kinds whose templates hold credentials, Secrets in plaintext and Users by their password's hash: never read.
const NEVER: [&str; 2] = ["Secret", "User"];

/// The templates of this kind, or of the federated kind of it, hold credentials.
pub fn holds_credentials(kind: &str) -> bool {
    NEVER.contains(&kind.strip_prefix("Federated").unwrap_or(kind))
}

/// A federated kind of this target that may be read, and is served somewhere.
pub fn is_readable(kind: &ResourceType, target: &str) -> bool {
    let known = !kind.group.is_empty() && !kind.version.is_empty() && !kind.plural_name.is_empty();
    known
        && !holds_credentials(target)
        && !holds_credentials(&kind.kind)
        && kind.plural_name != "federatedsecrets"
}

/// Where the collection of a federated kind is served.
pub fn path(kind: &ResourceType) -> String {
    format!("/apis/{}/{}/{}", kind.group, kind.version, kind.plural_name)
}

/// A KubeFedCluster.
pub fn registration(object: &KubeFedCluster, gone: bool) -> Vec<Change> {
    let (key, facts) = facts::registration(object);
    let looked = facts::looked_at(object).filter(|_| !gone);
    let looked = looked.map(|at| Change::LookedAt(key.namespace.clone(), at));
    let mut changes: Vec<Change> = looked.into_iter().collect();
    changes.push(Change::Registration(key, (!gone).then_some(facts)));
    changes
}

/// A KubeFedConfig.
pub fn config(object: &KubeFedConfig, gone: bool) -> Change {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    Change::Config(Text::from(namespace), !gone)
}

/// A FederatedTypeConfig.
pub fn federated_type(object: &FederatedTypeConfig, gone: bool) -> Change {
    let (namespace, name, kind) = facts::federated_type(object);
    Change::Type(namespace, name, kind.filter(|_| !gone))
}

/// KubeSphere's Cluster.
pub fn cluster(object: &Cluster, gone: bool) -> Change {
    let (name, facts) = facts::cluster(object);
    Change::Cluster(name, (!gone).then_some(facts))
}

/// A WorkspaceTemplate.
///
/// # Errors
/// Its placement cannot be read.
pub fn template(object: &FederatedObject, gone: bool) -> Result<Change, SelectorError> {
    if gone {
        return Ok(Change::Template(
            Text::from(object.metadata.name.as_str()),
            None,
        ));
    }
    let (key, desired) = facts::desired(object)?;
    Ok(Change::Template(key.name, Some(desired)))
}

/// An object of this federated kind.
///
/// # Errors
/// Its placement cannot be read.
pub fn federated(
    kind: &Text,
    object: &FederatedObject,
    gone: bool,
) -> Result<Vec<Change>, SelectorError> {
    if gone {
        let key = facts::object_key(&object.metadata);
        return Ok(vec![Change::Federated(kind.clone(), key, None)]);
    }
    let (key, desired) = facts::desired(object)?;
    // The wish first: it is the new placement that the status is compared with.
    Ok(vec![
        Change::Federated(kind.clone(), key.clone(), Some(desired)),
        Change::Witness(kind.clone(), key, facts::reports(object)),
    ])
}

/// A Workspace.
pub fn workspace(object: &Object, gone: bool, ignore: Option<&Selector>) -> Change {
    if let Some(canary) = facts::canary(object) {
        let name = Text::from(object.metadata.name.as_str());
        return Change::Canary(name, (!gone).then_some(canary));
    }
    let (name, facts) = facts::workspace(object, ignore);
    Change::Workspace(name, (!gone).then_some(facts))
}

/// A Namespace; kube-system tells the server's identity.
pub fn namespace(object: &Object, gone: bool) -> Vec<Change> {
    let name = Text::from(object.metadata.name.as_str());
    if gone {
        return vec![
            Change::Home(name.clone(), None),
            Change::Namespace(name, None),
        ];
    }
    let mut changes = Vec::new();
    if &*name == "kube-system"
        && let Some(uid) = object.metadata.uid.as_deref().and_then(Uid::parse)
    {
        changes.push(Change::KubeSystem(uid));
    }
    changes.push(Change::Home(name.clone(), facts::home(object)));
    changes.push(match facts::namespace(object) {
        Some(facts) => Change::Namespace(name, Some(facts)),
        None => Change::NamespaceLeft(name),
    });
    changes
}

/// The definition of the kind FederatedWorkspace; no other is read.
pub fn definition(object: &Object, gone: bool) -> Change {
    let terminating = object.metadata.deletion_timestamp.is_some();
    Change::Definition(
        Text::from(FEDERATED_WORKSPACE),
        (!gone).then_some(terminating),
    )
}

/// KubeFed's Deployment.
pub fn controller(object: &DeploymentView, gone: bool) -> Change {
    let (namespace, name, facts) = facts::controller(object);
    Change::Controller(namespace, name, (!gone).then_some(facts))
}
