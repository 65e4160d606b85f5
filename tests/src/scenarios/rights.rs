//! Which granted rights the operator has used, by the audit log.

use federation_health_cluster::rbac::{Reach, Right, Role};
use federation_health_testbed::{Federation, audit::AuditEvent, error::Result};

use crate::guarded::USER;

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

struct Rule {
    granted: usize,
    unused: Vec<String>,
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
                    if !requests.iter().any(uses) {
                        unused.push(format!("{}: {verb} {resource}", role.name));
                    }
                }
            }
            let granted = right.resources.len() * right.verbs.len();
            rules.push(Rule { granted, unused });
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
