//! What remediation would do, and what it did.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What remediation would do now.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// Hash of what is to be done to which objects; an approval names it.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Since when this is the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What stands against all of it, in one word; absent while nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub blocked_by: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When that ends by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<Time>,
    /// Steps in the order in which they are carried out, least harm first, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub steps: Vec<PlanStep>,
}

/// One write.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStep {
    /// The action, as in spec.remediation.actions.
    #[schemars(length(max = 64))]
    pub action: String,
    /// Kind of the target.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// Its namespace, if it has one; of a volume that of its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its UID.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its resourceVersion when the plan was made.
    #[schemars(length(max = 64))]
    pub resource_version: String,
    /// What is changed, from what, to what.
    #[schemars(length(max = 512))]
    pub change: String,
    /// What the field is made to contain, in the words of the action; absent where it is longer than its bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub to: Option<String>,
    /// Why.
    #[schemars(length(max = 512))]
    pub why: String,
    /// What that rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub evidence: Vec<String>,
    /// It is taken back when the cause is gone, or can be taken back by hand as `undo` says.
    pub reversible: bool,
    /// How its success is seen.
    #[schemars(length(max = 256))]
    pub verification: String,
    /// The way back.
    #[schemars(length(max = 256))]
    pub undo: String,
    /// What stands against this step alone, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub blocked_by: Option<String>,
    /// What the API server said to the dry run: Accepted, or its refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub dry_run: Option<String>,
}

/// One write that was made, or was about to be made. Also the line of the journal in the ConfigMap.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionStatus {
    /// Number, rising.
    pub id: i64,
    /// Number of the first write of the same act.
    pub act: i64,
    /// Id of the plan that it was a step of.
    #[schemars(length(max = 64))]
    pub plan: String,
    /// The action, as in spec.remediation.actions.
    #[schemars(length(max = 64))]
    pub action: String,
    /// Kind of the target.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// Its namespace, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its UID.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// What the field contained before.
    #[schemars(length(max = 8192))]
    pub from: String,
    /// What it was made to contain.
    #[schemars(length(max = 8192))]
    pub to: String,
    /// When it was begun.
    pub time: Time,
    /// Until when it is taken back without a person.
    pub undo_until: Time,
    /// Intended, Done, Verified, Undoing, Undone, Revoked, Failed, Superseded, Contested, Expired or Closed.
    #[schemars(length(max = 64))]
    pub state: String,
    /// Since when.
    pub since: Time,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}
