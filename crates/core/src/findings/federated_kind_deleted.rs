//! FH011: the kind FederatedWorkspace is being deleted, and every Workspace with it (F11).

use super::{About, Finding, Place, Scenario, Severity, count};
use crate::{
    federation::Federation,
    kind::DEFINITION,
    objects::FEDERATED_WORKSPACE,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH011",
    title: "The kind FederatedWorkspace is being deleted",
    severity: "Critical",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::FederatedKindDeleted,
    meaning: "Deleting the definition `federatedworkspaces.types.kubefed.io` deletes every FederatedWorkspace, KubeFed's \
              finalizer deletes their Workspaces everywhere, and the collector their namespaces.",
    evidence: "A deletionTimestamp on the definition; or most FederatedWorkspaces being deleted, three at least, while \
               their WorkspaceTemplates stand.",
    risk: "Every Workspace of the federation, in every member.",
    action: "A hold refuses KubeFed on this server only: stop it at once (scale its Deployment to zero), and its finalizer \
             keeps the objects everywhere. Annotate every FederatedWorkspace before it runs again: `kubectl annotate \
             federatedworkspaces.types.kubefed.io NAME kubefed.io/orphan=true` (`--all` instead of the name takes all of \
             them). It is an annotation: KubeFed does not read a label of that name.",
    next: "kubectl scale deployment -n kube-federation-system kubefed-controller-manager --replicas=0",
    false_alarm: "Offboarding of tenants: their templates are deleted first, and count as the reason.",
    raised: &[
        Scenario(
            Place::Core,
            "federated_workspaces_that_go_in_bulk_while_their_templates_stand_are_the_kinds_end",
        ),
        Scenario(
            Place::Core,
            "the_definitions_deletion_holds_at_once_before_the_first_object_goes",
        ),
        Scenario(
            Place::Simulated,
            "the_deletion_of_the_federated_kind_is_named",
        ),
        Scenario(
            Place::Simulated,
            "the_kinds_deletion_is_held_before_kubefed_deletes_a_workspace_and_the_advice_ends_it",
        ),
        Scenario(
            Place::Real,
            "shared_and_doubled_members_and_a_deleted_kind_are_named",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "tenants_that_are_offboarded_in_bulk_are_no_end_of_the_kind",
        ),
        Scenario(
            Place::Simulated,
            "a_federated_workspace_that_is_made_anew_is_held_for_a_moment_only",
        ),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let bereft = federation.bereft.len();
    let all = federation.objects.count(FEDERATED_WORKSPACE);
    let definition = federation.kind_dies();
    if !federation.kind_goes() {
        return Vec::new();
    }
    let mut evidence = Vec::new();
    if definition {
        evidence.push(format!(
            "The definition {DEFINITION} has a deletionTimestamp."
        ));
    }
    if bereft > 0 {
        evidence.push(format!(
            "{bereft} of {all} FederatedWorkspaces are being deleted while their templates stand."
        ));
    }
    let message = format!(
        "The kind FederatedWorkspace is being deleted, and KubeFed deletes {} with it.",
        count(all, "Workspace")
    );
    vec![Finding {
        evidence,
        next: format!(
            "kubectl scale deployment -n {} kubefed-controller-manager --replicas=0",
            federation.policy.namespace
        ),
        ..ABOUT.finding(Severity::Critical, DEFINITION.to_owned(), message)
    }]
}
