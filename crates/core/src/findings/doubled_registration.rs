//! FH004: one real cluster is registered under several names of one control plane (F4).

use super::{About, Finding, Place, Scenario, Severity, count};
use crate::{
    federation::{Federation, RiskLine},
    id::RegistrationKey,
    placement::Fate,
    staleness::Staleness,
    text::listed,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH004",
    title: "One cluster is registered under several names",
    severity: "Critical if a placement names only some of them, else High",
    condition: ConditionType::ClustersUnique,
    reason: Reason::DoubledRegistration,
    meaning: "Two or more KubeFedClusters of one control plane lead to one real cluster. KubeFed works on each name by \
              itself, so an object that is placed on one name only is created through it and deleted through the others.",
    evidence: "Strong: one reading of one live Lease of kube-system through both names; the same probed UID of \
               kube-system; a token whose ServiceAccount lives on this server; the UID that KubeSphere reports; or the \
               same endpoint together with the same CA. Each group in `status.clusterGroups` lists what joined it.",
    risk: "Every Workspace whose placement names only some of the names, with its namespaces, from 10 to 21 s after the \
           second name was registered; other federated objects as well.",
    action: "See which name is stale (`status.clusterGroups[].members[].staleness`). Correct placements that name it \
             first, then delete that KubeFedCluster.",
    next: "kubectl get kubefedclusters -A",
    false_alarm: "None known on strong evidence. A clone restored from the same etcd is FH025, a shared CA or load balancer \
                  FH024; neither is held.",
    raised: &[
        Scenario(
            Place::Core,
            "an_alias_behind_another_door_is_found_by_the_uid_that_both_lead_to",
        ),
        Scenario(
            Place::Simulated,
            "an_alias_that_nobody_can_dial_is_held_by_the_account_of_its_token",
        ),
        Scenario(
            Place::Simulated,
            "a_second_registration_is_named_with_all_that_it_endangers_and_held_before_the_first_deletion",
        ),
        Scenario(
            Place::Real,
            "a_second_registration_is_named_held_and_released_only_when_that_loses_nothing",
        ),
        Scenario(
            Place::Real,
            "shared_and_doubled_members_and_a_deleted_kind_are_named",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_load_balancer_in_front_of_several_clusters_joins_none_of_them",
        ),
        Scenario(
            Place::Simulated,
            "a_clone_is_a_finding_and_not_the_same_cluster",
        ),
        Scenario(
            Place::Simulated,
            "a_clone_that_has_the_account_is_told_apart_by_its_lease",
        ),
        Scenario(
            Place::Simulated,
            "adding_renaming_and_removing_a_member_raises_nothing",
        ),
        Scenario(
            Place::Real,
            "a_quiet_federation_is_left_alone_and_no_restart_makes_a_condition_flicker",
        ),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let real = federation.registry.real().iter().enumerate();
    real.filter(|(_, cluster)| cluster.doubled_in_one_plane())
        .map(|(i, _)| finding(federation, i))
        .collect()
}

fn finding(federation: &Federation, cluster: usize) -> Finding {
    let real = &federation.registry.real()[cluster];
    let mut evidence: Vec<String> = real.evidence.iter().map(ToString::to_string).collect();
    let (mut endangered, mut imminent) = (0, false);
    let loops = |line: &&RiskLine| matches!(line.danger.fate, Fate::Loop { .. });
    for line in federation.risk_in(cluster).filter(loops) {
        endangered += line.count;
        imminent |= matches!(line.danger.fate, Fate::Loop { imminent: true });
        if evidence.len() < super::MAX_LINES {
            evidence.push(format!(
                "{}: {} would be deleted and created again for ever: {}",
                line.kind,
                line.count,
                listed(&line.names, line.count)
            ));
        }
    }
    let subject = federation.subject_of(cluster).to_string();
    let shielded =
        federation.objects.endangered().iter().any(|(danger, ..)| {
            danger.cluster == cluster && matches!(danger.fate, Fate::Loop { .. })
        });
    let message = if endangered == 0 && shielded {
        format!(
            "{subject} are one cluster. What placements put into only some of them is out of KubeFed's care (`kubefed.io/managed=false`): without that label it would be deleted and created again for ever."
        )
    } else if endangered == 0 {
        format!(
            "{subject} are one cluster. No placement names only some of them; the first that does starts a deletion loop."
        )
    } else {
        let when = if imminent {
            "KubeFed deletes within seconds"
        } else {
            "KubeFed deletes once they are Ready"
        };
        format!(
            "{subject} are one cluster, and placements name only some of them: {when}: {}.",
            count(endangered, "object")
        )
    };
    let severity = if endangered > 0 {
        Severity::Critical
    } else {
        Severity::High
    };
    Finding {
        evidence,
        next: next(federation, &real.members),
        targets: super::parties(federation, &[cluster]),
        ..ABOUT.finding(severity, subject, message)
    }
}

/// The name that is proven stale, if there is one; else all of them.
fn next(federation: &Federation, members: &[RegistrationKey]) -> String {
    let stale = |key: &&RegistrationKey| matches!(federation.staleness(key), Staleness::Proven(_));
    match members.iter().find(stale) {
        Some(key) => format!(
            "kubectl delete kubefedcluster -n {} {} --dry-run=server",
            key.namespace, key.name
        ),
        None => ABOUT.next.to_owned(),
    }
}
