//! The judge bites: an operator that is right but for one thing is found wrong for that thing.

mod ladder;
mod scene;

use std::time::Duration;

use federation_health_sim::{Effect, RequestFacts, Resource};
use serde_json::{Value, json};

use crate::{
    guarded::USER,
    schedules::MANAGER,
    simulated::{ALIAS, pass},
};
use scene::{BINDINGS, DEPLOYMENTS, Deed, HEALTHS, LEASE, REGISTRATIONS, Scene, TENANT};

#[tokio::test(start_paused = true)]
async fn an_operator_that_does_everything_right_is_not_found_wrong() {
    let scene = Scene::begin().await;
    for deed in [Deed::retain(), Deed::shield(), Deed::freeze()] {
        scene.act(&deed).await;
    }
    scene.cure().await;
    scene.act(&Deed::thaw()).await;
    scene.wait(60).await;
    scene.act(&Deed::unshield()).await;
    scene.act(&Deed::release()).await;
    scene.is_right();
    let acts = [
        "act FreezeControllers",
        "act RetainVolumes",
        "act ShieldWorkspaces",
    ];
    assert_eq!(scene.judge.counts().into_keys().collect::<Vec<_>>(), acts);

    let scene = Scene::begin().await;
    scene.place(&[ALIAS]).await;
    scene.hold().await;
    scene.act(&Deed::fix()).await;
    scene.place(&["host"]).await;
    scene.wait(6).await;
    scene.act(&Deed::remove()).await;
    scene.is_right();
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_ends_while_a_workspace_falls_is_found_unless_a_person_ended_it() {
    for released in [false, true] {
        let scene = Scene::begin().await;
        scene.hold().await;
        let kept = json!({"metadata": {"finalizers": ["finalizers.tenant.kubesphere.io"]}});
        let orders = format!("{TENANT}/orders");
        scene.person(&orders, kept).await;
        scene
            .send("kubernetes-admin", "DELETE", &orders, &Value::Null)
            .await;
        scene.cure().await;
        if released {
            scene.respec(json!({"hold": {"collection": "Never"}})).await;
        }
        let canary = json!({"matchLabels": {"federation-health": "canary"}});
        let dormant = json!({"spec": {"matchResources": {"objectSelector": canary}}});
        let binding = format!("{BINDINGS}/federation-health-collection-durable");
        scene.send(USER, "PATCH", &binding, &dormant).await;
        if released {
            scene.is_right();
        } else {
            scene.is_wrong("the collector takes what falls with its Workspace");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_not_prepared_is_found() {
    let scene = Scene::begin().await;
    scene.carry_out(&Deed::shield()).await;
    scene.is_wrong("the journal's ConfigMap does not say so");

    let scene = Scene::begin().await;
    scene.write_down(&Deed::shield()).await;
    let none = json!({"status": {"actions": []}});
    scene
        .send(USER, "PATCH", &format!("{HEALTHS}/status"), &none)
        .await;
    scene.carry_out(&Deed::shield()).await;
    scene.is_wrong("status.actions does not say so");

    let scene = Scene::begin().await;
    let deed = Deed::shield();
    scene.write_down(&deed).await;
    scene.send(USER, "PATCH", &deed.path, &deed.change).await;
    scene.is_wrong("uid and resourceVersion are not its preconditions");

    let scene = Scene::begin().await;
    scene.write_down(&deed).await;
    scene.wait(1).await;
    scene
        .person(&deed.path, json!({"spec": {"networkIsolation": true}}))
        .await;
    scene.carry_out(&deed).await;
    scene.is_wrong("somebody edited it after it was planned");

    let scene = Scene::begin().await;
    scene.write_down(&deed).await;
    pass(Duration::from_secs(16)).await;
    scene.carry_out(&deed).await;
    scene.is_wrong("the lease has run out");

    let scene = Scene::begin().await;
    scene.write_down(&deed).await;
    scene.renew("a-stranger").await;
    scene.carry_out(&deed).await;
    scene.is_wrong("somebody else holds the lease");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_more_or_less_than_a_rung_is_found() {
    let mut deed = Deed::shield();
    deed.change["metadata"]["labels"]["more"] = json!("1");
    let scene = Scene::begin().await;
    // Its own fence would refuse it: without that it is the judge's.
    scene
        .sim
        .admin()
        .delete(
            &Resource::known(
                "admissionregistration.k8s.io",
                "v1",
                "validatingadmissionpolicybindings",
            ),
            "",
            "federation-health-guard-operator",
            Value::Null,
        )
        .unwrap();
    scene.act(&deed).await;
    scene.is_wrong("more than the rung's field is changed");

    let scene = Scene::begin().await;
    let both = json!({"metadata": {
        "labels": {"kubefed.io/managed": "false"}, "finalizers": ["finalizers.tenant.kubesphere.io", "orphan"],
    }});
    scene
        .act(&Deed {
            change: both,
            ..Deed::shield()
        })
        .await;
    scene.is_wrong("no field of a rung is changed, or several at once");
}

/// Each change of the owner's mind, and what a shield is then.
#[tokio::test(start_paused = true)]
async fn a_write_against_the_owners_word_is_found() {
    let approval = json!({"actions": {"shieldWorkspaces": "Approval"}});
    let pauses = json!([{"name": "a person", "reason": "look first"}]);
    for (remediation, why) in [
        (json!({"mode": "DryRun"}), "the mode is not Apply"),
        (json!({"mode": "Observe"}), "it was only to observe"),
        (json!({"pauseRequests": pauses}), "remediation is paused"),
        (
            json!({"actions": {"shieldWorkspaces": "Never"}}),
            "its switch is off, or nobody approved it",
        ),
        (approval, "its switch is off, or nobody approved it"),
    ] {
        let scene = Scene::begin().await;
        scene.respec(json!({"remediation": remediation})).await;
        scene.wait(1).await;
        scene.act(&Deed::shield()).await;
        scene.is_right();

        let scene = Scene::begin().await;
        scene.respec(json!({"remediation": remediation})).await;
        scene.wait(7).await;
        scene.act(&Deed::shield()).await;
        scene.is_wrong(why);
    }

    let scene = Scene::begin().await;
    scene
        .annotate("federationhealth.io/undo", json!("all"))
        .await;
    scene.wait(7).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("a person asks acts back");

    let scene = Scene::begin().await;
    let spoiled = json!({"probe": {"allowedEndpoints": ["127.0.0.0/99"]}});
    scene.respec(spoiled).await;
    scene.wait(7).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("the spec contradicts itself");

    let scene = Scene::begin().await;
    let limits = json!({"limits": {"maxActionsPerHour": 1}});
    scene.respec(json!({"remediation": limits})).await;
    scene.act(&Deed::retain()).await;
    scene.wait(1).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("the budget is spent");
}

#[tokio::test(start_paused = true)]
async fn an_approval_counts_only_for_its_plan_and_its_time() {
    for (plan, seconds, valid) in [
        ("the-plan", 600, true),
        ("the-plan", -6, false),
        ("the-plan", 90_000, false),
        ("another", 600, false),
    ] {
        let scene = Scene::begin().await;
        let approval = json!({"actions": {"shieldWorkspaces": "Approval"}});
        scene.respec(json!({"remediation": approval})).await;
        scene.approve(&Deed::shield(), plan, seconds).await;
        scene.wait(7).await;
        scene.act(&Deed::shield()).await;
        if valid {
            scene.is_right();
        } else {
            scene.is_wrong("its switch is off, or nobody approved it");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_to_what_others_keep_or_took_back_is_found() {
    let scene = Scene::begin().await;
    let opt_out = json!({"metadata": {"annotations": {"federationhealth.io/opt-out": "true"}}});
    scene.person(&Deed::shield().path, opt_out).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("it opted out");

    let scene = Scene::begin().await;
    let mark = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}});
    scene
        .person(&format!("{DEPLOYMENTS}/{MANAGER}"), mark)
        .await;
    scene.act(&Deed::freeze()).await;
    scene.is_wrong("a GitOps agent keeps it");

    let scene = Scene::begin().await;
    let label = json!({"metadata": {"labels": {"kubefed.io/managed": "true"}}});
    let request = |verb| RequestFacts {
        user: USER.to_owned(),
        verb,
        group: "tenant.kubesphere.io".to_owned(),
        resource: "workspaces".to_owned(),
        subresource: String::new(),
        namespace: String::new(),
        name: "orders".to_owned(),
    };
    scene.act(&Deed::shield()).await;
    let lost = request("patch");
    scene.judge.asked(&lost, Some(&Effect::BreakAnswer));
    scene.person(&Deed::shield().path, label.clone()).await;
    scene.judge.asked(&request("get"), None);
    scene.act(&Deed::shield()).await;
    scene.is_right();
    scene.person(&Deed::shield().path, label.clone()).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("somebody took it back before: that is a fight");
    // Who asks acts back has looked.
    let scene = Scene::begin().await;
    scene.act(&Deed::shield()).await;
    scene.person(&Deed::shield().path, label).await;
    scene
        .annotate("federationhealth.io/undo", json!("all"))
        .await;
    scene.wait(1).await;
    scene
        .annotate("federationhealth.io/undo", Value::Null)
        .await;
    scene.wait(600).await;
    scene.act(&Deed::shield()).await;
    scene.is_right();
}

/// What the journal of a killed process calls intended only, and somebody took back, was never done as far as anybody knows.
#[tokio::test(start_paused = true)]
async fn what_a_killed_process_could_not_know_is_no_fight_and_what_it_wrote_down_is() {
    let label = json!({"metadata": {"labels": {"kubefed.io/managed": "true"}}});
    for (state, right) in [("Intended", true), ("Done", false)] {
        let scene = Scene::begin().await;
        scene.act(&Deed::shield()).await;
        scene
            .write_down(&Deed {
                state,
                ..Deed::shield()
            })
            .await;
        scene.person(&Deed::shield().path, label.clone()).await;
        scene.judge.killed(&scene.sim);
        scene.act(&Deed::shield()).await;
        if right {
            scene.is_right();
        } else {
            scene.is_wrong("somebody took it back before: that is a fight");
        }
    }
}

/// A stopped control plane is not stopped twice within the cooldown; a mark that was taken off may be put on again.
#[tokio::test(start_paused = true)]
async fn a_write_within_the_cooldown_is_found() {
    for (wait, right) in [(0, false), (600, true)] {
        let scene = Scene::begin().await;
        scene.act(&Deed::freeze()).await;
        scene.cure().await;
        scene.act(&Deed::thaw()).await;
        scene.wait(wait).await;
        scene.double().await;
        scene.act(&Deed::freeze()).await;
        if right {
            scene.is_right();
        } else {
            scene.is_wrong("the same was done within the cooldown");
        }
    }

    let scene = Scene::begin().await;
    scene.act(&Deed::shield()).await;
    scene.cure().await;
    scene.act(&Deed::unshield()).await;
    scene.double().await;
    scene.act(&Deed::shield()).await;
    scene.is_right();
}

#[tokio::test(start_paused = true)]
async fn what_the_fence_refused_and_what_was_not_read_is_found_in_the_audit_trail() {
    let scene = Scene::begin().await;
    let deed = Deed::shield();
    scene.sim.clear_audit();
    let path = format!("{LEASE}/federation-health");
    scene.send(USER, "GET", &path, &Value::Null).await;
    scene.send(USER, "GET", &deed.path, &Value::Null).await;
    scene.act(&deed).await;
    assert_eq!(
        scene.judge.verdict(&scene.sim.audit(), true),
        Vec::<String>::new()
    );

    scene.sim.clear_audit();
    scene.send(USER, "GET", &deed.path, &Value::Null).await;
    scene.act(&Deed::freeze()).await;
    let told = scene.judge.verdict(&scene.sim.audit(), true);
    assert!(
        told.len() == 1 && told[0].ends_with("lease and target were not read before"),
        "{told:?}"
    );

    scene.sim.clear_audit();
    let path = format!("{REGISTRATIONS}/host");
    scene.send(USER, "DELETE", &path, &Value::Null).await;
    let told = scene.judge.verdict(&scene.sim.audit(), true);
    assert!(
        told.len() == 1 && told[0].ends_with("its own fence had to refuse it"),
        "{told:?}"
    );
}
