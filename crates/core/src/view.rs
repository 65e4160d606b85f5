//! What status shows of clusters and of what is at risk.

use crate::{
    facts::{Feed, Readiness},
    federation::Federation,
    findings,
    id::{RegistrationKey, Text, Uid},
    time::Time,
};

/// Groups shown; each has a finding of its own as well.
const MAX_GROUPS: usize = 20;
/// Members shown of one group.
const MAX_MEMBERS: usize = 16;
/// Names shown of each sort at risk.
const MAX_RISK: usize = 50;

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
}

pub(crate) fn groups(federation: &Federation) -> Vec<GroupView> {
    let registry = &federation.registry;
    let doubled = registry
        .real()
        .iter()
        .filter(|real| real.doubled())
        .map(|real| GroupView {
            members: members(federation, &real.members),
            evidence: real.evidence.iter().map(ToString::to_string).collect(),
            certain: true,
            host: real.host,
        });
    let weak = registry.weak().iter().map(|group| GroupView {
        members: members(federation, &group.members),
        evidence: group.evidence.iter().map(ToString::to_string).collect(),
        certain: false,
        host: false,
    });
    doubled.chain(weak).take(MAX_GROUPS).collect()
}

fn members(federation: &Federation, keys: &[RegistrationKey]) -> Vec<MemberView> {
    let known = keys
        .iter()
        .take(MAX_MEMBERS)
        .filter_map(|key| Some((key, federation.registry.entry(key)?)));
    known
        .map(|(key, entry)| MemberView {
            key: key.clone(),
            uid: entry.facts.uid,
            ready: entry.facts.ready,
            created: entry.facts.created,
            staleness: staleness(federation, key),
        })
        .collect()
}

/// Signs, not proof: which name is the leftover is decided by a person, or by remediation with proof of its own.
fn staleness(federation: &Federation, key: &RegistrationKey) -> Vec<String> {
    let mut signs = Vec::new();
    let entry = federation.registry.entry(key);
    let cluster = federation.registry.cluster(&key.name);
    if federation.synced(&Feed::Clusters) {
        match cluster {
            None => signs.push("For: KubeSphere has no Cluster of this name.".to_owned()),
            Some(c) if c.joins => signs.push(
                "Against: KubeSphere's Cluster of this name joins the federation.".to_owned(),
            ),
            Some(_) => signs.push(
                "For: KubeSphere's Cluster of this name does not join the federation.".to_owned(),
            ),
        }
    }
    if entry.is_some_and(|e| e.facts.host_label) {
        signs.push("Against: carries KubeSphere's host label.".to_owned());
    }
    if *key.namespace != *federation.policy.namespace {
        signs.push(format!(
            "For: belongs to namespace {}, not to the guarded federation.",
            key.namespace
        ));
    }
    signs
}

pub(crate) fn radius(federation: &Federation) -> Radius {
    let risk = &federation.risk;
    let workspaces = risk.workspaces.iter().take(MAX_RISK).cloned();
    let mut namespaces: Vec<Text> = risk
        .workspaces
        .iter()
        .take(MAX_RISK)
        .flat_map(|ws| federation.tenants.members(ws))
        .cloned()
        .collect();
    namespaces.sort();
    namespaces.truncate(MAX_RISK);
    let objects = risk.objects.iter().take(MAX_RISK);
    Radius {
        workspaces: risk.workspaces.len(),
        namespaces: risk.namespaces,
        objects: risk.objects.len(),
        workspace_names: workspaces.collect(),
        namespace_names: namespaces,
        object_names: objects
            .map(|(kind, key)| format!("{kind} {}", findings::object_name(key)))
            .collect(),
    }
}
