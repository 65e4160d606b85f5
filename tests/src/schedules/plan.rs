//! One schedule, drawn from a seed: what the owner allows, who does what when, and which right is lacking.

mod deeds;

use std::fmt;

use serde_json::{Value, json};

use super::MANAGER;
use crate::{random::Random, rights::Lacking};
pub(super) use deeds::{Approval, Deed, Placement, Replica, Unhold};
use deeds::{Theme, approvals, drawn, works_against};

/// From the second registration on the actors act within this; KubeFed's first deletion comes 10 to 21 s after it.
const ACTING_MS: u64 = 60_000;
/// By then a hold that is allowed stands in both of its layers, whatever breaks off.
const HELD_MS: u64 = 3_000;
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
        deeds.extend(theme.deeds(dice));
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

    /// Namespaces are held before KubeFed's first deletion and as long as it is needed: no brake, no crash and no other writer
    /// changes that, only a person who switches it off, or a missing right.
    pub(super) fn holds_throughout(&self) -> bool {
        let early = |(at, deed): &(u64, Deed)| {
            let delays = matches!(
                deed,
                Deed::Kill(_) | Deed::Restart | Deed::Lag(..) | Deed::Cut | Deed::Place(..)
            );
            delays && *at < HELD_MS
        };
        self.holds("collection")
            && !self.lacking.is_some_and(of_holder)
            && !self.any(|deed| matches!(deed, Deed::Unhold(_)))
            && !self.deeds.iter().any(early)
            && !self.unwatched()
    }

    /// Somebody brings a danger back while nobody runs, or has begun to a moment ago: what was held may have been let go by then,
    /// and nobody knows of the new danger.
    fn unwatched(&self) -> bool {
        let mut ready = [Some(0), self.two.then_some(0)];
        let mut joins = false;
        for (at, deed) in &self.deeds {
            match deed {
                Deed::Kill(which) => ready[*which as usize] = None,
                Deed::Start(which) => ready[*which as usize] = Some(at + HELD_MS),
                Deed::Join => joins = true,
                _ => {}
            }
            let nobody = ready.iter().flatten().all(|ready| at < ready);
            if nobody && (joins || works_against(*deed)) {
                return true;
            }
        }
        false
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

    fn holds(&self, rule: &str) -> bool {
        self.spec["hold"][rule] == "OnDiagnosis"
    }

    pub(super) fn holds_all(&self) -> bool {
        self.holds("collection") && self.holds("federation")
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
