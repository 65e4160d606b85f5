//! FH010: KubeFed of another host manages a member as well (F10).

use super::{About, Finding, Place, SETTLE_MS, Scenario, Severity, some_names};
use crate::{
    access,
    federation::Federation,
    id::Text,
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
               it; two of them under one cluster name share one ServiceAccount. There KubeFed's own events tell: an \
               object that it takes up again and again (`CreateInClusterFailed`: an update will be attempted instead of a \
               creation; then `UpdateInCluster`) loses its label there, as each KubeFed takes the label off what its own \
               host does not federate. Or the experiment of remediation: with \
               every control plane of this server stopped, the label was taken off a Workspace that no tenant has. That is \
               certain.",
    risk: "What both hosts federate into the member under equal names, Workspaces and their namespaces first.",
    action: "Find the other host. Unjoin the member from one of the two, and remove the rights that stay (FH020).",
    next: "kubectl --context MEMBER get clusterroles -o name",
    false_alarm: "Rights that an earlier host left behind, which no KubeFed uses; or a person or program that takes the \
                  label `kubefed.io/managed` off. The finding is a suspicion, its condition Unknown, and nothing is held \
                  for it. Not seen: two of KubeSphere's hosts that know the member by one name and federate the same \
                  objects into it alike. Nothing differs then, until one of them lets go of an object.",
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
        Scenario(
            Place::Core,
            "a_label_that_is_taken_off_again_and_again_is_another_hosts_work",
        ),
        Scenario(
            Place::Real,
            "a_second_host_under_one_name_is_known_by_what_it_undoes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "rights_of_a_name_that_was_removed_are_leftovers",
        ),
        Scenario(
            Place::Core,
            "a_member_that_refuses_or_keeps_an_object_is_not_shared",
        ),
        Scenario(
            Place::Simulated,
            "adding_renaming_and_removing_a_member_raises_nothing",
        ),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let experiment = federation.remedy.foreign_plane(now).then(at_work);
    let found = rights(federation).into_iter().chain(experiment);
    found.chain(undone(federation, now)).collect()
}

/// Somebody takes the label off what KubeFed federates.
fn undone(federation: &Federation, now: Time) -> Vec<Finding> {
    let open = |name: &&Text| federation.ledger.open_incident(name, now);
    let by_cluster = federation.witnesses.undone(now).into_iter();
    let fought = by_cluster.filter_map(|(cluster, mut workspaces)| {
        // In a loop of our own names the label comes and goes with the object.
        workspaces.retain(|(name, _)| !open(name));
        let (first, _) = *workspaces.first()?;
        let subject = format!("KubeFedCluster {cluster}");
        let message = format!(
            "What KubeFed federates into {cluster} is undone there again and again, as KubeFed of another host does."
        );
        let lines = workspaces.iter().take(super::MAX_LINES).map(|(name, times)| {
            format!("Workspace {name} lost its label and was taken up again at least {times} times (KubeFed's events).")
        });
        Some(Finding {
            evidence: lines.collect(),
            suspicion: true,
            next: format!("kubectl get events -n default --field-selector involvedObject.kind=FederatedWorkspace,involvedObject.name={first}"),
            ..ABOUT.finding(Severity::High, subject, message)
        })
    });
    fought.collect()
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
