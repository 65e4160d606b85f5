//! FH013: KubeFed does not run, and its clusters read Ready for ever (F13).

use super::{About, Finding, Place, Scenario, Severity, some_names};
use crate::{
    facts::{Feed, Readiness},
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

/// KubeFed looks at every cluster each 10 s; twelve looks that did not happen are no slow round any more.
pub(crate) const SILENT_MS: i64 = 120_000;

pub(super) const ABOUT: About = About {
    code: "FH013",
    title: "KubeFed is stopped and its clusters still read Ready",
    severity: "High",
    condition: ConditionType::ControlPlaneHealthy,
    reason: Reason::ControllerStopped,
    meaning: "No replica of KubeFed's controller manager is available and no health check has been written for two \
              minutes. What the KubeFedClusters say of their readiness is frozen; nothing is federated and no deletion \
              finishes.",
    evidence: "`lastProbeTime` of every registration of the plane is older than two minutes, at least one reads \
               Ready=True, and its Deployments have no available replica.",
    risk: "Nothing now. With the next start everything that was changed meanwhile happens at once: look at the other \
           findings before you start it.",
    action: "Find out who stopped it and why. Before starting it again, see that FH004, FH005, FH006 and FH009 are gone.",
    next: "kubectl get deployments -A -l kubefed-control-plane=controller-manager",
    false_alarm: "Somebody stopped it on purpose, which is the right thing in an incident. Exempt: planes that this \
                  operator froze itself.",
    raised: &[
        Scenario(
            Place::Core,
            "a_stopped_kubefed_whose_clusters_read_ready_is_told_after_two_minutes",
        ),
        Scenario(Place::Simulated, "a_stopped_kubefed_is_named"),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_plane_that_we_froze_ourselves_is_expected_to_stand_still",
        ),
        Scenario(Place::Simulated, "a_kubefed_upgrade_raises_nothing"),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    if !federation.known(&Feed::Controllers) {
        return Vec::new();
    }
    federation
        .registry
        .looked_at()
        .filter(|(plane, last)| {
            now.since_ms(*last) >= SILENT_MS && !federation.frozen.contains(*plane)
        })
        .filter_map(|(plane, _)| finding(federation, plane))
        .collect()
}

fn finding(federation: &Federation, plane: &Text) -> Option<Finding> {
    let registry = &federation.registry;
    let runs = registry
        .controllers
        .iter()
        .any(|((namespace, _), controller)| namespace == plane && controller.available > 0);
    let mut ready: Vec<&Text> = registry
        .entries
        .iter()
        .filter(|(key, e)| key.namespace == *plane && e.facts.ready == Readiness::True)
        .map(|(key, _)| &key.name)
        .collect();
    if runs || ready.is_empty() {
        return None;
    }
    ready.sort();
    let message = format!(
        "KubeFed in namespace {plane} does not run: what its clusters say of themselves is old."
    );
    Some(Finding {
        evidence: vec![
            "No health check has been written for two minutes, and no replica is available."
                .to_owned(),
            format!("Still Ready: {}.", some_names(ready.into_iter())),
        ],
        next: format!(
            "kubectl get deployments -n {plane} -l kubefed-control-plane=controller-manager"
        ),
        ..ABOUT.finding(Severity::High, format!("namespace {plane}"), message)
    })
}
