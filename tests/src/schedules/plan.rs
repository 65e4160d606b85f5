//! One schedule, drawn from a seed: what the owner allows, who does what when, and which right is lacking.

use std::fmt;

use serde_json::{Value, json};

use super::MANAGER;
use crate::{random::Random, rights::Lacking, simulated::ALIAS};

/// From the second registration on the actors act within this; KubeFed's first deletion comes 10 to 21 s after it.
const ACTING_MS: u64 = 60_000;
/// By then a hold that is allowed stands in both of its layers, whatever breaks off.
const HELD_MS: u64 = 3_000;
/// How often a GitOps agent looks.
const AGENT_MS: u64 = 3_000;
/// Files of the roles of which one right may be lacking for good.
const RIGHTS: [&str; 2] = ["remediator", "holder"];
/// Every action of `spec.remediation.actions`.
const ACTIONS: [&str; 8] = [
    "retainVolumes",
    "armOrphan",
    "shieldWorkspaces",
    "freezeControllers",
    "plantCanary",
    "disarmNamespaces",
    "fixPlacement",
    "removeStaleCluster",
];
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
pub(super) enum Deed {
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
}

/// Of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replica {
    First,
    Second,
}

/// What a person writes as an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Approval {
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
pub(super) enum Placement {
    /// On the leftover alone.
    Leftover,
    Both,
}

/// How a person ends a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unhold {
    /// In the FederationHealth, through the operator.
    Health,
    /// In the FederationHold, without it.
    Switch,
    /// By making the durable bindings dormant.
    Bindings,
}

/// One schedule.
pub(super) struct Plan {
    pub(super) spec: Value,
    /// Milliseconds after the second registration, in order.
    pub(super) deeds: Vec<(u64, Deed)>,
    /// What the operator may not do any more from the second registration on.
    pub(super) lacking: Option<Lacking>,
    /// A second replica runs.
    pub(super) two: bool,
}

impl Plan {
    pub(super) fn of(dice: &Random) -> Self {
        let mode = ["DryRun", "Observe"].get(dice.below(12) as usize);
        let approving = dice.below(3) == 0;
        let mut actions = json!({});
        for action in ACTIONS {
            actions[action] = json!(match dice.below(6) {
                0 | 1 => "Never",
                2 | 3 if approving => "Approval",
                _ => "Automatic",
            });
        }
        let rule = || ["OnDiagnosis", "Never"][dice.below(2) as usize];
        let mut hold =
            json!({"collection": rule(), "federation": rule(), "releaseAfterSeconds": 5});
        let theme = Theme::of(dice);
        theme.lead(&mut hold, &mut actions, approving);
        let most = if dice.below(8) == 0 { 2 } else { 60 };
        let spec = json!({
            "probe": {"mode": "Probe", "allowedEndpoints": ["127.0.0.0/8"]},
            "hold": hold,
            "remediation": {
                "mode": mode.unwrap_or(&"Apply"), "actions": actions, "limits": {"maxActionsPerHour": most},
            },
        });
        let two = dice.below(4) == 0;
        let mut deeds = Vec::new();
        for _ in 0..dice.below(7) {
            deeds.extend(drawn(dice, two));
        }
        if approving {
            deeds.extend(approvals(dice));
        }
        if theme == Theme::Cure && dice.below(2) == 0 {
            deeds.extend(placements(dice, dice.below(2 * HELD_MS)));
        }
        let cure = 20_000 + dice.below(ACTING_MS);
        // Whoever cures it sees to it that nobody works against that.
        deeds.retain(|(at, deed)| *at < cure || !works_against(*deed));
        deeds.push((cure, Deed::Cure));
        deeds.sort_by_key(|(at, _)| *at);
        let lacking = (dice.below(3) == 0).then(|| {
            let rights: Vec<Lacking> = RIGHTS.into_iter().flat_map(Lacking::each).collect();
            rights[dice.below(rights.len() as u64) as usize]
        });
        Self {
            spec,
            deeds,
            lacking,
            two,
        }
    }

    pub(super) fn any(&self, test: impl Fn(&Deed) -> bool) -> bool {
        self.deeds.iter().any(|(_, deed)| test(deed))
    }

    /// Nobody and nothing keeps the operator from stopping the loss without a hold.
    pub(super) fn unhindered(&self) -> bool {
        let harmless = |deed: &Deed| {
            matches!(
                deed,
                Deed::Cure | Deed::Experiment | Deed::Cut | Deed::Approve(_) | Deed::KubeSphere(_)
            )
        };
        self.deeds.iter().all(|(_, deed)| harmless(deed))
            && self.spec["remediation"]["limits"]["maxActionsPerHour"] == 60
    }

    /// A hold stands before KubeFed's first deletion and as long as it is needed: no brake, no crash and no other writer
    /// changes that, only a person who switches it off, or a missing right.
    pub(super) fn holds_throughout(&self) -> bool {
        let early = |(at, deed): &(u64, Deed)| {
            let delays = matches!(
                deed,
                Deed::Kill(_) | Deed::Restart | Deed::Lag(..) | Deed::Cut | Deed::Place(..)
            );
            delays && *at < HELD_MS
        };
        self.holds_all()
            && !self.lacking.is_some_and(of_holder)
            && !self.any(|deed| matches!(deed, Deed::Unhold(_)))
            && !self.deeds.iter().any(early)
    }

    /// What remains of remediation's own acts at the end was left by nobody's wish.
    pub(super) fn lets_be(&self, resource: &str, name: &str) -> bool {
        let last = self.deeds.iter().rev();
        let mode = last.clone().find_map(|(_, deed)| match deed {
            Deed::Mode(mode) => Some(*mode),
            _ => None,
        });
        let started = &self.spec["remediation"]["mode"];
        let left = |deed: &Deed| matches!(deed, Deed::OptOut(kept, _) | Deed::Mark(kept) if *kept == (resource, name));
        let observes = mode.map_or(*started == "Observe", |mode| mode == "Observe");
        !observes && !self.any(left) && !self.shackled() && !self.lacks_on(&[resource])
    }

    fn automatic(&self, action: &str) -> bool {
        let remediation = &self.spec["remediation"];
        remediation["mode"] == "Apply" && remediation["actions"][action] == "Automatic"
    }

    /// An action is switched on and, as far as rights go, can be taken on these resources.
    pub(super) fn able(&self, action: &str, resources: &[&str]) -> bool {
        self.automatic(action) && !self.shackled() && !self.lacks_on(resources)
    }

    /// It can neither act nor take back what it did before, for it cannot write that down or does not lead.
    pub(super) fn shackled(&self) -> bool {
        self.lacks_on(&["configmaps", "leases"])
    }

    pub(super) fn lacks_on(&self, resources: &[&str]) -> bool {
        let plural = |l: &Lacking| l.resource.split('/').next().unwrap_or_default();
        self.lacking
            .is_some_and(|l| resources.contains(&l.resource) || resources.contains(&plural(&l)))
    }

    pub(super) fn lacks(&self, verb: &str, resource: &str) -> bool {
        self.lacking
            .is_some_and(|l| (l.verb, l.resource) == (verb, resource))
    }

    pub(super) fn holds_all(&self) -> bool {
        let rule = |name: &str| self.spec["hold"][name] == "OnDiagnosis";
        rule("collection") && rule("federation")
    }
}

/// What a schedule is about. Drawn from all there is, a rung that waits for several others to be off is hardly ever seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    /// A hold stands, and the cause is mended.
    Cure,
    /// Nothing holds or shields: KubeFed is stopped.
    Freeze,
    Any,
}

impl Theme {
    fn of(dice: &Random) -> Self {
        match dice.below(4) {
            0 => Self::Cure,
            1 => Self::Freeze,
            _ => Self::Any,
        }
    }

    fn lead(self, hold: &mut Value, actions: &mut Value, approving: bool) {
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
            Self::Any => {}
        }
    }
}

/// The right is one of those that a hold needs.
fn of_holder(lacking: Lacking) -> bool {
    let same = |right: Lacking| {
        (right.verb, right.resource, right.names())
            == (lacking.verb, lacking.resource, lacking.names())
    };
    Lacking::each("holder").any(same)
}

/// What brings the danger back, or another one.
fn works_against(deed: Deed) -> bool {
    matches!(
        deed,
        Deed::Join | Deed::Rejoin | Deed::Place(..) | Deed::Replace(..)
    )
}

/// One actor's doings.
fn drawn(dice: &Random, two: bool) -> Vec<(u64, Deed)> {
    let at = dice.below(ACTING_MS);
    let later = at + dice.below(30_000);
    let one = |deed| vec![(at, deed)];
    let pair = |first, then| vec![(at, first), (later, then)];
    match dice.below(23) {
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
        21 => one(Deed::EditNext),
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
fn placements(dice: &Random, at: u64) -> Vec<(u64, Deed)> {
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
fn approvals(dice: &Random) -> Vec<(u64, Deed)> {
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, deeds, .. } = self;
        let lacking = self.lacking.map_or_else(String::new, |l| l.words());
        let replicas = if self.two { 2 } else { 1 };
        write!(
            f,
            "spec {spec}\nreplicas {replicas}, deeds, milliseconds after the second registration: {deeds:?}\nlacking: {lacking}"
        )
    }
}
