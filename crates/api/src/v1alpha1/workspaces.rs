//! Which Workspaces and which federated kinds are judged.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is judged.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.ignoreSelector) || (has(self.ignoreSelector.matchLabels) && size(self.ignoreSelector.matchLabels) > 0) || (has(self.ignoreSelector.matchExpressions) && size(self.ignoreSelector.matchExpressions) > 0)").message("ignoreSelector must name at least one label: leave the field out to ignore nothing")
)]
pub struct Workspaces {
    /// Workspaces whose labels match are not judged: for example those of test tenants that are recreated on purpose.
    /// An empty selector, which would match every Workspace, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_selector: Option<IgnoreSelector>,
    /// `AllFederatedTypes`: every kind with an enabled FederatedTypeConfig is simulated, and its deletions in a loop are told,
    /// since KubeFed deletes volume claims and Deployments of a doubled cluster as fast as Workspaces (FederatedSecrets are
    /// never watched). `Workspaces`: only Workspaces.
    #[serde(default)]
    pub kinds: Kinds,
}

/// A label selector with bounds.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgnoreSelector {
    /// Labels that must all be present with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements that must all hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<IgnoreRequirement>,
}

impl From<&IgnoreSelector> for LabelSelector {
    fn from(selector: &IgnoreSelector) -> Self {
        use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
        Self {
            match_labels: Some(selector.match_labels.clone()),
            match_expressions: Some(
                selector
                    .match_expressions
                    .iter()
                    .map(|r| LabelSelectorRequirement {
                        key: r.key.clone(),
                        operator: format!("{:?}", r.operator),
                        values: Some(r.values.clone()),
                    })
                    .collect(),
            ),
        }
    }
}

/// One requirement of a selector.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0 : has(self.values) && size(self.values) > 0").message("operators In and NotIn need values; Exists and DoesNotExist take none")
)]
pub struct IgnoreRequirement {
    /// Label key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How the label is compared.
    pub operator: SelectorOperator,
    /// Values for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub values: Vec<String>,
}

/// Operators of a label selector.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum SelectorOperator {
    /// The label's value is in the list.
    In,
    /// The label is absent or its value is not in the list.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// Which federated kinds are simulated and watched for loops.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Kinds {
    /// Every kind with an enabled FederatedTypeConfig, FederatedSecrets excepted.
    #[default]
    AllFederatedTypes,
    /// Workspaces only.
    Workspaces,
}
