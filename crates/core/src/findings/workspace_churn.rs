//! FH001: a Workspace was deleted, or is recreated again and again, although it is still wished for (F1).

use super::{About, Finding, Place, Scenario, Severity};
use crate::{
    churn::Level,
    facts::Deed,
    federation::Federation,
    id::Text,
    ledger::Incident,
    text::times,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH001",
    title: "A Workspace is deleted against its owner's wish",
    severity: "Critical",
    condition: ConditionType::WorkspacesStable,
    reason: Reason::UnexpectedDeletion,
    meaning: "A Workspace was deleted, or is deleted and created again and again, although its WorkspaceTemplate and its \
              placement still ask for it. KubeFed does that when one cluster bears two names and a placement names only \
              one of them: it creates through that name and deletes through the other.",
    evidence: "The Workspace's UID changed under its name, or it has a deletionTimestamp while its template and its \
               FederatedWorkspace have none; live reads confirm the wish. In a member cluster, KubeFed's own \
               `status.clusters[]`: `WaitingForRemoval` for a name that the placement leaves out, again and again; or its events, \
               `DeleteInCluster` and `CreateInCluster` in turn under one placement.",
    risk: "Every namespace of the Workspace, with all that is in it: the garbage collector deletes them some 27 ms after \
           the Workspace.",
    action: "Hold deletions if nothing holds them yet. The finding names who deletes where that is known; find the second \
             name of the cluster (FH004, FH009) and remove it.",
    next: "kubectl get events -n default --field-selector reason=DeleteInCluster",
    false_alarm: "A person who deletes the Workspace itself instead of its template. Exempt: Workspaces labelled \
                  `kubefed.io/managed: \"false\"`, those that the ignore selector matches, a deletion whose template or \
                  FederatedWorkspace is deleted or placed elsewhere, and a restore, in which the templates change \
                  together with the Workspaces.",
    raised: &[
        Scenario(
            Place::Core,
            "a_loop_is_churn_and_stays_one_until_it_has_been_quiet",
        ),
        Scenario(
            Place::Core,
            "a_loop_in_a_member_is_told_by_kubefeds_own_words_alone",
        ),
        Scenario(
            Place::Core,
            "a_loop_in_a_member_is_told_by_kubefeds_events_alone",
        ),
        Scenario(
            Place::Simulated,
            "without_a_hold_each_lost_namespace_is_named_by_its_uid_and_recreations_are_counted_right",
        ),
        Scenario(
            Place::Real,
            "an_unforeseen_deletion_is_held_before_the_collector_comes",
        ),
        Scenario(
            Place::Real,
            "shared_and_doubled_members_and_a_deleted_kind_are_named",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "recreations_that_somebody_wished_are_no_incident",
        ),
        Scenario(Place::Core, "an_ignored_workspace_is_looked_away_from"),
        Scenario(
            Place::Core,
            "a_cluster_that_is_taken_out_of_a_placement_is_one_removal_and_no_loop",
        ),
        Scenario(
            Place::Core,
            "a_deletion_that_fails_is_told_again_and_again_and_is_no_loop",
        ),
        Scenario(
            Place::Core,
            "clusters_that_are_left_one_after_another_are_no_loop",
        ),
        Scenario(
            Place::Core,
            "a_member_that_goes_and_comes_back_removes_an_object_once",
        ),
        Scenario(
            Place::Simulated,
            "a_template_that_is_deleted_takes_its_workspace_along_and_nothing_is_held",
        ),
        Scenario(Place::Real, "honest_deletions_finish"),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    open(federation, now)
        .map(|(name, incident)| finding(federation, name, incident, now))
        .collect()
}

/// Incidents that are told, by Workspace.
pub(super) fn open(federation: &Federation, now: Time) -> impl Iterator<Item = (&Text, &Incident)> {
    let ledger = &federation.ledger;
    ledger.incidents().iter().filter(move |(name, i)| {
        // What live reads may yet explain is held, and not told.
        let open_question =
            i.recreations == 0 && i.lost == 0 && federation.hold.verifying(name, now);
        ledger.is_open(name, now, &federation.policy.churn) && !open_question
    })
}

fn finding(federation: &Federation, name: &Text, incident: &Incident, now: Time) -> Finding {
    let level = federation.ledger.level(name, now, &federation.policy.churn);
    let removals = federation.witnesses.removals(name, &federation.registry);
    let churning = matches!(level, Level::Churning { .. }) || removals > 0;
    let message = if churning {
        format!(
            "Workspace {name} is deleted and created again and again; the collector deletes its namespaces."
        )
    } else {
        format!(
            "Workspace {name} was deleted although its template and its placement still ask for it."
        )
    };
    let mut found = ABOUT.finding(Severity::Critical, format!("Workspace {name}"), message);
    if churning {
        found.reason = Reason::Churning;
    }
    found.targets = super::template(federation, name).into_iter().collect();
    found.evidence = evidence(federation, name, incident, removals);
    found.next = format!(
        "kubectl get events -n default --field-selector involvedObject.kind=FederatedWorkspace,involvedObject.name={name}"
    );
    found
}

fn evidence(
    federation: &Federation,
    name: &Text,
    incident: &Incident,
    removals: u64,
) -> Vec<String> {
    let seconds = incident.last.since_ms(incident.first) / 1000;
    let mut lines = Vec::new();
    if incident.recreations > 0 {
        lines.push(format!(
            "Recreated {} in {seconds} s, each time with a new UID.",
            times(incident.recreations)
        ));
    }
    if removals > 0 {
        lines.push(format!(
            "KubeFed removed it {} within minutes under an unchanged placement, by its own status or events.",
            times(removals)
        ));
    }
    for party in &incident.parties {
        lines.push(format!(
            "Deleted through {party} (sure, KubeFed's word): it waits for its removal there, and its placement leaves {party} out."
        ));
    }
    let deleters = federation.deleters(name);
    for (party, count) in deleters
        .iter()
        .filter(|(p, _)| !incident.parties.contains(p))
    {
        lines.push(format!(
            "Deleted through {party} (sure, KubeFed's events): at least {}, and its placement leaves {party} out.",
            times(count)
        ));
    }
    let seen = !incident.parties.is_empty() || !deleters.is_empty();
    let creators = federation.witnesses.told(name, Deed::Creates);
    let creators: Vec<_> = creators.filter(|_| !deleters.is_empty()).collect();
    for (party, count) in &creators {
        lines.push(format!(
            "Created through {party} (sure, KubeFed's events): at least {}.",
            times(count)
        ));
    }
    let makers = federation.makers(name);
    if seen && creators.is_empty() && !makers.is_empty() {
        lines.push(format!(
            "Created through {} (by its placement).",
            super::some_names(makers.iter())
        ));
    }
    // Where nobody was seen, the diagnosis still knows who must be: a name of this cluster that the placement leaves out.
    if !seen && let Some((_, subject)) = federation.danger_here(name) {
        lines.push(format!(
            "Deleted through one of {subject} (likely, by simulation): they are one cluster and its placement names only some."
        ));
    }
    lines
}
