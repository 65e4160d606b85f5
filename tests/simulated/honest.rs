//! What people do to a federation on an honest day: nothing above advice may be told of it.

use std::time::Duration;

use federation_health_sim::{
    AuditEntry, Clock, Controllers, KubeFedOptions, Network, Resource, Running, Sim, resources,
};
use federation_health_tests::{
    guarded::{condition, holding},
    simulated::{HOST, PLANE, Setup, WORKSPACES, World, is, pass},
};
use serde_json::{Value, json};

const MEMBERS: [(&str, &str); 3] = [
    ("east", "https://127.0.0.1:7443"),
    ("west", "https://127.0.0.1:8443"),
    ("north", "https://127.0.0.1:9443"),
];
const MINUTE: Duration = Duration::from_mins(1);

struct Fleet {
    world: World,
    members: Vec<(Sim, Running)>,
}

/// A host with Workspaces and this many members, each with a Workspace of its own.
async fn fleet(members: usize, plane: KubeFedOptions) -> Fleet {
    let host = Sim::in_network(&Network::default(), Clock::simulated(), HOST);
    host.install_kubesphere().unwrap();
    for (workspace, namespaces) in WORKSPACES {
        host.add_workspace(workspace, &["host"], &namespaces)
            .unwrap();
    }
    let mut running = Vec::new();
    for (name, endpoint) in &MEMBERS[..members] {
        running.push(member(&host, endpoint));
        host.join_member(PLANE, name, endpoint).unwrap();
        host.mark_ready(PLANE, name).unwrap();
        let workspace = format!("shop-{name}");
        host.add_workspace(&workspace, &[*name], &[]).unwrap();
    }
    let setup = Setup {
        spec: Some(holding()),
        controllers: Controllers {
            planes: vec![plane],
            ..Controllers::host()
        },
        ..Setup::default()
    };
    let world = World::on(host, setup).await.unwrap();
    let good = |h: &_| is(h, "Healthy", "True");
    world.wait("a good verdict", MINUTE, good).await.unwrap();
    Fleet {
        world,
        members: running,
    }
}

fn member(host: &Sim, endpoint: &str) -> (Sim, Running) {
    let sim = Sim::in_network(host.network(), host.clock().clone(), endpoint);
    sim.install_member().unwrap();
    let running = sim.start_controllers(&Controllers::member());
    (sim, running)
}

/// Conditions that are False and findings above advice, in one line; empty on an honest day.
fn alarms(world: &World, expected: &[&str]) -> String {
    let health = world.health().unwrap();
    let status = health.status.clone().unwrap_or_default();
    let findings = status.findings.iter().filter(|f| f.severity != "Low");
    let findings = findings.map(|f| format!("{} {}", f.code, f.message));
    let bad = status
        .conditions
        .iter()
        .filter(|c| c.status == "False" && !expected.contains(&c.type_.as_str()))
        .map(|c| format!("{}: {}", c.type_, c.message));
    findings.chain(bad).collect::<Vec<_>>().join("; ")
}

/// Looks again and again for as long as this.
async fn nothing_for(world: &World, time: Duration, expected: &[&str]) {
    let step = (time / 60).max(Duration::from_secs(1));
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        pass(step).await;
        assert_eq!(alarms(world, expected), "");
    }
}

fn place(world: &World, workspace: &str, clusters: &[&str]) {
    let names: Vec<Value> = clusters.iter().map(|c| json!({"name": c})).collect();
    let patch = json!({"spec": {"placement": {"clusters": names}}});
    let admin = world.sim.admin();
    admin
        .merge(&resources::WORKSPACE_TEMPLATES, "", workspace, patch)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn adding_renaming_and_removing_a_member_raises_nothing() {
    let mut fleet = fleet(1, KubeFedOptions::v0_8_1()).await;
    let (world, five) = (&fleet.world, 5 * MINUTE);
    let (name, endpoint) = MEMBERS[1];
    fleet.members.push(member(&world.sim, endpoint));
    world.sim.join_member(PLANE, name, endpoint).unwrap();
    nothing_for(world, five, &[]).await;
    place(world, "shop-east", &["east", "west"]);
    nothing_for(world, five, &[]).await;
    // Renamed: taken out of the placements, removed, and registered under its new name.
    place(world, "shop-east", &["east"]);
    nothing_for(world, MINUTE, &[]).await;
    let remove = |name| {
        world
            .sim
            .admin()
            .delete(&resources::KUBEFED_CLUSTERS, PLANE, name, Value::Null)
            .unwrap();
    };
    remove(name);
    nothing_for(world, MINUTE, &[]).await;
    world.sim.join_member(PLANE, "west-2", endpoint).unwrap();
    nothing_for(world, five, &[]).await;
    remove("west-2");
    nothing_for(world, five, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kubefed_upgrade_raises_nothing() {
    let fleet = fleet(1, KubeFedOptions::v0_8_1()).await;
    let scale = |replicas| {
        let admin = fleet.world.sim.admin();
        admin
            .scale(
                &resources::DEPLOYMENTS,
                PLANE,
                "kubefed-controller-manager",
                replicas,
            )
            .unwrap();
    };
    scale(0);
    nothing_for(&fleet.world, MINUTE, &[]).await;
    scale(2);
    nothing_for(&fleet.world, 5 * MINUTE, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_restored_backup_raises_nothing() {
    let fleet = fleet(0, KubeFedOptions::v0_8_1()).await;
    let world = &fleet.world;
    let admin = world.sim.admin();
    admin
        .delete(&resources::WORKSPACE_TEMPLATES, "", "orders", Value::Null)
        .unwrap();
    nothing_for(world, MINUTE, &[]).await;
    assert!(admin.get(&resources::WORKSPACES, "", "orders").is_none());
    // Every object comes back with a new UID.
    let (name, namespaces) = WORKSPACES[0];
    world
        .sim
        .add_workspace(name, &["host"], &namespaces)
        .unwrap();
    nothing_for(world, 5 * MINUTE, &[]).await;
    assert!(
        admin
            .get(&resources::NAMESPACES, "", namespaces[0])
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn rotated_credentials_and_certificates_raise_nothing_that_stays() {
    let fleet = fleet(1, KubeFedOptions::v0_8_1()).await;
    let world = &fleet.world;
    let (name, endpoint) = MEMBERS[0];
    let admin = world.sim.admin();
    let secret = admin
        .get(&resources::SECRETS, PLANE, &format!("{name}-secret"))
        .unwrap();
    let rotated = json!({
        "metadata": {"name": "east-rotated", "namespace": PLANE}, "data": secret["data"],
    });
    admin.create(&resources::SECRETS, rotated).unwrap();
    let spec = json!({"spec": {"secretRef": {"name": "east-rotated"}}});
    admin
        .merge(&resources::KUBEFED_CLUSTERS, PLANE, name, spec)
        .unwrap();
    nothing_for(world, 3 * MINUTE, &[]).await;
    let other = admin
        .get(&resources::KUBEFED_CLUSTERS, PLANE, "host")
        .unwrap();
    assert_ne!(endpoint, HOST);
    // KubeSphere reaches the member by itself, and so can vouch for it.
    let uid = fleet.members[0].0.cluster_uid();
    let cluster = json!({
        "metadata": {"name": name}, "status": {"uid": uid},
        "spec": {"joinFederation": true, "connection": {"kubernetesAPIEndpoint": endpoint}},
    });
    admin.create(&resources::CLUSTERS, cluster).unwrap();
    let authority = json!({"spec": {"caBundle": other["spec"]["caBundle"]}});
    admin
        .merge(&resources::KUBEFED_CLUSTERS, PLANE, name, authority)
        .unwrap();
    // A token is not sent to an authority that changed under it; once it is written anew the member is proven again.
    nothing_for(world, 3 * MINUTE, &["ClustersReachable", "Healthy"]).await;
    let again = json!({"metadata": {"annotations": {"rotated": "true"}}});
    admin
        .merge(&resources::SECRETS, PLANE, "east-rotated", again)
        .unwrap();
    let good = |h: &_| is(h, "Healthy", "True");
    world
        .wait("the same cluster to be proven", 3 * MINUTE, good)
        .await
        .unwrap();
    nothing_for(world, 5 * MINUTE, &[]).await;
}

/// How long, in hours: three of them cost seconds, the three days of `OFFLINE_HOURS=72` minutes. Three days in one step are
/// `a_third_of_the_members_offline_for_three_days_proves_nothing` of core.
fn offline_hours() -> u64 {
    let given = std::env::var("OFFLINE_HOURS").ok();
    given.map_or(3, |hours| hours.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_third_of_the_members_offline_for_hours_raises_no_alarm_but_reachability() {
    // A minute between two looks instead of ten seconds: the hours are long enough.
    let plane = KubeFedOptions {
        health_period: MINUTE,
        ..KubeFedOptions::v0_8_1()
    };
    let fleet = fleet(3, plane).await;
    let world = &fleet.world;
    world.sim.network().set_up(MEMBERS[2].1, false);
    let silent = ["ClustersReachable", "Healthy"];
    nothing_for(world, Duration::from_hours(offline_hours()), &silent).await;
    let told = world.health().unwrap();
    assert_eq!(condition(&told, "ClustersReachable").unwrap().0, "False");
    world.sim.network().set_up(MEMBERS[2].1, true);
    let good = |h: &_| is(h, "Healthy", "True");
    world
        .wait("a good verdict", 5 * MINUTE, good)
        .await
        .unwrap();
    nothing_for(world, Duration::from_mins(30), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_project_taken_out_of_its_workspace_by_hand_raises_nothing() {
    let fleet = fleet(0, KubeFedOptions::v0_8_1()).await;
    let free = json!({"metadata": {
        "labels": {"kubesphere.io/workspace": null}, "ownerReferences": null,
    }});
    let admin = fleet.world.sim.admin();
    admin
        .merge(&resources::NAMESPACES, "", "orders-web", free)
        .unwrap();
    nothing_for(&fleet.world, 5 * MINUTE, &[]).await;
}

const FEDERATED_DEPLOYMENTS: Resource =
    Resource::known("types.kubefed.io", "v1beta1", "federateddeployments");

/// Project `shop` with a federated Deployment, which belong to no Workspace.
fn shop(fleet: &Fleet) {
    let host = &fleet.world.sim;
    host.federate("apps", "v1", "Deployment", "deployments")
        .unwrap();
    let members = fleet.members.iter().map(|(sim, _)| sim);
    for sim in members.chain([host]) {
        let namespace = json!({"metadata": {"name": "shop"}});
        sim.admin()
            .create(&resources::NAMESPACES, namespace)
            .unwrap();
    }
    for (resource, name) in [
        (&resources::FEDERATED_NAMESPACES, "shop"),
        (&FEDERATED_DEPLOYMENTS, "web"),
    ] {
        let object = json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "placement": {"clusters": [{"name": "host"}, {"name": "east"}]},
                "template": {"spec": {"replicas": 1}},
            },
        });
        host.admin().create(resource, object).unwrap();
    }
}

fn edit(world: &World, resource: &Resource, name: &str, patch: Value) {
    let admin = world.sim.admin();
    admin.merge(resource, "shop", name, patch).unwrap();
}

fn placed(clusters: &[&str]) -> Value {
    let names: Vec<Value> = clusters.iter().map(|c| json!({"name": c})).collect();
    json!({"spec": {"placement": {"clusters": names}}})
}

#[tokio::test(start_paused = true)]
async fn what_people_do_to_a_federated_deployment_raises_nothing() {
    let fleet = fleet(1, KubeFedOptions::v0_8_1()).await;
    shop(&fleet);
    let (world, east) = (&fleet.world, &fleet.members[0].0);
    let look = Duration::from_secs(20);
    nothing_for(world, MINUTE, &[]).await;
    for replicas in 2..7 {
        let rollout = json!({"spec": {"template": {"spec": {"replicas": replicas}}}});
        edit(world, &FEDERATED_DEPLOYMENTS, "web", rollout);
        nothing_for(world, look, &[]).await;
    }
    // Out of the member and back, by the Deployment's own placement and by its namespace's.
    let removed = |plural: &str| {
        let audit = east.audit().into_iter();
        let deletions = audit.filter(|e| e.verb == "delete" && e.resource == plural);
        deletions.filter(AuditEntry::is_effective_write).count()
    };
    for (resource, name, plural) in [
        (&FEDERATED_DEPLOYMENTS, "web", "deployments"),
        (&resources::FEDERATED_NAMESPACES, "shop", "namespaces"),
    ] {
        for _ in 0..4 {
            edit(world, resource, name, placed(&["host"]));
            nothing_for(world, look, &[]).await;
            edit(world, resource, name, placed(&["host", "east"]));
            nothing_for(world, look, &[]).await;
        }
        assert!(removed(plural) >= 4, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_a_member_keeps_raises_nothing_however_often_member_and_kubefed_go() {
    let fleet = fleet(1, KubeFedOptions::v0_8_1()).await;
    shop(&fleet);
    let (world, east) = (&fleet.world, &fleet.members[0].0);
    nothing_for(world, MINUTE, &[]).await;
    let kept = json!({"metadata": {"finalizers": ["example.com/kept"]}});
    let live = Resource::known("apps", "v1", "deployments");
    east.admin().merge(&live, "shop", "web", kept).unwrap();
    edit(world, &FEDERATED_DEPLOYMENTS, "web", placed(&["host"]));
    nothing_for(world, Duration::from_secs(20), &[]).await;
    let admin = world.sim.admin();
    let waits = || {
        let object = admin.get(&FEDERATED_DEPLOYMENTS, "shop", "web").unwrap();
        let clusters = object["status"]["clusters"].to_string();
        clusters.contains("WaitingForRemoval")
    };
    assert!(waits());
    let silent = ["ClustersReachable", "Healthy"];
    for outage in 0..2 {
        world.sim.network().set_up(MEMBERS[0].1, false);
        nothing_for(world, Duration::from_secs(40), &silent).await;
        // Whatever makes KubeFed look at it again.
        let touched = json!({"metadata": {"annotations": {"touched": outage.to_string()}}});
        edit(world, &FEDERATED_DEPLOYMENTS, "web", touched);
        nothing_for(world, Duration::from_secs(5), &silent).await;
        assert!(!waits(), "KubeFed says nothing of a member that is away");
        world.sim.network().set_up(MEMBERS[0].1, true);
        nothing_for(world, Duration::from_secs(30), &silent).await;
        assert!(waits());
    }
    for replicas in [0, 1, 0, 1, 0, 1] {
        let manager = "kubefed-controller-manager";
        admin
            .scale(&resources::DEPLOYMENTS, PLANE, manager, replicas)
            .unwrap();
        nothing_for(world, Duration::from_secs(30), &silent).await;
    }
    nothing_for(world, 5 * MINUTE, &silent).await;
    assert!(waits(), "it is kept all the while");
}
