//! What one rung cannot do keeps no other from what it can, nor one object the others.

use federation_health_sim::RequestFacts;
use federation_health_tests::rights;

use super::*;

/// The incident, with these requests of the operator refused for good. What was lost would be seen within [`RAGE`].
async fn without(
    actions: Value,
    refused: impl Fn(&RequestFacts) -> bool + Send + Sync + 'static,
) -> World {
    let world = calm("Apply", actions).await;
    world.sim.add_volume("orders-db", "data", "Delete").unwrap();
    let before = uids(&world);
    world.sim.inject(move |request| {
        (request.user == USER && refused(request)).then(|| rights::refused(request))
    });
    world.double().unwrap();
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    world
}

#[tokio::test(start_paused = true)]
async fn volumes_that_cannot_be_kept_do_not_keep_workspaces_from_being_shielded() {
    for verb in ["list", "get", "patch"] {
        let actions = json!({"retainVolumes": "Automatic", "shieldWorkspaces": "Automatic"});
        let volumes = move |r: &RequestFacts| r.resource == "persistentvolumes" && r.verb == verb;
        let world = without(actions, volumes).await;
        for (workspace, _) in WORKSPACES {
            assert_eq!(
                managed(&world, workspace).as_deref(),
                Some("false"),
                "{verb}"
            );
        }
        let requests = world.requests();
        let tries = requests
            .iter()
            .filter(|r| r.resource == "persistentvolumes" && r.verb == verb);
        let tries = tries.count();
        assert!(
            (1..40).contains(&tries),
            "{verb}: {tries} tries in two minutes"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn kubefed_is_stopped_where_workspaces_cannot_be_shielded() {
    let actions = json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"});
    let labels = |r: &RequestFacts| r.resource == "workspaces" && r.verb == "patch";
    let world = without(actions, labels).await;
    assert_eq!(replicas(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn one_workspace_that_cannot_be_shielded_does_not_keep_the_other_from_it() {
    let actions = json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"});
    let (bad, good) = (WORKSPACES[0].0, WORKSPACES[1].0);
    let one =
        move |r: &RequestFacts| r.resource == "workspaces" && r.verb == "patch" && r.name == bad;
    let world = without(actions, one).await;
    assert_eq!(managed(&world, bad).as_deref(), Some("true"));
    assert_eq!(managed(&world, good).as_deref(), Some("false"));
    assert_eq!(replicas(&world), 0, "{bad} has nothing but that");
}
