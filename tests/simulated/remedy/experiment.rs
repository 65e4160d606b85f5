//! The Workspace that shows whether another control plane is at work.

use federation_health_core::remedy::experiment::{ALONE, CANARY, FOREIGN};
use federation_health_sim::{Controllers, Running, Sim};
use federation_health_tests::{rights::Lacking, simulated::HOST};

use super::*;

/// Another host, with KubeFed of its own.
const ELSEWHERE: &str = "https://127.0.0.1:9443";
/// A freeze, the end of its pods, the watch and the removal.
const WHOLE: Duration = Duration::from_mins(4);

fn allowed() -> Value {
    json!({"freezeControllers": "Automatic", "plantCanary": "Automatic"})
}

fn canary(world: &World) -> bool {
    let admin = world.sim.admin();
    admin.get(&resources::WORKSPACES, "", CANARY).is_some()
}

async fn planted(world: &World) {
    let limit = Duration::from_mins(2);
    world
        .wait("the canary", limit, |_| canary(world))
        .await
        .unwrap();
}

/// Waits for the end of the experiment; gives what it told.
async fn told(world: &World) -> Vec<String> {
    let health = world
        .wait("the end of the experiment", WHOLE, |h| {
            state_of(h, "PlantCanary") == ["Undone"]
        })
        .await
        .unwrap();
    // KubeSphere's finalizer takes its few milliseconds.
    pass(Duration::from_secs(1)).await;
    assert!(!canary(world));
    let actions = health.status.unwrap().actions;
    actions
        .into_iter()
        .filter(|a| a.action == "PlantCanary")
        .filter_map(|a| a.message)
        .collect()
}

/// Registers our host in another federation, whose Workspace of the same name lives elsewhere.
fn intrude(world: &World) -> (Sim, Running) {
    let clock = world.sim.clock().clone();
    let other = Sim::in_network(world.sim.network(), clock, ELSEWHERE);
    other.install_kubesphere().unwrap();
    other.add_workspace("orders", &["host"], &[]).unwrap();
    let running = other.start_controllers(&Controllers::host());
    other.join_member(PLANE, "branch", HOST).unwrap();
    (other, running)
}

#[tokio::test(start_paused = true)]
async fn a_plane_of_another_host_is_found_ours_is_thawed_and_the_hold_stays() {
    let mut spec = spec("Apply", &allowed());
    spec["hold"] =
        json!({"collection": "OnDiagnosis", "federation": "Never", "releaseAfterSeconds": 5});
    let world = cures::calm_with(spec).await;
    let (_other, _running) = intrude(&world);
    world
        .wait("the freeze, seen", Duration::from_mins(3), |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    assert_eq!(told(&world).await, [FOREIGN]);
    world
        .wait("the thaw", Duration::from_mins(1), |h| {
            state_of(h, "FreezeControllers") == ["Undone"]
        })
        .await
        .unwrap();
    pass(RAGE).await;
    let health = world.health().unwrap();
    assert!(is(&health, "Holding", "True"), "the hold stays");
    assert_eq!(
        replicas(&world),
        2,
        "stopped again, although that does not help"
    );
    let findings = health.status.unwrap().findings;
    let found = findings.iter().find(|f| f.code == "FH010").unwrap();
    assert!(found.message.contains("On that host"), "{found:?}");
    assert!(world.deletions("namespaces").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_label_that_stays_says_that_no_other_plane_is_at_work() {
    let world = calm("Apply", allowed()).await;
    let before = uids(&world);
    let counted = |h: FederationHealth| h.status.unwrap().summary.unwrap().workspaces;
    let workspaces = counted(world.health().unwrap());
    world.double().unwrap();
    planted(&world).await;
    pass(Duration::from_secs(15)).await;
    assert_eq!(counted(world.health().unwrap()), workspaces, "no tenant's");
    assert_eq!(told(&world).await, [ALONE]);
    assert_eq!(replicas(&world), 0, "what was frozen for a cause stays so");
    pass(RAGE).await;
    let incidents = world.health().unwrap().status.unwrap().incidents;
    assert!(
        incidents.is_empty(),
        "its end is no incident: {incidents:?}"
    );
    let made = acts(&world);
    assert_eq!(made.iter().filter(|e| e.verb == "create").count(), 1);
    world.cure().unwrap();
    pass(RAGE).await;
    assert_eq!(uids(&world), before);
    let deleted = world.deletions("workspaces");
    let ours = |e: &AuditEntry| e.name == CANARY && e.user == USER;
    assert!(
        deleted.len() == 1 && deleted.iter().all(ours),
        "{deleted:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_successor_of_a_killed_process_takes_the_canary_away() {
    let mut world = calm("Apply", allowed()).await;
    world.double().unwrap();
    planted(&world).await;
    world.operator = None;
    pass(Duration::from_secs(30)).await;
    assert!(canary(&world));
    world.restart_operator().unwrap();
    told(&world).await;
}

/// A person thinks better of it while the canary stands; `crash`: and the process dies before it can do anything about it.
async fn switched_off(change: Value, crash: bool) {
    let mut world = calm("Apply", allowed()).await;
    world.double().unwrap();
    planted(&world).await;
    if crash {
        world.operator = None;
    }
    let admin = world.sim.admin();
    let healths = &resources::FEDERATION_HEALTHS;
    let patch = json!({"spec": {"remediation": change}});
    admin.merge(healths, "", "default", patch).unwrap();
    if crash {
        pass(SOON).await;
        world.restart_operator().unwrap();
    }
    let frozen = replicas(&world);
    // A dead process' lease ends within this, and a follower looks at its lease every five seconds.
    let limit = Duration::from_secs(if crash { 40 } else { 10 });
    world
        .wait("the end of the canary", limit, |h| {
            !canary(&world) && state_of(h, "PlantCanary") == ["Undone"]
        })
        .await
        .unwrap_or_else(|error| panic!("{change}, crash: {crash}: {error}"));
    pass(RAGE).await;
    assert!(!canary(&world), "{change}: made again");
    let of_canary = |e: &&AuditEntry| e.resource == "workspaces" && e.name == CANARY;
    let acts = acts(&world);
    let writes: Vec<&str> = acts.iter().filter(of_canary).map(|e| e.verb).collect();
    assert_eq!(writes, ["create", "delete"], "{change}, crash: {crash}");
    assert_eq!(
        replicas(&world),
        frozen,
        "{change}: what is no experiment is not touched"
    );
}

#[tokio::test(start_paused = true)]
async fn the_canary_goes_although_nothing_else_is_to_be_done_any_more() {
    for change in [
        json!({"mode": "Observe"}),
        json!({"mode": "DryRun", "actions": {"plantCanary": "Never"}}),
        json!({"actions": {"plantCanary": "Never"}}),
        json!({"pauseRequests": [{"name": "night-shift", "reason": "nothing any more"}]}),
    ] {
        for crash in [false, true] {
            switched_off(change.clone(), crash).await;
        }
    }
}

/// A person asks for the experiment.
pub(super) fn request(world: &World) {
    let until = (world.sim.clock().now() + Duration::from_mins(30)).to_string();
    ask(world, "federationhealth.io/experiment", &until);
}

#[tokio::test(start_paused = true)]
async fn on_request_it_is_made_once_and_never_where_its_switch_is_off() {
    for (switch, wanted) in [("Automatic", 1), ("Never", 0)] {
        let world = calm("Apply", json!({"plantCanary": switch})).await;
        request(&world);
        pass(Duration::from_mins(20)).await;
        let made = acts(&world);
        let made = made.iter().filter(|e| e.verb == "create").count();
        assert_eq!(made, wanted, "{switch}");
        assert!(!canary(&world));
        let states = state_of(&world.health().unwrap(), "PlantCanary");
        assert_eq!(states, vec!["Undone"; wanted]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_a_canary_that_cannot_be_removed() {
    let mut allowed = allowed();
    allowed["retainVolumes"] = json!("Automatic");
    let world = calm("Apply", allowed).await;
    let volume = world.sim.add_volume("orders-db", "data", "Delete").unwrap();
    let mut rights = Lacking::each("remediator");
    let right = rights.find(|r| (r.verb, r.resource) == ("delete", "workspaces"));
    let right = right.unwrap();
    world.sim.inject(move |request| right.refuses(request));
    world.double().unwrap();
    planted(&world).await;
    pass(WHOLE).await;
    assert_eq!(replicas(&world), 0, "the cause stands");
    world.cure().unwrap();
    pass(WHOLE).await;
    assert_eq!(replicas(&world), 2);
    let policy = volumes::policy(&world, &volume);
    assert_eq!(policy.as_deref(), Some("Delete"));
    assert!(canary(&world), "it could be removed");
}
