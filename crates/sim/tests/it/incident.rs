//! The incident in virtual time, compared with the recording of the real one.

use std::time::Duration;

use crate::common::{CREATOR, DELETER, Event, Story, federation, record, recorded, story};
use federation_health_sim::{Controllers, KubeFedOptions, Sim, resources};
use serde_json::{Value, json};

/// Lets the simulation run for some seconds of its own time.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn terminating(sim: &Sim) -> usize {
    let namespaces = sim.admin().list(&resources::NAMESPACES, "");
    let gone = namespaces
        .iter()
        .filter(|n| n["status"]["phase"] == "Terminating");
    gone.count()
}

fn workspace_uid(sim: &Sim, name: &str) -> Option<String> {
    let workspace = sim.admin().get(&resources::WORKSPACES, "", name)?;
    workspace["metadata"]["uid"].as_str().map(str::to_owned)
}

/// Times in milliseconds, each with how far the simulation may be from the recording.
fn compare(workspace: &str, real: &Story, ours: &Story) {
    for (what, real, ours, tolerance) in [
        // A registration waits up to one period for its health check.
        (
            "ready after the join",
            real.ready - real.joined,
            ours.ready - ours.joined,
            10_000,
        ),
        (
            "deletion after ready",
            real.deleting - real.ready,
            ours.deleting - ours.ready,
            700,
        ),
        (
            "end of the Workspace",
            real.deleted - real.deleting,
            ours.deleted - ours.deleting,
            8,
        ),
        (
            "namespaces Terminating after its end",
            real.terminating - real.deleted,
            ours.terminating - ours.deleted,
            18,
        ),
        (
            "Workspace back after its end",
            real.added - real.deleted,
            ours.added - ours.deleted,
            18,
        ),
        (
            "namespaces Terminating",
            real.terminating - real.deleting,
            ours.terminating - ours.deleting,
            18,
        ),
        (
            "Workspace back",
            real.added - real.deleting,
            ours.added - ours.deleting,
            18,
        ),
        (
            "namespaces bound again",
            real.rebound - real.added,
            ours.rebound - ours.added,
            15,
        ),
        (
            "namespaces gone",
            real.gone - real.terminating,
            ours.gone - ours.terminating,
            1_000,
        ),
    ] {
        assert!(
            ours > 0 && (real - ours).abs() <= tolerance,
            "{workspace}: {what}: {real} ms recorded, {ours} ms here"
        );
    }
    assert_eq!(
        ours.namespaces, real.namespaces,
        "the same namespaces are lost"
    );
    assert_eq!(
        ours.placement_seen, real.placement_seen,
        "the federated status tells the same"
    );
}

#[tokio::test(start_paused = true)]
async fn one_cycle_happens_in_the_order_and_about_the_times_of_the_recording() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(7).await;
    let events = record(&sim).await;
    sim.join("produce-trt").unwrap();
    pass(40).await;
    let simulated: Vec<Event> = events.lock().unwrap().clone();

    for workspace in ["orders", "payments"] {
        compare(
            workspace,
            &story(&recorded(), workspace),
            &story(&simulated, workspace),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_deletion_comes_ten_to_twenty_one_seconds_after_the_join_whenever_that_is() {
    for wait in [3, 5, 8, 11] {
        let sim = federation();
        let _running = sim.start_controllers(&Controllers::host());
        pass(wait).await;
        let joined = sim.clock().now();
        sim.join("produce-trt").unwrap();
        pass(30).await;
        let first = sim
            .audit()
            .into_iter()
            .find(|e| e.verb == "delete" && e.resource == "workspaces")
            .unwrap();
        let after = first.at.duration_since(joined).as_secs_f64();
        assert!(
            (10.0..21.0).contains(&after),
            "joined after {wait} s: first deletion {after} s later"
        );
        assert_eq!(first.user, DELETER);
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_looping_workspace_is_deleted_every_four_tenths_of_a_second() {
    let sim = Sim::new(federation_health_sim::Clock::simulated());
    sim.install_kubesphere().unwrap();
    sim.add_workspace("orders", &["host"], &["ord-1"]).unwrap();
    let _running = sim.start_controllers(&Controllers::host());
    sim.join("produce-trt").unwrap();
    pass(75).await;
    let audit = sim.audit();
    let times: Vec<f64> = audit
        .iter()
        .filter(|e| e.verb == "delete" && e.resource == "workspaces" && e.code == 200)
        .map(|e| e.at.as_millisecond() as f64 / 1000.0)
        .collect();
    let mut gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let median = gaps[gaps.len() / 2];
    assert!(
        (0.38..0.42).contains(&median),
        "median {median} s over {} deletions",
        times.len()
    );
    let created = audit
        .iter()
        .filter(|e| e.verb == "create" && e.resource == "workspaces" && e.user == CREATOR)
        .count();
    // One of them is the Workspace before the incident.
    assert!(
        created.abs_diff(times.len()) <= 1,
        "{created} creations, {} deletions",
        times.len()
    );
    let events = sim.admin().list(&resources::EVENTS, "default");
    let counted: i64 = events.iter().filter_map(|e| e["count"].as_i64()).sum();
    assert!(
        counted < times.len() as i64,
        "events undercount: {counted} for {} deletions",
        times.len()
    );
}

#[tokio::test(start_paused = true)]
async fn the_newer_kubefed_loops_more_than_twice_as_fast() {
    let sim = federation();
    let mut controllers = Controllers::host();
    controllers.planes = vec![KubeFedOptions::v0_10_0()];
    let _running = sim.start_controllers(&controllers);
    sim.join("produce-trt").unwrap();
    pass(12).await;
    sim.clear_audit();
    pass(45).await;
    let audit = sim.audit();
    let orders = audit
        .iter()
        .filter(|e| e.verb == "delete" && e.resource == "workspaces" && e.name == "orders")
        .count();
    // Recorded: 234 of each of two Workspaces in 45 s.
    assert!(
        (190..280).contains(&orders),
        "{orders} deletions of one Workspace in 45 s"
    );
}

#[tokio::test(start_paused = true)]
async fn two_runs_are_the_same_to_the_last_request() {
    let mut trails = Vec::new();
    for _ in 0..2 {
        let sim = federation();
        let _running = sim.start_controllers(&Controllers::host());
        sim.join("produce-trt").unwrap();
        pass(30).await;
        trails.push(sim.audit());
    }
    assert!(trails[0].len() > 200);
    assert_eq!(trails[0], trails[1]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_control_plane_neither_checks_nor_deletes_and_starts_again_with_the_leader_wait()
{
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(2).await;
    sim.join("produce-trt").unwrap();
    sim.admin()
        .scale(
            &resources::DEPLOYMENTS,
            "kube-federation-system",
            "kubefed-controller-manager",
            0,
        )
        .unwrap();
    pass(60).await;
    let deletions = |sim: &Sim| {
        sim.audit()
            .iter()
            .filter(|e| e.user == DELETER && e.verb == "delete")
            .count()
    };
    assert_eq!(deletions(&sim), 0);
    sim.admin()
        .scale(
            &resources::DEPLOYMENTS,
            "kube-federation-system",
            "kubefed-controller-manager",
            2,
        )
        .unwrap();
    pass(14).await;
    assert_eq!(deletions(&sim), 0, "the leader lock has not run out");
    pass(30).await;
    assert!(deletions(&sim) > 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_the_stale_registration_stops_the_loop_and_the_workspace_stays() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    sim.join("produce-trt").unwrap();
    pass(30).await;
    sim.admin()
        .delete(
            &resources::KUBEFED_CLUSTERS,
            "kube-federation-system",
            "produce-trt",
            Value::Null,
        )
        .unwrap();
    pass(15).await;
    let uid = workspace_uid(&sim, "orders").expect("the Workspace exists");
    pass(60).await;
    assert_eq!(workspace_uid(&sim, "orders"), Some(uid));
    let federated = sim
        .admin()
        .get(&resources::FEDERATED_WORKSPACES, "", "orders")
        .unwrap();
    assert_eq!(federated["status"]["clusters"], json!([{"name": "host"}]));
}

#[tokio::test(start_paused = true)]
async fn a_workspace_labelled_unmanaged_is_left_alone_in_the_middle_of_the_loop() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    let label = |value: &str| json!({"metadata": {"labels": {"kubefed.io/managed": value}}});
    pass(2).await;
    let uid = workspace_uid(&sim, "orders");
    sim.admin()
        .merge(&resources::WORKSPACES, "", "orders", label("false"))
        .unwrap();
    sim.join("produce-trt").unwrap();
    pass(60).await;
    assert_eq!(workspace_uid(&sim, "orders"), uid);
    assert_ne!(
        workspace_uid(&sim, "payments"),
        None,
        "the other one loops on"
    );
    let federated = sim
        .admin()
        .get(&resources::FEDERATED_WORKSPACES, "", "orders")
        .unwrap();
    assert_eq!(
        federated["status"]["clusters"][0]["status"],
        "ManagedLabelFalse"
    );
    assert!(
        sim.admin()
            .get(&resources::NAMESPACES, "", "ord-1")
            .is_some()
    );
    assert!(
        sim.admin()
            .get(&resources::NAMESPACES, "", "pay-1")
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_workspace_with_the_orphan_finalizer_falls_and_its_namespaces_stay_without_it() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(2).await;
    let uid = workspace_uid(&sim, "orders");
    sim.admin()
        .edit(&resources::WORKSPACES, "", "orders", |w| {
            w["metadata"]["finalizers"] = json!(["finalizers.tenant.kubesphere.io", "orphan"]);
        })
        .unwrap();
    sim.join("produce-trt").unwrap();
    pass(60).await;
    assert_ne!(
        workspace_uid(&sim, "orders"),
        uid,
        "the Workspace was made again"
    );
    for name in ["ord-1", "ord-2", "ord-3"] {
        let namespace = sim
            .admin()
            .get(&resources::NAMESPACES, "", name)
            .expect(name);
        assert_eq!(namespace["status"]["phase"], "Active");
        assert_eq!(
            namespace["metadata"]["labels"].get("kubesphere.io/workspace"),
            None
        );
        assert_eq!(namespace["metadata"].get("ownerReferences"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_honest_deletion_of_a_template_takes_workspace_and_namespaces_with_it() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(2).await;
    sim.admin()
        .delete(&resources::WORKSPACE_TEMPLATES, "", "orders", Value::Null)
        .unwrap();
    pass(30).await;
    for (resource, name) in [
        (resources::WORKSPACE_TEMPLATES, "orders"),
        (resources::FEDERATED_WORKSPACES, "orders"),
        (resources::WORKSPACES, "orders"),
        (resources::NAMESPACES, "ord-1"),
    ] {
        assert!(
            sim.admin().get(&resource, "", name).is_none(),
            "{} {name} is gone",
            resource.plural()
        );
    }
    assert!(workspace_uid(&sim, "payments").is_some());
    let deleter = sim
        .audit()
        .into_iter()
        .find(|e| e.verb == "delete" && e.name == "ord-1")
        .unwrap();
    assert_eq!(
        deleter.user,
        "system:serviceaccount:kubesphere-system:kubesphere"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_doubled_registration_nothing_is_deleted_or_rewritten() {
    let sim = federation();
    let _running = sim.start_controllers(&Controllers::host());
    pass(5).await;
    let uid = workspace_uid(&sim, "orders");
    sim.clear_audit();
    pass(600).await;
    assert_eq!(workspace_uid(&sim, "orders"), uid);
    assert_eq!(terminating(&sim), 0);
    let audit = sim.audit();
    let other: Vec<_> = audit
        .iter()
        .filter(|e| {
            e.is_effective_write() && e.resource != "leases" && e.resource != "kubefedclusters"
        })
        .collect();
    assert!(other.is_empty(), "{other:?}");
}
