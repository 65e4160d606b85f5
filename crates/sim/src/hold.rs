//! What the admission policies of the hold do, as hooks.
//!
//! A rule is in force only while its policy and its binding exist on the server. The fast layer also
//! reads FederationHold `default`; the durable layer also asks its binding's object selector.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    admission::{Denial, Hook, Review},
    json,
    selector::label_selector_matches,
};

const CANARY: &str = "federationhealth.io/canary";
const MANAGED: &str = "kubefed.io/managed";
const OUR_NAMESPACE: &str = "federation-health-system";
/// The namespace that the durable federation policy names.
const DURABLE_PLANES: &[&str] = &["kube-federation-system"];

#[derive(Clone, Copy, PartialEq)]
enum Layer {
    Fast,
    Durable,
}

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Collection,
    Federation,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Federation => "federation",
        }
    }
}

/// The hooks of the four policies of the hold.
pub(crate) fn hooks() -> Vec<Hook> {
    let mut hooks: Vec<Hook> = Vec::new();
    for layer in [Layer::Fast, Layer::Durable] {
        for rule in [Rule::Collection, Rule::Federation] {
            hooks.push(Arc::new(move |review| hold(review, layer, rule)));
        }
    }
    hooks
}

fn hold(review: &Review<'_>, layer: Layer, rule: Rule) -> Option<Denial> {
    if review.operation != "DELETE" {
        return None;
    }
    let old = review.old?;
    let suffix = if layer == Layer::Fast {
        "fast"
    } else {
        "durable"
    };
    let policy = format!("federation-health-{}-{suffix}", rule.name());
    let binding = in_force(review, &policy)?;
    let selector = json::at(binding, &["spec", "matchResources", "objectSelector"]);
    if selector.is_some_and(|s| !label_selector_matches(s, old)) {
        return None;
    }
    let value = format!("{suffix}-{}", rule.name());
    let denied = if is_canary(review, old, rule) {
        json::label(old, CANARY) == Some(&value) && canary_is_refused(review, old, layer)
    } else {
        covers(review, old, rule) && is_switched(review, layer, rule)
    };
    denied.then(|| Denial {
        message: format!(
            "federation-health holds these deletions (rule {}, {suffix} layer)",
            rule.name()
        ),
        binding: policy.clone(),
        policy,
    })
}

/// The binding of a policy, if both exist.
pub(crate) fn in_force<'a>(review: &'a Review<'_>, policy: &str) -> Option<&'a Value> {
    const GROUP: &str = "admissionregistration.k8s.io";
    review.read(GROUP, "validatingadmissionpolicies", "", policy)?;
    review.read(GROUP, "validatingadmissionpolicybindings", "", policy)
}

/// Whether the object is one that a rule covers only to be provable.
fn is_canary(review: &Review<'_>, old: &Value, rule: Rule) -> bool {
    match rule {
        Rule::Collection => review.resource == "configmaps" && review.group.is_empty(),
        Rule::Federation => json::label(old, MANAGED) == Some("canary"),
    }
}

fn canary_is_refused(review: &Review<'_>, old: &Value, layer: Layer) -> bool {
    if review.resource != "configmaps" || review.namespace != OUR_NAMESPACE {
        return false;
    }
    match layer {
        Layer::Fast => {
            review.dry_run
                && !review.parameters_unknown()
                && flag(parameter(review), &["status", "proof"])
        }
        Layer::Durable => {
            let owned = !json::items(old, &["metadata", "ownerReferences"]).is_empty();
            review.dry_run || (owned && is_collector(review.user))
        }
    }
}

fn covers(review: &Review<'_>, old: &Value, rule: Rule) -> bool {
    match rule {
        Rule::Collection => {
            let kind = (review.group, review.resource);
            let covered = matches!(
                kind,
                ("", "namespaces") | ("devops.kubesphere.io", "devopsprojects")
            );
            covered && is_collector(review.user) && belongs_to_workspace(old)
        }
        Rule::Federation => {
            json::label(old, MANAGED) == Some("true")
                && review.user.starts_with("system:serviceaccount:")
        }
    }
}

fn is_switched(review: &Review<'_>, layer: Layer, rule: Rule) -> bool {
    if layer == Layer::Durable {
        return rule == Rule::Collection
            || DURABLE_PLANES
                .iter()
                .any(|plane| is_from(review.user, plane));
    }
    let Some(switch) = parameter(review).filter(|_| !review.parameters_unknown()) else {
        return false;
    };
    let planes = json::items(switch, &["status", "hold", "namespaces"]);
    let from_plane = planes
        .iter()
        .filter_map(Value::as_str)
        .any(|plane| is_from(review.user, plane));
    json::text(switch, &["spec", rule.name()]) != "Never"
        && flag(Some(switch), &["status", "hold", rule.name()])
        && (rule == Rule::Collection || from_plane)
}

fn parameter<'a>(review: &'a Review<'_>) -> Option<&'a Value> {
    review.read("federationhealth.io", "federationholds", "", "default")
}

pub(crate) fn flag(object: Option<&Value>, path: &[&str]) -> bool {
    object
        .and_then(|o| json::at(o, path))
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

fn is_from(user: &str, namespace: &str) -> bool {
    user.strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(home, _)| home == namespace)
}

fn is_collector(user: &str) -> bool {
    matches!(
        user,
        "system:serviceaccount:kube-system:generic-garbage-collector"
            | "system:kube-controller-manager"
    )
}

fn belongs_to_workspace(object: &Value) -> bool {
    json::label(object, "kubesphere.io/workspace").is_some()
        || json::items(object, &["metadata", "ownerReferences"])
            .iter()
            .any(|owner| {
                json::text(owner, &["kind"]) == "Workspace"
                    && json::text(owner, &["apiVersion"]).starts_with("tenant.kubesphere.io/")
            })
}
