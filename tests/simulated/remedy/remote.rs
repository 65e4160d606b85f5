//! A remote member that is registered twice: no hold of the host reaches it, and nothing is ever written to it.

use federation_health_sim::Controllers;

use super::*;
use crate::clusters::{MEMBER, pair};

/// The last pods of a stopped control plane have ended by then.
const STILL: Duration = Duration::from_secs(45);

#[tokio::test(start_paused = true)]
async fn a_doubled_member_is_frozen_mended_with_an_approval_and_thawed() {
    let (host, member) = pair();
    for (name, joins) in [("east", true), ("east-old", false)] {
        host.apply_object(json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": name}, "spec": {"joinFederation": joins},
        }))
        .unwrap();
    }
    let _running = member.start_controllers(&Controllers::member());
    // The holds are on and proven: they protect nothing over there, and are no leave to remove anything by itself.
    let mut spec = cures::curing();
    spec["remediation"]["actions"] =
        json!({"freezeControllers": "Automatic", "removeStaleCluster": "Automatic"});
    let setup = Setup {
        spec: Some(spec.clone()),
        ..Setup::default()
    };
    let world = World::on(host, setup).await.unwrap();
    let calm = |h: &FederationHealth| is(h, "Healthy", "True");
    world.wait("a good verdict", RAGE, calm).await.unwrap();
    let before = uids(&world);
    world.sim.join_member(PLANE, "east-old", MEMBER).unwrap();
    world
        .wait("the freeze", SOON, |h| {
            state_of(h, "FreezeControllers") == ["Verified"]
        })
        .await
        .unwrap();
    pass(RAGE).await;
    let health = world.health().unwrap();
    assert!(removal_waits_for("NotHeld")(&health), "{}", world.told());

    spec["remediation"]["actions"]["removeStaleCluster"] = json!("Approval");
    federation_health_tests::simulated::set_spec(&world.sim, "default", &spec).unwrap();
    let asked = removal_waits_for("NotApproved");
    let health = world.wait("an approval to be asked for", SOON, asked).await;
    approve(&world, health.unwrap());
    world
        .wait("the thaw", RAGE + STILL, |h| {
            state_of(h, "FreezeControllers") == ["Undone"]
        })
        .await
        .unwrap();
    assert_eq!(cures::registered(&world), ["east", "host"]);
    pass(RAGE).await;
    nothing_was_lost(&world, &before);
    let lost = member.audit();
    let mut lost = lost
        .iter()
        .filter(|e| e.verb == "delete" && e.is_effective_write());
    assert_eq!(lost.next().map(|e| &e.name), None);
    let audit = member.audit();
    let ours = audit.iter().filter(|e| e.user == USER);
    assert!(
        ours.clone()
            .all(|e| matches!(e.verb, "get" | "list" | "watch")),
        "the operator wrote to a member"
    );
    assert!(ours.count() > 0, "nobody looked at the member");
}
