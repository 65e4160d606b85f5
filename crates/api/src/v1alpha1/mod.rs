//! `FederationHealth` v1alpha1.

mod definition;
mod plan;
mod remediation;
mod spec;
mod status;
mod workspaces;

pub use definition::definition;
pub use plan::{ActionStatus, PlanStatus, PlanStep};
pub use remediation::{ActionPolicy, Actions, Limits, PauseRequest, Remediation, RemediationMode};
pub use spec::{
    Churn, CollectionHold, FederationHealth, FederationHealthSpec, FederationHold, FederationRef,
    History, Hold, HoldRequest, Probe, ProbeMode,
};
pub use status::{
    BlastRadius, ClusterGroup, FederationHealthStatus, FindingStatus, GroupMember, HoldCause,
    HoldStatus, Incident, LostNamespace, Summary,
};
pub use workspaces::{IgnoreRequirement, IgnoreSelector, Kinds, SelectorOperator, Workspaces};
