//! Why nothing is done: each brake is typed, says its numbers, and holds when it does not know.

use super::{
    journal::MAX_VALUE,
    rung::{Rung, Target},
};
use crate::{id::Text, time::Time, words::Reason};

/// Minutes within which clusters that turn bad together make the operator suspect itself.
pub const FLEET_WINDOW_MS: i64 = 15 * 60_000;

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brake {
    /// `spec.remediation.mode` is Observe.
    Observing,
    /// `spec.remediation.mode` is DryRun.
    DryRun,
    /// The spec contradicts itself: what was asked for before is no leave to act.
    InvalidSpec,
    /// The journal could not be read or written.
    JournalUnavailable(String),
    /// Somebody asked for a pause.
    Paused(Vec<Text>),
    /// Another replica leads, or nobody does: what was said to the last request about the lease, if it was refused.
    NotLeading(Option<String>),
    /// Some fact that decides is not up to date.
    FactsStale,
    /// Evidence about the clusters contradicts itself.
    EvidenceConflicts(Text),
    /// Too many clusters turned bad at once.
    FleetUnhealthy {
        /// Turned bad within [`FLEET_WINDOW_MS`].
        bad: usize,
        /// Registrations.
        of: usize,
        /// Share in percent from which on nothing is done.
        max_percent: i64,
    },
    /// An earlier rung did not bring what was expected, and was taken back where it can be.
    LadderStopped(Rung, Target),
    /// A person asked to take acts back.
    UndoRequested(Text),
    /// The acts of the last hour are used up.
    BudgetSpent {
        /// Acts within the hour.
        used: usize,
        /// Allowed.
        max: usize,
        /// When one is free again.
        free: Time,
    },
    /// The last request failed: what was said, and when it is tried again.
    RequestFailed(String, Time),
    /// The action's switch is Never.
    ActionNever(Rung),
    /// The action waits for a person.
    NotApproved {
        /// What to approve.
        plan: Text,
        /// What is wrong with the approval that is there.
        why: Option<String>,
    },
    /// The object carries the opt-out annotation.
    OptedOut(Target),
    /// The object belongs to a program that would revert us.
    KeptByAnother(Target, Text),
    /// The rung was begun on this object a short while ago.
    CoolingDown(Target, Time),
    /// Another writer reverted us.
    Contested(Target),
    /// The object is not what was planned for.
    TargetChanged(Target, &'static str),
    /// The simulation shows a loop or a loss afterwards.
    WouldLose {
        /// Objects that would loop.
        loops: usize,
        /// Workspaces that would be lost.
        lost: usize,
    },
    /// Of these enabled kinds nobody has looked at the objects: one may be placed on the leftover alone.
    Unsimulated(Text),
    /// A destructive rung needs a durable hold that is proven.
    NotHeld,
    /// A cluster has several names, and none is proven to be the one leftover.
    NoneStale(Text),
    /// A Cluster object would bring the registration back.
    WouldComeBack(Text),
    /// What the field contains, or is to contain, has more bytes than fit into a record in both places.
    TooLong(Target, usize),
    /// The records of acts in force leave no room for another.
    JournalFull {
        /// Bytes that its record needs.
        needs: usize,
        /// Bytes that are left.
        left: usize,
    },
}

/// Brakes that refuse something although there is no plan to say what. The others stand while nothing is wished, too.
pub const WITHOUT_PLAN: [Reason; 5] = [
    Reason::JournalUnavailable,
    Reason::EvidenceConflicts,
    Reason::RequestFailed,
    Reason::NoneStale,
    Reason::WouldComeBack,
];

/// A line of the table in `docs/remediation.md`: the brake's word, what it means, how it ends.
pub const TABLE: [(&str, &str, &str); 28] = [
    (
        "Observing",
        "`spec.remediation.mode` is `Observe`, the default",
        "set the mode",
    ),
    (
        "DryRun",
        "the mode is `DryRun`: each write was tried without effect",
        "set the mode to `Apply`",
    ),
    (
        "InvalidSpec",
        "the spec contradicts itself; what was asked for before is no leave to act",
        "mend the spec",
    ),
    (
        "JournalUnavailable",
        "undo records cannot be written down, or not all of them be understood, so nothing is done that would need one",
        "mend what the message names: a missing role; after a downgrade the newer version",
    ),
    (
        "Paused",
        "`spec.remediation.pauseRequests` is not empty",
        "whoever asked takes the entry out",
    ),
    (
        "NotLeading",
        "another replica holds the lease, or the lease cannot be kept",
        "by itself; a missing role by a person",
    ),
    (
        "FactsStale",
        "a watch is silent, a list incomplete, a registration unreadable or never dialled",
        "by itself when the watch is back",
    ),
    (
        "EvidenceConflicts",
        "the clusters in question are also named by weak or contradicting evidence, or a token alone says that a leftover is one of them",
        "a person decides",
    ),
    (
        "FleetUnhealthy",
        "more than `limits.maxUnhealthyPercent` of the clusters turned bad within 15 minutes, those in `limits.expectedOffline` aside: the fault may be here",
        "by itself, 15 minutes after the last turned bad",
    ),
    (
        "LadderStopped",
        "a rung did not bring the expected change in time; it was taken back where it can be",
        "annotation `federationhealth.io/undo=all`",
    ),
    (
        "UndoRequested",
        "the annotation `federationhealth.io/undo` stands",
        "take the annotation off",
    ),
    (
        "BudgetSpent",
        "`limits.maxActionsPerHour` acts were begun within the hour",
        "by itself",
    ),
    (
        "RequestFailed",
        "the API server refused the last request or did not answer",
        "by itself, after 1 to 60 seconds; a missing role by a person",
    ),
    (
        "ActionNever",
        "the action's own switch is `Never`, the default",
        "set the switch",
    ),
    (
        "NotApproved",
        "the action's switch is `Approval` and no approval that is valid names this plan",
        "annotation `federationhealth.io/approve=PLAN@TIME`",
    ),
    (
        "OptedOut",
        "the object carries the annotation `federationhealth.io/opt-out`",
        "take the annotation off",
    ),
    (
        "KeptByAnother",
        "Argo CD, Flux or an autoscaler keeps the object and would revert the act",
        "suspend it there, or do it there",
    ),
    (
        "CoolingDown",
        "the same act was begun on this object within `limits.cooldownSeconds`; of a Deployment, a placement or a registration on any of its name. A shield, a finalizer or a kept volume that the operator itself took back does not cool down",
        "by itself",
    ),
    (
        "Contested",
        "another writer reverted the act once",
        "annotation `federationhealth.io/undo=all` when it is clear who is right",
    ),
    (
        "TargetChanged",
        "between plan and act the object became another one",
        "by itself: it is planned afresh",
    ),
    (
        "WouldLose",
        "simulated with the act done, some object would loop or be lost",
        "mend the placements that the plan names",
    ),
    (
        "Unsimulated",
        "objects of some enabled kinds are not looked at (`workspaces.kinds: Workspaces`, or credentials are in them) and one may be placed on the leftover alone",
        "set the action to `Approval` and look, or `workspaces.kinds` to `AllFederatedTypes`",
    ),
    (
        "NotHeld",
        "what cannot be taken back is done only under a durable hold that is proven, or with an approval under a freeze or when all is shielded",
        "opt in to the hold, or set the action to `Approval`",
    ),
    (
        "NoneStale",
        "a cluster has several names, and not exactly one of them is proven to be a leftover",
        "a person decides; `status.clusterGroups` has the signs for each name",
    ),
    (
        "WouldComeBack",
        "a removed registration was registered again by a Cluster object with `joinFederation: true`",
        "delete the Cluster object",
    ),
    (
        "TooLong",
        "what the field contains or is to contain has more than 8192 bytes, which both places of the journal could not keep",
        "do it by hand",
    ),
    (
        "JournalFull",
        "the undo records of acts in force leave no room for another, except for a freeze",
        "by itself, as acts are taken back",
    ),
    (
        "TargetGone",
        "the object does not exist any more",
        "by itself: it is planned afresh",
    ),
];

impl Brake {
    /// The word in conditions, events and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Observing => Reason::Observing,
            Self::DryRun => Reason::DryRun,
            Self::InvalidSpec => Reason::InvalidSpec,
            Self::JournalUnavailable(_) => Reason::JournalUnavailable,
            Self::Paused(_) => Reason::Paused,
            Self::NotLeading(_) => Reason::NotLeading,
            Self::FactsStale => Reason::FactsStale,
            Self::EvidenceConflicts(_) => Reason::EvidenceConflicts,
            Self::FleetUnhealthy { .. } => Reason::FleetUnhealthy,
            Self::LadderStopped(..) => Reason::LadderStopped,
            Self::UndoRequested(_) => Reason::UndoRequested,
            Self::BudgetSpent { .. } => Reason::BudgetSpent,
            Self::RequestFailed(..) => Reason::RequestFailed,
            Self::ActionNever(_) => Reason::ActionNever,
            Self::NotApproved { .. } => Reason::NotApproved,
            Self::OptedOut(_) => Reason::OptedOut,
            Self::KeptByAnother(..) => Reason::KeptByAnother,
            Self::CoolingDown(..) => Reason::CoolingDown,
            Self::Contested(_) => Reason::Contested,
            Self::TargetChanged(_, GONE) => Reason::TargetGone,
            Self::TargetChanged(..) => Reason::TargetChanged,
            Self::WouldLose { .. } => Reason::WouldLose,
            Self::Unsimulated(_) => Reason::Unsimulated,
            Self::NotHeld => Reason::NotHeld,
            Self::NoneStale(_) => Reason::NoneStale,
            Self::WouldComeBack(_) => Reason::WouldComeBack,
            Self::TooLong(..) => Reason::TooLong,
            Self::JournalFull { .. } => Reason::JournalFull,
        }
    }

    /// When it ends by time alone.
    pub fn ends(&self) -> Option<Time> {
        match self {
            Self::BudgetSpent { free: at, .. }
            | Self::CoolingDown(_, at)
            | Self::RequestFailed(_, at) => Some(*at),
            _ => None,
        }
    }

    /// One sentence, with numbers.
    pub fn message(&self) -> String {
        match self {
            Self::Observing => "Nothing is changed in mode Observe.".to_owned(),
            Self::DryRun => {
                "Nothing is changed in mode DryRun; each write was tried without effect.".to_owned()
            }
            Self::InvalidSpec => "The spec cannot be used; see Ready.".to_owned(),
            Self::JournalUnavailable(why) => format!(
                "The journal is not available ({why}): without it nothing could be taken back."
            ),
            Self::Paused(names) => format!("Paused by {}.", names.join(", ")),
            Self::NotLeading(None) => "This replica does not hold the lease.".to_owned(),
            Self::NotLeading(Some(why)) => format!("The lease cannot be kept ({why})."),
            Self::FactsStale => {
                "Some of what decides is not up to date; see the Unknown conditions.".to_owned()
            }
            Self::EvidenceConflicts(subject) => {
                format!("The evidence about {subject} is weak or contradicts itself.")
            }
            Self::FleetUnhealthy {
                bad,
                of,
                max_percent,
            } => format!(
                "{bad} of {of} clusters turned bad within 15 minutes, {max_percent}% are allowed: the fault may be here."
            ),
            Self::LadderStopped(rung, target) => format!(
                "{} on {target} did not bring the expected change.",
                rung.as_str()
            ),
            Self::UndoRequested(what) => {
                format!("The annotation federationhealth.io/undo={what} asks to take acts back.")
            }
            Self::BudgetSpent { used, max, .. } => {
                format!("{used} of {max} actions of this hour are used.")
            }
            Self::RequestFailed(why, _) => format!("The last request failed: {why}."),
            Self::ActionNever(rung) => {
                format!("spec.remediation.actions: {} is Never.", rung.as_str())
            }
            Self::NotApproved { plan, why } => {
                let why = why
                    .as_deref()
                    .map(|why| format!(" ({why})"))
                    .unwrap_or_default();
                format!("Plan {plan} waits for approval{why}.")
            }
            Self::OptedOut(target) => {
                format!("{target} carries the annotation federationhealth.io/opt-out.")
            }
            Self::KeptByAnother(target, keeper) => {
                format!("{target} is kept by {keeper}, which would revert the act.")
            }
            Self::CoolingDown(target, _) => {
                format!("The same was done to {target} a short while ago.")
            }
            Self::Contested(target) => {
                format!("Another writer reverted the act on {target}: it is not repeated.")
            }
            Self::TargetChanged(target, what) => format!("{target} {what}: planned afresh."),
            Self::WouldLose { loops, lost } => format!(
                "Afterwards {loops} objects would loop and {lost} Workspaces would be lost."
            ),
            Self::Unsimulated(kinds) => format!(
                "Of {kinds} nobody has looked at the objects: one may be placed on the leftover alone."
            ),
            Self::NotHeld => {
                "What cannot be taken back needs a durable hold that is proven, or an approval under a freeze or when all is shielded.".to_owned()
            }
            Self::NoneStale(subject) => format!(
                "Of {subject} not exactly one name is proven to be a leftover: a person decides which one stays."
            ),
            Self::WouldComeBack(cluster) => format!(
                "Cluster {cluster} has joinFederation: true and registers again what was removed."
            ),
            Self::TooLong(target, bytes) => format!(
                "What would be kept of {target} has {bytes} bytes, and a record in status {MAX_VALUE}: a person's to do."
            ),
            Self::JournalFull { needs, left } => format!(
                "An undo record of {needs} bytes does not fit: those of acts in force leave {left}."
            ),
        }
    }
}

/// What a live read says of an object that does not exist.
pub(crate) const GONE: &str = "does not exist any more";
/// What is said of an object of which nothing is wished any more, or something else.
pub(crate) const UNWISHED: &str = "is no longer what the plan was made for";
/// The same of a volume that its claim left.
pub(crate) const CLAIM_GONE: &str = "has no claim any more: its policy is a person's to decide";
/// The same of a volume whose claim goes.
pub(crate) const CLAIM_DYING: &str = "belongs to a claim that is being deleted";
/// The same of a namespace that the collector would leave alone.
pub(crate) const OWNED: &str = "has an owner that may exist";
