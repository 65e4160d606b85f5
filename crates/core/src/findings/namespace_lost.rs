//! FH002: namespaces of a Workspace were deleted with it (F2).

use super::{About, Finding, Place, Scenario, Severity, count};
use crate::{
    federation::Federation,
    text::listed,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH002",
    title: "Namespaces were lost",
    severity: "Critical",
    condition: ConditionType::NamespacesSafe,
    reason: Reason::NamespacesLost,
    meaning: "Namespaces of a Workspace were deleted with it while the Workspace was still wished for.",
    evidence: "The namespace got a deletionTimestamp, or is gone, while its owner's UID did not exist any more or its \
               Workspace had an open incident. A namespace that only left its Workspace is not lost (FH017).",
    risk: "What was in them is gone or going: workloads, configuration, and volumes whose reclaim policy is Delete.",
    action: "Stop the cause first (FH001 names it), then restore from a backup; `status.lostNamespaces` has names, UIDs \
             and times.",
    next: "kubectl get federationhealth -o jsonpath='{.items[*].status.lostNamespaces}'",
    false_alarm: "A person who deletes a project in the same minutes as the incident. Exempt: the template is deleting, or \
                  the owner still exists (somebody deleted one project alone).",
    raised: &[
        Scenario(Place::Core, "a_lost_namespace_is_counted_once_with_its_uid"),
        Scenario(
            Place::Simulated,
            "without_a_hold_each_lost_namespace_is_named_by_its_uid_and_recreations_are_counted_right",
        ),
        Scenario(
            Place::Real,
            "without_holds_all_is_lost_and_named_and_with_them_the_contents_are_kept_too",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_project_that_its_owner_deletes_alone_is_not_lost",
        ),
        Scenario(
            Place::Core,
            "namespaces_of_an_honestly_deleted_workspace_may_take_their_time_to_go",
        ),
        Scenario(
            Place::Simulated,
            "a_single_namespace_deleted_by_hand_goes_and_nothing_is_held",
        ),
        Scenario(Place::Real, "honest_deletions_finish"),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let ledger = &federation.ledger;
    let open = ledger
        .incidents()
        .iter()
        .filter(|(name, i)| i.lost > 0 && ledger.open_incident(name, now));
    open.map(|(name, incident)| {
        let names: Vec<&str> = ledger
            .lost()
            .iter()
            .filter(|l| l.workspace == *name)
            .take(super::MAX_NAMES)
            .map(|l| &*l.name)
            .collect();
        let message = format!(
            "{} of Workspace {name} deleted with it.",
            count(incident.lost as usize, "namespace")
        );
        Finding {
            evidence: vec![listed(&names, incident.lost as usize)],
            targets: super::template(federation, name).into_iter().collect(),
            ..ABOUT.finding(Severity::Critical, format!("Workspace {name}"), message)
        }
    })
    .collect()
}
