//! Which granted rights the operator has used, by the audit log.

use federation_health_cluster::rbac::{Reach, Right, Role};
use federation_health_testbed::{Federation, audit::AuditEvent, error::Result};

use crate::guarded::USER;

/// What these roles grant and no request of the operator has needed since the server started: role, verb, resource.
pub fn unused(federation: &Federation, roles: &[Role]) -> Result<Vec<String>> {
    let requests = federation.audit().matching(|e| e.user == USER)?;
    let mut found = Vec::new();
    for role in roles {
        for right in role.rights {
            for resource in right.resources {
                for verb in right.verbs.iter().map(|verb| verb.as_str()) {
                    let uses = |e: &AuditEvent| used(e, role, right, verb, resource);
                    if !requests.iter().any(uses) {
                        found.push(format!("{}: {verb} {resource}", role.name));
                    }
                }
            }
        }
    }
    Ok(found)
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
