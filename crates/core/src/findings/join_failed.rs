//! FH022: a cluster that should join the federation does not (F22).

use super::{About, Finding, Place, Scenario, Severity, some_names};
use crate::{
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

/// KubeSphere looks at a Cluster every two minutes: five looks that did not help.
const JOINING_MS: i64 = 600_000;

pub(super) const ABOUT: About = About {
    code: "FH022",
    title: "A cluster does not join the federation",
    severity: "Low",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::JoinFailed,
    meaning: "KubeSphere wants a Cluster in the federation and could not join it for ten minutes. KubeSphere 3.3.1 waits \
              for a token Secret that Kubernetes 1.24 and later no longer makes by itself.",
    evidence: "The Cluster's condition `Federated` is False while `joinFederation` is true.",
    risk: "None of loss: nothing is federated into the cluster.",
    action: "Make the token Secret of the ServiceAccount by hand, or upgrade KubeSphere.",
    next: "kubectl get clusters.cluster.kubesphere.io NAME -o jsonpath='{.status.conditions}'",
    false_alarm: "A cluster that is still being joined: told after ten minutes.",
    raised: &[
        Scenario(Place::Core, "kubespheres_own_warnings_are_passed_on"),
        Scenario(
            Place::Simulated,
            "kubespheres_warnings_about_a_member_are_advice",
        ),
        Scenario(Place::Real, "what_hangs_for_ten_minutes_is_named"),
    ],
    spared: &[Scenario(
        Place::Simulated,
        "adding_renaming_and_removing_a_member_raises_nothing",
    )],
};

pub(super) fn check(federation: &Federation, _now: Time) -> Vec<Finding> {
    let clusters = federation.registry.clusters.iter();
    let failing = clusters.filter(|(_, c)| c.joins && c.federated == Some(false));
    let mut names: Vec<&Text> = failing.map(|(name, _)| name).collect();
    names.sort();
    let Some(first) = names.first() else {
        return Vec::new();
    };
    let next = format!(
        "kubectl get clusters.cluster.kubesphere.io {first} -o jsonpath='{{.status.conditions}}'"
    );
    let message = "A Cluster that should join the federation has not joined it.".to_owned();
    vec![Finding {
        next,
        evidence: vec![some_names(names.into_iter())],
        after_ms: JOINING_MS,
        ..ABOUT.finding(Severity::Low, "Clusters".to_owned(), message)
    }]
}
