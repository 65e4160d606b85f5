//! What the operator found. Bounded: the whole object stays under 128 KiB, whatever the federation's size.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    join_guard::JoinGuardStatus,
    plan::{ActionStatus, PlanStatus},
};

/// Status of a FederationHealth.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationHealthStatus {
    /// Generation of the spec that this status judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Healthy and one condition for each check. A check that does not exist or is switched off has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// What is held, for people: the switch itself is status.hold of the FederationHold of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// What new registrations are compared with; absent while the join guard is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_guard: Option<JoinGuardStatus>,
    /// Real clusters with a finding, each with its registrations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub cluster_groups: Vec<ClusterGroup>,
    /// Open findings, worst first, at most 20; summary.findings counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub findings: Vec<FindingStatus>,
    /// What the open findings put at risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<BlastRadius>,
    /// What remediation would do now, and what stands against it; absent while it would do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// What remediation did, oldest first: what is in force, and the last of the rest. Written apart from the rest of status,
    /// before each write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub actions: Vec<ActionStatus>,
    /// UID of the object that `actions` were written into. Those of another one came with a restore and are not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub actions_of: Option<String>,
    /// Past and present incidents, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub incidents: Vec<Incident>,
    /// Workspaces recreated lately, beside those of `incidents`, as a restarted operator takes them up: name, time of the
    /// last recreation, and the damped counts after it as in `incidents[].penaltiesMilli`. By themselves they justify nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 320)))]
    pub suspects: Vec<String>,
    /// Namespaces that were lost, newest first, at most 100; summary.namespacesLost counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub lost_namespaces: Vec<LostNamespace>,
}

/// Counts of what is watched and found.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Registrations (KubeFedClusters in all namespaces).
    pub clusters: i64,
    /// Workspaces on this server.
    pub workspaces: i64,
    /// Workspaces that churn now.
    pub workspaces_churning: i64,
    /// Namespaces that open findings put at risk.
    pub namespaces_at_risk: i64,
    /// Namespaces lost so far.
    pub namespaces_lost: i64,
    /// Workspaces recreated (same name, new UID) since incidents are recorded.
    pub recreations: i64,
    /// Open findings, also those that the list leaves out.
    pub findings: i64,
    /// The list of findings is shortened.
    #[serde(default)]
    pub truncated: bool,
}

/// What is held, and why.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldStatus {
    /// The garbage collector is refused.
    #[serde(default)]
    pub collection: bool,
    /// KubeFed's deletions are refused.
    #[serde(default)]
    pub federation: bool,
    /// Namespaces whose ServiceAccounts the federation hold covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub namespaces: Vec<String>,
    /// Since when a hold stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// The causes that keep the hold, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub causes: Vec<HoldCause>,
}

/// One cause of a hold.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldCause {
    /// DoubledRegistration, SecondControlPlane, SelectedNowhere, FederatedKindDeleted, UnexpectedDeletion, Requested or
    /// Unrecorded.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What it is about; for UnexpectedDeletion the Workspace, for Requested the request.
    #[schemars(length(max = 512))]
    pub subject: String,
    /// UID of the deleted Workspace, for UnexpectedDeletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
}

/// One real cluster and the names it is registered under.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterGroup {
    /// Registrations, by namespace and name; at most 16.
    #[schemars(length(max = 16))]
    pub members: Vec<GroupMember>,
    /// Why they are believed to be one cluster, strongest first.
    #[schemars(length(max = 16))]
    pub evidence: Vec<String>,
    /// Certain enough to hold by; else a suspicion.
    pub certain: bool,
    /// This server is the cluster.
    #[serde(default)]
    pub host: bool,
}

/// A registration within a group.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    /// Namespace of the KubeFedCluster.
    pub namespace: String,
    /// Name of the KubeFedCluster.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// True, False, Unknown or Absent.
    pub ready: String,
    /// When it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Time>,
    /// What speaks for or against its being stale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub staleness: Vec<String>,
}

/// One open finding.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingStatus {
    /// Stable code, FH001 and on; never changes meaning.
    #[schemars(length(max = 8))]
    pub code: String,
    /// Critical, High, Medium or Low.
    #[schemars(length(max = 16))]
    pub severity: String,
    /// What it is about, by name.
    #[schemars(length(max = 512))]
    pub subject: String,
    /// Since when.
    pub since: Time,
    /// One sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub evidence: Vec<String>,
    /// The next command to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub next: Option<String>,
}

/// What the open findings put at risk.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlastRadius {
    /// Workspaces at risk, counted.
    pub workspaces: i64,
    /// Namespaces at risk, counted.
    pub namespaces: i64,
    /// Other federated objects at risk, counted.
    pub objects: i64,
    /// Names of Workspaces at risk, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub workspace_names: Vec<String>,
    /// Names of namespaces at risk, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub namespace_names: Vec<String>,
    /// Other federated objects at risk (kind namespace/name), at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub object_names: Vec<String>,
    /// Deployments, StatefulSets, DaemonSets, Jobs and CronJobs in the namespaces at risk; absent while not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<i64>,
    /// Bound PersistentVolumeClaims in the namespaces at risk; absent while not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_claims: Option<i64>,
}

/// A Workspace that was deleted against its desired state.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// The Workspace.
    pub workspace: String,
    /// First sign.
    pub first_seen_time: Time,
    /// Last sign.
    pub last_seen_time: Time,
    /// Completed recreations (same name, new UID).
    pub recreations: i64,
    /// Registrations that take part, where known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub parties: Vec<String>,
    /// Namespaces lost in it.
    #[serde(default)]
    pub namespaces_lost: i64,
    /// The damped counts of recreations at the last one, in thousandths: the fast scale, then the slow one. A restarted
    /// operator takes them up, so that a slow fight is found between restarts; by themselves they justify nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub penalties_milli: Vec<i64>,
}

/// A namespace that was lost.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostNamespace {
    /// Name.
    pub name: String,
    /// UID of the lost namespace.
    pub uid: String,
    /// Workspace that it belonged to.
    pub workspace: String,
    /// When its deletion was seen.
    pub time: Time,
}
