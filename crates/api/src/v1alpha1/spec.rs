//! What the owner of a federation asks for. Every field has a default: an empty spec watches and reports, and writes
//! nothing but its own status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    join_guard::JoinGuard, remediation::Remediation, status::FederationHealthStatus,
    workspaces::Workspaces,
};

/// FederationHealth guards one KubeFed federation: it reports whether the federation is about to destroy something, is
/// doing so or has done so, and holds deletions where its owner opted in.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "federationhealth.io",
    version = "v1alpha1",
    kind = "FederationHealth",
    plural = "federationhealths",
    status = "FederationHealthStatus",
    shortname = "fedh",
    category = "federation",
    derive = "PartialEq",
    derive = "Default",
    doc = "FederationHealth guards one KubeFed federation: its status says whether the federation is about to destroy something, is doing so or has done so, who does it, and what will be lost. Deletions are held only where spec.hold opts in.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Healthy",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Healthy\")].status"
    ),
    printcolumn(
        name = "Clusters",
        type_ = "integer",
        json_path = ".status.summary.clusters"
    ),
    // Short: kubectl sets columns three apart, and with a longer word the table would not fit 80.
    printcolumn(
        name = "Churn",
        type_ = "integer",
        json_path = ".status.summary.workspacesChurning"
    ),
    printcolumn(
        name = "At-Risk",
        type_ = "integer",
        json_path = ".status.summary.namespacesAtRisk"
    ),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.remediation.mode"),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = ".status.conditions[?(@.type==\"Healthy\")].lastTransitionTime"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Holding",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Holding\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Healthy\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Healthy\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct FederationHealthSpec {
    /// The federation that this object guards.
    #[serde(default)]
    pub federation: FederationRef,
    /// Which Workspaces and which other federated kinds are judged.
    #[serde(default)]
    pub workspaces: Workspaces,
    /// When repeated recreation of a Workspace counts as churn.
    #[serde(default)]
    pub churn: Churn,
    /// Whether the operator dials the registered clusters to prove their identity.
    #[serde(default)]
    pub probe: Probe,
    /// What the operator may hold, and when. Its own opt-in: no remediation mode or pause delays a hold or ends one.
    #[serde(default)]
    pub hold: Hold,
    /// Whether the API server refuses a KubeFedCluster whose endpoint is registered under another name. Needs the policies,
    /// no hold and no remediation mode; annotation `federationhealth.io/allow-shared-endpoint` on the KubeFedCluster lets
    /// one pass. An API server that has just started lets all pass for half a minute; detection is not affected.
    #[serde(default)]
    pub join_guard: JoinGuard,
    /// What the operator may change to cure a cause.
    #[serde(default)]
    pub remediation: Remediation,
    /// How much of the past status keeps.
    #[serde(default)]
    pub history: History,
}

/// Names of the guarded federation.
// Their forms are CEL rules and not patterns: a server answers a broken pattern with the bare expression.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationRef {
    /// Namespace in which the federation's KubeFed runs and keeps its KubeFedClusters.
    #[serde(default = "FederationRef::namespace")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("must be a namespace's name: lower-case letters, digits and '-', with a letter or digit at both ends")
    )]
    pub namespace: String,
    /// Deployment of KubeFed's controller manager in that namespace. It is found by its label
    /// `kubefed-control-plane=controller-manager` whatever its name; only under its default name
    /// `kubefed-controller-manager` can it be frozen, because the role of `freezeControllers` and the
    /// fence around the operator name it.
    #[serde(default = "FederationRef::controller_deployment")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')").message("must be a Deployment's name: lower-case letters, digits, '-' and '.', with a letter or digit at both ends")
    )]
    pub controller_deployment: String,
}

impl FederationRef {
    fn namespace() -> String {
        "kube-federation-system".to_owned()
    }

    fn controller_deployment() -> String {
        "kubefed-controller-manager".to_owned()
    }
}

impl Default for FederationRef {
    fn default() -> Self {
        Self {
            namespace: Self::namespace(),
            controller_deployment: Self::controller_deployment(),
        }
    }
}

/// The churn detector: a counter of completed recreations (same name, new UID) that decays with time, on two time scales.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.fastHalfLifeSeconds < self.slowHalfLifeSeconds").message("fastHalfLifeSeconds must be below slowHalfLifeSeconds: lower the first or raise the second"),
    validation = Rule::new("self.clearPercent < self.fastThresholdPercent && self.clearPercent < self.slowThresholdPercent").message("clearPercent must be below both thresholds, or churn would end the moment it begins")
)]
pub struct Churn {
    /// Half-life in seconds of the fast counter, for fights with a period of minutes.
    #[serde(default = "Churn::fast_half_life_seconds")]
    #[schemars(range(min = 30, max = 86_400))]
    pub fast_half_life_seconds: i64,
    /// Hundredths of a recreation at which the fast counter calls it churn.
    #[serde(default = "Churn::fast_threshold_percent")]
    #[schemars(range(min = 110, max = 1600))]
    pub fast_threshold_percent: i64,
    /// Half-life in seconds of the slow counter, for fights with a period up to an hour.
    #[serde(default = "Churn::slow_half_life_seconds")]
    #[schemars(range(min = 60, max = 604_800))]
    pub slow_half_life_seconds: i64,
    /// Hundredths of a recreation at which the slow counter calls it churn.
    #[serde(default = "Churn::slow_threshold_percent")]
    #[schemars(range(min = 110, max = 1600))]
    pub slow_threshold_percent: i64,
    /// Churn is over when both counters are below this many hundredths.
    #[serde(default = "Churn::clear_percent")]
    #[schemars(range(min = 10, max = 1500))]
    pub clear_percent: i64,
}

impl Churn {
    fn fast_half_life_seconds() -> i64 {
        600
    }

    fn fast_threshold_percent() -> i64 {
        250
    }

    fn slow_half_life_seconds() -> i64 {
        7200
    }

    fn slow_threshold_percent() -> i64 {
        360
    }

    fn clear_percent() -> i64 {
        75
    }
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            fast_half_life_seconds: Self::fast_half_life_seconds(),
            fast_threshold_percent: Self::fast_threshold_percent(),
            slow_half_life_seconds: Self::slow_half_life_seconds(),
            slow_threshold_percent: Self::slow_threshold_percent(),
            clear_percent: Self::clear_percent(),
        }
    }
}

/// How registered clusters are identified.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.timeoutSeconds < self.periodSeconds").message("timeoutSeconds must be below periodSeconds: a probe has to end before the next begins")
)]
pub struct Probe {
    /// `Offline`: judge by what the API server of the host tells; no Secret is read and nothing is dialled. `Probe`: read the
    /// kube-system UID, a Lease and KubeFed's roles through each registration, with its own token; the surest evidence.
    #[serde(default)]
    pub mode: ProbeMode,
    /// Seconds between two probes of one registration; a new or changed registration is probed at once.
    #[serde(default = "Probe::period_seconds")]
    #[schemars(range(min = 5, max = 3600))]
    pub period_seconds: i64,
    /// Seconds after which a probe is given up.
    #[serde(default = "Probe::timeout_seconds")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i64,
    /// CIDR blocks that may be dialled although they are loopback or link-local addresses, which are refused otherwise. When
    /// not empty, nothing outside these blocks is dialled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    #[x_kube(validation = Rule::new("self.all(c, c.matches('^[0-9a-fA-F.:]+/[0-9]{1,3}$'))").message("each entry must be a CIDR block, for example 10.0.0.0/8 or fd00::/8"))]
    pub allowed_endpoints: Vec<String>,
}

impl Probe {
    fn period_seconds() -> i64 {
        60
    }

    fn timeout_seconds() -> i64 {
        5
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            mode: ProbeMode::default(),
            period_seconds: Self::period_seconds(),
            timeout_seconds: Self::timeout_seconds(),
            allowed_endpoints: Vec::new(),
        }
    }
}

/// Whether registered clusters are dialled.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ProbeMode {
    /// Nothing is dialled and no Secret is read.
    #[default]
    Offline,
    /// Each registration is dialled with its own credentials.
    Probe,
}

/// The holds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Refuse the garbage collector's deletions of namespaces and other objects that belong to a Workspace. On the host
    /// `Always` leaves the deletion of a WorkspaceTemplate alone, since KubeSphere deletes its namespaces itself; but the
    /// namespaces of a Workspace whose placement drops the host stay and have to be deleted by hand. In a member cluster the
    /// collector does all honest work, so a standing hold there keeps tenants' namespaces after the tenant has left.
    #[serde(default)]
    pub collection: CollectionRule,
    /// Refuse KubeFed's deletions of what it manages. Belongs to a diagnosis: while it stands, no federated deletion is
    /// carried out.
    #[serde(default)]
    pub federation: FederationRule,
    /// Seconds for which a hold stays after its cause is gone.
    #[serde(default = "Hold::release_after_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub release_after_seconds: i64,
    /// Holds that persons ask for, each with a name and an end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub requests: Vec<HoldRequest>,
}

impl Hold {
    fn release_after_seconds() -> i64 {
        300
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            collection: CollectionRule::default(),
            federation: FederationRule::default(),
            release_after_seconds: Self::release_after_seconds(),
            requests: Vec::new(),
        }
    }
}

/// When the garbage collector is refused.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum CollectionRule {
    /// Never; also ends a hold that stands.
    #[default]
    Never,
    /// While a diagnosed cause or an unexpected deletion stands.
    OnDiagnosis,
    /// At all times, by the durable layer.
    Always,
}

/// When KubeFed's deletions are refused.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum FederationRule {
    /// Never; also ends a hold that stands.
    #[default]
    Never,
    /// While a diagnosed cause or an unexplained deletion stands.
    OnDiagnosis,
}

/// A person's own hold.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldRequest {
    /// Who asks, or for what: the key of the request.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Why, for the person who finds the hold.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// When the request ends by itself.
    pub until: Time,
}

/// How much of the past is kept.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Incidents that status keeps, newest first.
    #[serde(default = "History::max_incidents")]
    #[schemars(range(min = 1, max = 20))]
    pub max_incidents: i64,
}

impl History {
    fn max_incidents() -> i64 {
        10
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            max_incidents: Self::max_incidents(),
        }
    }
}
