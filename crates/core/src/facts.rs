//! What is seen of the federation: projections of watched objects, each as small as its judgement allows.

pub use crate::removals::Report;
use crate::{
    id::{RegistrationKey, Text, Uid},
    identity::{LeaseSample, TokenAccount},
    placement::{Labels, Placement},
    time::Time,
};

/// Readiness of a registration as KubeFed wrote it. Absent is a state of its own: KubeFed leaves the condition out until its
/// first health check, and evidence counts all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Condition Ready is True.
    True,
    /// Condition Ready is False, or Offline is True.
    False,
    /// Condition Ready is Unknown.
    Unknown,
    /// There is no such condition.
    #[default]
    Absent,
}

impl Readiness {
    /// The word as status shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
            Self::Absent => "Absent",
        }
    }
}

/// A KubeFedCluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// UID of the KubeFedCluster.
    pub uid: Uid,
    /// Time of registration.
    pub created: Option<Time>,
    /// Normalized endpoint, as it is reached and not as it is written; none if it cannot be read.
    pub endpoint: Option<Text>,
    /// Fingerprint of the CA's certificates.
    pub ca: Option<u128>,
    /// Part of the CA bundle's text that a policy can compare; see the join guard.
    pub authority: Option<Text>,
    /// Name of the token secret.
    pub secret: Text,
    /// Labels, for selectors.
    pub labels: Labels,
    /// Carries KubeSphere's host label.
    pub host_label: bool,
    /// Readiness.
    pub ready: Readiness,
    /// Since when it is not Ready, as KubeFed wrote it.
    pub unready_since: Option<Time>,
    /// TLS checks switched off or a proxy named: such a registration is never dialled.
    pub indirect: bool,
}

impl Registration {
    /// Where it leads.
    pub fn connection(&self) -> Connection {
        Connection {
            endpoint: self.endpoint.clone(),
            ca: self.ca,
            indirect: self.indirect,
        }
    }

    /// What a probe of it asks.
    pub fn asked(&self) -> Asked {
        Asked {
            uid: self.uid,
            connection: self.connection(),
        }
    }
}

/// Connection data, as far as identity hangs on them. Credentials rotated alone are normal and no part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Endpoint.
    pub endpoint: Option<Text>,
    /// CA fingerprint.
    pub ca: Option<u128>,
    /// TLS checks off or a proxy named.
    pub indirect: bool,
}

/// Whom a probe asked: this object, while it led there. Its answer says nothing of an object of the same name that came
/// since, nor of where the same object leads by now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// UID of the KubeFedCluster.
    pub uid: Uid,
    /// Where it led.
    pub connection: Connection,
}

/// KubeSphere's Cluster of the same name as a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeSphereCluster {
    /// UID of the cluster's kube-system namespace, as KubeSphere read it.
    pub reported_uid: Option<Uid>,
    /// Normalized endpoint by which KubeSphere reaches it; none if it cannot be read.
    pub endpoint: Option<Text>,
    /// A deleted registration of this name comes back.
    pub joins: bool,
    /// Carries the host label.
    pub host: bool,
    /// KubeSphere says that its kubeconfig expires within seven days.
    pub expiring: bool,
    /// Whether KubeSphere says that it is part of the federation; none while it says nothing.
    pub federated: Option<bool>,
}

/// `kubefed.io/managed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Managed {
    /// `true`: in KubeFed's care.
    Yes,
    /// `false`: explicitly out of it.
    No,
    /// No label.
    #[default]
    Unmarked,
}

/// A Workspace on this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// UID.
    pub uid: Uid,
    /// Has a deletionTimestamp.
    pub deleting: bool,
    /// In KubeFed's care.
    pub managed: Managed,
    /// Matches the ignore selector.
    pub ignored: bool,
    /// Carries the finalizer `orphan`.
    pub orphan: bool,
}

/// The Workspace of ours that no tenant has: what becomes of its label tells whether a control plane works here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Canary {
    /// Has a deletionTimestamp.
    pub deleting: bool,
    /// It still carries the label that it was made with.
    pub managed: bool,
}

/// A namespace that belongs to a Workspace by label or owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// UID.
    pub uid: Uid,
    /// Has a deletionTimestamp.
    pub deleting: bool,
    /// The Workspace, by owner reference or else by label.
    pub workspace: Text,
    /// UID of the Workspace in the owner reference; none while only the label binds it.
    pub owner: Option<Uid>,
    /// Has an owner of another kind, which this program cannot resolve and so takes for alive.
    pub other_owner: bool,
}

impl Namespace {
    /// The garbage collector would delete it: every owner reference dangles. One dangles when the named owner is absent or
    /// has another UID (Kubernetes' `isDangling`); `live` gives a Workspace's UID.
    pub fn dangles(&self, live: impl Fn(&Text) -> Option<Uid>) -> bool {
        !self.deleting
            && !self.other_owner
            && self
                .owner
                .is_some_and(|owner| live(&self.workspace) != Some(owner))
    }
}

/// A namespace that belongs to no tenant: it may be a control plane's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Time of creation.
    pub created: Option<Time>,
    /// Since when it is Terminating.
    pub terminating: Option<Time>,
}

/// What a WorkspaceTemplate or federated object wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// UID.
    pub uid: Uid,
    /// Generation of the spec.
    pub generation: i64,
    /// Has a deletionTimestamp.
    pub deleting: bool,
    /// Placement.
    pub placement: Placement,
}

/// Key of a federated object within its kind; the namespace is empty for cluster-scoped kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Namespace or empty.
    pub namespace: Text,
    /// Name.
    pub name: Text,
}

/// A kind that a control plane federates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedKind {
    /// Federated kind, for example FederatedWorkspace.
    pub kind: Text,
    /// Kind in the members, for example Workspace.
    pub target: Text,
    /// The federated kind is namespaced: its placement is cut by its FederatedNamespace's.
    pub namespaced: bool,
}

/// A KubeFed controller manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// UID of the Deployment.
    pub uid: Uid,
    /// Wished replicas.
    pub replicas: i32,
    /// Available replicas.
    pub available: i32,
}

/// Outcome of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The cluster answered.
    Answered {
        /// UID of its kube-system namespace.
        uid: Uid,
        /// Leases of kube-system, for telling clones apart.
        leases: Box<[LeaseSample]>,
    },
    /// It did not; the class is finite and never upstream text.
    Failed(&'static str),
}

/// What KubeFed does to an object in a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// It makes it.
    Creates,
    /// It deletes it.
    Deletes,
    /// It finds it there without its label, and takes it up again.
    Adopts,
    /// It rewrites it; also after it took it up.
    Updates,
}

/// One of KubeFed's events about a federated Workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The Workspace.
    pub workspace: Text,
    /// The name of the cluster through which KubeFed works.
    pub cluster: Text,
    /// What it does there.
    pub deed: Deed,
    /// How often, by this event; a lower bound.
    pub count: u64,
    /// It happened while we watched: not an event that was there before.
    pub fresh: bool,
}

/// The watched kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feed {
    /// KubeFedClusters.
    Registrations,
    /// KubeFedConfigs.
    Configs,
    /// FederatedTypeConfigs.
    Types,
    /// KubeSphere's Clusters.
    Clusters,
    /// WorkspaceTemplates.
    Templates,
    /// Workspaces.
    Workspaces,
    /// Namespaces.
    Namespaces,
    /// KubeFed's Deployments.
    Controllers,
    /// The definition of the kind FederatedWorkspace.
    Definitions,
    /// One federated kind, FederatedWorkspaces included.
    Federated(Text),
}

impl Feed {
    /// Name for conditions and metrics.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Registrations => "KubeFedClusters",
            Self::Configs => "KubeFedConfigs",
            Self::Types => "FederatedTypeConfigs",
            Self::Clusters => "Clusters",
            Self::Templates => "WorkspaceTemplates",
            Self::Workspaces => "Workspaces",
            Self::Namespaces => "Namespaces",
            Self::Controllers => "Deployments",
            Self::Definitions => "CustomResourceDefinitions",
            Self::Federated(kind) => kind,
        }
    }
}

/// How much of a collection is known at this moment. Finite, so that it can be a condition's reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FeedState {
    /// Nothing has been read yet.
    #[default]
    Pending,
    /// A full list was read and the watch that continues it stands.
    Synced,
    /// The server does not know the kind. What is known of its objects stands until a list says otherwise.
    NotInstalled,
    /// The server refuses us (401 or 403): a right or a valid token is lacking.
    Forbidden,
    /// The server cannot be reached or does not answer as it should; tried again until it does.
    Failing,
}

impl FeedState {
    /// The name for metrics and reasons.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Synced => "Synced",
            Self::NotInstalled => "NotInstalled",
            Self::Forbidden => "Forbidden",
            Self::Failing => "Failing",
        }
    }
}

/// One observed change. Changes that say what is known already cost a comparison and nothing more.
#[derive(Clone, Debug)]
pub enum Change {
    /// A KubeFedCluster appeared, changed or vanished.
    Registration(RegistrationKey, Option<Registration>),
    /// A KubeFedConfig: a control plane in this namespace.
    Config(Text, bool),
    /// A FederatedTypeConfig by namespace and name; None while it is gone or disabled.
    Type(Text, Text, Option<FederatedKind>),
    /// KubeSphere's Cluster.
    Cluster(Text, Option<KubeSphereCluster>),
    /// A WorkspaceTemplate.
    Template(Text, Option<Desired>),
    /// A federated object of this kind.
    Federated(Text, ObjectKey, Option<Desired>),
    /// KubeFed's status of a federated object of this kind: clusters in which it is not as it should be.
    Witness(Text, ObjectKey, Box<[(Text, Report)]>),
    /// KubeFed tells of what it does to a federated Workspace.
    Told(Told),
    /// A Workspace.
    Workspace(Text, Option<Workspace>),
    /// Our own Workspace of this name, which is no tenant's.
    Canary(Text, Option<Canary>),
    /// A namespace; None when it is gone or belongs to no Workspace any more (`lost` tells the two apart).
    Namespace(Text, Option<Namespace>),
    /// The namespace lives, but belongs to no Workspace any more.
    NamespaceLeft(Text),
    /// A namespace that belongs to no tenant appeared, changed or vanished.
    Home(Text, Option<Home>),
    /// KubeFed in this namespace wrote down a health check of this time.
    LookedAt(Text, Time),
    /// The definition of this federated kind: whether it is being deleted; none when it is gone.
    Definition(Text, Option<bool>),
    /// KubeFed's accounts in the cluster behind this registration; of no account if it is not what was asked any more.
    Accounts(RegistrationKey, Asked, Box<[Text]>),
    /// What became of the ServiceAccount in a registration's token; none if it names none that could be looked for.
    TokenAccount(RegistrationKey, Asked, Option<TokenAccount>),
    /// UID of this server's own kube-system namespace.
    KubeSystem(Uid),
    /// A KubeFed controller manager by namespace and name.
    Controller(Text, Text, Option<Controller>),
    /// Outcome of a probe of this registration; of no account if it is not what was asked any more.
    Probed(RegistrationKey, Asked, Probe),
    /// An object that cannot be read: feed, name.
    Malformed(Feed, Text),
    /// A feed's state.
    Feed(Feed, FeedState),
}
