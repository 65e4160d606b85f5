//! `FederationHealth` v1alpha1.

mod definition;
mod spec;
mod status;

pub use definition::definition;
pub use spec::{
    ActionPolicy, Actions, Churn, CollectionHold, FederationHealth, FederationHealthSpec,
    FederationHold, FederationRef, History, Hold, HoldRequest, IgnoreRequirement, IgnoreSelector,
    Kinds, Limits, PauseRequest, Probe, ProbeMode, Remediation, RemediationMode, SelectorOperator,
    Workspaces,
};
pub use status::{
    BlastRadius, ClusterGroup, FederationHealthStatus, FindingStatus, GroupMember, HoldCause,
    HoldStatus, Incident, LostNamespace, Summary,
};
