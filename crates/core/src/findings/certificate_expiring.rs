//! FH021: a member's kubeconfig is about to expire (F21).

use super::{About, Finding, Place, Scenario, Severity, some_names};
use crate::{
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH021",
    title: "A member's kubeconfig expires within a week",
    severity: "Low",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::CertificateExpiring,
    meaning: "KubeSphere says that the certificate in a Cluster's kubeconfig ends within seven days.",
    evidence: "The Cluster's condition `KubeConfigCertExpiresInSevenDays`.",
    risk: "None of loss: KubeSphere can no longer reach the member, and KubeFed's own token goes on.",
    action: "Renew the kubeconfig in the Cluster.",
    next: "kubectl get clusters.cluster.kubesphere.io NAME -o jsonpath='{.status.conditions}'",
    false_alarm: "None known.",
    raised: &[
        Scenario(Place::Core, "kubespheres_own_warnings_are_passed_on"),
        Scenario(
            Place::Simulated,
            "kubespheres_warnings_about_a_member_are_advice",
        ),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[Scenario(
        Place::Simulated,
        "adding_renaming_and_removing_a_member_raises_nothing",
    )],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let clusters = federation.registry.clusters.iter();
    let mut names: Vec<&Text> = clusters
        .filter(|(_, c)| c.expiring)
        .map(|(name, _)| name)
        .collect();
    names.sort();
    let Some(first) = names.first() else {
        return Vec::new();
    };
    let next = format!(
        "kubectl get clusters.cluster.kubesphere.io {first} -o jsonpath='{{.status.conditions}}'"
    );
    let message = "The kubeconfig of a Cluster expires within seven days.".to_owned();
    vec![Finding {
        next,
        evidence: vec![some_names(names.into_iter())],
        ..ABOUT.finding(Severity::Low, "Clusters".to_owned(), message)
    }]
}
