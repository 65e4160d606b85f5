//! FH027: federated objects other than Workspaces are deleted and created again and again (F1, for every other kind).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    About, Finding, MAX_LINES, MAX_TARGETS, Place, Scenario, Severity, Target, count, object_name,
    registration, some_names,
};
use crate::{
    facts::ObjectKey,
    federation::Federation,
    id::{RegistrationKey, Text},
    objects::{FEDERATED_NAMESPACE, SYSTEM_WORKSPACE},
    removals::Party,
    text::times,
    time::Time,
    words::{ConditionType, Reason},
};

pub(super) const ABOUT: About = About {
    code: "FH027",
    title: "A federated object is deleted and created again and again",
    severity: "Critical if the name that creates it is known, else High",
    condition: ConditionType::WorkspacesStable,
    reason: Reason::ObjectsChurning,
    meaning: "KubeFed removes an object of a federated kind, a Deployment or a volume claim for instance, from a cluster \
              in which it comes back each time, although nobody changes where it is to be. It does that when one cluster \
              bears two names and the placement selects only one of them. Workspaces have FH001.",
    evidence: "`status.clusters[]` of the federated object: `WaitingForRemoval` for a name that the placement leaves out, \
               three times within five minutes, each time after the name was gone, while the object, its \
               FederatedNamespace and the registration stood still. The deleting name is sure, by KubeFed's own word. The \
               creating name is sure if identity proves it to be the same cluster and the placement selects it, likely \
               on weak evidence of that (FH024), and else not known.",
    risk: "What the object is: a claim with its volume where the reclaim policy is Delete, all that is in a FederatedNamespace's \
           namespace, the pods of a workload. On this server as in a member.",
    action: "Hold deletions if the cluster is this server and nothing holds them yet; in a member no hold of ours reaches, so \
             stop KubeFed. Then remove the second name (FH004, FH009, FH024). Where no second name is known, find out who \
             creates the object in that cluster: its audit log tells.",
    next: "kubectl get kubefedclusters -A",
    false_alarm: "Somebody else in that cluster, GitOps for instance, who makes the object again and again with the label \
                  `kubefed.io/managed: \"true\"`: it is deleted all the same. Not counted: removals under another placement \
                  of the object or of its FederatedNamespace, through a registration that is new, was re-labelled or \
                  re-pointed, or was not Ready in between, and deletions that were refused. Exempt: objects labelled \
                  `kubefed.io/managed: \"false\"`, which KubeFed leaves alone, this server's own namespaces, which it spares, \
                  and what lies in namespaces of `system-workspace` or of a Workspace that the ignore selector matches. \
                  Nothing is ever held for it.",
    raised: &[
        Scenario(
            Place::Core,
            "a_deployment_that_loops_is_told_with_both_names_and_holds_nothing",
        ),
        Scenario(
            Place::Core,
            "who_creates_is_as_sure_as_what_says_that_it_is_the_same_cluster",
        ),
        Scenario(
            Place::Simulated,
            "a_doubled_registration_that_deletes_a_federated_deployment_is_named_with_the_one_that_creates_it",
        ),
        Scenario(
            Place::Simulated,
            "in_a_doubled_member_a_deployments_own_status_is_the_only_witness_and_enough",
        ),
        Scenario(
            Place::Real,
            "without_holds_all_is_lost_and_named_and_with_them_the_contents_are_kept_too",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "removals_that_somebody_wished_are_no_churn_of_an_object",
        ),
        Scenario(
            Place::Core,
            "a_member_that_goes_and_comes_back_removes_an_object_once",
        ),
        Scenario(
            Place::Core,
            "a_registration_that_is_renamed_relabelled_or_repointed_makes_no_loop",
        ),
        Scenario(
            Place::Core,
            "many_clusters_that_are_left_one_after_another_are_no_loop",
        ),
        Scenario(Place::Core, "a_deletion_that_is_refused_is_no_removal"),
        Scenario(
            Place::Core,
            "objects_of_ignored_and_of_system_workspaces_are_looked_away_from",
        ),
        Scenario(
            Place::Simulated,
            "what_people_do_to_a_federated_deployment_raises_nothing",
        ),
        Scenario(
            Place::Simulated,
            "a_deployment_that_a_member_keeps_raises_nothing_however_often_member_and_kubefed_go",
        ),
        Scenario(
            Place::Real,
            "without_holds_all_is_lost_and_named_and_with_them_the_contents_are_kept_too",
        ),
    ],
};

type Removed<'a> = (&'a (Text, ObjectKey), &'a Party);

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let mut by_name: BTreeMap<&Text, Vec<Removed>> = BTreeMap::new();
    for (object, party) in federation.removed.looped(now) {
        if !spared(federation, object, party) {
            let removed = by_name.entry(&party.cluster).or_default();
            removed.push((object, party));
        }
    }
    let findings = by_name.into_iter();
    findings
        .map(|(name, removed)| finding(federation, name, &removed))
        .collect()
}

/// Its owner asked to look away, KubeSphere's own, or one that KubeFed never deletes.
fn spared(federation: &Federation, (kind, key): &(Text, ObjectKey), party: &Party) -> bool {
    let tenants = &federation.tenants;
    let ignored = |workspace: &Text| {
        let live = tenants.workspace(workspace);
        &**workspace == SYSTEM_WORKSPACE || live.is_some_and(|w| w.ignored)
    };
    let namespace = tenants.namespace(&key.namespace);
    namespace.is_some_and(|namespace| ignored(&namespace.workspace))
        || (&**kind == FEDERATED_NAMESPACE && !federation.registry.is_elsewhere(&party.cluster))
}

fn finding(federation: &Federation, name: &Text, removed: &[Removed]) -> Finding {
    let deleters: Vec<RegistrationKey> = federation
        .registry
        .named(name)
        .map(|(key, _)| key.clone())
        .collect();
    let shown = &removed[..removed.len().min(MAX_LINES)];
    let makers = Makers::of(federation, &deleters, shown);
    let (kind, key) = removed[0].0;
    let more = removed.len() - 1;
    let more = match more {
        0 => String::new(),
        more => format!(" and {}", count(more, "more object")),
    };
    let message = format!(
        "{kind} {}{more}: deleted through {name} and created {}, again and again, though nobody asked for it.",
        object_name(key),
        makers.through(),
    );
    let severity = match makers {
        Makers::Sure(_) => Severity::Critical,
        Makers::Likely(_) | Makers::Unknown(_) => Severity::High,
    };
    let mut evidence = vec![
        format!(
            "Deleted through {} (sure, KubeFed's word): it waits for their removal there, and their placements leave {name} out.",
            listed(&deleters, name)
        ),
        makers.evidence(name),
    ];
    evidence.extend(shown.iter().map(|((kind, key), party)| {
        let seconds = party.looped.map_or(0, |last| last.since_ms(party.first)) / 1000;
        let key = object_name(key);
        format!("{kind} {key}: removed {} in {seconds} s.", times(party.sum))
    }));
    let parties = deleters.iter().chain(makers.keys());
    let targets = parties.filter_map(|key| registration(federation, key));
    let targets = targets.take(MAX_TARGETS);
    Finding {
        evidence,
        targets: targets.chain(home(federation, key)).collect(),
        next: next(kind, key),
        ..ABOUT.finding(
            severity,
            format!("KubeFedCluster {}", listed(&deleters, name)),
            message,
        )
    }
}

/// The namespace of an object, where its tenants look.
fn home(federation: &Federation, key: &ObjectKey) -> Option<Target> {
    let namespace = federation.tenants.namespace(&key.namespace)?;
    Some(Target::Namespace(key.namespace.clone(), namespace.uid))
}

/// Shows how the status comes and goes. A kind of another group is known by its group as well.
fn next(kind: &Text, key: &ObjectKey) -> String {
    let resource = kind.to_lowercase();
    let namespace = match &*key.namespace {
        "" => String::new(),
        namespace => format!(" -n {namespace}"),
    };
    format!(
        "kubectl get {resource}{namespace} {} -w -o jsonpath='{{.status.clusters}}{{\"\\n\"}}'",
        key.name
    )
}

/// Through which names the objects are created.
enum Makers {
    /// Names of the same cluster, by identity.
    Sure(Vec<RegistrationKey>),
    /// Names that may be of the same cluster.
    Likely(Vec<RegistrationKey>),
    /// None of those that the placement selects is known to be the same cluster.
    Unknown(Vec<RegistrationKey>),
}

impl Makers {
    fn of(federation: &Federation, deleters: &[RegistrationKey], removed: &[Removed]) -> Self {
        let placed = removed.iter();
        let placed: BTreeSet<RegistrationKey> = placed
            .flat_map(|((kind, key), _)| federation.selected(kind, key).cloned())
            .collect();
        let registry = &federation.registry;
        let beside = |members: &[RegistrationKey]| {
            let same = deleters.iter().any(|key| members.contains(key));
            let members = members.iter().filter(|key| placed.contains(key));
            let members: Vec<RegistrationKey> = members.cloned().collect();
            if same { members } else { Vec::new() }
        };
        let sure: Vec<_> = registry
            .real()
            .iter()
            .flat_map(|r| beside(&r.members))
            .collect();
        if !sure.is_empty() {
            return Self::Sure(sure);
        }
        let weak = registry.weak().iter();
        let likely: Vec<_> = weak.flat_map(|group| beside(&group.members)).collect();
        if !likely.is_empty() {
            return Self::Likely(likely);
        }
        Self::Unknown(placed.into_iter().collect())
    }

    fn keys(&self) -> &[RegistrationKey] {
        match self {
            Self::Sure(keys) | Self::Likely(keys) => keys,
            Self::Unknown(_) => &[],
        }
    }

    fn through(&self) -> String {
        match self {
            Self::Sure(keys) => format!("through {}", names(keys)),
            Self::Likely(keys) => format!("probably through {}", names(keys)),
            Self::Unknown(_) => "by somebody".to_owned(),
        }
    }

    fn evidence(&self, name: &Text) -> String {
        match self {
            Self::Sure(keys) => format!(
                "Created through {} (sure, by identity): one cluster with {name}, and selected by the placements.",
                names(keys)
            ),
            Self::Likely(keys) => format!(
                "Created through {} (likely, weak evidence): perhaps one cluster with {name}, and selected by the placements.",
                names(keys)
            ),
            Self::Unknown(keys) => format!(
                "Who creates them there is not known: the placements select {}, and nothing says that one of these is {name}.",
                names(keys)
            ),
        }
    }
}

fn names(keys: &[RegistrationKey]) -> String {
    let keys: Vec<Text> = keys
        .iter()
        .map(|key| Text::from(key.to_string().as_str()))
        .collect();
    some_names(keys.iter())
}

/// Registrations of a name; the name itself when they are gone.
fn listed(keys: &[RegistrationKey], name: &Text) -> String {
    match keys {
        [] => name.to_string(),
        keys => names(keys),
    }
}
