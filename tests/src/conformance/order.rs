//! The order of the incident: which of its beats must come before which, and which may come either way.

use std::fmt;

use super::witness::Sighting;

/// The doubled name; the other one is `host`.
pub const ALIAS: &str = "produce-trt";

/// What happens in one cycle of one Workspace. KubeSphere's finalizer on the new one is no beat of it: the next
/// deletion may come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beat {
    /// The second registration appears.
    Joined,
    /// KubeFed finds it healthy.
    Ready,
    /// The Workspace gets its deletionTimestamp.
    Deleting,
    /// The federated status tells that the second name is to lose the Workspace.
    Removing,
    /// The Workspace is gone.
    Gone,
    /// A namespace of the old Workspace terminates.
    Terminating,
    /// The Workspace is there again, with another UID.
    Back,
    /// The federated status is as it was before.
    Settled,
    /// A terminating namespace names a later Workspace as its owner.
    Bound,
    /// A namespace is gone.
    Lost,
}

use Beat::{Back, Bound, Deleting, Gone, Joined, Lost, Ready, Removing, Settled, Terminating};

/// What comes before what, and why. All that follows from these is ordered; all else is concurrent.
pub const ORDER: &[(Beat, Beat, &str)] = &[
    (Joined, Ready, "what is not registered is not probed"),
    (
        Ready,
        Deleting,
        "KubeFed acts on registrations that are Ready",
    ),
    (
        Deleting,
        Gone,
        "the finalizer holds it until KubeSphere has seen the deletion",
    ),
    (
        Deleting,
        Removing,
        "KubeFed writes the status of a round after its requests",
    ),
    (
        Gone,
        Terminating,
        "the collector acts on an owner that does not exist",
    ),
    (Gone, Back, "a name is free when its object is gone"),
    (
        Removing,
        Back,
        "KubeFed has one worker: the next round comes after the status",
    ),
    (
        Back,
        Settled,
        "KubeFed writes the status of a round after its requests",
    ),
    (Back, Bound, "only a Workspace that exists becomes an owner"),
    (
        Terminating,
        Bound,
        "a namespace bound in time would not have been collected for this owner",
    ),
    (Terminating, Lost, "a namespace terminates before it goes"),
];

/// A beat as a witness saw it; the namespace is empty for beats of the Workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// What.
    pub beat: Beat,
    /// The namespace, without the Workspace's part of the name.
    pub namespace: String,
}

impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.beat)?;
        if self.namespace.is_empty() {
            return Ok(());
        }
        write!(f, " {}", self.namespace)
    }
}

/// The first cycle of a Workspace whose namespaces begin with `prefix`, in the order of the sightings;
/// `Err` names what did not happen.
pub fn first_cycle(
    sightings: &[Sighting],
    workspace: &str,
    prefix: &str,
) -> Result<Vec<Occurrence>, String> {
    let of = |kind: &'static str, name: &str| {
        let name = name.to_owned();
        move |s: &Sighting| s.kind == kind && s.name == name
    };
    let (alias, own) = (of("KubeFedCluster", ALIAS), of("Workspace", workspace));
    let federated = of("FederatedWorkspace", workspace);
    let find = |beat: Beat, after: usize, wanted: &dyn Fn(&Sighting) -> bool| {
        let rest = sightings.get(after..).unwrap_or_default();
        rest.iter()
            .position(wanted)
            .map(|at| at + after)
            .ok_or_else(|| format!("{workspace}: {beat:?} does not happen"))
    };
    let mut found = Vec::new();
    let mut note = |beat: Beat, at: usize, namespace: &str| {
        let namespace = namespace.to_owned();
        found.push((at, Occurrence { beat, namespace }));
        at
    };
    note(
        Joined,
        find(Joined, 0, &|s| alias(s) && s.what == "ADDED")?,
        "",
    );
    note(Ready, find(Ready, 0, &|s| alias(s) && s.ready)?, "");
    let deleting = note(Deleting, find(Deleting, 0, &|s| own(s) && s.deleting)?, "");
    let old = &sightings[deleting].uid;
    note(
        Gone,
        find(Gone, 0, &|s| own(s) && s.what == "DELETED" && &s.uid == old)?,
        "",
    );
    let back = find(Back, 0, &|s| own(s) && s.what == "ADDED" && &s.uid != old)?;
    note(Back, back, "");
    let waits = format!("{ALIAS} WaitingForRemoval");
    let removing = find(Removing, 0, &|s| {
        federated(s) && s.clusters.contains(&waits)
    })?;
    note(Removing, removing, "");
    let settled = find(Settled, removing, &|s| {
        federated(s) && s.clusters == ["host OK"]
    })?;
    note(Settled, settled, "");

    let member = |s: &Sighting| s.kind == "Namespace" && s.name.starts_with(prefix);
    let mut names: Vec<&str> = sightings
        .iter()
        .filter(|s| member(s))
        .map(|s| s.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let this = of("Namespace", name);
        let short = name.strip_prefix(prefix).unwrap_or(name);
        let terminating = find(Terminating, 0, &|s| this(s) && s.deleting)?;
        if &sightings[terminating].owner != old {
            return Err(format!(
                "{name} terminates, and not for the first Workspace"
            ));
        }
        note(Terminating, terminating, short);
        let bound = |s: &Sighting| this(s) && !s.owner.is_empty() && &s.owner != old;
        note(Bound, find(Bound, 0, &bound)?, short);
        note(
            Lost,
            find(Lost, 0, &|s| this(s) && s.what == "DELETED")?,
            short,
        );
    }
    found.sort_by_key(|(at, _)| *at);
    Ok(found
        .into_iter()
        .map(|(_, occurrence)| occurrence)
        .collect())
}

/// What of a cycle comes in an order that cannot be.
pub fn violations(cycle: &[Occurrence]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (before, after, why) in ORDER {
        let named = |a: &Occurrence, b: &Occurrence| {
            a.namespace.is_empty() || b.namespace.is_empty() || a.namespace == b.namespace
        };
        for (at, late) in cycle.iter().enumerate().filter(|(_, o)| o.beat == *before) {
            let early = cycle[..at].iter().filter(|o| o.beat == *after);
            wrong.extend(
                early
                    .filter(|early| named(late, early))
                    .map(|early| format!("{early} comes before {late}, but {why}")),
            );
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::{super::witness::recording, *};

    fn recorded() -> Vec<Occurrence> {
        first_cycle(&recording().unwrap(), "orders", "ord-").unwrap()
    }

    #[test]
    fn the_recording_keeps_the_order() {
        for (workspace, prefix) in [("orders", "ord-"), ("payments", "pay-")] {
            let cycle = first_cycle(&recording().unwrap(), workspace, prefix).unwrap();
            assert_eq!(cycle.len(), 16, "{cycle:?}");
            assert_eq!(violations(&cycle), Vec::<String>::new());
        }
    }

    #[test]
    fn every_rule_is_broken_by_its_reverse() {
        for (before, after, why) in ORDER {
            let mut cycle = recorded();
            let first =
                |cycle: &[Occurrence], beat| cycle.iter().position(|o| o.beat == beat).unwrap();
            let moved = cycle.remove(first(&cycle, *after));
            let at = first(&cycle, *before);
            cycle.insert(at, moved);
            let wrong = violations(&cycle);
            assert!(
                wrong.iter().any(|w| w.contains(why)),
                "{before:?} {after:?}: {wrong:?}"
            );
        }
    }

    #[test]
    fn a_cycle_that_lacks_a_beat_is_named() {
        let sightings = recording().unwrap();
        let without: Vec<Sighting> = sightings
            .into_iter()
            .filter(|s| s.what != "DELETED")
            .collect();
        let missing = first_cycle(&without, "orders", "ord-").unwrap_err();
        assert_eq!(missing, "orders: Gone does not happen");
    }
}
