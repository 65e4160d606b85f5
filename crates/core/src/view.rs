//! What status shows of clusters and of what is at risk.

use crate::{
    facts::Readiness,
    federation::Federation,
    findings,
    id::{RegistrationKey, Text, Uid},
    identity::Evidence,
    text::within,
    time::Time,
};

/// Groups shown; each has a finding of its own as well.
const MAX_GROUPS: usize = 20;
/// Members shown of one group.
const MAX_MEMBERS: usize = 16;
/// Names shown of each sort at risk.
const MAX_RISK: usize = 50;
/// Namespaces whose contents are counted: six lists each, one after the other, are a few seconds of one connection.
const MAX_COUNTED: usize = 200;
/// A count is taken anew after this long.
const RECOUNT_MS: i64 = 600_000;
/// Bytes of names of each sort at risk, of all groups, and of one group's members beyond the first two and its evidence:
/// with findings, incidents and losses the object stays under 128 KiB, however long the names are.
const MAX_RISK_BYTES: usize = 4096;
const MAX_GROUPS_BYTES: usize = 20_480;
const MAX_GROUP_BYTES: usize = 1024;
const MAX_EVIDENCE_BYTES: usize = 512;

/// A registration in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Key.
    pub key: RegistrationKey,
    /// UID.
    pub uid: Uid,
    /// Readiness.
    pub ready: Readiness,
    /// Time of registration.
    pub created: Option<Time>,
    /// What speaks for or against its being the leftover.
    pub staleness: Vec<String>,
}

/// A real, or suspected, cluster with several names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Members.
    pub members: Vec<MemberView>,
    /// Evidence.
    pub evidence: Vec<String>,
    /// Certain enough to hold by.
    pub certain: bool,
    /// It is this server.
    pub host: bool,
}

/// What is in the namespaces at risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Deployments, StatefulSets, DaemonSets, Jobs and CronJobs.
    pub workloads: u64,
    /// Bound PersistentVolumeClaims.
    pub bound_claims: u64,
}

/// A count, of these namespaces, at this time.
#[derive(Clone, Debug)]
pub(crate) struct Count {
    namespaces: Vec<Text>,
    contents: Contents,
    at: Time,
}

/// What is at risk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Radius {
    /// Workspaces.
    pub workspaces: usize,
    /// Namespaces.
    pub namespaces: usize,
    /// Other federated objects.
    pub objects: usize,
    /// Names of Workspaces.
    pub workspace_names: Vec<Text>,
    /// Names of namespaces.
    pub namespace_names: Vec<Text>,
    /// Other objects.
    pub object_names: Vec<String>,
    /// What is in the namespaces; None while it is not counted.
    pub contents: Option<Contents>,
}

impl Federation {
    /// Namespaces at risk whose contents are to be counted now; None if there is nothing to count, or too much.
    pub fn uncounted(&self, now: Time) -> Option<Vec<Text>> {
        let at_risk = self.namespaces_at_risk()?;
        let counted = self.count.as_ref().is_some_and(|count| {
            count.namespaces == at_risk && now.since_ms(count.at) < RECOUNT_MS
        });
        (!counted && !at_risk.is_empty()).then_some(at_risk)
    }

    /// Takes what is in these namespaces.
    pub fn counted(&mut self, namespaces: Vec<Text>, contents: Contents, now: Time) {
        self.count = Some(Count {
            namespaces,
            contents,
            at: now,
        });
    }

    /// Sorted; None if they are too many to be counted.
    fn namespaces_at_risk(&self) -> Option<Vec<Text>> {
        if self.risk.namespaces > MAX_COUNTED {
            return None;
        }
        let members = |workspace| self.tenants.members(workspace);
        let mut names: Vec<Text> = self
            .risk
            .workspaces
            .iter()
            .flat_map(members)
            .cloned()
            .collect();
        names.sort();
        Some(names)
    }
}

pub(crate) fn groups(federation: &Federation) -> Vec<GroupView> {
    let registry = &federation.registry;
    let doubled = registry
        .real()
        .iter()
        .filter(|real| real.doubled())
        .map(|real| GroupView {
            members: members(federation, &real.members),
            evidence: evidence(&real.evidence),
            certain: true,
            host: real.host,
        });
    let weak = registry.weak().iter().map(|group| GroupView {
        members: members(federation, &group.members),
        evidence: evidence(&group.evidence),
        certain: false,
        host: false,
    });
    let mut left = MAX_GROUPS_BYTES;
    doubled
        .chain(weak)
        .take(MAX_GROUPS)
        .map_while(|group| {
            left = left.checked_sub(size(&group))?;
            Some(group)
        })
        .collect()
}

fn evidence(evidence: &[Evidence]) -> Vec<String> {
    let lines = evidence.iter().map(ToString::to_string).collect();
    within(lines, MAX_EVIDENCE_BYTES)
}

fn size(group: &GroupView) -> usize {
    let evidence: usize = group.evidence.iter().map(String::len).sum();
    evidence + group.members.iter().map(member_size).sum::<usize>()
}

/// Bytes on the wire, the fields' own names included.
fn member_size(member: &MemberView) -> usize {
    const FIELDS: usize = 160;
    let signs: usize = member.staleness.iter().map(String::len).sum();
    FIELDS + member.key.namespace.len() + member.key.name.len() + signs
}

/// As many as fit.
fn fitting<T: AsRef<str>>(names: impl Iterator<Item = T>) -> Vec<T> {
    let mut left = MAX_RISK_BYTES;
    names
        .take(MAX_RISK)
        .map_while(|name| {
            left = left.checked_sub(name.as_ref().len() + 3)?;
            Some(name)
        })
        .collect()
}

fn members(federation: &Federation, keys: &[RegistrationKey]) -> Vec<MemberView> {
    let known = keys
        .iter()
        .take(MAX_MEMBERS)
        .filter_map(|key| Some((key, federation.registry.entry(key)?)));
    let mut left = MAX_GROUP_BYTES;
    known
        .map(|(key, entry)| MemberView {
            key: key.clone(),
            uid: entry.facts.uid,
            ready: entry.facts.ready,
            created: entry.facts.created,
            staleness: staleness(federation, key),
        })
        .enumerate()
        .map_while(|(i, member)| {
            left = left.saturating_sub(member_size(&member));
            (i < 2 || left > 0).then_some(member)
        })
        .collect()
}

/// What it amounts to, then the signs, proof first.
fn staleness(federation: &Federation, key: &RegistrationKey) -> Vec<String> {
    let staleness = federation.staleness(key);
    let signs = staleness.signs().iter().map(ToString::to_string);
    std::iter::once(staleness.as_str().to_owned())
        .chain(signs)
        .collect()
}

pub(crate) fn radius(federation: &Federation) -> Radius {
    let risk = &federation.risk;
    let mut namespaces: Vec<Text> = risk
        .workspaces
        .iter()
        .take(MAX_RISK)
        .flat_map(|ws| federation.tenants.members(ws))
        .cloned()
        .collect();
    namespaces.sort();
    Radius {
        workspaces: risk.workspaces.len(),
        namespaces: risk.namespaces,
        objects: risk.objects.len(),
        workspace_names: fitting(risk.workspaces.iter().cloned()),
        namespace_names: fitting(namespaces.into_iter()),
        object_names: fitting(
            risk.objects
                .iter()
                .map(|(kind, key)| format!("{kind} {}", findings::object_name(key))),
        ),
        contents: federation
            .count
            .as_ref()
            .filter(|count| federation.namespaces_at_risk().as_ref() == Some(&count.namespaces))
            .map(|count| count.contents),
    }
}
