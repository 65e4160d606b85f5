//! What the operator did to other people's objects, as the audit log has it, and what it says of it in status.

use federation_health_api::FederationHealth;
use federation_health_core::remedy::experiment::CANARY;
use federation_health_testbed::{
    audit::AuditEvent,
    error::{Error, Result},
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    bed::{Bed, Record},
    figures::milliseconds,
    wire,
};
use crate::guarded::{NAMESPACE, USER, holding};

/// Limits of a test that has many incidents in an hour.
pub fn limits() -> Value {
    json!({"maxActionsPerHour": 60, "cooldownSeconds": 0})
}

/// Both holds on diagnosis and every rung all by itself.
pub fn automatic() -> Value {
    let mut spec = holding();
    let rungs = [
        "retainVolumes",
        "armOrphan",
        "shieldWorkspaces",
        "freezeControllers",
        "disarmNamespaces",
        "fixPlacement",
        "removeStaleCluster",
    ];
    let actions: serde_json::Map<String, Value> = rungs
        .iter()
        .map(|rung| ((*rung).to_owned(), json!("Automatic")))
        .collect();
    spec["remediation"] = json!({
        "mode": "Apply",
        "actions": actions,
        "limits": limits(),
    });
    spec
}

/// Number of the newest act, for [`states`] of what comes after it.
pub fn newest(health: &FederationHealth) -> i64 {
    let actions = health.status.iter().flat_map(|status| &status.actions);
    actions.map(|action| action.id).max().unwrap_or_default()
}

/// Name of the target and state of every act of this rung after the one of that number, oldest first.
pub fn states<'a>(health: &'a FederationHealth, after: i64, rung: &str) -> Vec<(&'a str, &'a str)> {
    let actions = health.status.iter().flat_map(|status| &status.actions);
    let mut found: Vec<_> = actions
        .filter(|action| action.id > after && action.action == rung)
        .collect();
    found.sort_by_key(|action| action.id);
    found.iter().map(|a| (&*a.name, &*a.state)).collect()
}

/// Requests of the operator that were to change what is not its own and were no dry runs, oldest first. Fails if one of them
/// did not carry uid and resourceVersion, which a creation cannot, or did not come after live reads of the lease and of its
/// target: by the audit log, and on the wire where that is written down.
pub fn fenced(record: &Record<'_>) -> Result<Vec<AuditEvent>> {
    let mut ours = record.matching(|e| e.user == USER)?;
    ours.sort_by_key(|e| e.received);
    let mut acts: Vec<AuditEvent> = Vec::new();
    for (at, act) in ours.iter().enumerate().filter(|(_, e)| is_foreign(e)) {
        let wrong = |what: &str| Error::refused(format!("a write without {what}: {act:?}"));
        let creates = act.verb == "create";
        let told = act.verb != "delete" || record.has_options();
        if !creates && told && !carries_preconditions(act) {
            return Err(wrong("uid and resourceVersion"));
        }
        let since = acts.last().map(|last| last.reached);
        let read = |resource: &str, name: &str| {
            ours[..at].iter().any(|e| {
                e.verb == "get"
                    && e.object.resource == resource
                    && e.object.name == name
                    && e.reached <= act.received
                    && since.is_none_or(|since| since <= e.received)
            })
        };
        if !read("leases", "federation-health") {
            return Err(wrong("a live read of the lease before it"));
        }
        // The log does not name what is created; nothing but the canary may be.
        let name = if creates { CANARY } else { &act.object.name };
        if !read(&act.object.resource, name) {
            return Err(wrong("a live read of its target before it"));
        }
        acts.push(act.clone());
    }
    if let Some((asked, before)) = record.asked() {
        let sent = wire::fenced(&asked, before)?;
        if sent < acts.len() {
            let logged = acts.len();
            let told = format!("{sent} writes on the wire, {logged} in the audit log");
            return Err(Error::refused(told));
        }
    }
    Ok(acts)
}

/// Gives the FederationHealth this spec; the request.
pub async fn ordered(bed: &Bed, record: &Record<'_>, spec: &Value) -> Result<AuditEvent> {
    let since = Timestamp::now();
    bed.set_spec(spec).await?;
    let look = || {
        record.matching(|e| {
            e.user != USER
                && e.object.resource == "federationhealths"
                && e.object.subresource.is_empty()
                && e.took_effect()
                && e.received >= since
        })
    };
    let found = record.wait_for("the new spec in the log", 1, look).await?;
    Ok(found[0].clone())
}

/// Milliseconds from the arrival of a request to the answer to the status write that refuses remediation for this reason.
pub async fn told_after(record: &Record<'_>, cause: &AuditEvent, reason: &str) -> Result<f64> {
    let says = |status: &Value| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let mut refusals = conditions.filter(|c| c["type"] == "RemediationAllowed");
        refusals.any(|c| c["status"] == "False" && c["reason"] == reason)
    };
    let look = || {
        record.matching(|e| {
            e.user == USER
                && e.object.resource == "federationhealths"
                && e.took_effect()
                && e.received >= cause.received
                && e.request.as_ref().is_some_and(|body| says(&body["status"]))
        })
    };
    let what = format!("a status write that says {reason}");
    let told = record.wait_for(&what, 1, look).await?;
    let mut told: Vec<_> = told.iter().map(|e| e.reached).collect();
    told.sort();
    Ok(milliseconds(cause.received, told[0]))
}

/// Resource and name of each request, for comparisons.
pub fn targets(acts: &[AuditEvent]) -> Vec<(&str, &str)> {
    acts.iter()
        .map(|e| (&*e.object.resource, &*e.object.name))
        .collect()
}

/// A write to what belongs to somebody else: not the object, the switch, the bindings of the hold, events, or what lies in the
/// operator's own namespace.
fn is_foreign(event: &AuditEvent) -> bool {
    let own = event.object.api_group == "federationhealth.io"
        || event.object.namespace == NAMESPACE
        || matches!(
            event.object.resource.as_str(),
            "events" | "validatingadmissionpolicybindings"
        );
    is_write(event) && !own
}

/// Anything but a read or a dry run, whatever the answer.
pub fn is_write(event: &AuditEvent) -> bool {
    event.user == USER && !event.dry_run && !matches!(event.verb.as_str(), "get" | "list" | "watch")
}

/// It states uid and resourceVersion of what it is meant for.
pub(super) fn carries_preconditions(event: &AuditEvent) -> bool {
    let at = match event.verb.as_str() {
        "delete" => "preconditions",
        _ => "metadata",
    };
    let body = event.request.as_ref();
    let said = |field: &str| body.is_some_and(|body| body[at][field].is_string());
    said("uid") && said("resourceVersion")
}
