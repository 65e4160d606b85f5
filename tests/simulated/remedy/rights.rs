//! Each right of remediation taken away by itself: what then is not done is told with the right that is lacking.

use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::Controllers;
use federation_health_tests::rights::Lacking;

use super::{
    cures::{calm_with, curing, leftover_placed},
    *,
};

/// A federation in which the next incident makes the operator use this right.
async fn using(right: Lacking) -> World {
    let alone = |action: &str| spec("Apply", &json!({action: "Automatic"}));
    match (right.verb, right.resource) {
        (_, "workspaces") if is_experiment(right) => calm_with(alone("plantCanary")).await,
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

/// To make or remove the experiment's Workspace, or to read this one by its name.
fn is_experiment(right: Lacking) -> bool {
    right.resource == "workspaces" && (right.verb == "create" || !right.names().is_empty())
}

/// Takes one verb on one resource away and has the incident: what was told instead, if the right was not named.
async fn unnamed(right: Lacking) -> Option<String> {
    let mut world = using(right).await;
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
    bring_about(&world, right).await;
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
async fn bring_about(world: &World, right: Lacking) {
    let admin = world.sim.admin();
    match right.resource {
        "workspacetemplates" => {
            leftover_placed(world).await;
        }
        "workspaces" if is_experiment(right) => experiment::request(world),
        "namespaces" => {
            admin
                .edit(&resources::NAMESPACES, "", "orders-db", |n| {
                    n["metadata"]["ownerReferences"][0]["uid"] =
                        json!("00000000-0000-4000-8000-000000000000");
                })
                .unwrap();
        }
        // Whether the claim stands is asked on the way back.
        "persistentvolumeclaims" => {
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
