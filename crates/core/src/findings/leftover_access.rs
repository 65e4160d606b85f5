//! FH020: rights of KubeFed in a member, for a registration that does not exist (F20).

use super::{About, Finding, Place, SETTLE_MS, Scenario, Severity, some_names};
use crate::{
    access,
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH020",
    title: "Rights that an unjoined registration left behind",
    severity: "Low",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::LeftoverAccess,
    meaning: "Removing a KubeFedCluster takes nothing back in the cluster itself: KubeSphere's unjoin always leaves the \
              ServiceAccount, its token and a ClusterRole with all rights.",
    evidence: "ClusterRoles `kubefed-controller-manager:CLUSTER-HOST` in the member, read by the probe, whose cluster \
               part is no registration of that cluster.",
    risk: "Whoever has the old token has the whole cluster.",
    action: "In the member itself, and nowhere else: on the host an account of that name may be KubeFed's own. Delete the \
             ClusterRole, its binding and the ServiceAccount in the KubeFed namespace, once nothing uses them; the Secrets \
             of its tokens go with it. The command changes nothing before `--dry-run=server` is taken out of it.",
    next: "kubectl --context MEMBER delete --dry-run=server clusterrole,clusterrolebinding \
           kubefed-controller-manager:ACCOUNT && kubectl --context MEMBER delete --dry-run=server serviceaccount -n \
           kube-federation-system ACCOUNT",
    false_alarm: "Rights of a plane on another host under its own host name (FH010). A registration that is being renamed.",
    raised: &[
        Scenario(
            Place::Core,
            "rights_of_a_name_that_was_removed_are_leftovers",
        ),
        Scenario(
            Place::Simulated,
            "rights_that_stay_after_a_removal_are_listed",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "what_a_member_calls_an_account_is_no_part_of_a_command_unless_it_is_a_name",
        ),
        Scenario(
            Place::Core,
            "a_member_with_rights_of_another_host_is_shared",
        ),
        Scenario(
            Place::Simulated,
            "adding_renaming_and_removing_a_member_raises_nothing",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let registry = &federation.registry;
    let left = registry.real().iter().enumerate().filter_map(|(i, real)| {
        let leftover = access::judge(registry, real).leftover;
        let next = remove(&real.members.first()?.namespace, leftover.first()?);
        Some((i, next, leftover))
    });
    left.map(|(i, next, leftover)| {
        let subject = federation.subject_of(i).to_string();
        let message =
            format!("{subject} still grants all rights to accounts of removed registrations.");
        Finding {
            evidence: vec![format!("Accounts: {}.", some_names(leftover.iter()))],
            next,
            after_ms: SETTLE_MS,
            ..ABOUT.finding(Severity::Low, subject, message)
        }
    })
    .collect()
}

/// How kubectl knows the member is its user's own business: without a context this would be the host.
fn remove(namespace: &Text, account: &Text) -> String {
    format!(
        "kubectl --context MEMBER delete --dry-run=server clusterrole,clusterrolebinding \
         kubefed-controller-manager:{account} && kubectl --context MEMBER delete --dry-run=server serviceaccount -n {namespace} {account}"
    )
}
