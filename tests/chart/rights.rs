//! The audit log of a run against the list of rights.

use federation_health_cluster::rbac::{self, Holder, Role};
use federation_health_testbed::Federation;
use federation_health_tests::{guarded::USER, scenarios::rights};

/// Whether the operator has read live what a Workspace is wished to be.
pub fn wish_was_read(bed: &Federation) -> bool {
    let got = |resource: &str| {
        let reads = bed.audit().matching(|e| {
            e.user == USER && e.verb == "get" && e.object.resource == resource && !e.refused()
        });
        !reads.unwrap().is_empty()
    };
    got("federatedworkspaces") && got("workspacetemplates")
}

/// No request of the operator was refused for want of a right, and each verb of each rule that the chart's defaults and
/// `probe.enabled` grant was used.
pub fn none_is_lacking_and_none_is_unused(bed: &Federation) {
    let lacking = rights::lacking(bed).unwrap();
    assert!(lacking.is_empty(), "{lacking:?}");
    let installed = |role: &&Role| role.holder == Holder::Operator && role.file != "remediator";
    let granted: Vec<Role> = rbac::ROLES.iter().filter(installed).copied().collect();
    let unused = rights::unused_verbs(bed, &granted).unwrap();
    assert!(unused.is_empty(), "granted and never used: {unused:?}");
}
