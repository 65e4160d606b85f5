//! FH008: FederatedWorkspaces without their template, or placed on names that nobody has (F8).

use super::{About, Finding, MAX_NAMES, Place, SETTLE_MS, Scenario, Severity, count, some_names};
use crate::{
    facts::Feed,
    federation::Federation,
    id::Text,
    kind::DEFINITION,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH008",
    title: "FederatedWorkspaces of an earlier installation",
    severity: "High without a template; Low for names that nobody has",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::LeftoverObjects,
    meaning: "A FederatedWorkspace exists without the WorkspaceTemplate that it is made from: an uninstallation leaves \
              them behind, and KubeFed goes on creating their Workspaces. Or its placement names clusters that are not \
              registered.",
    evidence: "No WorkspaceTemplate of that name, although the templates were read; names in `spec.placement.clusters` \
               that no KubeFedCluster has.",
    risk: "Workspaces that nobody asks for come back; whoever deletes such a FederatedWorkspace deletes its Workspace \
           with its namespaces.",
    action: "Restore the template if the Workspace is still wanted. Else annotate the FederatedWorkspace before \
             you delete it, so that the members keep their objects: `kubectl annotate \
             federatedworkspaces.types.kubefed.io NAME kubefed.io/orphan=true`. It is an annotation: KubeFed does not read \
             a label of that name. Names that nobody has can be taken out of the template's placement.",
    next: "kubectl annotate federatedworkspaces.types.kubefed.io NAME kubefed.io/orphan=true && kubectl delete \
           --dry-run=server federatedworkspaces.types.kubefed.io NAME",
    false_alarm: "A template that is being restored after its FederatedWorkspace: told after a minute only. Exempt: \
                  `system-workspace`, objects that are being deleted, and servers without the kind WorkspaceTemplate.",
    raised: &[
        Scenario(
            Place::Core,
            "a_federated_workspace_without_its_template_is_a_leftover",
        ),
        Scenario(Place::Core, "a_name_that_nobody_has_is_advice_and_no_alarm"),
        Scenario(
            Place::Simulated,
            "a_federated_workspace_that_an_uninstallation_left_is_named",
        ),
        Scenario(
            Place::Simulated,
            "kubefed_keeps_what_is_annotated_and_deletes_what_is_only_labelled",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_tenant_that_is_offboarded_leaves_no_leftover",
        ),
        Scenario(
            Place::Simulated,
            "a_template_that_is_deleted_takes_its_workspace_along_and_nothing_is_held",
        ),
        Scenario(Place::Simulated, "a_restored_backup_raises_nothing"),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let mut found = Vec::new();
    let leftovers: Vec<&Text> = federation.leftovers.iter().collect();
    if let Some(first) = leftovers.first()
        && federation.known(&Feed::Templates)
        && federation.no_malformed(&Feed::Templates)
    {
        let message = format!(
            "{} without a WorkspaceTemplate: KubeFed still creates what they ask for.",
            count(leftovers.len(), "FederatedWorkspace")
        );
        found.push(Finding {
            next: format!(
                "kubectl annotate {DEFINITION} {first} kubefed.io/orphan=true && kubectl delete --dry-run=server {DEFINITION} {first}"
            ),
            evidence: vec![some_names(leftovers.iter().copied())],
            after_ms: SETTLE_MS,
            ..ABOUT.finding(Severity::High, "FederatedWorkspaces".to_owned(), message)
        });
    }
    let (objects, names) = federation.objects.misnamed(&federation.registry, MAX_NAMES);
    if objects > 0 && federation.registry.is_complete() {
        let message = format!(
            "Placements of {} name clusters that are not registered.",
            count(objects, "FederatedWorkspace")
        );
        found.push(Finding {
            next: "kubectl get federatedworkspaces -o custom-columns=NAME:.metadata.name,CLUSTERS:.spec.placement.clusters".to_owned(),
            evidence: vec![some_names(names.iter())],
            after_ms: SETTLE_MS,
            ..ABOUT.finding(Severity::Low, "placements".to_owned(), message)
        });
    }
    found
}
