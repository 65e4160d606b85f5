//! `FederationHealth` and `FederationHold`, v1alpha1.

mod definition;
mod hold;
mod join_guard;
mod plan;
mod remediation;
mod spec;
mod status;
mod workspaces;

pub use definition::{definition, definitions};
pub use hold::{FederationHold, FederationHoldSpec, FederationHoldStatus, Permission};
pub use join_guard::{JoinGuard, JoinGuardStatus};
pub use plan::{ActionStatus, PlanStatus, PlanStep};
pub use remediation::{ActionPolicy, Actions, Limits, PauseRequest, Remediation, RemediationMode};
pub use spec::{
    Churn, CollectionRule, FederationHealth, FederationHealthSpec, FederationRef, FederationRule,
    History, Hold, HoldRequest, Probe, ProbeMode,
};
pub use status::{
    BlastRadius, ClusterGroup, FederationHealthStatus, FindingStatus, GroupMember, HoldCause,
    HoldStatus, Incident, LostNamespace, Summary,
};
pub use workspaces::{IgnoreRequirement, IgnoreSelector, Kinds, SelectorOperator, Workspaces};
