//! What the operator does when nothing happens, and what it asks for at all.

use std::{collections::BTreeSet, time::Duration};

use federation_health_cluster::rbac::{Holder, ROLES, Reach};
use federation_health_sim::AuditEntry;
use federation_health_tests::simulated::{PLANE, Setup, World, pass};

const READS: [&str; 3] = ["get", "list", "watch"];

#[tokio::test(start_paused = true)]
async fn a_quiet_federation_sees_no_write_in_ten_minutes() {
    let mut world = World::calm(Setup::default()).await.unwrap();
    pass(Duration::from_mins(1)).await;
    world.sim.clear_audit();
    pass(Duration::from_mins(10)).await;
    let writes = |world: &World| -> Vec<AuditEntry> {
        let mut requests = world.requests();
        requests.retain(|e| !READS.contains(&e.verb));
        requests
    };
    assert_eq!(writes(&world), []);
    // Four times an hour each of a dozen watches, a probe a minute and a warm connection.
    let reads = world.requests().len();
    assert!(reads < 200, "{reads} requests in ten minutes");

    world.restart_operator().unwrap();
    pass(Duration::from_mins(10)).await;
    assert_eq!(writes(&world), [], "a restart is no reason to write");
}

#[tokio::test(start_paused = true)]
async fn after_the_last_input_status_keeps_its_bytes_through_time_and_restarts() {
    let mut world = World::calm(Setup::default()).await.unwrap();
    let bytes = |world: &World| serde_json::to_string(&world.health().unwrap().status).unwrap();
    for step in 0..3 {
        if step == 0 {
            world.double().unwrap();
        } else if step == 1 {
            world.cure().unwrap();
        } else {
            world.sim.add_namespace("orders-new", "orders").unwrap();
        }
        pass(Duration::from_mins(3)).await;
        let settled = bytes(&world);
        for _ in 0..10 {
            pass(Duration::from_mins(1)).await;
            assert_eq!(bytes(&world), settled, "step {step}");
        }
        world.restart_operator().unwrap();
        pass(Duration::from_mins(3)).await;
        assert_eq!(bytes(&world), settled, "step {step}, restarted");
    }
}

/// Whether a shipped role of the operator grants a request.
fn granted(e: &AuditEntry) -> bool {
    let resource = match e.subresource.as_str() {
        "" => e.resource.clone(),
        sub => format!("{}/{sub}", e.resource),
    };
    let name = if matches!(e.verb, "create") {
        ""
    } else {
        &e.name
    };
    ROLES
        .iter()
        .filter(|role| role.holder == Holder::Operator)
        .filter(|role| match role.reach {
            Reach::Cluster => true,
            Reach::Namespace(namespace) => namespace == e.namespace,
        })
        .flat_map(|role| role.rights)
        .any(|right| right.covers(e.verb, &e.group, &resource, name))
}

#[tokio::test(start_paused = true)]
async fn every_request_of_an_incident_is_granted_by_the_shipped_roles() {
    let world = World::calm(Setup::default()).await.unwrap();
    world.double().unwrap();
    pass(Duration::from_secs(45)).await;
    world.cure().unwrap();
    pass(Duration::from_mins(1)).await;
    let requests = world.requests();
    let seen: BTreeSet<(&str, &str)> = requests
        .iter()
        .map(|e| (e.verb, e.resource.as_str()))
        .collect();
    for wanted in [
        ("patch", "federationhealths"),
        ("patch", "validatingadmissionpolicybindings"),
        ("get", "secrets"),
        ("watch", "workspaces"),
    ] {
        assert!(
            seen.contains(&wanted),
            "{wanted:?} was never asked: {seen:?}"
        );
    }
    // The probes go to the registered clusters with the registrations' own tokens; here they are the same server.
    let probes = |e: &&AuditEntry| {
        let identity =
            ["leases", "clusterroles"].contains(&e.resource.as_str()) || e.name == "kube-system";
        !(READS.contains(&e.verb) && identity)
    };
    // A list or watch by `metadata.name` is authorized by that name, which this log does not record.
    let by_field =
        |e: &AuditEntry| READS.contains(&e.verb) && e.resource == "customresourcedefinitions";
    let ungranted: Vec<_> = requests
        .iter()
        .filter(probes)
        .filter(|e| !granted(e) && !by_field(e))
        .collect();
    assert!(ungranted.is_empty(), "{ungranted:#?}");
    assert!(requests.iter().all(|e| e.code != 403), "{PLANE}");
}
