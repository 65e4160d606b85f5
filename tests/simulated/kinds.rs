//! Federated kinds besides Workspaces: what their own status tells of a loop.

use std::time::Duration;

use federation_health_sim::{Clock, Controllers, Network, Resource, Sim, resources};
use federation_health_tests::{
    guarded::{holds, observing},
    simulated::{ALIAS, HOST, PLANE, Setup, World, is, pass},
};
use serde_json::json;

const MEMBER: &str = "https://127.0.0.1:7443";
const DEPLOYMENTS: Resource =
    Resource::known("types.kubefed.io", "v1beta1", "federateddeployments");
const CLAIMS: Resource = Resource::known(
    "types.kubefed.io",
    "v1beta1",
    "federatedpersistentvolumeclaims",
);
const MINUTE: Duration = Duration::from_mins(1);

/// A host and the member `east`; project `shop` is everywhere and belongs to no Workspace, its Deployment and its claim are on
/// this cluster.
fn federation(cluster: &str) -> (Sim, Sim) {
    let host = Sim::in_network(&Network::default(), Clock::simulated(), HOST);
    host.install_kubesphere().unwrap();
    host.federate("apps", "v1", "Deployment", "deployments")
        .unwrap();
    host.federate("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
        .unwrap();
    let member = Sim::in_network(host.network(), host.clock().clone(), MEMBER);
    member.install_member().unwrap();
    host.join_member(PLANE, "east", MEMBER).unwrap();
    host.mark_ready(PLANE, "east").unwrap();
    for sim in [&host, &member] {
        let namespace = json!({"metadata": {"name": "shop"}});
        sim.admin()
            .create(&resources::NAMESPACES, namespace)
            .unwrap();
    }
    let here = json!({"clusters": [{"name": cluster}]});
    let everywhere = json!({"clusterSelector": {}});
    for (resource, name, placement, template) in [
        (
            &resources::FEDERATED_NAMESPACES,
            "shop",
            &everywhere,
            json!({}),
        ),
        (&DEPLOYMENTS, "web", &here, json!({"spec": {"replicas": 2}})),
        (&CLAIMS, "data", &here, json!({"spec": {}})),
    ] {
        let object = json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"placement": placement, "template": template},
        });
        host.admin().create(resource, object).unwrap();
    }
    (host, member)
}

async fn told(cluster: &str, alias: &str, endpoint: &str) {
    let (host, member) = federation(cluster);
    let running = member.start_controllers(&Controllers::member());
    let setup = Setup {
        spec: Some(observing()),
        ..Setup::default()
    };
    let world = World::on(host, setup).await.unwrap();
    let good = |h: &_| is(h, "Healthy", "True");
    world.wait("a good verdict", MINUTE, good).await.unwrap();
    pass(MINUTE).await;
    world.sim.join_member(PLANE, alias, endpoint).unwrap();
    let churns = |h: &federation_health_api::FederationHealth| {
        let findings = h.status.iter().flat_map(|s| &s.findings);
        let mut findings = findings.filter(|f| f.code == "FH027");
        findings.any(|f| f.evidence.len() == 4)
    };
    let health = world
        .wait("both objects to churn", MINUTE, churns)
        .await
        .unwrap();
    let status = health.status.clone().unwrap();
    let finding = status.findings.iter().find(|f| f.code == "FH027").unwrap();
    assert_eq!(finding.subject, format!("KubeFedCluster {PLANE}/{alias}"));
    assert_eq!(finding.severity, "Critical");
    let evidence = finding.evidence.join("\n");
    for line in [
        format!("Deleted through {PLANE}/{alias} (sure"),
        format!("Created through {PLANE}/{cluster} (sure"),
        "FederatedDeployment shop/web: removed ".to_owned(),
        "FederatedPersistentVolumeClaim shop/data: removed ".to_owned(),
    ] {
        assert!(evidence.contains(&line), "{evidence}");
    }
    assert!(is(&health, "WorkspacesStable", "False"));
    assert_eq!(holds(&health), (false, false));
    // The audit log of the cluster in which it happens agrees.
    let audit = if endpoint == HOST {
        world.sim.audit()
    } else {
        member.audit()
    };
    let by = format!("system:serviceaccount:{PLANE}:{alias}-kubesphere");
    for resource in ["deployments", "persistentvolumeclaims"] {
        let deleted = audit.iter().filter(|e| {
            e.verb == "delete" && e.resource == resource && e.is_effective_write() && e.user == by
        });
        assert!(deleted.count() >= 3, "{resource}");
    }
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn a_doubled_registration_that_deletes_a_federated_deployment_is_named_with_the_one_that_creates_it()
 {
    told("host", ALIAS, HOST).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_doubled_member_a_deployments_own_status_is_the_only_witness_and_enough() {
    told("east", "east-old", MEMBER).await;
}
