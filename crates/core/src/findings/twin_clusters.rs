//! FH015: two of KubeSphere's Clusters are one cluster (F15).

use std::collections::BTreeMap;

use super::{About, Finding, Place, SETTLE_MS, Scenario, Severity};
use crate::{
    federation::Federation,
    id::{Text, Uid},
    identity::Certainty,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH015",
    title: "Two of KubeSphere's Clusters are one cluster",
    severity: "High",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::TwinClusters,
    meaning: "Two Cluster objects report one UID, or more than one carries the host label. KubeSphere writes the name of \
              each into the cluster's own configuration in turn (`multicluster.clusterName`), and registers both with \
              KubeFed.",
    evidence: "Equal `status.uid`; several Clusters labelled `cluster-role.kubesphere.io/host`.",
    risk: "The second registration that follows from it (FH004), and components that restart whenever the name changes.",
    action: "Remove the Cluster that nothing needs: with `joinFederation: false` first, so that its registration does not \
             come back.",
    next: "kubectl get clusters.cluster.kubesphere.io -o custom-columns=NAME:.metadata.name,UID:.status.uid",
    false_alarm: "Clones (FH025) report one UID too: those that probes told apart are left out.",
    raised: &[
        Scenario(Place::Core, "two_clusters_with_one_uid_are_twins"),
        Scenario(
            Place::Core,
            "two_hosts_among_kubespheres_clusters_are_twins",
        ),
        Scenario(
            Place::Simulated,
            "a_second_cluster_object_for_the_host_is_named",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "clusters_that_report_different_uids_are_no_twins",
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

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let clusters = &federation.registry.clusters;
    let mut by_uid: BTreeMap<Uid, Vec<&Text>> = BTreeMap::new();
    let mut hosts = Vec::new();
    for (name, cluster) in clusters.iter() {
        if let Some(uid) = cluster.reported_uid {
            by_uid.entry(uid).or_default().push(name);
        }
        if cluster.host {
            hosts.push(name);
        }
    }
    by_uid.retain(|_, names| names.len() > 1 && !cloned(federation, names));
    let mut found: Vec<Finding> = by_uid
        .into_iter()
        .map(|(uid, names)| {
            twin(
                names,
                &format!("status.uid is {uid} in each."),
                "are one cluster",
            )
        })
        .collect();
    if hosts.len() > 1 {
        found.push(twin(
            hosts,
            "Each carries the host label.",
            "are the host, and there can be one only",
        ));
    }
    found
}

fn twin(mut names: Vec<&Text>, evidence: &str, are: &str) -> Finding {
    names.sort();
    let names: Vec<&str> = names.iter().take(super::MAX_NAMES).map(|n| &***n).collect();
    let subject = format!("Clusters {}", names.join(" and "));
    let message = format!("{subject} {are}: KubeSphere configures it under each name in turn.");
    Finding {
        evidence: vec![evidence.to_owned()],
        after_ms: SETTLE_MS,
        ..ABOUT.finding(Severity::High, subject, message)
    }
}

/// Probes told them apart.
fn cloned(federation: &Federation, names: &[&Text]) -> bool {
    let weak = federation.registry.weak().iter();
    weak.filter(|group| group.certainty == Certainty::Cloned)
        .any(|group| {
            let member = |name: &&Text| group.members.iter().any(|key| key.name == **name);
            names.iter().filter(|name| member(name)).count() > 1
        })
}
