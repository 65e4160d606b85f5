//! FH017: namespaces lost their Workspace during an incident and lived (F17).

use std::collections::BTreeMap;

use super::{About, Finding, Place, Scenario, Severity, count, some_names};
use crate::{
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH017",
    title: "Namespaces survived outside their Workspace",
    severity: "Medium",
    condition: ConditionType::NamespacesSafe,
    reason: Reason::NamespacesUnbound,
    meaning: "During an incident of its Workspace a namespace lost the label `kubesphere.io/workspace` and its owner, and \
              lives on outside any Workspace. So it happens with the finalizer `orphan`, which saves them.",
    evidence: "The label went while the Workspace had an open incident, and the namespace is still there.",
    risk: "None of being deleted. Members of the Workspace have lost their access to it.",
    action: "When the cause is gone, label the namespaces again; KubeSphere then binds them.",
    next: "kubectl label namespace NAMESPACE kubesphere.io/workspace=WORKSPACE",
    false_alarm: "A person who takes a project out of its Workspace in the same minutes. Outside an incident it is not \
                  told at all.",
    raised: &[
        Scenario(
            Place::Core,
            "a_namespace_that_leaves_during_an_incident_is_listed_with_its_former_workspace",
        ),
        Scenario(
            Place::Real,
            "a_renamed_host_and_an_orphaned_workspace_are_named",
        ),
    ],
    spared: &[
        Scenario(Place::Core, "a_namespace_that_leaves_its_workspace_lives"),
        Scenario(
            Place::Simulated,
            "a_project_taken_out_of_its_workspace_by_hand_raises_nothing",
        ),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let mut by_workspace: BTreeMap<&Text, Vec<&Text>> = BTreeMap::new();
    for (namespace, (workspace, _)) in &federation.unbound {
        if federation.ledger.open_incident(workspace, now) {
            by_workspace.entry(workspace).or_default().push(namespace);
        }
    }
    by_workspace
        .into_iter()
        .map(|(workspace, namespaces)| {
            let message = format!(
                "{} of Workspace {workspace} left it during its incident and still exist.",
                count(namespaces.len(), "namespace")
            );
            let first = namespaces.first().map_or("NAMESPACE", |name| &***name);
            Finding {
                next: format!(
                    "kubectl label namespace {first} kubesphere.io/workspace={workspace}"
                ),
                evidence: vec![some_names(namespaces.iter().copied())],
                ..ABOUT.finding(Severity::Medium, format!("Workspace {workspace}"), message)
            }
        })
        .collect()
}
