//! FH018: KubeSphere's own Workspace is in KubeFed's care, and with it the control plane's namespaces (F18).

use super::{About, Finding, Place, SETTLE_MS, Scenario, Severity};
use crate::{
    facts::Managed,
    federation::Federation,
    id::Text,
    objects::SYSTEM_WORKSPACE,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH018",
    title: "The control plane's own namespaces are at risk",
    severity: "High",
    condition: ConditionType::NamespacesSafe,
    reason: Reason::SystemWorkspaceExposed,
    meaning: "`system-workspace` owns KubeSphere's own namespaces, `kube-federation-system` among them. The installer \
              keeps KubeFed away from it by the label `kubefed.io/managed: \"false\"`; that label is missing although \
              the Workspace is federated.",
    evidence: "The label of the Workspace, and a FederatedWorkspace of that name (or the label `true`).",
    risk: "Should KubeFed delete it, KubeSphere's and KubeFed's own namespaces go with it.",
    action: "Put the label back.",
    next: "kubectl label workspace system-workspace kubefed.io/managed=false --overwrite",
    false_alarm: "The minute in which the installer makes it. Exempt: servers without multi-cluster, where nothing \
                  federates it.",
    raised: &[
        Scenario(
            Place::Core,
            "a_federated_system_workspace_without_its_shield_is_exposed",
        ),
        Scenario(
            Place::Simulated,
            "a_system_workspace_without_its_shield_is_named",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_system_workspace_that_nobody_federates_is_in_no_danger",
        ),
        Scenario(
            Place::Simulated,
            "a_system_workspace_with_its_shield_raises_nothing",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let name = Text::from(SYSTEM_WORKSPACE);
    let Some(live) = federation.tenants.workspace(&name) else {
        return Vec::new();
    };
    let federated = federation
        .objects
        .workspace(&name)
        .is_some_and(|row| !row.deleting);
    let exposed = match live.managed {
        Managed::No => false,
        Managed::Yes => true,
        Managed::Unmarked => federated,
    };
    if !exposed {
        return Vec::new();
    }
    let message = "system-workspace lacks the label that keeps KubeFed away from it: it owns the control plane's namespaces.";
    let shield = match live.managed {
        Managed::Yes => "kubefed.io/managed is \"true\".",
        _ => "kubefed.io/managed is missing, and a FederatedWorkspace asks for it.",
    };
    vec![Finding {
        evidence: vec![shield.to_owned()],
        after_ms: SETTLE_MS,
        ..ABOUT.finding(
            Severity::High,
            format!("Workspace {SYSTEM_WORKSPACE}"),
            message.to_owned(),
        )
    }]
}
