//! What may be changed to cure a cause, by whom, and how much of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may be changed to stop a loss and to cure its cause. Nothing is on by default; every switch is its own.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Remediation {
    /// `Observe` reports; `DryRun` also plans each write and tries it with a server-side dry run; `Apply` carries it out.
    #[serde(default)]
    pub mode: RemediationMode,
    /// What each action may do in mode Apply.
    #[serde(default)]
    pub actions: Actions,
    /// Limits that no plan exceeds.
    #[serde(default)]
    pub limits: Limits,
    /// Named reasons to take no action. Holds are not paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pause_requests: Vec<PauseRequest>,
}

/// How far remediation goes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum RemediationMode {
    /// Report only.
    #[default]
    Observe,
    /// Plan, and try each write without effect.
    DryRun,
    /// Carry out.
    Apply,
}

/// A named reason to pause.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct PauseRequest {
    /// Who asks.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Why.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
}

/// One switch for each action.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Actions {
    /// Keep the volumes of namespaces at risk, and of those that are being deleted against their owner's wish.
    #[serde(default)]
    pub retain_volumes: ActionPolicy,
    /// Put the finalizer `orphan` on Workspaces, so that their namespaces outlive them.
    #[serde(default)]
    pub arm_orphan: ActionPolicy,
    /// Take Workspaces at risk out of KubeFed's care.
    #[serde(default)]
    pub shield_workspaces: ActionPolicy,
    /// Scale conflicting KubeFed Deployments to zero.
    #[serde(default)]
    pub freeze_controllers: ActionPolicy,
    /// After a freeze, or on request: plant a Workspace without namespaces, to see whether any other control plane works here.
    #[serde(default)]
    pub plant_canary: ActionPolicy,
    /// Take dangling owner references off namespaces.
    #[serde(default)]
    pub disarm_namespaces: ActionPolicy,
    /// Replace stale names in placements.
    #[serde(default)]
    pub fix_placement: ActionPolicy,
    /// Delete the registration whose staleness is proven.
    #[serde(default)]
    pub remove_stale_cluster: ActionPolicy,
}

/// Who starts an action.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ActionPolicy {
    /// Nobody.
    #[default]
    Never,
    /// A person, by approving the plan.
    Approval,
    /// The operator.
    Automatic,
}

/// Limits of remediation.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Actions an hour.
    #[serde(default = "Limits::max_actions_per_hour")]
    #[schemars(range(min = 0, max = 60))]
    pub max_actions_per_hour: i64,
    /// Seconds between two actions of one kind on one target. A shield, a finalizer or a kept volume that the operator itself took
    /// back may return at once: the danger did.
    #[serde(default = "Limits::cooldown_seconds")]
    #[schemars(range(min = 0, max = 86_400))]
    pub cooldown_seconds: i64,
    /// Share of clusters, in percent, that may look unhealthy before the operator suspects itself and stops.
    #[serde(default = "Limits::max_unhealthy_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub max_unhealthy_percent: i64,
    /// Names of KubeFedClusters that are known to be offline, for maintenance for instance: they do not count in that share,
    /// neither as unhealthy nor as clusters. Being offline is never a sign that a registration is a leftover.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub expected_offline: Vec<String>,
}

impl Limits {
    fn max_actions_per_hour() -> i64 {
        6
    }

    fn cooldown_seconds() -> i64 {
        600
    }

    fn max_unhealthy_percent() -> i64 {
        34
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_actions_per_hour: Self::max_actions_per_hour(),
            cooldown_seconds: Self::cooldown_seconds(),
            max_unhealthy_percent: Self::max_unhealthy_percent(),
            expected_offline: Vec::new(),
        }
    }
}
