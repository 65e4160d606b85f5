//! What holds it back.

use federation_health_core::remedy::brake::TABLE;
use federation_health_tests::guarded::root;

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_is_done_by_default_and_the_reason_is_said() {
    for (mode, actions, reason) in [
        ("Observe", json!({"freezeControllers": "Automatic"}), None),
        ("Apply", json!({}), Some("ActionNever")),
        (
            "Apply",
            json!({"shieldWorkspaces": "Approval", "freezeControllers": "Approval"}),
            Some("NotApproved"),
        ),
    ] {
        let world = calm(mode, actions).await;
        world.double().unwrap();
        pass(Duration::from_secs(1)).await;
        let health = world.health().unwrap();
        let found = condition(&health, "RemediationAllowed").map(|(_, reason)| reason);
        assert_eq!(found.as_deref(), reason, "{mode}");
        pass(RAGE).await;
        assert!(acts(&world).is_empty());
    }
}

async fn planned(world: &World) -> String {
    let health = world
        .wait("a plan", SOON, |h| {
            h.status.as_ref().is_some_and(|s| s.plan.is_some())
        })
        .await
        .unwrap();
    health.status.unwrap().plan.unwrap().id
}

#[tokio::test(start_paused = true)]
async fn an_approval_counts_for_its_plan_until_it_expires() {
    let world = calm("Apply", json!({"freezeControllers": "Approval"})).await;
    let before = uids(&world);
    world.double().unwrap();
    let id = planned(&world).await;
    let approve = |value: &str| {
        ask(&world, "federationhealth.io/approve", value);
    };
    let at = |seconds: i64| {
        (world.sim.clock().now() + Duration::from_secs(seconds.unsigned_abs())).to_string()
    };
    for wrong in [
        format!("{id}@2020-01-01T00:00:00Z"),
        id.clone(),
        format!("0123456789@{}", at(600)),
        format!("{id}@{}", at(200_000)),
    ] {
        approve(&wrong);
        pass(Duration::from_secs(1)).await;
        let health = world.health().unwrap();
        assert_eq!(
            condition(&health, "RemediationAllowed").unwrap().1,
            "NotApproved",
            "{wrong}"
        );
        assert!(acts(&world).is_empty(), "{wrong}");
    }
    approve(&format!("{id}@{}", at(600)));
    world
        .wait("the freeze", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
}

#[tokio::test(start_paused = true)]
async fn an_approval_in_place_of_a_good_one_is_judged_for_itself() {
    let world = calm("Apply", json!({"freezeControllers": "Approval"})).await;
    ask(&world, "federationhealth.io/undo", "all");
    world.double().unwrap();
    let id = planned(&world).await;
    for seconds in [600, 200_000] {
        let until = world.sim.clock().now() + Duration::from_secs(seconds);
        ask(
            &world,
            "federationhealth.io/approve",
            &format!("{id}@{until}"),
        );
        pass(Duration::from_secs(1)).await;
    }
    let none = json!({"metadata": {"annotations": {"federationhealth.io/undo": null}}});
    let admin = world.sim.admin();
    admin
        .merge(&resources::FEDERATION_HEALTHS, "", "default", none)
        .unwrap();
    pass(SOON).await;
    let health = world.health().unwrap();
    let allowed = condition(&health, "RemediationAllowed").unwrap();
    assert_eq!(allowed.1, "NotApproved");
    assert!(acts(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pause_an_opt_out_and_a_keeper_are_each_respected() {
    let all = json!({"shieldWorkspaces": "Automatic", "freezeControllers": "Automatic"});
    let world = calm("Apply", all.clone()).await;
    let mut paused = spec("Apply", &all);
    paused["remediation"]["pauseRequests"] =
        json!([{"name": "night-shift", "reason": "change freeze"}]);
    federation_health_tests::simulated::set_spec(&world.sim, "default", &paused).unwrap();
    pass(Duration::from_secs(1)).await;
    world.double().unwrap();
    pass(Duration::from_secs(1)).await;
    let health = world.health().unwrap();
    assert_eq!(
        condition(&health, "RemediationAllowed").unwrap().1,
        "Paused"
    );
    assert!(is(&health, "Paused", "True"));
    pass(SOON).await;
    assert!(acts(&world).is_empty());

    let world = calm("Apply", json!({"shieldWorkspaces": "Automatic"})).await;
    annotate(
        &world,
        &resources::WORKSPACES,
        "",
        "orders",
        "federationhealth.io/opt-out",
        "true",
    );
    world.double().unwrap();
    world
        .wait("the other's shield", SOON, |h| {
            state_of(h, "ShieldWorkspaces") == ["Verified"]
        })
        .await
        .unwrap();
    assert_eq!(managed(&world, "orders").as_deref(), Some("true"));
    assert_eq!(managed(&world, "payments").as_deref(), Some("false"));

    let world = calm("Apply", json!({"freezeControllers": "Automatic"})).await;
    annotate(
        &world,
        &resources::DEPLOYMENTS,
        PLANE,
        MANAGER,
        "argocd.argoproj.io/tracking-id",
        "kubefed",
    );
    world.double().unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!(
        condition(&world.health().unwrap(), "RemediationAllowed")
            .unwrap()
            .1,
        "KeptByAnother"
    );
    assert!(acts(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_opts_out_after_an_act_stays_as_it_is_and_holds_nothing_else_up() {
    let world = calm("Apply", json!({"shieldWorkspaces": "Automatic"})).await;
    world.double().unwrap();
    both_shielded(&world).await;
    let opt_out = "federationhealth.io/opt-out";
    annotate(
        &world,
        &resources::WORKSPACES,
        "",
        "orders",
        opt_out,
        "true",
    );
    world.cure().unwrap();
    pass(Duration::from_mins(2)).await;
    let mut states = state_of(&world.health().unwrap(), "ShieldWorkspaces");
    states.sort();
    assert_eq!(states, ["Closed", "Undone"]);
    assert_eq!(managed(&world, "orders").as_deref(), Some("false"));
    assert_eq!(managed(&world, "payments").as_deref(), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn whoever_scales_kubefed_back_is_not_fought() {
    for after in [Duration::ZERO, Duration::from_secs(10)] {
        scaled_back(after).await;
    }
}

/// Without any cooldown, so that nothing but the contest itself stands against a fight.
async fn scaled_back(after: Duration) {
    let mut spec = spec("Apply", &json!({"freezeControllers": "Automatic"}));
    spec["remediation"]["limits"] = json!({"cooldownSeconds": 0});
    let world = cures::calm_with(spec).await;
    world.double().unwrap();
    world
        .wait("the freeze", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    pass(after).await;
    world
        .sim
        .admin()
        .scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 1)
        .unwrap();
    world
        .wait("the latch", Duration::from_secs(1), |h| {
            state_of(h, "FreezeControllers") == ["Contested"]
        })
        .await
        .unwrap();
    pass(Duration::from_mins(1)).await;
    assert_eq!(acts(&world).len(), 1, "one act, and never again");
    let health = world.health().unwrap();
    assert_eq!(
        condition(&health, "RemediationAllowed").unwrap().1,
        "Contested"
    );
    assert!(world.operator.as_ref().unwrap().lives());
}

#[test]
fn the_documented_brakes_are_those_of_the_code() {
    let text = std::fs::read_to_string(root().join("docs/remediation.md")).unwrap();
    let (_, rest) = text
        .split_once("<!-- brakes: generated from crates/core/src/remedy/brake.rs -->\n")
        .unwrap();
    let (documented, _) = rest.split_once("<!-- /brakes -->").unwrap();
    let mut table = "| brake | it holds while | it ends |\n|---|---|---|\n".to_owned();
    for (brake, holds, ends) in TABLE {
        table += &["| `", brake, "` | ", holds, " | ", ends, " |\n"].concat();
    }
    assert_eq!(
        documented, table,
        "replace the table by the one on the right"
    );
}

/// A danger that returns within the cooldown finds its shields again: they were taken off by the operator itself, so putting
/// them on fights nobody.
#[tokio::test(start_paused = true)]
async fn a_danger_that_returns_is_shielded_at_once() {
    let world = calm("Apply", json!({"shieldWorkspaces": "Automatic"})).await;
    let before = uids(&world);
    world.double().unwrap();
    both_shielded(&world).await;
    let leftover = world.leftover().unwrap();
    world.cure().unwrap();
    let off = |h: &FederationHealth| state_of(h, "ShieldWorkspaces") == ["Undone"; 2];
    world.wait("the release", RAGE, off).await.unwrap();
    assert!(world.double_again(&leftover));
    let again = |h: &FederationHealth| {
        let mut states = state_of(h, "ShieldWorkspaces");
        states.sort();
        states == ["Undone", "Undone", "Verified", "Verified"]
    };
    world.wait("the shields again", SOON, again).await.unwrap();
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_is_not_stopped_twice_within_the_cooldown() {
    let mut spec = spec("Apply", &json!({"freezeControllers": "Automatic"}));
    spec["remediation"]["limits"] = json!({"cooldownSeconds": 180});
    let world = cures::calm_with(spec).await;
    world.double().unwrap();
    let frozen = |h: &FederationHealth| state_of(h, "FreezeControllers") == ["Verified"];
    world.wait("the freeze", SOON, frozen).await.unwrap();
    let begun = world.sim.clock().now();
    let leftover = world.leftover().unwrap();
    world.cure().unwrap();
    let thawed = |h: &FederationHealth| state_of(h, "FreezeControllers") == ["Undone"];
    world.wait("the thaw", RAGE, thawed).await.unwrap();
    assert!(world.double_again(&leftover));
    let cools = |h: &FederationHealth| {
        condition(h, "RemediationAllowed").is_some_and(|(_, reason)| reason == "CoolingDown")
    };
    world.wait("the reason", SOON, cools).await.unwrap();
    let again = |h: &FederationHealth| state_of(h, "FreezeControllers").len() == 2;
    world.wait("the second", RAGE * 2, again).await.unwrap();
    let after = world.sim.clock().now().duration_since(begun).as_secs();
    assert!((178..=182).contains(&after), "after {after} s");
}
