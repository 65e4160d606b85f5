//! The audit log of a run against the list of rights.

use std::collections::BTreeSet;

use federation_health_cluster::rbac::{self, Holder, Reach, Right, Role, Verb};
use federation_health_testbed::{Federation, audit::AuditEvent};
use federation_health_tests::guarded::USER;

/// What a held incident gives no occasion for: role, resource, verb, and when it is used.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    // When a Workspace is deleted without a known cause; the test `unheld` ends with it.
    ("federation-health-observer", "federatedworkspaces", "get"),
    ("federation-health-observer", "workspacetemplates", "get"),
    // When an event repeats within the minutes in which Kubernetes counts repetitions.
    ("federation-health-observer", "events", "patch"),
];

/// Every request of the operator that authorization decided.
fn asked(bed: &Federation) -> Vec<AuditEvent> {
    let own = |e: &AuditEvent| e.user == USER && !e.object.resource.is_empty();
    bed.audit().matching(own).unwrap()
}

/// Whether the operator has read live what a Workspace is wished to be.
pub fn wish_was_read(bed: &Federation) -> bool {
    let asked = asked(bed);
    let got = |resource: &str| {
        let mut reads = asked.iter().filter(|e| e.verb == "get" && !e.refused());
        reads.any(|e| e.object.resource == resource)
    };
    got("federatedworkspaces") && got("workspacetemplates")
}

/// No request of the operator was refused for want of a right, and each verb of each rule that the chart's defaults and
/// `probe.enabled` grant was used.
pub fn none_is_lacking_and_none_is_unused(bed: &Federation) {
    let asked = asked(bed);
    let by_authorization = |m: &Option<String>| m.as_ref().is_some_and(|m| m.contains("cannot"));
    let refused: Vec<_> = asked
        .iter()
        .filter(|e| e.refused() && by_authorization(&e.message))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");

    let granted = rbac::ROLES
        .iter()
        .filter(|r| r.holder == Holder::Operator && r.file != "remediator");
    let mut unused = BTreeSet::new();
    for role in granted {
        for right in role.rights {
            for verb in right.verbs {
                if !asked.iter().any(|event| uses(role, right, *verb, event)) {
                    unused.insert((role.name, right.resources[0], verb.as_str()));
                }
            }
        }
    }
    let expected: BTreeSet<_> = ELSEWHERE.iter().copied().collect();
    assert_eq!(
        unused, expected,
        "granted and never used, then where that is known"
    );
}

/// Whether a request needed this verb of this rule. A rule that names several kinds is used by one of them: which kinds a
/// federation has is not ours to say.
fn uses(role: &Role, right: &Right, verb: Verb, event: &AuditEvent) -> bool {
    let plural = match event.object.subresource.as_str() {
        "" => event.object.resource.clone(),
        sub => format!("{}/{sub}", event.object.resource),
    };
    let here = match role.reach {
        Reach::Cluster => true,
        Reach::Namespace(namespace) => event.object.namespace == namespace,
    };
    here && event.verb == verb.as_str()
        && right.covers(
            &event.verb,
            &event.object.api_group,
            &plural,
            &event.object.name,
        )
}
