//! FH016: two controllers take a namespace's owner off and put it back, again and again (F16).

use super::{About, Finding, Place, Scenario, Severity, count, some_names};
use crate::{
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH016",
    title: "Two controllers fight over a namespace's owner",
    severity: "Medium",
    condition: ConditionType::NamespacesSafe,
    reason: Reason::OwnerFight,
    meaning: "The owner reference of a namespace vanishes and comes back several times a minute: KubeFed writes the \
              namespace without it, KubeSphere binds it again.",
    evidence: "Five changes between an owner and none within a minute, the namespace's UID unchanged.",
    risk: "Load; and in the moments between, the namespace belongs to nobody.",
    action: "Take the namespace out of federation, or keep the owner reference by an override of its FederatedNamespace.",
    next: "kubectl get namespace NAMESPACE -o yaml --show-managed-fields",
    false_alarm: "A person who corrects references by hand. Exempt: namespaces of a Workspace that is being recreated \
                  (FH001): a change from one owner to another is not counted.",
    raised: &[
        Scenario(
            Place::Core,
            "an_owner_that_comes_and_goes_is_a_fight_until_it_rests",
        ),
        Scenario(Place::Simulated, "a_fight_over_a_namespaces_owner_is_named"),
        Scenario(
            Place::Real,
            "lesser_faults_are_named_and_end_with_their_causes",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "a_namespace_that_follows_its_recreated_workspace_is_no_fight",
        ),
        Scenario(Place::Simulated, "a_restored_backup_raises_nothing"),
        Scenario(
            Place::Real,
            "what_people_do_on_an_honest_day_raises_no_alarm",
        ),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let fought: Vec<&Text> = federation.fights.open(now).collect();
    let Some(first) = fought.first() else {
        return Vec::new();
    };
    let message = format!(
        "The owner of {} vanishes and comes back several times a minute.",
        count(fought.len(), "namespace")
    );
    vec![Finding {
        next: format!("kubectl get namespace {first} -o yaml --show-managed-fields"),
        evidence: vec![some_names(fought.iter().copied())],
        ..ABOUT.finding(Severity::Medium, "namespaces".to_owned(), message)
    }]
}
