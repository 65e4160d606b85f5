//! Objects to facts: the only place where foreign field names meet the decisions.

use federation_health_api::{foreign, names};
use federation_health_core::{
    facts::{
        Canary, Controller, Deed, Desired, FederatedKind, Home, KubeSphereCluster, Managed,
        Namespace, ObjectKey, Readiness, Registration, Report, Told, Workspace,
    },
    id::{RegistrationKey, Text, Uid},
    placement::{InvalidSelector, Labels, Op, Placement, Selector, Term},
    time::Time,
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::LabelSelector, jiff::Timestamp};

use crate::{
    ca::{authority, ca_fingerprint},
    endpoint::reached,
};

/// An RFC 3339 time as the API server writes it; None if it is no time.
pub fn time(text: &str) -> Option<Time> {
    text.parse::<Timestamp>()
        .ok()
        .map(|t| Time(t.as_millisecond()))
}

/// Group of the federated kinds unless a KubeFed is configured otherwise.
const TYPES_GROUP: &str = "types.kubefed.io";

fn text(value: &str) -> Text {
    Text::from(value)
}

fn uid(meta: &foreign::Meta) -> Uid {
    meta.uid.as_deref().and_then(Uid::parse).unwrap_or_default()
}

/// An endpoint as facts compare it.
pub fn endpoint(written: &str) -> Option<Text> {
    let endpoint = reached(written).ok()?;
    Some(text(&endpoint.to_string()))
}

/// A KubeFedCluster.
pub fn registration(object: &foreign::KubeFedCluster) -> (RegistrationKey, Registration) {
    let meta = &object.metadata;
    let spec = &object.spec;
    let key = RegistrationKey {
        namespace: text(meta.namespace.as_deref().unwrap_or_default()),
        name: text(&meta.name),
    };
    let labels: Labels = meta
        .labels
        .iter()
        .map(|(k, v)| (text(k), text(v)))
        .collect();
    let ready = readiness(&object.status.conditions);
    let turned = || turned(&object.status.conditions);
    let facts = Registration {
        uid: uid(meta),
        created: meta.creation_timestamp.as_deref().and_then(time),
        endpoint: endpoint(&spec.api_endpoint),
        ca: ca_fingerprint(&spec.ca_bundle).ok(),
        authority: authority(&spec.ca_bundle).map(text),
        secret: text(&spec.secret_ref.name),
        host_label: meta.labels.contains_key(names::HOST_LABEL),
        labels,
        ready,
        // KubeFed writes it anew when it starts, which is no news of a cluster that is Ready.
        unready_since: (ready != Readiness::True).then(turned).flatten(),
        indirect: !spec.proxy_url.is_empty() || !spec.disabled_tls_validations.is_empty(),
    };
    (key, facts)
}

/// KubeFed writes Ready=True, or Offline=True with Ready absent or False, or nothing yet.
fn readiness(conditions: &[foreign::StatusCondition]) -> Readiness {
    let status = |type_: &str| {
        conditions
            .iter()
            .find(|c| c.type_ == type_)
            .map(|c| c.status.as_str())
    };
    match (status("Ready"), status("Offline")) {
        (Some("True"), _) => Readiness::True,
        (Some("False"), _) | (None, Some("True")) => Readiness::False,
        (Some(_), _) => Readiness::Unknown,
        (None, _) => Readiness::Absent,
    }
}

/// When readiness last changed.
fn turned(conditions: &[foreign::StatusCondition]) -> Option<Time> {
    conditions
        .iter()
        .filter(|c| matches!(&*c.type_, "Ready" | "Offline"))
        .filter_map(|c| time(c.last_transition_time.as_deref()?))
        .max()
}

/// KubeSphere's Cluster.
pub fn cluster(object: &foreign::Cluster) -> (Text, KubeSphereCluster) {
    let says = |type_: &str| {
        let conditions = &object.status.conditions;
        let said = conditions.iter().find(|c| c.type_ == type_)?;
        match said.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    };
    let facts = KubeSphereCluster {
        reported_uid: Uid::parse(&object.status.uid),
        endpoint: endpoint(&object.spec.connection.kubernetes_api_endpoint),
        joins: object.spec.join_federation,
        host: object.metadata.labels.contains_key(names::HOST_LABEL),
        expiring: says("KubeConfigCertExpiresInSevenDays") == Some(true),
        federated: says("Federated"),
    };
    (text(&object.metadata.name), facts)
}

/// When KubeFed last looked at a registered cluster, by its own clock.
pub fn looked_at(object: &foreign::KubeFedCluster) -> Option<Time> {
    let conditions = object.status.conditions.iter();
    conditions
        .filter_map(|c| time(c.last_probe_time.as_deref()?))
        .max()
}

/// A FederatedTypeConfig by namespace and name; no kind while its propagation is not enabled.
pub fn federated_type(
    object: &foreign::FederatedTypeConfig,
) -> (Text, Text, Option<FederatedKind>) {
    let spec = &object.spec;
    let kind = (spec.propagation == "Enabled").then(|| FederatedKind {
        kind: federated_kind(&spec.federated_type),
        target: text(&spec.target_type.kind),
        namespaced: spec.federated_type.scope == "Namespaced",
    });
    (
        text(object.metadata.namespace.as_deref().unwrap_or_default()),
        text(&object.metadata.name),
        kind,
    )
}

/// By what a federated kind is known: its own name in KubeFed's group, and with its group where another is configured, since
/// two control planes may federate kinds of one name.
pub fn federated_kind(kind: &foreign::ResourceType) -> Text {
    match kind.group.as_str() {
        "" | TYPES_GROUP => text(&kind.kind),
        group => text(&format!("{}.{group}", kind.kind)),
    }
}

/// Key of a federated object.
pub fn object_key(meta: &foreign::Meta) -> ObjectKey {
    ObjectKey {
        namespace: meta.namespace.as_deref().map(text).unwrap_or_default(),
        name: text(&meta.name),
    }
}

/// A federated object or WorkspaceTemplate.
///
/// # Errors
/// An invalid selector: KubeFed stops at it and touches no cluster, so it is neither "nowhere" nor "everywhere".
pub fn desired(object: &foreign::FederatedObject) -> Result<(ObjectKey, Desired), SelectorError> {
    let meta = &object.metadata;
    let key = object_key(meta);
    let facts = Desired {
        uid: uid(meta),
        generation: meta.generation.unwrap_or_default(),
        deleting: meta.deletion_timestamp.is_some(),
        placement: placement(&object.spec.placement)?,
    };
    Ok((key, facts))
}

fn placement(placement: &foreign::Placement) -> Result<Placement, SelectorError> {
    if let Some(clusters) = &placement.clusters {
        return Ok(Placement::names(clusters.iter().map(|c| text(&c.name))));
    }
    placement
        .cluster_selector
        .as_ref()
        .map_or(Ok(Placement::Nowhere), |s| {
            selector(s).map(Placement::Selector)
        })
}

/// Why a selector cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SelectorError {
    /// An operator that Kubernetes does not have.
    #[error("the selector has an unknown operator: use In, NotIn, Exists or DoesNotExist")]
    UnknownOperator,
    /// Values where none may be, or none where some must be.
    #[error("the selector is invalid")]
    Invalid(#[from] InvalidSelector),
}

/// A label selector.
///
/// # Errors
/// What Kubernetes refuses as well.
pub fn selector(selector: &LabelSelector) -> Result<Selector, SelectorError> {
    let labels = selector
        .match_labels
        .iter()
        .flatten()
        .map(|(k, v)| Ok(Term::equals(text(k), text(v))));
    let requirements = selector.match_expressions.iter().flatten().map(|r| {
        let op = Op::parse(&r.operator).ok_or(SelectorError::UnknownOperator)?;
        Ok(Term::new(
            text(&r.key),
            op,
            r.values.iter().flatten().map(|v| text(v)),
        ))
    });
    Ok(Selector::new(
        labels
            .chain(requirements)
            .collect::<Result<Vec<_>, SelectorError>>()?,
    )?)
}

/// Longest name of an object (RFC 1123 subdomain).
const MAX_NAME: usize = 253;

/// What KubeFed's status says of each cluster in which a federated object is not as it should be.
pub fn reports(object: &foreign::FederatedObject) -> Box<[(Text, Report)]> {
    let troubled = object.status.clusters.iter();
    let troubled = troubled.filter(|cluster| !cluster.status.is_empty());
    troubled
        .map(|cluster| {
            let report = match cluster.status.as_str() {
                "WaitingForRemoval" => Report::Waits,
                "DeletionFailed" | "DeletionTimedOut" => Report::Refused,
                _ => Report::Other,
            };
            (text(&cluster.name), report)
        })
        .collect()
}

/// Clusters from which KubeFed removes a federated object, or tries to in vain, although its list of clusters names others.
pub fn waiting(object: &foreign::FederatedObject) -> Vec<Text> {
    let listed = object.spec.placement.clusters.as_deref();
    let listed = listed.unwrap_or_default();
    let reports = reports(object).into_iter();
    reports
        .filter(|(name, report)| {
            *report != Report::Other && !listed.iter().any(|placed| placed.name == **name)
        })
        .map(|(name, _)| name)
        .collect()
}

/// How KubeFed's creation that failed ends when the object is there: one that lacks its label is not in KubeFed's cache.
const ADOPTED: &str =
    ": An update will be attempted instead of a creation due to an existing resource";

/// What one of KubeFed's events tells of a Workspace: `Deleting Workspace "orders" in cluster "produce-trt"`. None for every
/// other event.
pub fn told(event: &foreign::EventView, fresh: bool) -> Option<Told> {
    let message = event.message.as_str();
    let (deed, message) = match event.reason.as_str() {
        "CreateInCluster" => (Deed::Creates, message),
        "DeleteInCluster" => (Deed::Deletes, message),
        "UpdateInCluster" => (Deed::Updates, message),
        "CreateInClusterFailed" => (Deed::Adopts, message.strip_suffix(ADOPTED)?),
        _ => return None,
    };
    let (_, rest) = message.split_once(" Workspace \"")?;
    let (workspace, rest) = rest.split_once("\" in cluster \"")?;
    let cluster = rest.strip_suffix('"')?;
    // Names as the API has them: what else stands there is nobody's name.
    let name = |text: &str| !text.is_empty() && text.len() <= MAX_NAME && !text.contains('"');
    (name(workspace) && name(cluster)).then(|| Told {
        workspace: text(workspace),
        cluster: text(cluster),
        deed,
        count: event.count.unwrap_or(1).max(1) as u64,
        fresh,
    })
}

/// A Workspace.
pub fn workspace(object: &foreign::Object, ignore: Option<&Selector>) -> (Text, Workspace) {
    let meta = &object.metadata;
    let ignored = ignore.is_some_and(|selector| {
        selector.matches(
            &meta
                .labels
                .iter()
                .map(|(k, v)| (text(k), text(v)))
                .collect(),
        )
    });
    let managed = match meta.labels.get(names::MANAGED_LABEL).map(String::as_str) {
        Some("true") => Managed::Yes,
        Some("false") => Managed::No,
        _ => Managed::Unmarked,
    };
    (
        text(&meta.name),
        Workspace {
            uid: uid(meta),
            deleting: meta.deletion_timestamp.is_some(),
            managed,
            ignored,
            orphan: meta.finalizers.iter().any(|f| f == "orphan"),
        },
    )
}

/// Our own Workspace; None if it is somebody's.
pub fn canary(object: &foreign::Object) -> Option<Canary> {
    let meta = &object.metadata;
    let label = |name: &str| meta.labels.get(name).map(String::as_str);
    let ours = meta.name == names::CANARY_WORKSPACE
        && label(names::CANARY_LABEL) == Some(names::CANARY_WORKSPACE_VALUE);
    ours.then(|| Canary {
        deleting: meta.deletion_timestamp.is_some(),
        managed: label(names::MANAGED_LABEL) == Some("true"),
    })
}

/// A namespace; None if it belongs to no Workspace.
pub fn namespace(object: &foreign::Object) -> Option<Namespace> {
    let meta = &object.metadata;
    let owner = meta.owner_references.iter().find(|o| is_workspace(o));
    let name = owner
        .map(|o| o.name.as_str())
        .or_else(|| meta.labels.get(names::WORKSPACE_LABEL).map(String::as_str))?;
    Some(Namespace {
        uid: uid(meta),
        deleting: meta.deletion_timestamp.is_some(),
        workspace: text(name),
        owner: owner.and_then(|o| Uid::parse(&o.uid)),
        other_owner: meta.owner_references.len() > usize::from(owner.is_some()),
    })
}

/// The owner is a Workspace.
pub fn is_workspace(owner: &foreign::OwnerView) -> bool {
    owner.kind == "Workspace" && owner.api_version.starts_with("tenant.kubesphere.io/")
}

/// KubeSphere's own Workspace: its namespaces are no tenant's, `kube-federation-system` among them.
const SYSTEM_WORKSPACE: &str = "system-workspace";

/// A namespace as the possible home of a control plane; None if it is a tenant's.
pub fn home(object: &foreign::Object) -> Option<Home> {
    let meta = &object.metadata;
    let tenant = meta
        .labels
        .get(names::WORKSPACE_LABEL)
        .is_some_and(|workspace| workspace != SYSTEM_WORKSPACE);
    let at = |stamp: &Option<String>| stamp.as_deref().and_then(time);
    (!tenant).then(|| Home {
        created: at(&meta.creation_timestamp),
        terminating: at(&meta.deletion_timestamp),
    })
}

/// A Deployment by namespace and name.
pub fn controller(object: &foreign::DeploymentView) -> (Text, Text, Controller) {
    let meta = &object.metadata;
    let facts = Controller {
        uid: uid(meta),
        replicas: object.spec.replicas.unwrap_or(1),
        available: object.status.available_replicas,
    };
    (
        text(meta.namespace.as_deref().unwrap_or_default()),
        text(&meta.name),
        facts,
    )
}
