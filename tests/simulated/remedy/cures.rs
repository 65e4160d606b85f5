//! The rungs that mend the cause.

use federation_health_tests::simulated::set_spec;

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
    assert_eq!(standing(&world), 0, "a cure is not waited for");
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
async fn without_a_hold_a_person_approves_the_removal_once_everything_is_shielded() {
    let unshielded = calm("Apply", json!({"removeStaleCluster": "Approval"})).await;
    unshielded.double().unwrap();
    let told = unshielded
        .wait("not held", SOON, removal_waits_for("NotHeld"))
        .await;
    drop(told.unwrap());

    let actions = json!({"shieldWorkspaces": "Automatic", "removeStaleCluster": "Approval"});
    let world = calm("Apply", actions).await;
    let before = uids(&world);
    world.double().unwrap();
    let asked = removal_waits_for("NotApproved");
    let health = world.wait("an approval to be asked for", SOON, asked).await;
    approve(&world, health.unwrap());
    world
        .wait("the removal", SOON, |h| {
            state_of(h, "RemoveStaleCluster") == ["Verified"]
        })
        .await
        .unwrap();
    world
        .wait("the end of the shields", RAGE, |h| {
            is(h, "Healthy", "True") && condition(h, "Remediating").is_none()
        })
        .await
        .unwrap();
    assert_eq!(registered(&world), ["host"]);
    nothing_was_lost(&world, &before);
}

/// The labels take everything out of danger, and go when the cause does: were the hold to end before them, nothing could be
/// cured any more without a person.
#[tokio::test(start_paused = true)]
async fn where_all_is_shielded_the_hold_stays_until_the_leftover_is_removed() {
    let world = calm("Apply", json!({"shieldWorkspaces": "Automatic"})).await;
    let before = uids(&world);
    world.double().unwrap();
    both_shielded(&world).await;

    let mut spec = curing();
    spec["remediation"]["actions"] = json!({"shieldWorkspaces": "Automatic"});
    set_spec(&world.sim, "default", &spec).unwrap();
    pass(RAGE).await;
    assert_eq!(world.switched(), (true, true));
    let health = world.health().unwrap();
    let (_, reason) = condition(&health, "Holding").unwrap();
    assert_eq!(reason, "DoubledRegistration");

    spec["remediation"]["actions"]["removeStaleCluster"] = json!("Automatic");
    set_spec(&world.sim, "default", &spec).unwrap();
    world
        .wait("rest", RAGE, |h| {
            state_of(h, "RemoveStaleCluster") == ["Verified"]
                && is(h, "Healthy", "True")
                && condition(h, "Remediating").is_none()
                && condition(h, "Holding").is_none()
        })
        .await
        .unwrap();
    assert_eq!(registered(&world), ["host"]);
    nothing_was_lost(&world, &before);
}

/// A Workspace is placed on the leftover alone, while remediation is paused and the hold stands; then the pause ends. Gives
/// the UIDs under the hold.
pub(super) async fn leftover_placed(world: &World) -> Vec<String> {
    let admin = world.sim.admin();
    let merge = |resource: &federation_health_sim::Resource, name: &str, patch: Value| {
        admin.merge(resource, "", name, patch).unwrap();
    };
    let pause = |requests: Value| {
        let patch = json!({"spec": {"remediation": {"pauseRequests": requests}}});
        merge(&resources::FEDERATION_HEALTHS, "default", patch);
    };
    pause(json!([{"name": "test", "reason": "the placement is edited first"}]));
    world
        .sim
        .add_workspace("billing", &["host"], &["billing-dev"])
        .unwrap();
    pass(Duration::from_secs(1)).await;
    world.double().unwrap();
    world
        .wait("the hold", SOON, |h| is(h, "Holding", "True"))
        .await
        .unwrap();
    let before = uids(world);
    let patch = json!({"spec": {"placement": {"clusters": [{"name": "produce-trt"}]}}});
    merge(&resources::WORKSPACE_TEMPLATES, "orders", patch);
    pass(Duration::from_secs(1)).await;
    pause(Value::Null);
    before
}

#[tokio::test(start_paused = true)]
async fn a_workspace_placed_on_the_leftover_alone_gets_its_placement_first_and_nothing_is_deleted()
{
    let world = calm_with(curing()).await;
    let before = leftover_placed(&world).await;
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
    ask(&world, "federationhealth.io/undo", "all");
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    assert_eq!(
        acts(&world).len(),
        2,
        "a placement was put back onto a name that is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_names_in_use_none_is_removed_and_that_is_said() {
    let world = calm_with(curing()).await;
    world
        .sim
        .apply_object(json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": "produce-trt"}, "spec": {"joinFederation": true},
        }))
        .unwrap();
    world.double().unwrap();
    world
        .wait("the reason", Duration::from_secs(1), |h| {
            condition(h, "RemediationAllowed").is_some_and(|(_, reason)| reason == "NoneStale")
        })
        .await
        .unwrap();
    pass(RAGE).await;
    assert!(acts(&world).is_empty());
    assert_eq!(registered(&world).len(), 2);
    let counted = metrics(&world);
    let (refused, rest) = ("{brake=\"NoneStale\"} 1", "{brake=\"NotLeading\"}");
    assert!(counted.contains(refused), "without a plan: {counted}");
    assert!(!counted.contains(rest), "at rest nothing is refused");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_by_itself_while_kinds_are_out_of_sight() {
    let mut spec = curing();
    spec["workspaces"] = json!({"kinds": "Workspaces"});
    let world = calm_with(spec).await;
    world.double().unwrap();
    world
        .wait("the reason", SOON, removal_waits_for("Unsimulated"))
        .await
        .unwrap();
    pass(RAGE).await;
    assert_eq!(registered(&world).len(), 2);
}
