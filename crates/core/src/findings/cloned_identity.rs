//! FH025: clones, equal by everything that is stored and different alive. Never held, never acted on.

use super::{About, Finding, Place, Scenario, suspected_duplicate::suspicion};
use crate::{
    federation::Federation,
    identity::Certainty,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH025",
    title: "Two clusters have one identity",
    severity: "Medium",
    condition: ConditionType::ClustersUnique,
    reason: Reason::ClonedIdentity,
    meaning: "Registrations lead to clusters whose kube-system has one UID, but which live apart: one was restored from \
              the other's etcd or made from its disk image.",
    evidence: "Equal UIDs, and readings of a live Lease of kube-system that cannot come from one object: one version with \
               two contents, time running backwards, or two holders at once.",
    risk: "None by itself. But whatever tells clusters apart by UID, KubeSphere included, takes them for one.",
    action: "Nothing urgent: nothing is held or acted on for it. Plan to give the clone an identity of its own (a new \
             cluster, its workloads moved).",
    next: "kubectl get federationhealth -o jsonpath='{.items[*].status.clusterGroups}'",
    false_alarm: "A member whose API servers answer from several stores, which is a fault of its own.",
    raised: &[
        Scenario(Place::Core, "a_clone_is_told_apart_by_its_live_leases"),
        Scenario(
            Place::Simulated,
            "a_clone_is_a_finding_and_not_the_same_cluster",
        ),
        Scenario(
            Place::Real,
            "a_copy_of_a_members_store_is_a_clone_and_no_second_name",
        ),
    ],
    spared: &[
        Scenario(Place::Core, "one_lease_read_at_two_moments_is_one_cluster"),
        Scenario(
            Place::Simulated,
            "through_another_address_probing_is_certain_before_the_first_deletion",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let weak = federation.registry.weak().iter();
    weak.filter(|group| group.certainty == Certainty::Cloned)
        .map(|group| {
            let message = |subject: &str| {
                format!(
                    "{subject} have one identity but are different clusters: a clone or a restored copy."
                )
            };
            suspicion(&ABOUT, group, message)
        })
        .collect()
}
