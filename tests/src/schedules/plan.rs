//! One schedule, drawn from a seed: what the owner allows, who does what when, and which right is lacking.

use std::fmt;

use serde_json::{Value, json};

use super::MANAGER;
use crate::{random::Random, rights::Lacking};

/// From the second registration on the actors act within this; KubeFed's first deletion comes 10 to 21 s after it.
const ACTING_MS: u64 = 60_000;
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

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// The person takes the second registration away.
    Cure,
    /// The GitOps agent sees to it that KubeFed runs.
    ScaleBack,
    /// The person pauses remediation, or lifts the pause.
    Pause(bool),
    /// The person keeps this from being touched.
    OptOut(&'static str),
    /// The person asks everything back, or no more.
    Undo(bool),
    /// The person sets a Workspace's label.
    Relabel(&'static str),
    /// The process is killed, and started again a while later.
    Kill,
    Start,
    /// The API server is started anew.
    Restart,
    /// Watches break off.
    Cut,
    /// The person asks for the experiment.
    Experiment,
}

/// One schedule.
pub(super) struct Plan {
    pub(super) spec: Value,
    /// Milliseconds after the second registration, in order.
    pub(super) deeds: Vec<(u64, Deed)>,
    /// What the operator may not do any more from the second registration on.
    pub(super) lacking: Option<Lacking>,
}

impl Plan {
    pub(super) fn of(dice: &Random) -> Self {
        let mut actions = json!({});
        for action in ACTIONS {
            actions[action] = json!(if dice.below(3) == 0 {
                "Never"
            } else {
                "Automatic"
            });
        }
        let rule = || {
            if dice.below(2) == 0 {
                "OnDiagnosis"
            } else {
                "Never"
            }
        };
        let spec = json!({
            "probe": {"mode": "Probe", "allowedEndpoints": ["127.0.0.0/8"]},
            "hold": {"collection": rule(), "federation": rule(), "releaseAfterSeconds": 5},
            "remediation": {"mode": "Apply", "actions": actions, "limits": {"maxActionsPerHour": 60}},
        });
        let mut deeds = Vec::new();
        for _ in 0..dice.below(6) {
            let at = dice.below(ACTING_MS);
            match dice.below(10) {
                0 | 1 => deeds.push((at, Deed::ScaleBack)),
                2 => deeds.extend([
                    (at, Deed::Pause(true)),
                    (at + dice.below(60_000), Deed::Pause(false)),
                ]),
                3 => deeds.push((
                    at,
                    Deed::OptOut(if dice.below(2) == 0 {
                        MANAGER
                    } else {
                        "orders"
                    }),
                )),
                4 => deeds.extend([(at, Deed::Undo(true)), (at + 30_000, Deed::Undo(false))]),
                5 => deeds.push((at, Deed::Relabel("payments"))),
                6 => deeds.extend([(at, Deed::Kill), (at + dice.below(20_000), Deed::Start)]),
                7 => deeds.push((at, Deed::Restart)),
                8 => deeds.push((at, Deed::Cut)),
                _ => deeds.push((at, Deed::Experiment)),
            }
        }
        deeds.push((20_000 + dice.below(ACTING_MS), Deed::Cure));
        deeds.sort_by_key(|(at, _)| *at);
        let lacking = (dice.below(3) == 0).then(|| {
            let rights: Vec<Lacking> = RIGHTS.into_iter().flat_map(Lacking::each).collect();
            rights[dice.below(rights.len() as u64) as usize]
        });
        Self {
            spec,
            deeds,
            lacking,
        }
    }

    /// Nobody and nothing hinders the operator.
    pub(super) fn unhindered(&self) -> bool {
        let harmless = |deed: &Deed| matches!(deed, Deed::Cure | Deed::Experiment | Deed::Cut);
        self.deeds.iter().all(|(_, deed)| harmless(deed))
    }

    fn automatic(&self, action: &str) -> bool {
        self.spec["remediation"]["actions"][action] == "Automatic"
    }

    /// An action is switched on and, as far as rights go, can be taken on these resources.
    pub(super) fn able(&self, action: &str, resources: &[&str]) -> bool {
        self.automatic(action) && !self.shackled() && !self.lacks_on(resources)
    }

    /// It can neither act nor take back what it did before, for it cannot write that down or does not lead.
    pub(super) fn shackled(&self) -> bool {
        self.lacks_on(&["configmaps", "leases"])
    }

    fn lacks_on(&self, resources: &[&str]) -> bool {
        self.lacking
            .is_some_and(|l| resources.contains(&l.resource))
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, deeds, .. } = self;
        let lacking = self.lacking.map_or_else(String::new, |l| l.words());
        write!(
            f,
            "spec {spec}\ndeeds, milliseconds after the second registration: {deeds:?}\nlacking: {lacking}"
        )
    }
}
