//! Volumes outlive the namespaces that are lost, and get their policy back where nothing was.

use federation_health_sim::Controllers;

use super::*;
use crate::incident::without_kubesphere;

/// Volumes with claims in every namespace of both Workspaces, one of a stranger and one that is kept anyway.
struct Storage {
    endangered: Vec<(String, String)>,
    stranger: String,
    kept: String,
}

fn provision(world: &World) -> Storage {
    let namespaces = WORKSPACES.iter().flat_map(|(_, namespaces)| namespaces);
    let endangered = namespaces
        .map(|namespace| {
            let volume = world.sim.add_volume(namespace, "data", "Delete").unwrap();
            ((*namespace).to_owned(), volume)
        })
        .collect();
    let admin = world.sim.admin();
    admin
        .create(
            &resources::NAMESPACES,
            json!({"metadata": {"name": "stranger"}}),
        )
        .unwrap();
    Storage {
        endangered,
        stranger: world.sim.add_volume("stranger", "data", "Delete").unwrap(),
        kept: world
            .sim
            .add_volume("orders-db", "archive", "Retain")
            .unwrap(),
    }
}

pub(super) fn policy(world: &World, volume: &str) -> Option<String> {
    let found = world
        .sim
        .admin()
        .get(&resources::PERSISTENT_VOLUMES, "", volume)?;
    found["spec"]["persistentVolumeReclaimPolicy"]
        .as_str()
        .map(str::to_owned)
}

fn volume_acts(world: &World) -> usize {
    let acts = acts(world);
    acts.iter()
        .filter(|act| act.resource == "persistentvolumes")
        .count()
}

/// Waits until the acts on all six volumes stand thus.
async fn all_six(world: &World, state: &str, limit: Duration) {
    let all = |h: &FederationHealth| state_of(h, "RetainVolumes") == vec![state; 6];
    world.wait("six volumes", limit, all).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn volumes_in_danger_are_kept_and_no_others_and_get_their_policy_back() {
    let world = calm(
        "Apply",
        json!({"retainVolumes": "Automatic", "freezeControllers": "Automatic"}),
    )
    .await;
    let storage = provision(&world);
    let before = uids(&world);
    world.double().unwrap();
    all_six(&world, "Verified", SOON).await;
    for (_, volume) in &storage.endangered {
        assert_eq!(policy(&world, volume).as_deref(), Some("Retain"));
    }
    assert_eq!(policy(&world, &storage.stranger).as_deref(), Some("Delete"));
    assert_eq!(
        volume_acts(&world),
        6,
        "one write for each, none for the kept one"
    );
    pass(RAGE).await;
    world.cure().unwrap();
    all_six(&world, "Undone", Duration::from_mins(3)).await;
    for (_, volume) in &storage.endangered {
        assert_eq!(policy(&world, volume).as_deref(), Some("Delete"));
    }
    assert_eq!(policy(&world, &storage.kept).as_deref(), Some("Retain"));
    nothing_was_lost(&world, &before);
}

/// Found by a schedule: what is kept for a Workspace that waits for KubeSphere to go is kept until it is gone, whatever became
/// of the danger meanwhile.
#[tokio::test(start_paused = true)]
async fn volumes_of_a_workspace_that_is_being_deleted_are_kept_until_it_has_come_back() {
    let world = without_kubesphere(spec("Apply", &json!({"retainVolumes": "Automatic"}))).await;
    let storage = provision(&world);
    world.double().unwrap();
    pass(RAGE).await;
    all_six(&world, "Verified", SOON).await;
    world.cure().unwrap();
    pass(RAGE).await;
    for (namespace, volume) in &storage.endangered {
        let kept = policy(&world, volume);
        assert_eq!(kept.as_deref(), Some("Retain"), "{namespace}");
    }
    let _back = world.sim.start_controllers(&Controllers::kubesphere());
    all_six(&world, "Undone", Duration::from_mins(3)).await;
}

fn terminating(world: &World) -> Vec<String> {
    let all = world.sim.admin().list(&resources::NAMESPACES, "");
    let goes = |o: &&std::sync::Arc<Value>| o["metadata"]["deletionTimestamp"].is_string();
    all.iter()
        .filter(goes)
        .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_comes_after_the_first_deletions_still_saves_the_data() {
    let mut world = calm(
        "Apply",
        json!({"retainVolumes": "Automatic", "freezeControllers": "Automatic"}),
    )
    .await;
    let storage = provision(&world);
    world.operator = None;
    world.double().unwrap();
    for _ in 0..10_000 {
        if terminating(&world).len() >= 2 {
            break;
        }
        pass(Duration::from_millis(5)).await;
    }
    assert!(terminating(&world).len() >= 2, "it does not rage");
    world.restart_operator().unwrap();
    // The namespaces' contents go after five seconds, and what their claims leave is reclaimed.
    pass(RAGE).await;
    let admin = world.sim.admin();
    let lives = |namespace: &str| admin.get(&resources::NAMESPACES, "", namespace).is_some();
    let lost: Vec<_> = storage
        .endangered
        .iter()
        .filter(|(namespace, _)| !lives(namespace))
        .collect();
    assert!(lost.len() >= 2, "nothing was lost");
    for (_, volume) in &storage.endangered {
        assert_eq!(
            policy(&world, volume).as_deref(),
            Some("Retain"),
            "{volume}"
        );
    }
    world.cure().unwrap();
    pass(Duration::from_mins(5)).await;
    for (namespace, volume) in &storage.endangered {
        let wanted = if lives(namespace) { "Delete" } else { "Retain" };
        assert_eq!(policy(&world, volume).as_deref(), Some(wanted), "{volume}");
    }
    let states = state_of(&world.health().unwrap(), "RetainVolumes");
    let closed = states.iter().filter(|state| *state == "Closed").count();
    assert_eq!(closed, lost.len(), "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_not_put_back_while_the_claim_goes() {
    let world = calm(
        "Apply",
        json!({"retainVolumes": "Automatic", "freezeControllers": "Automatic"}),
    )
    .await;
    let storage = provision(&world);
    world.double().unwrap();
    all_six(&world, "Verified", SOON).await;
    // A pod still uses the claim: it stays, on its way out.
    let admin = world.sim.admin();
    let (namespace, volume) = &storage.endangered[0];
    let claims = &resources::PERSISTENT_VOLUME_CLAIMS;
    let protected = json!({"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}});
    admin.merge(claims, namespace, "data", protected).unwrap();
    admin
        .delete(claims, namespace, "data", Value::Null)
        .unwrap();
    world.cure().unwrap();
    pass(Duration::from_mins(5)).await;
    assert_eq!(policy(&world, volume).as_deref(), Some("Retain"));
    let released = json!({"metadata": {"finalizers": null}});
    admin.merge(claims, namespace, "data", released).unwrap();
    pass(Duration::from_mins(5)).await;
    assert_eq!(
        policy(&world, volume).as_deref(),
        Some("Retain"),
        "the data is all that is left"
    );
    assert_eq!(
        policy(&world, &storage.endangered[1].1).as_deref(),
        Some("Delete")
    );
}

#[tokio::test(start_paused = true)]
async fn under_a_proven_hold_no_volume_is_touched() {
    let mut spec = cures::curing();
    spec["remediation"]["actions"] = json!({"retainVolumes": "Automatic"});
    spec["hold"]["requests"] =
        json!([{"name": "night", "reason": "nothing goes", "until": "2100-01-01T00:00:00Z"}]);
    let world = cures::calm_with(spec).await;
    provision(&world);
    world
        .wait("the hold", SOON, |h| is(h, "Holding", "True"))
        .await
        .unwrap();
    pass(SOON).await;
    world.double().unwrap();
    pass(RAGE).await;
    assert!(terminating(&world).is_empty());
    assert_eq!(volume_acts(&world), 0, "{:#?}", acts(&world));
}

/// Six volumes kept by an operator without a hold, and a person who asks that back while the cause stands.
async fn asked_back_in_danger(what: &str) -> (World, Storage) {
    let world = calm(
        "Apply",
        json!({"retainVolumes": "Automatic", "shieldWorkspaces": "Automatic"}),
    )
    .await;
    let storage = provision(&world);
    world.double().unwrap();
    all_six(&world, "Verified", SOON).await;
    world
        .wait("both shields, seen", SOON, |h| {
            state_of(h, "ShieldWorkspaces") == ["Verified", "Verified"]
        })
        .await
        .unwrap();
    ask(&world, "federationhealth.io/undo", what);
    (world, storage)
}

#[tokio::test(start_paused = true)]
async fn who_asks_everything_back_in_a_danger_loses_namespaces_and_no_data() {
    let (world, storage) = asked_back_in_danger("all").await;
    pass(RAGE).await;
    let admin = world.sim.admin();
    let lost = |namespace: &str| admin.get(&resources::NAMESPACES, "", namespace).is_none();
    assert!(
        storage.endangered.iter().any(|(n, _)| lost(n)),
        "the shields were not taken off"
    );
    for (_, volume) in &storage.endangered {
        let found = policy(&world, volume);
        assert_eq!(found.as_deref(), Some("Retain"), "{volume}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_names_the_volumes_gets_them_back_at_once() {
    let (world, storage) = asked_back_in_danger("RetainVolumes").await;
    all_six(&world, "Undone", SOON).await;
    for (_, volume) in &storage.endangered {
        assert_eq!(policy(&world, volume).as_deref(), Some("Delete"));
    }
}
