//! FH023: a registration's endpoint, CA or TLS settings changed under its name, and its identity is not proven anew (F23).

use super::{About, Finding, Place, Scenario, Severity};
use crate::{
    federation::Federation,
    registry::Entry,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH023",
    title: "A registration changed under its name",
    severity: "High",
    condition: ConditionType::RegistrationsCurrent,
    reason: Reason::Drifted,
    meaning: "Endpoint, CA bundle or TLS settings of a KubeFedCluster are not those that its identity was proven with, or \
              another cluster answers under the name.",
    evidence: "The connection data against those of the last proof, and the UID of kube-system against the proven one.",
    risk: "KubeFed brings everything that is placed on the name to another cluster; if that one is registered already, the \
           name is its second one (FH004).",
    action: "Check that the name still means the cluster it meant. With probing on the finding ends by itself once the same \
             cluster answers behind the new data.",
    next: "kubectl get kubefedcluster -n NAMESPACE NAME -o yaml",
    false_alarm: "A rotated CA or a moved endpoint of the same cluster, until it is proven anew. Exempt: rotated \
                  credentials, labels, and a CA alone where KubeSphere's Cluster reaches the same endpoint and reports the \
                  proven UID.",
    raised: &[
        Scenario(
            Place::Core,
            "drift_is_told_until_the_same_cluster_answers_behind_the_new_door",
        ),
        Scenario(
            Place::Core,
            "another_cluster_behind_unchanged_data_is_drift_as_well",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(Place::Core, "rotated_credentials_are_no_drift"),
        Scenario(
            Place::Core,
            "a_rotated_authority_that_kubesphere_vouches_for_is_no_drift",
        ),
        Scenario(
            Place::Simulated,
            "rotated_credentials_and_certificates_raise_nothing_that_stays",
        ),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let mut drifted: Vec<_> = federation
        .registry
        .entries
        .iter()
        .filter(|(key, e)| e.drifted.is_some() && !federation.registry.vouched(key))
        .collect();
    drifted.sort_by(|a, b| a.0.cmp(b.0));
    drifted
        .into_iter()
        .map(|(key, entry)| {
            let message =
                format!("KubeFedCluster {key} was changed and may mean another cluster now.");
            Finding {
                evidence: evidence(entry),
                targets: super::registration(federation, key).into_iter().collect(),
                next: super::show(key),
                ..ABOUT.finding(Severity::High, format!("KubeFedCluster {key}"), message)
            }
        })
        .collect()
}

fn evidence(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    let text =
        |value: &Option<crate::id::Text>| value.as_deref().unwrap_or("unreadable").to_owned();
    if entry.facts.endpoint != entry.baseline.endpoint {
        let (was, is) = (text(&entry.baseline.endpoint), text(&entry.facts.endpoint));
        lines.push(format!("Endpoint was {was}, is {is}."));
    }
    if entry.facts.ca != entry.baseline.ca {
        lines.push("The CA bundle holds other certificates.".to_owned());
    }
    if entry.facts.indirect != entry.baseline.indirect {
        lines.push("TLS checks were switched off, or a proxy was named.".to_owned());
    }
    if let (Some(proven), Some(now)) = (entry.proven, entry.identity.as_ref())
        && proven != now.uid
    {
        lines.push(format!(
            "kube-system had UID {proven} through it, and has {} now.",
            now.uid
        ));
    }
    lines
}
