//! Each right of remediation taken away by itself: what then is not done is told with the right that is lacking.

use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::Controllers;
use federation_health_tests::rights::Lacking;

use super::{
    cures::{calm_with, curing, leftover_placed},
    *,
};

/// A federation in which the next incident makes the operator use this right.
async fn using(verb: &str, resource: &str) -> World {
    let alone = |action: &str| spec("Apply", &json!({action: "Automatic"}));
    match (verb, resource) {
        ("create" | "delete", "workspaces") => calm_with(alone("plantCanary")).await,
        (_, "workspaces") => calm_with(alone("shieldWorkspaces")).await,
        (_, "workspacetemplates" | "kubefedclusters") => calm_with(curing()).await,
        (_, "configmaps" | "leases" | "deployments" | "deployments/scale") => {
            calm_with(alone("freezeControllers")).await
        }
        (_, "persistentvolumes" | "persistentvolumeclaims") => {
            let world = calm_with(alone("retainVolumes")).await;
            world.sim.add_volume("orders-db", "data", "Delete").unwrap();
            world
        }
        // Nobody collects, and nobody binds.
        (_, "namespaces") => World::calm(Setup {
            spec: Some(alone("disarmNamespaces")),
            controllers: Controllers {
                kubesphere_binder: false,
                controller_manager: false,
                ..Controllers::host()
            },
            ..Setup::default()
        })
        .await
        .unwrap(),
        (_, other) => panic!("{other}: no incident is known here that makes the operator use it"),
    }
}

/// Takes one verb on one resource away and has the incident: what was told instead, if the right was not named.
async fn unnamed(right: Lacking) -> Option<String> {
    let (verb, resource) = (right.verb, right.resource);
    let mut world = using(verb, resource).await;
    world.sim.inject(move |request| right.refuses(request));
    // What was read and made before the right was taken is there; a new process asks again, and finds no lease.
    world.operator = None;
    let admin = world.sim.admin();
    admin
        .delete(
            &resources::LEASES,
            OPERATOR_NAMESPACE,
            "federation-health",
            Value::Null,
        )
        .unwrap();
    world.restart_operator().unwrap();
    pass(SOON).await;
    bring_about(&world, verb, resource).await;
    let lacking = right.words();
    let named = |h: &FederationHealth| {
        let conditions = h.status.iter().flat_map(|s| &s.conditions);
        let mut refusals =
            conditions.filter(|c| c.type_ == "RemediationAllowed" && c.status == "False");
        let reasons = ["JournalUnavailable", "NotLeading", "RequestFailed"];
        refusals.any(|c| reasons.contains(&&*c.reason) && c.message.contains(&lacking))
    };
    let waited = world.wait(&lacking, Duration::from_mins(1), named).await;
    let told = waited.err().map(|_| world.health().unwrap());
    told.map(|h| format!("{lacking}: {:?}", condition(&h, "RemediationAllowed")))
}

/// The incident in which the operator needs this right.
async fn bring_about(world: &World, verb: &str, resource: &str) {
    let admin = world.sim.admin();
    match (verb, resource) {
        (_, "workspacetemplates") => {
            leftover_placed(world).await;
        }
        ("create" | "delete", "workspaces") => experiment::request(world),
        (_, "namespaces") => {
            admin
                .edit(&resources::NAMESPACES, "", "orders-db", |n| {
                    n["metadata"]["ownerReferences"][0]["uid"] =
                        json!("00000000-0000-4000-8000-000000000000");
                })
                .unwrap();
        }
        // Whether the claim stands is asked on the way back.
        (_, "persistentvolumeclaims") => {
            world.double().unwrap();
            pass(SOON).await;
            world.cure().unwrap();
        }
        _ => {
            world.double().unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_right_of_remediation_is_missed_by_name() {
    let mut failures = Vec::new();
    for right in Lacking::each("remediator") {
        failures.extend(unnamed(right).await);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
