//! What is to be done, as values. A dry run prints the same effects that the executor carries out.

use crate::{
    id::{Text, Uid},
    time::Time,
};

/// A rule of the hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Refuses the garbage collector.
    Collection,
    /// Refuses KubeFed.
    Federation,
}

impl Rule {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Collection, Self::Federation];

    /// Label value in metrics and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Federation => "federation",
        }
    }
}

/// Why a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// Two registrations of one cluster, and a placement that names only some.
    DoubledRegistration,
    /// Registrations of two control planes for one cluster, and a placement that only one of them selects.
    SecondControlPlane,
    /// A placement that names a cluster which is not registered, and no name of the cluster that holds the object.
    SelectedNowhere,
    /// The kind FederatedWorkspace is being deleted, and a WorkspaceTemplate stands.
    FederatedKindDeleted,
    /// A Workspace deleted against its desired state; no cause is known.
    UnexpectedDeletion,
    /// A person asked.
    Requested,
    /// A hold was found standing whose cause nobody wrote down: the object or its status was lost under it.
    Unrecorded,
}

impl CauseKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::DoubledRegistration,
        Self::SecondControlPlane,
        Self::SelectedNowhere,
        Self::FederatedKindDeleted,
        Self::UnexpectedDeletion,
        Self::Requested,
        Self::Unrecorded,
    ];

    /// Kinds that a diagnosis names, and whose end it sees.
    pub const DIAGNOSED: [Self; 4] = [
        Self::DoubledRegistration,
        Self::SecondControlPlane,
        Self::SelectedNowhere,
        Self::FederatedKindDeleted,
    ];

    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DoubledRegistration => "DoubledRegistration",
            Self::SecondControlPlane => "SecondControlPlane",
            Self::SelectedNowhere => "SelectedNowhere",
            Self::FederatedKindDeleted => "FederatedKindDeleted",
            Self::UnexpectedDeletion => "UnexpectedDeletion",
            Self::Requested => "Requested",
            Self::Unrecorded => "Unrecorded",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A cause as status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseView {
    /// Kind.
    pub kind: CauseKind,
    /// What it is about.
    pub subject: Text,
    /// UID of the deleted Workspace.
    pub uid: Option<Uid>,
}

/// Content of the switch, `status.hold` of the FederationHold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldImage {
    /// The collector is refused.
    pub collection: bool,
    /// KubeFed is refused.
    pub federation: bool,
    /// Namespaces whose ServiceAccounts the federation rule covers.
    pub namespaces: Vec<Text>,
    /// Since when.
    pub since: Option<Time>,
    /// The first cause's kind.
    pub reason: Option<CauseKind>,
    /// Why, in a sentence.
    pub message: String,
    /// Causes, oldest first, bounded.
    pub causes: Vec<CauseView>,
}

impl HoldImage {
    /// Whether this rule holds.
    pub fn holds(&self, rule: Rule) -> bool {
        match rule {
            Rule::Collection => self.collection,
            Rule::Federation => self.federation,
        }
    }

    /// Whether anything is refused.
    pub fn holds_any(&self) -> bool {
        self.collection || self.federation
    }
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the switch at once: it raises a rule, or changes only what is said about rules that stay. Any replica may,
    /// without lease, list or precondition.
    Raise(HoldImage),
    /// Write the switch so that a rule goes: the leader's, with resourceVersion.
    Lower(HoldImage),
    /// Make a durable binding active or dormant.
    Durable(Rule, bool),
    /// Read the desired objects of a Workspace live: was its deletion wished?
    Verify(Text, Uid),
    /// Read namespaces and Workspaces by a consistent list: would a release lose anything?
    ConfirmRelease,
}
