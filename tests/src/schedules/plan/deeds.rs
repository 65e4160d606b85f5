//! What actors do, and how that is drawn.

use serde_json::{Value, json};

use super::{ACTING_MS, HELD_MS, MANAGER};
use crate::{random::Random, simulated::ALIAS};

/// How often a GitOps agent looks.
const AGENT_MS: u64 = 3_000;
/// Objects that a person keeps from being touched.
const KEPT: [(&str, &str); 5] = [
    ("deployments", MANAGER),
    ("workspaces", "orders"),
    ("workspacetemplates", "payments"),
    ("kubefedclusters", ALIAS),
    ("persistentvolumes", "pv-orders-db-data"),
];

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedules) enum Deed {
    /// The person mends the placements and takes the second registration away, with what would bring it back.
    Cure,
    /// The GitOps agent sees to it that KubeFed runs.
    ScaleBack,
    /// The person pauses remediation, or lifts the pause.
    Pause(bool),
    /// The person keeps this from being touched, or no more.
    OptOut((&'static str, &'static str), bool),
    /// Argo CD takes this over.
    Mark((&'static str, &'static str)),
    /// The person asks everything back, or no more.
    Undo(bool),
    /// The person sets a Workspace's label.
    Relabel(&'static str),
    /// A process is killed, and started again a while later.
    Kill(Replica),
    Start(Replica),
    /// Somebody else takes the lease, and never renews it.
    Rob,
    /// The API server is started anew.
    Restart,
    /// Watches break off.
    Cut,
    /// Watches of a kind are late, or no more.
    Lag(&'static str, bool),
    /// The person asks for the experiment.
    Experiment,
    /// The owner lets remediation go this far.
    Mode(&'static str),
    /// The person approves what is planned, more or less.
    Approve(Approval),
    /// The person places a Workspace.
    Place(&'static str, Placement),
    /// The GitOps agent has that placement in its repository.
    Replace(&'static str, Placement),
    /// The person edits whatever is planned, as soon as the journal says so.
    EditNext,
    /// The person switches the hold off in one of the three ways, or all of them on again.
    Unhold(Unhold),
    Rehold,
    /// A Cluster object of KubeSphere joins the leftover to the federation.
    Join,
    /// Somebody registers the leftover again, if it is gone.
    Rejoin,
    /// KubeSphere's controllers end, or come back.
    KubeSphere(bool),
    /// Somebody takes KubeSphere's finalizers off: a Workspace goes at once, and comes back under another UID.
    Strip,
    /// A program keeps the leftover's registration from going.
    Keep,
    /// The owner makes the spec contradict itself, or mends it.
    Spoil(bool),
}

/// Of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedules) enum Replica {
    First,
    Second,
}

/// What a person writes as an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedules) enum Approval {
    Valid,
    Expired,
    /// Of another plan.
    Other,
    /// For longer than a day.
    Endless,
    Withdrawn,
}

/// Where a Workspace is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedules) enum Placement {
    /// On the leftover alone.
    Leftover,
    Both,
}

/// How a person ends a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedules) enum Unhold {
    /// In the FederationHealth, through the operator.
    Health,
    /// In the FederationHold, without it.
    Switch,
    /// By making the durable bindings dormant.
    Bindings,
}

/// What a schedule is about. Drawn from all there is, a rung that waits for several others to be off is hardly ever seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// A hold stands, and the cause is mended.
    Cure,
    /// Nothing holds or shields: KubeFed is stopped.
    Freeze,
    /// Only namespaces are held, and nobody binds them to the Workspace that comes back.
    Armed,
    Any,
}

impl Theme {
    pub(super) fn of(dice: &Random) -> Self {
        match dice.below(5) {
            0 => Self::Cure,
            1 => Self::Freeze,
            2 => Self::Armed,
            _ => Self::Any,
        }
    }

    pub(super) fn lead(self, hold: &mut Value, actions: &mut Value, approving: bool) {
        let rules = |hold: &mut Value, word: &str| {
            hold["collection"] = json!(word);
            hold["federation"] = json!(word);
        };
        let switch = if approving { "Approval" } else { "Automatic" };
        match self {
            Self::Cure => {
                rules(hold, "OnDiagnosis");
                actions["fixPlacement"] = json!(switch);
                actions["removeStaleCluster"] = json!("Automatic");
            }
            Self::Freeze => {
                rules(hold, "Never");
                actions["shieldWorkspaces"] = json!("Never");
                actions["freezeControllers"] = json!(switch);
            }
            Self::Armed => {
                hold["collection"] = json!("OnDiagnosis");
                hold["federation"] = json!("Never");
                for other in ["armOrphan", "shieldWorkspaces", "freezeControllers"] {
                    actions[other] = json!("Never");
                }
                actions["disarmNamespaces"] = json!(switch);
            }
            Self::Any => {}
        }
    }

    /// What happens whoever else does what.
    pub(super) fn deeds(self, dice: &Random) -> Vec<(u64, Deed)> {
        match self {
            Self::Cure if dice.below(2) == 0 => placements(dice, dice.below(2 * HELD_MS)),
            Self::Armed => vec![
                (dice.below(1_000), Deed::KubeSphere(false)),
                (1_000 + dice.below(HELD_MS), Deed::Strip),
                (30_000 + dice.below(ACTING_MS), Deed::KubeSphere(true)),
            ],
            _ => Vec::new(),
        }
    }
}

/// What brings the danger back, or another one.
pub(super) fn works_against(deed: Deed) -> bool {
    matches!(
        deed,
        Deed::Join | Deed::Rejoin | Deed::Place(..) | Deed::Replace(..)
    )
}

/// One actor's doings.
pub(super) fn drawn(dice: &Random, two: bool) -> Vec<(u64, Deed)> {
    // Most acts are begun within the first second, and so many a deed should be.
    let span = [ACTING_MS, ACTING_MS, HELD_MS][dice.below(3) as usize];
    let at = dice.below(span);
    let later = at + dice.below(30_000);
    let one = |deed| vec![(at, deed)];
    let pair = |first, then| vec![(at, first), (later, then)];
    match dice.below(25) {
        0 | 1 => one(Deed::ScaleBack),
        2 => pair(Deed::Pause(true), Deed::Pause(false)),
        3 => {
            let kept = KEPT[dice.below(KEPT.len() as u64) as usize];
            let mut deeds = one(Deed::OptOut(kept, true));
            if dice.below(3) == 0 {
                deeds.push((later, Deed::OptOut(kept, false)));
            }
            deeds
        }
        4 => pair(Deed::Undo(true), Deed::Undo(false)),
        5 => one(Deed::Relabel("payments")),
        6 | 7 => {
            let replica = if two && dice.below(2) == 0 {
                Replica::Second
            } else {
                Replica::First
            };
            pair(Deed::Kill(replica), Deed::Start(replica))
        }
        8 => one(Deed::Restart),
        9 => one(Deed::Cut),
        10 => one(Deed::Experiment),
        11 => {
            let mode = ["DryRun", "Observe"][dice.below(2) as usize];
            let mut deeds = one(Deed::Mode(mode));
            if dice.below(2) == 0 {
                deeds.push((later, Deed::Mode("Apply")));
            }
            deeds
        }
        12..15 => placements(dice, at),
        15 | 16 => {
            let ways = [Unhold::Health, Unhold::Switch, Unhold::Bindings];
            let mut deeds = one(Deed::Unhold(ways[dice.below(3) as usize]));
            if dice.below(2) == 0 {
                deeds.push((later, Deed::Rehold));
            }
            deeds
        }
        17 => one(Deed::Join),
        18 => one(Deed::Rejoin),
        19 => one(Deed::Rob),
        20 => pair(Deed::KubeSphere(false), Deed::KubeSphere(true)),
        21 => vec![(at % HELD_MS, Deed::EditNext)],
        22 => one(Deed::Keep),
        23 => pair(Deed::Spoil(true), Deed::Spoil(false)),
        _ => {
            if dice.below(2) == 0 {
                let kind = ["workspaces", "kubefedclusters", "workspacetemplates"];
                let kind = kind[dice.below(3) as usize];
                pair(Deed::Lag(kind, true), Deed::Lag(kind, false))
            } else {
                one(Deed::Mark(KEPT[2 * dice.below(2) as usize]))
            }
        }
    }
}

/// A Workspace is placed on the leftover; half of the time an agent has that in its repository.
pub(super) fn placements(dice: &Random, at: u64) -> Vec<(u64, Deed)> {
    let name = ["orders", "payments"][dice.below(2) as usize];
    let placement = if dice.below(3) == 0 {
        Placement::Both
    } else {
        Placement::Leftover
    };
    let mut deeds = vec![(at, Deed::Place(name, placement))];
    if dice.below(2) == 0 {
        let looks = (1..20).map(|look| at + look * AGENT_MS);
        deeds.extend(looks.map(|at| (at, Deed::Replace(name, placement))));
    }
    deeds
}

/// A person who approves now and then, and not always what counts.
pub(super) fn approvals(dice: &Random) -> Vec<(u64, Deed)> {
    let one = || {
        let approval = match dice.below(8) {
            0 => Approval::Expired,
            1 => Approval::Other,
            2 => Approval::Endless,
            3 => Approval::Withdrawn,
            _ => Approval::Valid,
        };
        (dice.below(ACTING_MS), Deed::Approve(approval))
    };
    let count = 1 + dice.below(5);
    (0..count).map(|_| one()).collect()
}
