//! FH003: namespaces whose owner does not exist: the garbage collector deletes them as soon as it may (F3).

use super::{
    ARMED_GRACE_MS, About, Finding, MAX_TARGETS, Place, Scenario, Severity, Target, count,
    some_names,
};
use crate::{
    facts::Feed,
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH003",
    title: "Namespaces whose owner does not exist",
    severity: "Critical",
    condition: ConditionType::NamespacesSafe,
    reason: Reason::NamespacesArmed,
    meaning: "The owner reference of a namespace names a Workspace UID that does not exist: the garbage collector deletes \
              the namespace as soon as it may. While the Workspace kind is not installed the collector cannot tell and \
              waits, so the namespace is armed until the definition returns.",
    evidence: "The UID in the owner reference is that of no Workspace, and no other owner is alive.",
    risk: "The namespace and all that is in it, within a second of the end of a hold.",
    action: "Put the reference right (KubeSphere does when the Workspace exists) or take it off, before any hold ends.",
    next: "kubectl get namespace NAMESPACE -o jsonpath='{.metadata.ownerReferences}'",
    false_alarm: "The moments between a Workspace's honest deletion and that of its namespaces, and those in which \
                  KubeSphere binds them to a new UID: told after two seconds only, and never while the Workspaces are not \
                  read or their watch is away: then `NamespacesSafe` is Unknown.",
    raised: &[
        Scenario(
            Place::Core,
            "an_armed_namespace_is_told_once_it_has_had_time_to_be_bound_again",
        ),
        Scenario(
            Place::Simulated,
            "a_namespace_whose_owner_is_gone_blocks_the_release_until_it_is_disarmed",
        ),
        Scenario(
            Place::Real,
            "a_second_registration_is_named_held_and_released_only_when_that_loses_nothing",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "nothing_is_lost_or_armed_by_lists_that_are_read_in_another_order",
        ),
        Scenario(
            Place::Core,
            "namespaces_bound_anew_while_the_workspaces_watch_is_away_are_not_told_but_unknown",
        ),
        Scenario(Place::Simulated, "a_restored_backup_raises_nothing"),
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

/// Armed namespaces, and when each is told. Before the Workspaces are read, and while their watch is away, every new owner looks
/// absent.
fn ripe(federation: &Federation, now: Time) -> impl Iterator<Item = (&Text, Time)> {
    let tells = federation.tells_since(&Feed::Workspaces, now).into_iter();
    tells.flat_map(|tells| {
        let armed = federation.armed.iter();
        armed.map(move |(name, since)| (name, tells.max(*since).plus_ms(ARMED_GRACE_MS)))
    })
}

/// When one of them is told.
pub(crate) fn ripens(federation: &Federation, now: Time) -> Option<Time> {
    let later = ripe(federation, now).map(|(_, at)| at);
    later.filter(|at| *at > now).min()
}

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let armed: Vec<&Text> = ripe(federation, now)
        .filter(|(_, at)| *at <= now)
        .map(|(name, _)| name)
        .collect();
    if armed.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "The owner of {} does not exist: the garbage collector deletes them unless it is held.",
        count(armed.len(), "namespace")
    );
    let next = armed.first().map(|name| {
        format!("kubectl get namespace {name} -o jsonpath='{{.metadata.ownerReferences}}'")
    });
    let targets = armed
        .iter()
        .filter_map(|name| {
            let namespace = federation.tenants.namespace(name)?;
            Some(Target::Namespace((*name).clone(), namespace.uid))
        })
        .take(MAX_TARGETS)
        .collect();
    vec![Finding {
        evidence: vec![some_names(armed.into_iter())],
        next: next.unwrap_or_default(),
        targets,
        ..ABOUT.finding(Severity::Critical, "namespaces".to_owned(), message)
    }]
}
