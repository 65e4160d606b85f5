//! From pairs to groups, without looking at all pairs: registrations meet in buckets of equal values.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::discriminant,
};

use super::{Certainty, Evidence, Group, LeaseSample, Subject, leases, same_uid};
use crate::id::{Text, Uid};

/// Bearers of one UID that are compared pair by pair once their leases contradict each other.
///
/// A fleet made from one disk image may be far larger; beyond this the UID is taken to prove nothing among its bearers.
/// 128 bearers are 8,128 comparisons, a few milliseconds.
const CLONES_COMPARED: usize = 128;

/// Items of evidence of one kind that a group carries: the first few convince, and status has room for few.
const EVIDENCE_PER_KIND: usize = 4;

/// Finds the registrations that are, or may be, one cluster.
///
/// - *Certain*: connected by pairs that [`super::compare`] calls `Same`, with no `Different` or `Cloned` pair and
///   no two UIDs among them. A group that has such a pair is `Suspected` and carries the contradiction: something in it is false, and
///   acting on it could hit the wrong cluster. So does a member whose own lease readings contradict each other: its
///   endpoint answers from several stores.
/// - *Suspected*: connected as soon as `Suspected` pairs count too. It contains whole `Same` groups, so that a
///   registration can be in a `Certain` and in a `Suspected` group.
/// - *Cloned*: `Same` groups connected by `Cloned` pairs, with the like overlap.
///
/// Groups of one certainty never overlap. The answer does not depend on the order of `subjects`, whose keys must be
/// distinct. Its cost grows as n·log n, clones aside (`CLONES_COMPARED`).
pub fn group(subjects: &[Subject]) -> Vec<Group> {
    let mut subjects: Vec<&Subject> = subjects.iter().collect();
    subjects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let buckets = Buckets::of(&subjects);

    let mut same = Sets::new(subjects.len());
    let twin_stores = buckets.join_same(&subjects, &mut same);
    let mut suspected = same.clone();
    buckets.join_suspected(&subjects, &mut suspected);
    let mut cloned = same.clone();
    for (a, b) in twin_stores {
        cloned.join(a, b);
    }

    let mut found = Vec::new();
    for members in same.components() {
        if members.len() > 1 && !is_contradictory(&subjects, &members) {
            found.push(describe(&subjects, &members, Certainty::Certain));
        }
    }
    for members in suspected.components() {
        let parts = same.count(&members);
        if parts > 1 || members.len() > 1 && is_contradictory(&subjects, &members) {
            found.push(describe(&subjects, &members, Certainty::Suspected));
        }
    }
    for members in cloned.components() {
        if same.count(&members) > 1 {
            found.push(describe(&subjects, &members, Certainty::Cloned));
        }
    }
    found
}

/// Subjects by the values that join them, as positions in the sorted list.
struct Buckets<'a> {
    uid: BTreeMap<Uid, Vec<usize>>,
    endpoint: BTreeMap<&'a Text, Vec<usize>>,
    ca: BTreeMap<u128, Vec<usize>>,
    both: BTreeMap<(&'a Text, u128), Vec<usize>>,
    lease: BTreeMap<&'a LeaseSample, Vec<usize>>,
}

impl<'a> Buckets<'a> {
    fn of(subjects: &[&'a Subject]) -> Self {
        Self::among(subjects, 0..subjects.len())
    }

    fn among(subjects: &[&'a Subject], members: impl IntoIterator<Item = usize>) -> Self {
        let mut buckets = Self {
            uid: BTreeMap::new(),
            endpoint: BTreeMap::new(),
            ca: BTreeMap::new(),
            both: BTreeMap::new(),
            lease: BTreeMap::new(),
        };
        for at in members {
            let subject = subjects[at];
            if let Some(uid) = subject.uid() {
                buckets.uid.entry(uid).or_default().push(at);
            }
            if let Some(endpoint) = &subject.endpoint {
                buckets.endpoint.entry(endpoint).or_default().push(at);
            }
            if let Some(ca) = subject.ca {
                buckets.ca.entry(ca).or_default().push(at);
            }
            if let (Some(endpoint), Some(ca)) = (&subject.endpoint, subject.ca) {
                buckets.both.entry((endpoint, ca)).or_default().push(at);
            }
            for sample in subject
                .leases()
                .iter()
                .filter(|sample| leases::is_live(sample))
            {
                let readers = buckets.lease.entry(sample).or_default();
                if readers.last() != Some(&at) {
                    readers.push(at);
                }
            }
        }
        buckets
    }

    /// Joins along `Same` pairs; returns pairs that connect what `Cloned` pairs connect.
    fn join_same(&self, subjects: &[&Subject], sets: &mut Sets) -> Vec<(usize, usize)> {
        let mut clones = Vec::new();
        for bearers in self.uid.values() {
            join_bearers(subjects, bearers, sets, &mut clones);
        }
        for sharers in self.both.values() {
            join_through_unknown(subjects, sharers, sets);
        }
        clones
    }

    fn join_suspected(&self, subjects: &[&Subject], sets: &mut Sets) {
        for sharers in self.endpoint.values().chain(self.ca.values()) {
            join_through_unknown(subjects, sharers, sets);
        }
        for readers in self.lease.values() {
            // Equal UIDs were compared already; different ones under one live lease make every reader suspect.
            if readers
                .iter()
                .any(|at| subjects[*at].uid() != subjects[readers[0]].uid())
            {
                sets.join_all(readers);
            }
        }
    }

    fn evidence(&self, subjects: &[&Subject]) -> BTreeSet<Evidence> {
        let mut evidence = BTreeSet::new();
        for (sample, readers) in &self.lease {
            if readers.len() > 1 {
                evidence.insert(Evidence::SameLease {
                    lease: sample.name.clone(),
                });
            }
        }
        for (uid, bearers) in &self.uid {
            let bearers = select(subjects, bearers);
            evidence.extend(same_uid(*uid, &bearers));
            if let Some(lease) = leases::contradiction(&bearers) {
                evidence.insert(Evidence::ContradictingLease { lease });
            }
        }
        if self.both.values().any(|sharers| sharers.len() > 1) {
            evidence.insert(Evidence::SameEndpointAndCa);
        }
        let alone = |sharers: &Vec<usize>| {
            // Where all sharers have the other value in common too, no pair has this one alone.
            let first = subjects[sharers[0]];
            let both = |at: &usize| {
                let other = subjects[*at];
                (&first.endpoint, first.ca) == (&other.endpoint, other.ca)
            };
            let known = first.endpoint.is_some() && first.ca.is_some();
            sharers.len() > 1 && !(known && sharers.iter().all(both))
        };
        if self.endpoint.values().any(alone) {
            evidence.insert(Evidence::SameEndpoint);
        }
        if self.ca.values().any(alone) {
            evidence.insert(Evidence::SameCa);
        }
        let mut uids = self.uid.keys();
        if let (Some(one), Some(other)) = (uids.next(), uids.next()) {
            evidence.insert(Evidence::DifferentUids(*one, *other));
        }
        evidence
    }
}

/// Bearers of one UID are one cluster unless their leases say that they are clones.
fn join_bearers(
    subjects: &[&Subject],
    bearers: &[usize],
    sets: &mut Sets,
    clones: &mut Vec<(usize, usize)>,
) {
    if leases::contradiction(&select(subjects, bearers)).is_none() {
        sets.join_all(bearers);
        return;
    }
    if bearers.len() > CLONES_COMPARED {
        clones.extend(bearers.array_windows().map(|[a, b]| (*a, *b)));
        return;
    }
    for (i, a) in bearers.iter().enumerate() {
        for b in &bearers[i + 1..] {
            if leases::contradiction(&[subjects[*a], subjects[*b]]).is_some() {
                clones.push((*a, *b));
            } else {
                sets.join(*a, *b);
            }
        }
    }
}

/// Of those who share a value, known UIDs have settled each other; one without a UID may be any of them.
fn join_through_unknown(subjects: &[&Subject], sharers: &[usize], sets: &mut Sets) {
    if sharers.iter().any(|at| subjects[*at].uid().is_none()) {
        sets.join_all(sharers);
    }
}

fn is_contradictory(subjects: &[&Subject], members: &[usize]) -> bool {
    let mut by_uid: BTreeMap<Uid, Vec<usize>> = BTreeMap::new();
    for at in members {
        if let Some(uid) = subjects[*at].uid() {
            by_uid.entry(uid).or_default().push(*at);
        }
    }
    by_uid.len() > 1
        || by_uid
            .values()
            .any(|bearers| leases::contradiction(&select(subjects, bearers)).is_some())
}

fn describe(subjects: &[&Subject], members: &[usize], certainty: Certainty) -> Group {
    let all = Buckets::among(subjects, members.iter().copied()).evidence(subjects);
    let mut evidence: Vec<Evidence> = Vec::new();
    for item in all {
        let of_kind = evidence
            .iter()
            .filter(|e| discriminant(*e) == discriminant(&item))
            .count();
        if of_kind < EVIDENCE_PER_KIND {
            evidence.push(item);
        }
    }
    let members = members.iter().map(|at| subjects[*at].key.clone()).collect();
    Group {
        members,
        certainty,
        evidence,
    }
}

fn select<'a>(subjects: &[&'a Subject], at: &[usize]) -> Vec<&'a Subject> {
    at.iter().map(|at| subjects[*at]).collect()
}

/// Union-find; the root of a set is its first member.
#[derive(Clone)]
struct Sets(Vec<usize>);

impl Sets {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }

    fn join_all(&mut self, members: &[usize]) {
        for [a, b] in members.array_windows() {
            self.join(*a, *b);
        }
    }

    fn components(&mut self) -> Vec<Vec<usize>> {
        let mut by_root: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.0.len() {
            by_root.entry(self.root(at)).or_default().push(at);
        }
        by_root.into_values().collect()
    }

    /// How many of these sets the members lie in.
    fn count(&mut self, members: &[usize]) -> usize {
        members
            .iter()
            .map(|at| self.root(*at))
            .collect::<BTreeSet<_>>()
            .len()
    }
}
