//! Which granted rights the operator has used, by the audit log.

use federation_health_cluster::rbac::{Reach, Right, Role, Verb};
use federation_health_testbed::{Federation, audit::AuditEvent, error::Result};

use crate::guarded::USER;

/// What a held incident gives no occasion for, and when it is used.
const ELSEWHERE: [&str; 4] = [
    // When a Workspace is deleted without a known cause, as at the end of `tests/chart/unheld.rs`.
    "federation-health-observer: get federatedworkspaces",
    "federation-health-observer: get workspacetemplates",
    // When a FederatedWorkspace goes while its template stands: `tests/simulated/kind.rs`.
    "federation-health-observer: get customresourcedefinitions",
    // When an event repeats within the minutes in which Kubernetes counts repetitions: [`repeated_events`].
    "federation-health-observer: patch events",
];

/// What these roles grant and no request of the operator has needed since the server started: role, verb, resource.
///
/// # Errors
/// The audit log cannot be read.
pub fn unused(federation: &Federation, roles: &[Role]) -> Result<Vec<String>> {
    let rules = rules(federation, roles)?;
    Ok(rules.into_iter().flat_map(|rule| rule.unused).collect())
}

/// Whole rules of which nothing was needed.
///
/// # Errors
/// The audit log cannot be read.
pub fn idle(federation: &Federation, roles: &[Role]) -> Result<Vec<String>> {
    let mut rules = rules(federation, roles)?;
    rules.retain(|rule| rule.unused.len() == rule.granted);
    Ok(rules.into_iter().flat_map(|rule| rule.unused).collect())
}

/// Verbs that nothing needed on any resource of their rule, told with its first: a rule may name more kinds than a federation
/// has.
///
/// # Errors
/// The audit log cannot be read.
pub fn unused_verbs(federation: &Federation, roles: &[Role]) -> Result<Vec<String>> {
    let rules = rules(federation, roles)?;
    Ok(rules.into_iter().flat_map(|rule| rule.verbs).collect())
}

/// Requests of the operator that were refused for want of a right, not by a policy.
///
/// # Errors
/// The audit log cannot be read.
pub fn lacking(federation: &Federation) -> Result<Vec<AuditEvent>> {
    let by_authorizer = |m: &Option<String>| m.as_ref().is_some_and(|m| m.contains("cannot"));
    let refused = |e: &AuditEvent| e.user == USER && e.refused() && by_authorizer(&e.message);
    federation.audit().matching(refused)
}

/// How often the operator counted an event again instead of writing another: what `patch events` is granted for.
///
/// # Errors
/// The audit log cannot be read.
pub fn repeated_events(federation: &Federation) -> Result<usize> {
    let counted = |e: &AuditEvent| {
        e.user == USER && e.verb == "patch" && e.object.resource == "events" && !e.refused()
    };
    Ok(federation.audit().matching(counted)?.len())
}

struct Rule {
    granted: usize,
    unused: Vec<String>,
    verbs: Vec<String>,
}

fn rules(federation: &Federation, roles: &[Role]) -> Result<Vec<Rule>> {
    let requests = federation.audit().matching(|e| e.user == USER)?;
    let mut rules = Vec::new();
    for role in roles {
        for right in role.rights {
            let mut unused = Vec::new();
            for resource in right.resources {
                for verb in right.verbs.iter().map(|verb| verb.as_str()) {
                    let uses = |e: &AuditEvent| used(e, role, right, verb, resource);
                    let told = format!("{}: {verb} {resource}", role.name);
                    if !requests.iter().any(uses) && !ELSEWHERE.contains(&&*told) {
                        unused.push(told);
                    }
                }
            }
            let granted = right.resources.len() * right.verbs.len();
            let told = |resource: &str, verb: &Verb| {
                format!("{}: {} {resource}", role.name, verb.as_str())
            };
            let never = |verb: &&Verb| {
                right
                    .resources
                    .iter()
                    .all(|r| unused.contains(&told(r, verb)))
            };
            let verbs = right.verbs.iter().filter(never);
            let verbs = verbs.map(|verb| told(right.resources[0], verb)).collect();
            rules.push(Rule {
                granted,
                unused,
                verbs,
            });
        }
    }
    Ok(rules)
}

fn used(event: &AuditEvent, role: &Role, right: &Right, verb: &str, resource: &str) -> bool {
    let object = &event.object;
    let asked = match object.subresource.as_str() {
        "" => object.resource.clone(),
        sub => format!("{}/{sub}", object.resource),
    };
    let within = match role.reach {
        Reach::Cluster => true,
        Reach::Namespace(namespace) => namespace == object.namespace,
    };
    event.verb == verb
        && asked == resource
        && within
        && right.covers(verb, &object.api_group, resource, &object.name)
}
