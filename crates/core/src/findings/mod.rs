//! What is wrong, one file for each fault.
//!
//! A code never changes its meaning. FH001 to FH023 are the project's failure modes F1 to F23, the later ones were added.

mod about;
mod certificate_expiring;
mod cloned_identity;
mod conflicting_staleness;
mod controller_stopped;
mod deletion_stuck;
mod doubled_registration;
mod federated_kind_deleted;
mod join_failed;
mod leftover_access;
mod leftover_federated_workspace;
mod mass_churn;
mod namespace_armed;
mod namespace_lost;
mod namespace_stuck;
mod namespace_unbound;
mod object_churn;
mod owner_fight;
mod readiness_flapping;
mod registration_drift;
mod registration_resurrected;
mod registration_stale;
mod second_control_plane;
mod selected_nowhere;
mod shared_member;
mod suspected_duplicate;
mod system_workspace_exposed;
mod twin_clusters;
mod workspace_churn;

use std::collections::BTreeSet;

pub use about::{About, Place, Scenario};

pub(crate) use controller_stopped::SILENT_MS;
pub(crate) use deletion_stuck::STUCK_MS as BLOCKED_MS;
pub(crate) use namespace_armed::ripens as armed_ripen;
pub(crate) use namespace_stuck::STUCK_MS as HANGING_MS;

use crate::{
    federation::Federation,
    id::{RegistrationKey, Text, Uid},
    objects::FEDERATED_WORKSPACE,
    placement::Fate,
    text::{listed, shorten, within},
    time::Time,
    words::{ConditionType, Reason},
};

/// Findings that status shows; more are counted.
pub const MAX_FINDINGS: usize = 20;
/// Names listed in one finding's evidence.
pub(crate) const MAX_NAMES: usize = 16;

/// Objects of one finding that are told by an event each: the first few are looked at, the rest are in status.
pub const MAX_TARGETS: usize = 4;
/// WorkspaceTemplates and namespaces that it puts in danger and that are told beside them: their owners look there.
pub const MAX_ENDANGERED: [usize; 2] = [2, 1];

/// Lines of one finding's evidence.
pub(crate) const MAX_LINES: usize = 16;
/// Bytes of one finding's evidence: twenty findings of it, and what else status shows, stay under 128 KiB.
pub(crate) const MAX_EVIDENCE: usize = 768;
/// Bytes of a finding's message.
pub(crate) const MAX_MESSAGE: usize = 512;
/// Bytes of a finding's subject.
pub(crate) const MAX_SUBJECT: usize = 256;
/// Bytes of a finding's command: two of the longest names, a namespace's, and the words around them.
pub(crate) const MAX_NEXT: usize = 800;
/// A namespace is armed for this long before it is told: a recreated Workspace takes its namespaces back within
/// milliseconds, and an honest deletion's are collected as fast.
pub(crate) const ARMED_GRACE_MS: i64 = 2000;
/// Facts of several kinds come through several watches, in any order: what two of them contradict each other in must stand
/// for this long. Several times the longest retry of a watch's connection.
pub(crate) const SETTLE_MS: i64 = 60_000;

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Data is being lost, or will be without anybody doing anything.
    Critical,
    /// One more step leads to loss.
    High,
    /// Something is broken.
    Medium,
    /// Something to look at one day. It makes no condition False.
    Low,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::High => "High",
            Self::Medium => "Medium",
            Self::Low => "Low",
        }
    }
}

/// An object that a finding is about, for an event that shows where people look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A KubeFedCluster.
    Registration(RegistrationKey, Uid),
    /// A WorkspaceTemplate.
    Template(Text, Uid),
    /// A namespace.
    Namespace(Text, Uid),
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code.
    pub code: &'static str,
    /// What it is about.
    pub subject: String,
    /// One sentence: what is so, and what it leads to.
    pub message: String,
    /// What it rests on.
    pub evidence: Vec<String>,
    /// The next command to type.
    pub next: String,
    /// Objects that it is about, at most [`MAX_TARGETS`], and those of [`MAX_ENDANGERED`].
    pub targets: Vec<Target>,
    /// Condition that it makes False, or Unknown when it is a suspicion.
    pub condition: ConditionType,
    /// Reason of that condition.
    pub reason: Reason,
    /// A suspicion makes its condition Unknown and never holds anything.
    pub suspicion: bool,
    /// For how long it must have been seen before it is told, in milliseconds.
    pub(crate) after_ms: i64,
}

type Check = fn(&Federation, Time) -> Vec<Finding>;

const FAULTS: [(&About, Check); 28] = [
    (&workspace_churn::ABOUT, workspace_churn::check),
    (&namespace_lost::ABOUT, namespace_lost::check),
    (&namespace_armed::ABOUT, namespace_armed::check),
    (&doubled_registration::ABOUT, doubled_registration::check),
    (&selected_nowhere::ABOUT, selected_nowhere::check),
    (
        &registration_resurrected::ABOUT,
        registration_resurrected::check,
    ),
    (&registration_stale::ABOUT, registration_stale::check),
    (
        &leftover_federated_workspace::ABOUT,
        leftover_federated_workspace::check,
    ),
    (&second_control_plane::ABOUT, second_control_plane::check),
    (&shared_member::ABOUT, shared_member::check),
    (
        &federated_kind_deleted::ABOUT,
        federated_kind_deleted::check,
    ),
    (&deletion_stuck::ABOUT, deletion_stuck::check),
    (&controller_stopped::ABOUT, controller_stopped::check),
    (&readiness_flapping::ABOUT, readiness_flapping::check),
    (&twin_clusters::ABOUT, twin_clusters::check),
    (&owner_fight::ABOUT, owner_fight::check),
    (&namespace_unbound::ABOUT, namespace_unbound::check),
    (
        &system_workspace_exposed::ABOUT,
        system_workspace_exposed::check,
    ),
    (&namespace_stuck::ABOUT, namespace_stuck::check),
    (&leftover_access::ABOUT, leftover_access::check),
    (&certificate_expiring::ABOUT, certificate_expiring::check),
    (&join_failed::ABOUT, join_failed::check),
    (&registration_drift::ABOUT, registration_drift::check),
    (&suspected_duplicate::ABOUT, suspected_duplicate::check),
    (&cloned_identity::ABOUT, cloned_identity::check),
    (&conflicting_staleness::ABOUT, conflicting_staleness::check),
    (&object_churn::ABOUT, object_churn::check),
    (&mass_churn::ABOUT, mass_churn::check),
];

/// Everything that can be found, in order of the codes.
pub fn catalogue() -> impl Iterator<Item = &'static About> {
    FAULTS.iter().map(|(about, _)| *about)
}

/// What a code means; None for a code that this version does not know.
pub fn about(code: &str) -> Option<&'static About> {
    catalogue().find(|about| about.code == code)
}

/// Every fault that can be seen, worst first, in a stable order; also those that are too young to be told.
pub(crate) fn all(federation: &Federation, now: Time) -> Vec<Finding> {
    let mut findings: Vec<Finding> = FAULTS
        .iter()
        .flat_map(|(_, check)| check(federation, now))
        .map(bounded)
        .collect();
    findings
        .sort_by(|a, b| (a.severity, a.code, &a.subject).cmp(&(b.severity, b.code, &b.subject)));
    findings
}

/// Those of [`all`] that status shows: the first of each code, then the worst, in their order. A storm of one code would
/// otherwise hide its cause, which is as bad and comes later.
pub(crate) fn shown(all: Vec<Finding>) -> Vec<Finding> {
    let mut told = BTreeSet::new();
    let ranked = all.into_iter().enumerate();
    let mut ranked: Vec<(bool, usize, Finding)> = ranked
        .map(|(at, finding)| (!told.insert(finding.code), at, finding))
        .collect();
    ranked.sort_by_key(|(again, at, _)| (*again, *at));
    ranked.truncate(MAX_FINDINGS);
    ranked.sort_by_key(|(_, at, _)| *at);
    ranked.into_iter().map(|(.., finding)| finding).collect()
}

/// Names come from objects that others write, of up to 253 bytes each.
fn bounded(mut finding: Finding) -> Finding {
    finding.subject = shorten(finding.subject, MAX_SUBJECT);
    finding.message = shorten(finding.message, MAX_MESSAGE);
    finding.evidence = within(finding.evidence, MAX_EVIDENCE);
    finding.next = shorten(finding.next, MAX_NEXT);
    let [templates, namespaces] = MAX_ENDANGERED;
    finding
        .targets
        .truncate(MAX_TARGETS + templates + namespaces);
    finding
}

/// Up to [`MAX_NAMES`] names, and how many more.
pub(crate) fn some_names<'a>(names: impl ExactSizeIterator<Item = &'a Text>) -> String {
    let total = names.len();
    listed(&names.take(MAX_NAMES).collect::<Vec<_>>(), total)
}

/// "1 Workspace", "2 Workspaces".
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// A registration as the object of a finding.
pub(crate) fn registration(federation: &Federation, key: &RegistrationKey) -> Option<Target> {
    let entry = federation.registry.entry(key)?;
    Some(Target::Registration(key.clone(), entry.facts.uid))
}

/// The template of a Workspace as the object of a finding.
pub(crate) fn template(federation: &Federation, workspace: &Text) -> Option<Target> {
    let row = federation.tenants.template(workspace)?;
    Some(Target::Template(workspace.clone(), row.uid))
}

/// The registrations of these real clusters, and the first of what a loop there puts in danger.
pub(crate) fn parties(federation: &Federation, clusters: &[usize]) -> Vec<Target> {
    let real = |cluster: &usize| federation.registry.real().get(*cluster);
    let registrations = clusters.iter().filter_map(real).flat_map(|r| &r.members);
    let mut targets: Vec<Target> = registrations
        .filter_map(|key| registration(federation, key))
        .take(MAX_TARGETS)
        .collect();
    let workspaces: Vec<(Text, bool)> = clusters
        .iter()
        .flat_map(|cluster| {
            let here = real(cluster).is_some_and(|r| federation.registry.is_here(r));
            let lines = federation.risk_in(*cluster).filter(|line| {
                matches!(line.danger.fate, Fate::Loop { .. }) && &*line.kind == FEDERATED_WORKSPACE
            });
            let names = lines.flat_map(|line| &line.names);
            names.map(move |name| (Text::from(name.as_str()), here))
        })
        .collect();
    let [templates, namespaces] = MAX_ENDANGERED;
    let templates = workspaces
        .iter()
        .filter_map(|(name, _)| template(federation, name))
        .take(templates);
    let tenants = &federation.tenants;
    let namespaces = workspaces
        .iter()
        .filter(|(_, here)| *here)
        .flat_map(|(name, _)| tenants.members(name))
        .filter_map(|name| {
            Some(Target::Namespace(
                name.clone(),
                tenants.namespace(name)?.uid,
            ))
        })
        .take(namespaces);
    targets.extend(templates.chain(namespaces));
    targets
}

/// The command that shows a registration.
pub(crate) fn show(key: &RegistrationKey) -> String {
    format!(
        "kubectl get kubefedcluster -n {} {} -o yaml",
        key.namespace, key.name
    )
}

/// An object as messages name it.
pub(crate) fn object_name(key: &crate::facts::ObjectKey) -> String {
    if key.namespace.is_empty() {
        key.name.to_string()
    } else {
        format!("{}/{}", key.namespace, key.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_without_a_gap() {
        for (n, about) in catalogue().enumerate() {
            assert_eq!(about.code, format!("FH{:03}", n + 1));
        }
    }

    #[test]
    fn every_fault_says_all_there_is_to_say() {
        for about in catalogue() {
            for text in [
                about.title,
                about.severity,
                about.meaning,
                about.evidence,
                about.risk,
                about.action,
                about.next,
                about.false_alarm,
            ] {
                assert!(!text.is_empty(), "{}", about.code);
            }
            assert!(
                !about.raised.is_empty(),
                "{} is raised by no test",
                about.code
            );
            assert!(
                !about.spared.is_empty(),
                "{} is spared by no test",
                about.code
            );
        }
    }
}
