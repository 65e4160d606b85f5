//! What happens to operators: servers restart, kinds come and go, objects are wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use federation_health_sim::{Clock, Effect, Network, Refusal, Resource, Sim, resources};
use federation_health_tests::{
    guarded::{USER, condition, holding, holds},
    simulated::{self, ALIAS, HOST, PLANE, Setup, WORKSPACES, World, is, pass},
};
use serde_json::json;

const RAGE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn an_api_server_that_restarts_makes_no_condition_flicker() {
    let world = World::calm(Setup::default()).await.unwrap();
    pass(Duration::from_mins(1)).await;
    let before = serde_json::to_string(&world.health().unwrap().status).unwrap();
    for act in [Sim::cut_watches, Sim::compact, Sim::restart_api_server] {
        act(&world.sim);
        for _ in 0..900 {
            pass(Duration::from_millis(100)).await;
            let now = serde_json::to_string(&world.health().unwrap().status).unwrap();
            assert_eq!(now, before);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_restarts_during_the_hold_loses_nothing() {
    let world = World::calm(Setup::default()).await.unwrap();
    world.double().unwrap();
    pass(RAGE).await;
    for _ in 0..3 {
        world.sim.restart_api_server();
        pass(RAGE).await;
        assert_eq!(holds(&world.health().unwrap()), (true, true));
    }
    assert!(world.deletions("workspaces").is_empty());
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn kinds_that_are_missing_are_unknown_and_judged_when_they_appear() {
    let sim = Sim::in_network(&Network::default(), Clock::simulated(), HOST);
    let world = World::on(sim, Setup::default()).await.unwrap();
    pass(Duration::from_mins(1)).await;
    let health = world.health().unwrap();
    assert!(is(&health, "Ready", "True"), "{:#?}", health.status);
    assert!(is(&health, "Healthy", "Unknown"), "{:#?}", health.status);
    let (status, reason) = condition(&health, "ClustersUnique").unwrap();
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("Unknown", "CRDNotInstalled")
    );

    world.sim.install_kubesphere().unwrap();
    for (workspace, namespaces) in WORKSPACES {
        world
            .sim
            .add_workspace(workspace, &["host"], &namespaces)
            .unwrap();
    }
    world
        .wait("a good verdict", Duration::from_secs(30), |h| {
            is(h, "Healthy", "True")
        })
        .await
        .unwrap();
    world.double().unwrap();
    world
        .wait("both holds", Duration::from_secs(10), |h| {
            holds(h) == (true, true)
        })
        .await
        .unwrap();
    pass(RAGE).await;
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn registrations_that_cannot_be_read_are_unknown_and_release_nothing() {
    for (code, reason) in [(404, "CRDNotInstalled"), (403, "Forbidden")] {
        let world = World::calm(Setup::default()).await.unwrap();
        world.double().unwrap();
        pass(RAGE).await;
        world.sim.inject(move |r| {
            let asked = r.user == USER && r.resource == "kubefedclusters";
            asked.then(|| Effect::Refuse(Refusal::new(code, reason, "as the test wishes")))
        });
        world.sim.cut_watches();
        pass(Duration::from_mins(5)).await;
        let health = world.health().unwrap();
        let found = condition(&health, "ClustersUnique").unwrap();
        assert!(found.0 != "True", "{found:?}");
        assert_eq!(holds(&health), (true, true), "absence of data ended a hold");
        world.sim.clear_faults();
        world.cure().unwrap();
        world
            .wait("the end of the hold", Duration::from_mins(1), |h| {
                holds(h) == (false, false) && is(h, "Healthy", "True")
            })
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_vanishes_makes_its_condition_unknown_until_it_is_back() {
    let world = World::calm(Setup::default()).await.unwrap();
    world.sim.inject(|r| {
        let asked = r.user == USER && r.resource == "kubefedclusters";
        asked.then(|| Effect::Refuse(Refusal::new(404, "NotFound", "as the test wishes")))
    });
    world.sim.cut_watches();
    let health = world
        .wait("an unknown verdict", Duration::from_mins(1), |h| {
            is(h, "Healthy", "Unknown")
        })
        .await
        .unwrap();
    let told = format!("{:?}", health.status);
    assert!(told.contains("CRDNotInstalled"), "{told}");
    assert_eq!(holds(&health), (false, false));
    world.sim.clear_faults();
    world
        .wait("a good verdict", Duration::from_secs(30), |h| {
            is(h, "Healthy", "True")
        })
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn malformed_objects_are_told_and_everything_else_goes_on() {
    let world = World::calm(Setup::default()).await.unwrap();
    let admin = world.sim.admin();
    for (resource, object) in [
        (
            resources::KUBEFED_CLUSTERS,
            json!({"metadata": {"name": "odd", "namespace": PLANE}, "spec": {"apiEndpoint": 7, "secretRef": "x"}}),
        ),
        (
            resources::WORKSPACE_TEMPLATES,
            json!({"metadata": {"name": "odd"}, "spec": {"placement": "everywhere"}}),
        ),
        (
            resources::FEDERATED_WORKSPACES,
            json!({"metadata": {"name": "odd"}, "spec": {"placement": {"clusterSelector": {"matchLabels": 3}}}}),
        ),
    ] {
        admin.create(&resource, object).unwrap();
    }
    let health = world
        .wait(
            "the malformed objects to be told",
            Duration::from_secs(30),
            |h| {
                serde_json::to_string(&h.status)
                    .unwrap()
                    .contains("MalformedObject")
            },
        )
        .await
        .unwrap();
    assert!(is(&health, "Ready", "True"));
    world.double().unwrap();
    world
        .wait("a verdict", Duration::from_secs(5), |h| {
            is(h, "ClustersUnique", "False") && holds(h) == (true, true)
        })
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_cannot_be_read_any_more_is_not_gone() {
    let world = World::calm(Setup::default()).await.unwrap();
    world.double().unwrap();
    pass(RAGE).await;
    let admin = world.sim.admin();
    let registration = admin
        .get(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS)
        .unwrap();
    let write = |endpoint: serde_json::Value| {
        let patch = json!({"spec": {"apiEndpoint": endpoint}});
        admin
            .merge(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS, patch)
            .unwrap();
    };
    write(json!(7));
    // A list that shows it, and cannot be read in that place, must not count as one that leaves it out.
    world.sim.restart_api_server();
    pass(Duration::from_mins(3)).await;
    assert_eq!(holds(&world.health().unwrap()), (true, true));
    write(registration["spec"]["apiEndpoint"].clone());
    pass(Duration::from_mins(1)).await;
    let health = world.health().unwrap();
    assert!(!format!("{:?}", health.status).contains("MalformedObject"));
    world.cure().unwrap();
    world
        .wait("the end of the hold", Duration::from_mins(1), |h| {
            holds(h) == (false, false) && is(h, "Healthy", "True")
        })
        .await
        .unwrap();
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_younger_of_two_objects_for_one_federation_says_so_and_decides_nothing() {
    let world = World::calm(Setup::default()).await.unwrap();
    simulated::set_spec(
        &world.sim,
        "other",
        &json!({"hold": {"collection": "Always"}}),
    )
    .unwrap();
    pass(Duration::from_secs(30)).await;
    let other = simulated::health(&world.sim, "other").unwrap();
    let (status, reason) = condition(&other, "Ready").unwrap();
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "DuplicateFederationHealth")
    );
    assert!(is(&world.health().unwrap(), "Healthy", "True"));
    assert_eq!(holds(&world.health().unwrap()), (false, false));
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_makes_no_sense_is_told_and_what_was_asked_before_stays() {
    let world = World::calm(Setup::default()).await.unwrap();
    let mut spec = holding();
    spec["probe"]["allowedEndpoints"] = json!(["not an address"]);
    simulated::set_spec(&world.sim, "default", &spec).unwrap();
    world
        .wait("the refusal of the spec", Duration::from_secs(5), |h| {
            condition(h, "Ready") == Some(("False".to_owned(), "InvalidSpec".to_owned()))
        })
        .await
        .unwrap();
    world.double().unwrap();
    world
        .wait("both holds", Duration::from_secs(10), |h| {
            holds(h) == (true, true)
        })
        .await
        .unwrap();
}

/// A role without the right, or a webhook that refuses: for hours, in which Workspaces change all the time.
#[tokio::test(start_paused = true)]
async fn a_status_that_is_refused_is_not_written_again_at_each_change() {
    let world = World::calm(Setup::default()).await.unwrap();
    let refuses = Arc::new(AtomicBool::new(true));
    let flag = refuses.clone();
    world.sim.inject(move |r| {
        let status = r.resource == "federationhealths" && r.subresource == "status";
        let ours = r.user == USER && status && flag.load(Ordering::Relaxed);
        ours.then(|| Effect::Refuse(Refusal::new(403, "Forbidden", "no right")))
    });
    world.sim.clear_audit();
    world.double().unwrap();
    pass(Duration::from_mins(1)).await;
    let mut tried = world.requests();
    tried.retain(|e| e.resource == "federationhealths" && e.subresource == "status");
    // After 0, 1, 3, 7 and 15 seconds, and then every 10.
    assert!((8..=11).contains(&tried.len()), "{} times", tried.len());
    refuses.store(false, Ordering::Relaxed);
    let told = world
        .wait("the verdict", Duration::from_secs(11), |h| {
            is(h, "ClustersUnique", "False")
        })
        .await;
    drop(told.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_federated_kind_that_is_enabled_later_is_judged_too() {
    let world = World::calm(Setup::default()).await.unwrap();
    world
        .sim
        .federate("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
        .unwrap();
    let claims = Resource::known(
        "types.kubefed.io",
        "v1beta1",
        "federatedpersistentvolumeclaims",
    );
    let placement = json!({"clusters": [{"name": "host"}]});
    world
        .sim
        .admin()
        .create(&resources::FEDERATED_NAMESPACES, json!({
            "metadata": {"name": "orders-db", "namespace": "orders-db"}, "spec": {"placement": placement},
        }))
        .unwrap();
    world
        .sim
        .admin()
        .create(
            &claims,
            json!({
                "metadata": {"name": "data", "namespace": "orders-db"},
                "spec": {"placement": placement, "template": {"spec": {}}},
            }),
        )
        .unwrap();
    pass(Duration::from_secs(15)).await;
    world.double().unwrap();
    let health = world
        .wait("a verdict", Duration::from_secs(5), |h| {
            is(h, "ClustersUnique", "False")
        })
        .await
        .unwrap();
    let radius = health.status.unwrap().blast_radius.unwrap();
    let claim = |n: &String| n.contains("PersistentVolumeClaim") && n.contains("orders-db/data");
    assert!(radius.object_names.iter().any(claim), "{radius:?}");
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_never_made_sense_is_judged_by_the_defaults() {
    let setup = Setup {
        spec: Some(json!({"probe": {"allowedEndpoints": ["not an address"]}})),
        ..Setup::default()
    };
    let world = World::start(setup).await.unwrap();
    pass(Duration::from_secs(15)).await;
    world.double().unwrap();
    let health = world
        .wait("a verdict", Duration::from_secs(5), |h| {
            is(h, "ClustersUnique", "False")
        })
        .await
        .unwrap();
    assert_eq!(condition(&health, "Ready").unwrap().1, "InvalidSpec");
    let told = serde_json::to_string(&health.status).unwrap();
    assert!(!told.contains("not to the guarded federation"), "{told}");
}
