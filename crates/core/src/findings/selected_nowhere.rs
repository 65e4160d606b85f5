//! FH005: a placement names a cluster that is not registered, and no name of the cluster that holds the object (F5).

use std::collections::BTreeMap;

use super::{About, Finding, Place, Scenario, Severity, count};
use crate::{
    federation::{Federation, RiskLine},
    id::Text,
    objects::FEDERATED_WORKSPACE,
    placement::Fate,
    text::listed,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH005",
    title: "A placement lost the cluster that holds its object",
    severity: "Critical",
    condition: ConditionType::WorkspacesStable,
    reason: Reason::SelectedNowhere,
    meaning: "A placement names a cluster that is not registered, and no name of the cluster on which the object lives: \
              after a rename or a clean-up KubeFed deletes the object there, once and for all.",
    evidence: "The simulation of KubeFed's placement rule over the registered names selects none of this server's names, \
               for a Workspace that lives here in KubeFed's care.",
    risk: "The Workspaces and their namespaces, at KubeFed's next look at them.",
    action: "Correct the placement on the WorkspaceTemplate, or register the name again.",
    next: "kubectl get workspacetemplates -o custom-columns=NAME:.metadata.name,CLUSTERS:.spec.placement.clusters",
    false_alarm: "A placement that was meant to leave this cluster and still lists a removed one; the object then has been \
                  deleted already and nothing is managed here. Exempt: `kubefed.io/managed: \"false\"`, and placements \
                  that name registered clusters only (an honest edit).",
    raised: &[
        Scenario(
            Place::Core,
            "a_renamed_registration_that_leaves_the_workspace_nowhere_is_held_before_kubefed_works",
        ),
        Scenario(
            Place::Real,
            "a_renamed_host_and_an_orphaned_workspace_are_named",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "an_honest_placement_edit_selects_nobody_and_alarms_nobody",
        ),
        Scenario(
            Place::Core,
            "a_member_that_left_endangers_nothing_that_never_lived_here",
        ),
        Scenario(
            Place::Simulated,
            "a_placement_that_drops_this_cluster_deletes_as_its_owner_wished",
        ),
        Scenario(Place::Real, "honest_deletions_finish"),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let mut lost: BTreeMap<usize, Vec<&RiskLine>> = BTreeMap::new();
    for line in &federation.risk.lines {
        if matches!(line.danger.fate, Fate::Lost { .. }) {
            lost.entry(line.danger.cluster).or_default().push(line);
        }
    }
    lost.into_iter()
        .map(|(cluster, lines)| finding(federation, cluster, &lines))
        .collect()
}

fn finding(federation: &Federation, cluster: usize, lines: &[&RiskLine]) -> Finding {
    let subject = federation.subject_of(cluster);
    let objects = lines.iter().map(|line| line.count).sum();
    let evidence = lines
        .iter()
        .take(super::MAX_LINES)
        .map(|line| format!("{}: {}", line.kind, listed(&line.names, line.count)));
    let named = lines
        .iter()
        .filter(|line| &*line.kind == FEDERATED_WORKSPACE);
    let targets = named
        .flat_map(|line| &line.names)
        .filter_map(|name| super::template(federation, &Text::from(name.as_str())))
        .collect();
    let message = format!(
        "Placements of {} name a cluster that is not registered, and not {subject}, where the objects live: KubeFed deletes them there once and for all.",
        count(objects, "object")
    );
    let subject = format!("KubeFedCluster {subject}");
    Finding {
        evidence: evidence.collect(),
        targets,
        ..ABOUT.finding(Severity::Critical, subject, message)
    }
}
