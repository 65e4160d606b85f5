//! What the guard policies of `config/policies` do, as hooks: they keep a holding object, its status, and the operator itself.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    admission::{Denial, Hook, Review},
    hold::{flag, in_force},
    json,
};

const GROUP: &str = "federationhealth.io";
const OPERATOR: &str = "system:serviceaccount:federation-health-system:federation-health";
const MANAGED: &str = "kubefed.io/managed";

/// The hooks of the guards and of the fence. Membership in the break-glass group is not modelled.
pub(crate) fn hooks() -> Vec<Hook> {
    vec![
        Arc::new(deletion),
        Arc::new(status),
        Arc::new(operator),
        Arc::new(volumes),
        Arc::new(scale),
        Arc::new(registrations),
    ]
}

fn denial(policy: &str, message: &str) -> Denial {
    Denial {
        policy: policy.to_owned(),
        binding: policy.to_owned(),
        message: message.to_owned(),
    }
}

/// An object that holds is deleted only with its break-glass annotation.
fn deletion(review: &Review<'_>) -> Option<Denial> {
    const POLICY: &str = "federation-health-guard-deletion";
    let old = review
        .old
        .filter(|_| review.operation == "DELETE" && review.group == GROUP)?;
    in_force(review, POLICY)?;
    let holds = ["collection", "federation"]
        .iter()
        .any(|rule| flag(Some(old), &["status", "hold", rule]));
    let annotation = ["metadata", "annotations", "federationhealth.io/break-glass"];
    (holds && json::text(old, &annotation).is_empty()).then(|| {
        denial(
            POLICY,
            "deletions are held, and deleting this object would end the hold or leave it without a keeper",
        )
    })
}

/// Only the operator writes status.
fn status(review: &Review<'_>) -> Option<Denial> {
    const POLICY: &str = "federation-health-guard-status";
    let covered =
        review.operation == "UPDATE" && review.group == GROUP && review.subresource == "status";
    if !covered || review.user == OPERATOR {
        return None;
    }
    in_force(review, POLICY)?;
    Some(denial(
        POLICY,
        "only the operator writes the status of FederationHealths and FederationHolds",
    ))
}

/// The operator changes nothing but what its actions need.
fn operator(review: &Review<'_>) -> Option<Denial> {
    const POLICY: &str = "federation-health-guard-operator";
    let kind = match (review.group, review.resource) {
        ("", "namespaces") | ("tenant.kubesphere.io", "workspaces" | "workspacetemplates") => {
            review.resource
        }
        _ => return None,
    };
    if review.user != OPERATOR {
        return None;
    }
    in_force(review, POLICY)?;
    let allowed = match (review.object, review.old) {
        (Some(new), Some(old)) => review.subresource.is_empty() && permitted(kind, new, old),
        (one, other) => kind == "workspaces" && one.or(other).is_some_and(is_canary),
    };
    (!allowed).then(|| {
        denial(
            POLICY,
            "federation-health may not change this (guard of the operator)",
        )
    })
}

fn is_canary(workspace: &Value) -> bool {
    json::meta(workspace, "name") == "federation-health-canary"
        && json::label(workspace, "federationhealth.io/canary") == Some("workspace")
}

/// Of a volume the operator changes the policy, to Retain or from it.
fn volumes(review: &Review<'_>) -> Option<Denial> {
    const POLICY: &str = "federation-health-fence-volumes";
    const RECLAIM: &str = "persistentVolumeReclaimPolicy";
    let covered = (review.group, review.resource) == ("", "persistentvolumes");
    fenced(review, POLICY, covered, || {
        let (Some(new), Some(old)) = (review.object, review.old) else {
            return false;
        };
        let same = |path: &[&str]| json::at(new, path) == json::at(old, path);
        let spec = |object| without(object, &["spec"], Some(RECLAIM));
        let kept = |object| json::text(object, &["spec", RECLAIM]) == "Retain";
        let parts = ["labels", "annotations", "finalizers", "ownerReferences"];
        review.subresource.is_empty()
            && parts.iter().all(|part| same(&["metadata", part]))
            && same(&["status"])
            && spec(new) == spec(old)
            && (kept(new) || kept(old))
    })
}

/// Of Deployments the operator stops and starts KubeFed's.
fn scale(review: &Review<'_>) -> Option<Denial> {
    const POLICY: &str = "federation-health-fence-scale";
    let covered = (review.group, review.resource) == ("apps", "deployments");
    fenced(review, POLICY, covered, || {
        let stopped = |object: Option<&Value>| {
            object.is_some_and(|o| json::at(o, &["spec", "replicas"]) == Some(&Value::from(0)))
        };
        review.operation == "UPDATE"
            && (review.subresource, review.name) == ("scale", "kubefed-controller-manager")
            && (stopped(review.object) || stopped(review.old))
    })
}

/// Registrations the operator deletes, just as it read them, never the host's own and none that opted out.
fn registrations(review: &Review<'_>) -> Option<Denial> {
    const POLICY: &str = "federation-health-fence-registrations";
    const HOST: &str = "cluster-role.kubesphere.io/host";
    const OPT_OUT: [&str; 3] = ["metadata", "annotations", "federationhealth.io/opt-out"];
    let free = |old: &Value| {
        json::label(old, HOST).is_none() && json::at(old, &OPT_OUT).is_none_or(|v| v == "false")
    };
    let covered = (review.group, review.resource) == ("core.kubefed.io", "kubefedclusters");
    fenced(review, POLICY, covered, || {
        let read = !review.uid.is_empty() && !review.resource_version.is_empty();
        review.operation == "DELETE" && read && review.old.is_some_and(free)
    })
}

fn fenced(
    review: &Review<'_>,
    policy: &str,
    covered: bool,
    allowed: impl Fn() -> bool,
) -> Option<Denial> {
    if !covered || review.user != OPERATOR {
        return None;
    }
    in_force(review, policy)?;
    (!allowed()).then(|| {
        denial(
            policy,
            "federation-health may not change this (fence of the operator)",
        )
    })
}

/// Owner references are taken off namespaces; the managed label and the orphan finalizer of Workspaces, placements of templates.
fn permitted(kind: &str, new: &Value, old: &Value) -> bool {
    let same = |path: &[&str]| json::at(new, path) == json::at(old, path);
    let labels = |object| {
        without(
            object,
            &["metadata", "labels"],
            (kind == "workspaces").then_some(MANAGED),
        )
    };
    let spec = |object| {
        without(
            object,
            &["spec"],
            (kind == "workspacetemplates").then_some("placement"),
        )
    };
    let owners = |object| json::items(object, &["metadata", "ownerReferences"]);
    let finalizers = |object| -> Vec<Value> {
        let kept = json::items(object, &["metadata", "finalizers"]).iter();
        kept.filter(|f| kind != "workspaces" || *f != "orphan")
            .cloned()
            .collect()
    };
    same(&["metadata", "annotations"])
        && same(&["status"])
        && match kind {
            "namespaces" => owners(new).iter().all(|owner| owners(old).contains(owner)),
            _ => same(&["metadata", "ownerReferences"]),
        }
        && labels(new) == labels(old)
        && spec(new) == spec(old)
        && finalizers(new) == finalizers(old)
}

fn without(object: &Value, path: &[&str], free: Option<&str>) -> Map<String, Value> {
    let mut map = json::at(object, path)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    if let Some(free) = free {
        map.remove(free);
    }
    map
}
