//! FH010: KubeFed of another host manages a member as well (F10).

use super::{About, Finding, Place, SETTLE_MS, Scenario, Severity, some_names};
use crate::{
    access,
    federation::Federation,
    remedy::experiment::FOREIGN,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH010",
    title: "Two hosts manage one member",
    severity: "High",
    condition: ConditionType::ControlPlaneUnique,
    reason: Reason::SharedMember,
    meaning: "A member carries the rights of a KubeFed on another host. If both hosts federate an object of one name, each \
              deletes or rewrites what the other made.",
    evidence: "ClusterRoles `kubefed-controller-manager:CLUSTER-HOST` on the member, read by the probe, whose host part \
               is not this federation's. KubeSphere's hosts all call themselves `kubesphere` and cannot be told apart by \
               it; two of them under one cluster name share one ServiceAccount. Or the experiment of remediation: with \
               every control plane of this server stopped, the label was taken off a Workspace that no tenant has. That is \
               certain.",
    risk: "What both hosts federate into the member under equal names, Workspaces and their namespaces first.",
    action: "Find the other host. Unjoin the member from one of the two, and remove the rights that stay (FH020).",
    next: "kubectl --context MEMBER get clusterroles -o name",
    false_alarm: "Rights that an earlier host left behind, which no KubeFed uses: the finding is a suspicion, its \
                  condition Unknown, and nothing is held for it.",
    raised: &[
        Scenario(
            Place::Core,
            "a_member_with_rights_of_another_host_is_shared",
        ),
        Scenario(Place::Simulated, "a_member_of_two_hosts_is_named"),
        Scenario(
            Place::Simulated,
            "a_plane_of_another_host_is_found_ours_is_thawed_and_the_hold_stays",
        ),
        Scenario(
            Place::Real,
            "shared_and_doubled_members_and_a_deleted_kind_are_named",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "rights_of_a_name_that_was_removed_are_leftovers",
        ),
        Scenario(
            Place::Simulated,
            "adding_renaming_and_removing_a_member_raises_nothing",
        ),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let experiment = federation.remedy.foreign_plane(now).then(at_work);
    rights(federation).into_iter().chain(experiment).collect()
}

/// Where it runs cannot be seen from here: who looks must, in every other host.
fn at_work() -> Finding {
    let message = "KubeFed of another host works on this cluster: it has this cluster registered, under whatever name. On \
                   that host, delete the registration that names this server's address.";
    Finding {
        evidence: vec![FOREIGN.to_owned()],
        next: "kubectl --context OTHER-HOST get kubefedclusters -A -o \
               custom-columns=NAME:.metadata.name,ENDPOINT:.spec.apiEndpoint"
            .to_owned(),
        ..ABOUT.finding(
            Severity::High,
            "this cluster".to_owned(),
            message.to_owned(),
        )
    }
}

fn rights(federation: &Federation) -> Vec<Finding> {
    let registry = &federation.registry;
    let shared = registry.real().iter().enumerate().filter_map(|(i, real)| {
        let foreign = access::judge(registry, real).foreign;
        (!foreign.is_empty()).then_some((i, foreign))
    });
    shared
        .map(|(i, foreign)| {
            let subject = federation.subject_of(i).to_string();
            let message = format!("KubeFed of another host has rights in {subject} too.");
            Finding {
                evidence: vec![format!("Accounts: {}.", some_names(foreign.iter()))],
                suspicion: true,
                after_ms: SETTLE_MS,
                ..ABOUT.finding(Severity::High, subject, message)
            }
        })
        .collect()
}
