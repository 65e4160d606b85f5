//! The rungs of the ladder, least harm first, and what one of them changes.
//!
//! Every rung is one compare-and-set of one field of one object: `from` becomes `to`, and the way back is `to` to `from`.

use std::fmt;

use crate::id::{Text, Uid};

/// Objects of most rungs in one plan; the rest comes in the next.
pub const MAX_TARGETS: usize = 16;
/// The reclaim policy under which a volume outlives its claim.
pub const RETAIN: &str = "Retain";

/// A rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// Volumes of namespaces at risk are kept when their claims go.
    RetainVolumes,
    /// The finalizer `orphan` lets a Workspace fall without its namespaces.
    ArmOrphan,
    /// The label `kubefed.io/managed: "false"` takes a Workspace out of KubeFed's care.
    ShieldWorkspaces,
    /// KubeFed's Deployment is scaled to zero.
    FreezeControllers,
    /// A Workspace of ours shows whether any control plane still works on this server.
    PlantCanary,
    /// An owner that does not exist is taken off a namespace.
    DisarmNamespaces,
    /// A stale name in a placement is replaced by the surviving one.
    FixPlacement,
    /// The registration whose staleness is proven is deleted.
    RemoveStaleCluster,
}

/// Kinds that rungs write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Core, cluster-scoped.
    PersistentVolume,
    /// KubeSphere's, cluster-scoped.
    Workspace,
    /// Through its scale subresource.
    Deployment,
    /// Core, cluster-scoped.
    Namespace,
    /// KubeSphere's, cluster-scoped.
    WorkspaceTemplate,
    /// KubeFed's registration, namespaced.
    KubeFedCluster,
}

impl Kind {
    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PersistentVolume => "PersistentVolume",
            Self::Workspace => "Workspace",
            Self::Deployment => "Deployment",
            Self::Namespace => "Namespace",
            Self::WorkspaceTemplate => "WorkspaceTemplate",
            Self::KubeFedCluster => "KubeFedCluster",
        }
    }
}

impl Rung {
    /// Every rung, least harm first: the order in which they are tried.
    pub const ALL: [Self; 8] = [
        Self::RetainVolumes,
        Self::ArmOrphan,
        Self::ShieldWorkspaces,
        Self::FreezeControllers,
        Self::PlantCanary,
        Self::DisarmNamespaces,
        Self::FixPlacement,
        Self::RemoveStaleCluster,
    ];

    /// The word in status, metrics and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetainVolumes => "RetainVolumes",
            Self::ArmOrphan => "ArmOrphan",
            Self::ShieldWorkspaces => "ShieldWorkspaces",
            Self::FreezeControllers => "FreezeControllers",
            Self::PlantCanary => "PlantCanary",
            Self::DisarmNamespaces => "DisarmNamespaces",
            Self::FixPlacement => "FixPlacement",
            Self::RemoveStaleCluster => "RemoveStaleCluster",
        }
    }

    /// The switch in `spec.remediation.actions`.
    pub fn switch(self) -> String {
        let mut word = self.as_str().to_owned();
        if let Some(first) = word.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        word
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.as_str() == word)
    }

    /// What it writes to.
    pub fn kind(self) -> Kind {
        match self {
            Self::RetainVolumes => Kind::PersistentVolume,
            Self::ArmOrphan | Self::ShieldWorkspaces | Self::PlantCanary => Kind::Workspace,
            Self::FreezeControllers => Kind::Deployment,
            Self::DisarmNamespaces => Kind::Namespace,
            Self::FixPlacement => Kind::WorkspaceTemplate,
            Self::RemoveStaleCluster => Kind::KubeFedCluster,
        }
    }

    /// The one field that it changes.
    pub fn field(self) -> &'static str {
        match self {
            Self::RetainVolumes => "spec.persistentVolumeReclaimPolicy",
            Self::ArmOrphan => "finalizer orphan",
            Self::ShieldWorkspaces => "label kubefed.io/managed",
            Self::FreezeControllers => "spec.replicas",
            Self::PlantCanary => "the test Workspace",
            Self::DisarmNamespaces => "metadata.ownerReferences",
            Self::FixPlacement => "spec.placement.clusters",
            Self::RemoveStaleCluster => "the object",
        }
    }

    /// It is taken back when the cause is gone. What mends the cause itself stays: taking it back would bring the cause back.
    pub fn released(self) -> bool {
        matches!(
            self,
            Self::RetainVolumes
                | Self::ArmOrphan
                | Self::ShieldWorkspaces
                | Self::FreezeControllers
        )
    }

    /// It is not meant to last.
    pub fn is_transient(self) -> bool {
        self.released() || self == Self::PlantCanary
    }

    /// A new object under the name is in the same state to whoever cares for it: an installer puts a Deployment back, a Cluster
    /// its registration. A Workspace that KubeFed makes anew has no label of ours, and nobody took it off.
    pub fn outlives_its_object(self) -> bool {
        matches!(
            self,
            Self::FreezeControllers
                | Self::PlantCanary
                | Self::FixPlacement
                | Self::RemoveStaleCluster
        )
    }

    /// It only marks an object to be spared. Where the danger returns right after a release, the mark must return with it: below
    /// Kubernetes 1.30 there is no hold beside it.
    pub fn marks(self) -> bool {
        self.released() && !self.outlives_its_object()
    }

    /// It takes something away that a person cannot see any more afterwards.
    pub fn destructive(self) -> bool {
        matches!(self, Self::FixPlacement | Self::RemoveStaleCluster)
    }

    /// How its success is seen.
    pub fn verification(self) -> &'static str {
        match self {
            Self::RetainVolumes => "the volume's policy reads Retain",
            Self::ArmOrphan => "the Workspace carries the finalizer",
            Self::ShieldWorkspaces => "the Workspace carries the label and is not deleted",
            Self::FreezeControllers => "no replica of the Deployment is available",
            Self::PlantCanary => {
                "whether its label kubefed.io/managed is taken off within a minute"
            }
            Self::DisarmNamespaces => "the namespace names no owner that does not exist",
            Self::FixPlacement => "the simulated placement shows no loop and no loss",
            Self::RemoveStaleCluster => "the registration is gone and does not come back",
        }
    }

    /// Objects of it in one plan. With their reasons sixteen stay within 24 KiB of status; a namespace's contents go five
    /// seconds after its own deletion, and 256 writes of some 15 ms fit into that.
    pub fn max_targets(self) -> usize {
        match self {
            Self::RetainVolumes => 256,
            _ => MAX_TARGETS,
        }
    }

    /// The way back.
    pub fn undo(self) -> &'static str {
        match self {
            Self::RetainVolumes => "the former policy is put back",
            Self::ArmOrphan => "the finalizer is taken off",
            Self::ShieldWorkspaces => "the former value of the label is put back",
            Self::FreezeControllers => "the former number of replicas is put back",
            Self::PlantCanary => "it is deleted, whatever came of it",
            Self::DisarmNamespaces => "KubeSphere binds the namespace again",
            Self::FixPlacement => "the former placement is kept here",
            Self::RemoveStaleCluster => "apply the manifest that is kept here",
        }
    }

    /// Milliseconds within which its effect must be seen. A Deployment's pods get the 30 s in which Kubernetes lets them end
    /// by themselves, twice; the others are seen by the read that follows the write.
    pub fn verify_within_ms(self) -> i64 {
        match self {
            Self::FreezeControllers => 60_000,
            _ => 15_000,
        }
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Kind.
    pub kind: Kind,
    /// Namespace or empty; of a volume that of its claim, which decides what becomes of it.
    pub namespace: Text,
    /// Name.
    pub name: Text,
    /// UID: another object of this name is another target.
    pub uid: Uid,
}

impl Target {
    /// The same name, whatever lives under it.
    pub fn same_name(&self, other: &Self) -> bool {
        (self.kind, &self.namespace, &self.name) == (other.kind, &other.namespace, &other.name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind.as_str(), self.name)
        } else {
            write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
        }
    }
}

/// Content of the field that a rung changes, written as the writer in `cluster` reads it: a label's value (empty without the
/// label), a number of replicas, `true` or `false`, a policy, names with commas between them, or JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub Text);

impl Value {
    /// Of this text.
    pub fn new(text: &str) -> Self {
        Self(Text::from(text))
    }

    /// A number of replicas.
    pub fn replicas(count: i32) -> Self {
        Self::new(&count.to_string())
    }

    /// Nothing: no label, no object.
    pub fn none() -> Self {
        Self::default()
    }

    /// Names, in order.
    pub fn names<'a>(names: impl IntoIterator<Item = &'a Text>) -> Self {
        let names: Vec<&str> = names.into_iter().map(|name| &**name).collect();
        Self::new(&names.join(","))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { &self.0 })
    }
}
