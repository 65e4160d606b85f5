//! A federation as it is now: the object's judgement beside what is registered.

use std::collections::{BTreeMap, BTreeSet};

use federation_health_api::{
    FederationHealth,
    v1alpha1::{ClusterGroup, FederationHealthStatus},
};
use k8s_openapi::jiff::Timestamp;

/// One registration.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// Status of Ready, or `Absent`.
    pub ready: String,
    /// Its API server.
    pub endpoint: String,
    /// Carries KubeSphere's host label.
    pub host: bool,
    /// When it was registered.
    pub created: Option<Timestamp>,
    /// Index of its group in the object's status.
    pub group: Option<usize>,
}

/// One control plane.
#[derive(Clone, Debug, Default)]
pub struct Plane {
    /// Its namespace.
    pub namespace: String,
    /// Available and wished replicas; None without a Deployment.
    pub replicas: Option<(i32, i32)>,
    /// When its oldest Deployment was made.
    pub since: Option<Timestamp>,
    /// Its registrations.
    pub registrations: Vec<Registration>,
}

/// A namespace that exists.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// It is being deleted.
    pub terminating: bool,
}

/// Whether anybody judges the federation now. What a dead operator wrote stays in the object's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Operator {
    /// Nobody looked, or it could not be seen.
    #[default]
    Unseen,
    /// A replica is available.
    Runs,
    /// None is.
    Stopped(Stopped),
}

/// An operator that does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Available and wished replicas.
    pub ready: String,
    /// What is missing, or a command that shows why.
    pub why: String,
}

/// What follows from an operator that does not run.
pub const CONSEQUENCE: &str =
    "nothing is judged or held anew, and what stands here is what it said last.";

impl Operator {
    /// What whoever reads the last verdict has to know.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Stopped(Stopped { why, .. }) => {
                Some(format!("The operator does not run ({why}): {CONSEQUENCE}"))
            }
            Self::Unseen | Self::Runs => None,
        }
    }
}

/// The federation as it is now.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// The object.
    pub health: FederationHealth,
    /// Whether its judgement is alive.
    pub operator: Operator,
    /// Control planes, the guarded one first.
    pub planes: Vec<Plane>,
    /// Namespaces of the Workspaces that the object names.
    pub namespaces: BTreeMap<String, Vec<Namespace>>,
    /// What could not be read, and why.
    pub gaps: Vec<String>,
}

impl Overview {
    /// The object's status.
    pub fn status(&self) -> FederationHealthStatus {
        self.health.status.clone().unwrap_or_default()
    }

    /// The verdict: True, False or Unknown. What was healthy when the operator died may be so no more.
    pub fn healthy(&self) -> &str {
        let conditions = self.health.status.iter().flat_map(|s| &s.conditions);
        let healthy = conditions.into_iter().find(|c| c.type_ == "Healthy");
        match (healthy.map(|c| c.status.as_str()), &self.operator) {
            (Some("False"), _) => "False",
            (Some("True"), Operator::Unseen | Operator::Runs) => "True",
            _ => "Unknown",
        }
    }

    /// Puts the guarded plane first, and in each plane the names that share a cluster.
    pub fn sort(&mut self) {
        let guarded = &self.health.spec.federation.namespace;
        self.planes
            .sort_by_key(|p| (p.namespace != *guarded, p.namespace.clone()));
        for plane in &mut self.planes {
            plane
                .registrations
                .sort_by_key(|r| (r.group.is_none(), !r.host, r.name.clone()));
        }
    }
}

/// Index of the group that has this registration as a member.
pub fn group_of(groups: &[ClusterGroup], namespace: &str, name: &str) -> Option<usize> {
    let same = |g: &ClusterGroup| {
        g.members
            .iter()
            .any(|m| m.name == name && m.namespace == namespace)
    };
    groups.iter().position(same)
}

/// Workspaces that the status names, sorted.
pub fn workspaces(status: &FederationHealthStatus) -> BTreeSet<String> {
    let risk = status.blast_radius.iter().flat_map(|r| &r.workspace_names);
    let incidents = status.incidents.iter().map(|i| &i.workspace);
    let lost = status.lost_namespaces.iter().map(|l| &l.workspace);
    risk.chain(incidents).chain(lost).cloned().collect()
}
