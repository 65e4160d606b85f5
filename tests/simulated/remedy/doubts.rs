//! What was planned or believed a moment ago and is not so any more, and what only looks as if it were not.

use federation_health_sim::{Effect, RequestFacts};

use super::*;

fn stands_at(action: &'static str, state: &'static str) -> impl Fn(&FederationHealth) -> bool {
    move |h| state_of(h, action) == [state]
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_cannot_be_shielded_is_saved_by_a_freeze() {
    let actions = json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"});
    let world = calm("Apply", actions).await;
    let before = uids(&world);
    let opt_out = "federationhealth.io/opt-out";
    annotate(
        &world,
        &resources::WORKSPACES,
        "",
        "orders",
        opt_out,
        "true",
    );
    world.double().unwrap();
    world
        .wait(
            "the freeze",
            SOON,
            stands_at("FreezeControllers", "Verified"),
        )
        .await
        .unwrap();
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    assert_eq!(managed(&world, "orders").as_deref(), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_was_made_anew_is_shielded_anew() {
    let world = calm("Apply", json!({"shieldWorkspaces": "Automatic"})).await;
    world.double().unwrap();
    both_shielded(&world).await;
    let admin = world.sim.admin();
    admin
        .delete(&resources::WORKSPACES, "", "orders", Value::Null)
        .unwrap();
    pass(Duration::from_secs(40)).await;
    assert_eq!(managed(&world, "orders").as_deref(), Some("false"));
    pass(RAGE).await;
    let deleted = world.deletions("workspaces");
    let others: Vec<_> = deleted.iter().filter(|d| d.name != "orders").collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_goes_off_between_plan_and_write_is_obeyed() {
    for (what, change) in [
        (
            "the switch",
            json!({"remediation": {"actions": {"removeStaleCluster": "Never"}}}),
        ),
        ("the hold", json!({"hold": {"federation": "Never"}})),
        ("the mode", json!({"remediation": {"mode": "DryRun"}})),
    ] {
        let world = cures::calm_with(cures::curing()).await;
        // The journal is written in a ConfigMap first: slowly, and meanwhile its owner changes their mind.
        world.sim.inject(|r: &RequestFacts| {
            let journal = r.user == USER && r.resource == "configmaps" && r.verb != "get";
            journal.then_some(Effect::DelayAnswer(Duration::from_secs(2)))
        });
        world.double().unwrap();
        world
            .wait("the hold", SOON, |h| is(h, "Holding", "True"))
            .await
            .unwrap();
        pass(Duration::from_millis(1500)).await;
        let healths = &resources::FEDERATION_HEALTHS;
        let admin = world.sim.admin();
        let patch = json!({"spec": change});
        admin.merge(healths, "", "default", patch).unwrap();
        pass(Duration::from_secs(8)).await;
        assert!(acts(&world).is_empty(), "{what}: {:#?}", acts(&world));
        assert_eq!(cures::registered(&world).len(), 2, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_away_makes_nobody_a_rival() {
    let world = calm("Apply", json!({"freezeControllers": "Automatic"})).await;
    // Deployments are not watched any more, and what was seen last is that KubeFed runs.
    let away = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = away.clone();
    world.sim.inject(move |r: &RequestFacts| {
        let watched = r.user == USER && r.resource == "deployments";
        let gone = watched && matches!(r.verb, "watch" | "list");
        (gone && flag.load(std::sync::atomic::Ordering::Relaxed)).then_some(Effect::Break)
    });
    world.sim.cut_watches();
    world.double().unwrap();
    world
        .wait("the freeze", SOON, stands_at("FreezeControllers", "Done"))
        .await
        .unwrap();
    pass(Duration::from_secs(20)).await;
    let states = state_of(&world.health().unwrap(), "FreezeControllers");
    assert_eq!(states, ["Done"], "{}", world.told());
    away.store(false, std::sync::atomic::Ordering::Relaxed);
    world
        .wait(
            "the effect",
            RAGE,
            stands_at("FreezeControllers", "Verified"),
        )
        .await
        .unwrap();
    world.cure().unwrap();
    world
        .wait("the thaw", RAGE, stands_at("FreezeControllers", "Undone"))
        .await
        .unwrap();
    assert_eq!(replicas(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn who_puts_a_stale_name_back_is_not_fought() {
    let mut spec = cures::curing();
    spec["remediation"]["actions"] = json!({"fixPlacement": "Automatic"});
    spec["remediation"]["limits"] = json!({"cooldownSeconds": 0});
    let world = cures::calm_with(spec).await;
    let before = cures::leftover_placed(&world).await;
    let fixed = stands_at("FixPlacement", "Verified");
    world.wait("the placement", SOON, fixed).await.unwrap();
    pass(SOON).await;
    let back = json!({"spec": {"placement": {"clusters": [{"name": "produce-trt"}]}}});
    let templates = &resources::WORKSPACE_TEMPLATES;
    let admin = world.sim.admin();
    admin.merge(templates, "", "orders", back).unwrap();
    world
        .wait(
            "the reason",
            Duration::from_secs(1),
            stands_at("FixPlacement", "Contested"),
        )
        .await
        .unwrap();
    pass(RAGE).await;
    assert_eq!(acts(&world).len(), 1, "one act, and never again");
    nothing_was_lost(&world, &before);
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_does_not_go_stops_the_ladder() {
    let world = cures::calm_with(cures::curing()).await;
    world.double().unwrap();
    let kept = json!({"metadata": {"finalizers": ["example.com/kept"]}});
    let admin = world.sim.admin();
    let clusters = &resources::KUBEFED_CLUSTERS;
    admin.merge(clusters, PLANE, "produce-trt", kept).unwrap();
    world
        .wait(
            "the reason",
            Duration::from_secs(30),
            stands_at("RemoveStaleCluster", "Revoked"),
        )
        .await
        .unwrap();
    pass(RAGE).await;
    let health = world.health().unwrap();
    let (_, reason) = condition(&health, "RemediationAllowed").unwrap();
    assert_eq!(reason, "LadderStopped");
    assert!(is(&health, "Holding", "True"));
    assert_eq!(acts(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_volumes_wait_for_what_prevents_their_loss() {
    let world = calm(
        "Apply",
        json!({"retainVolumes": "Automatic", "freezeControllers": "Automatic"}),
    )
    .await;
    for n in 0..300 {
        let claim = format!("data-{n}");
        world.sim.add_volume("orders-db", &claim, "Delete").unwrap();
    }
    world.double().unwrap();
    pass(RAGE).await;
    let written = acts(&world);
    assert_eq!(written[0].resource, "deployments");
    let volumes = written.iter().filter(|a| a.resource == "persistentvolumes");
    assert_eq!(volumes.count(), 300);
}
