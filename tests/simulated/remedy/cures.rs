//! The rungs that mend the cause.

use super::*;

/// Both holds and every cure, all by itself.
pub(super) fn curing() -> Value {
    let mut spec = spec(
        "Apply",
        &json!({"fixPlacement": "Automatic", "removeStaleCluster": "Automatic"}),
    );
    spec["hold"] =
        json!({"collection": "OnDiagnosis", "federation": "OnDiagnosis", "releaseAfterSeconds": 5});
    spec
}

pub(super) async fn calm_with(spec: Value) -> World {
    World::calm(Setup {
        spec: Some(spec),
        ..Setup::default()
    })
    .await
    .unwrap()
}

pub(super) fn registered(world: &World) -> Vec<String> {
    let all = world.sim.admin().list(&resources::KUBEFED_CLUSTERS, "");
    all.iter()
        .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn under_a_proven_hold_the_leftover_is_removed_and_the_hold_ends_by_itself() {
    let world = calm_with(curing()).await;
    let before = uids(&world);
    world.double().unwrap();
    world
        .wait("the removal", Duration::from_secs(20), |h| {
            state_of(h, "RemoveStaleCluster") == ["Verified"]
        })
        .await
        .unwrap();
    assert_eq!(registered(&world), ["host"]);
    world
        .wait("rest", Duration::from_mins(2), |h| {
            is(h, "Healthy", "True") && condition(h, "Holding").is_none()
        })
        .await
        .unwrap();
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    let kept = &world.health().unwrap().status.unwrap().actions[0].from;
    let manifest: Value = serde_json::from_str(kept).unwrap();
    assert_eq!(manifest["metadata"]["name"], "produce-trt");
    assert!(manifest["data"].is_null() && manifest["spec"]["secretRef"]["name"].is_string());
    assert_eq!(acts(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_hold_nothing_that_cannot_be_taken_back_is_done() {
    let world = calm(
        "Apply",
        json!({"fixPlacement": "Automatic", "removeStaleCluster": "Automatic"}),
    )
    .await;
    world.double().unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!(
        condition(&world.health().unwrap(), "RemediationAllowed")
            .unwrap()
            .1,
        "NotHeld"
    );
    pass(RAGE).await;
    assert!(acts(&world).is_empty());
    assert_eq!(registered(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_placed_on_the_leftover_alone_gets_its_placement_first_and_nothing_is_deleted()
{
    let mut paused = curing();
    paused["remediation"]["pauseRequests"] =
        json!([{"name": "test", "reason": "the placement is edited first"}]);
    let world = calm_with(paused).await;
    world
        .sim
        .add_workspace("billing", &["host"], &["billing-dev"])
        .unwrap();
    world.double().unwrap();
    world
        .wait("the hold", SOON, |h| is(h, "Holding", "True"))
        .await
        .unwrap();
    let before = uids(&world);
    let patch = json!({"spec": {"placement": {"clusters": [{"name": "produce-trt"}]}}});
    world
        .sim
        .admin()
        .merge(&resources::WORKSPACE_TEMPLATES, "", "orders", patch)
        .unwrap();
    pass(Duration::from_secs(1)).await;
    let unpaused = json!({"spec": {"remediation": {"pauseRequests": null}}});
    world
        .sim
        .admin()
        .merge(&resources::FEDERATION_HEALTHS, "", "default", unpaused)
        .unwrap();
    world
        .wait("the removal", Duration::from_mins(5), |h| {
            state_of(h, "RemoveStaleCluster") == ["Verified"]
        })
        .await
        .unwrap();
    let writes: Vec<(String, String)> = acts(&world)
        .iter()
        .map(|e| (e.resource.clone(), e.name.clone()))
        .collect();
    let of = |resource: &str, name: &str| (resource.to_owned(), name.to_owned());
    assert_eq!(
        writes,
        [
            of("workspacetemplates", "orders"),
            of("kubefedclusters", "produce-trt")
        ]
    );
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
}

#[tokio::test(start_paused = true)]
async fn of_two_names_in_use_none_is_removed() {
    let world = calm_with(curing()).await;
    world
        .sim
        .apply_object(json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": "produce-trt"}, "spec": {"joinFederation": true},
        }))
        .unwrap();
    world.double().unwrap();
    pass(RAGE).await;
    assert!(acts(&world).is_empty());
    assert_eq!(registered(&world).len(), 2);
}
