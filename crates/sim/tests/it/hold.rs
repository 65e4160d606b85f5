//! The hold: what the admission policies refuse, and that it prevents the loss.

use federation_health_sim::{Controllers, resources};
use serde_json::{Value, json};

use crate::{
    common::{DELETER, federation},
    holding::{COLLECTOR, code, delete_as, durable, guarded, pass, switch},
    manifest,
};

#[tokio::test(start_paused = true)]
async fn the_collection_hold_keeps_every_namespace_through_a_raging_loop() {
    let sim = guarded();
    let _running = sim.start_controllers(&Controllers::host());
    switch(&sim, json!({"collection": true}));
    sim.join("produce-trt").unwrap();
    pass(45).await;
    let deletions = sim
        .audit()
        .iter()
        .filter(|e| e.user == DELETER && e.code == 200)
        .count();
    assert!(deletions > 40, "the loop goes on: {deletions}");
    for name in ["ord-1", "ord-2", "ord-3", "pay-1", "pay-2", "pay-3"] {
        let namespace = sim
            .admin()
            .get(&resources::NAMESPACES, "", name)
            .expect(name);
        assert_eq!(namespace["status"]["phase"], "Active", "{name}");
        assert!(
            namespace["metadata"]["labels"]
                .get("kubesphere.io/workspace")
                .is_some(),
            "{name} is still bound"
        );
    }
    let refused: u64 = sim.denials().iter().map(|(_, n)| n).sum();
    assert!(refused > 6, "{refused} refusals");
}

#[tokio::test(start_paused = true)]
async fn the_federation_hold_keeps_every_workspace_and_kubefed_says_deletion_failed() {
    let sim = guarded();
    let _running = sim.start_controllers(&Controllers::host());
    switch(
        &sim,
        json!({"federation": true, "namespaces": ["kube-federation-system"]}),
    );
    let uid = |name: &str| {
        sim.admin().get(&resources::WORKSPACES, "", name).unwrap()["metadata"]["uid"].clone()
    };
    let before = (uid("orders"), uid("payments"));
    sim.join("produce-trt").unwrap();
    pass(60).await;
    assert_eq!((uid("orders"), uid("payments")), before);
    let tries = sim
        .audit()
        .iter()
        .filter(|e| e.user == DELETER && e.verb == "delete" && e.code == 403)
        .count();
    // Measured: 12 tries for two Workspaces in 48 s.
    assert!((6..20).contains(&tries), "{tries} tries");
    let federated = sim
        .admin()
        .get(&resources::FEDERATED_WORKSPACES, "", "orders")
        .unwrap();
    let states: Vec<&Value> = federated["status"]["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["status"])
        .collect();
    assert!(states.contains(&&json!("DeletionFailed")), "{states:?}");
    let events = sim.admin().list(&resources::EVENTS, "default");
    assert!(events.iter().any(|e| {
        e["reason"] == "DeleteInClusterFailed"
            && e["message"]
                .to_string()
                .contains("federation-health-federation-fast")
    }));
}

#[tokio::test(start_paused = true)]
async fn releasing_the_hold_collects_what_is_armed() {
    let sim = guarded();
    let _running = sim.start_controllers(&Controllers::host());
    switch(&sim, json!({"collection": true}));
    pass(2).await;
    // The Workspace is gone for good: its namespaces' owner does not exist.
    sim.admin()
        .scale(
            &resources::DEPLOYMENTS,
            "kube-federation-system",
            "kubefed-controller-manager",
            0,
        )
        .unwrap();
    pass(1).await;
    sim.admin()
        .delete(&resources::WORKSPACES, "", "orders", Value::Null)
        .unwrap();
    pass(1).await;
    let phase = |name: &str| {
        sim.admin().get(&resources::NAMESPACES, "", name).unwrap()["status"]["phase"].clone()
    };
    assert_eq!(phase("ord-1"), "Active");
    switch(&sim, json!({"collection": false}));
    pass(3).await;
    assert_eq!(phase("ord-1"), "Terminating");
}

#[tokio::test(start_paused = true)]
async fn the_fast_layer_obeys_status_and_spec_never_wins() {
    let sim = guarded();
    let collect = || {
        code(delete_as(
            &sim,
            COLLECTOR,
            &resources::NAMESPACES,
            "",
            "ord-1",
        ))
    };
    let propagate = || {
        code(delete_as(
            &sim,
            DELETER,
            &resources::WORKSPACES,
            "",
            "orders",
        ))
    };
    assert_eq!((collect(), propagate()), (200, 200));
    switch(
        &sim,
        json!({"collection": true, "federation": true, "namespaces": ["kube-federation-system"]}),
    );
    assert_eq!((collect(), propagate()), (403, 403));
    assert_eq!(
        code(delete_as(
            &sim,
            "kubernetes-admin",
            &resources::NAMESPACES,
            "",
            "ord-1"
        )),
        200,
        "people are not held"
    );
    assert_eq!(
        code(delete_as(
            &sim,
            COLLECTOR,
            &resources::NAMESPACES,
            "",
            "kube-public"
        )),
        200,
        "nor other namespaces"
    );
    let never = json!({"spec": {"collection": "Never", "federation": "Never"}});
    sim.admin()
        .merge(&resources::FEDERATION_HOLDS, "", "default", never)
        .unwrap();
    assert_eq!((collect(), propagate()), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn the_federation_rule_covers_every_managed_kind_but_only_the_namespaces_it_names() {
    let sim = guarded();
    sim.admin()
        .create(
            &resources::PERSISTENT_VOLUME_CLAIMS,
            json!({"metadata": {
                "name": "data", "namespace": "ord-1", "labels": {"kubefed.io/managed": "true"},
            }}),
        )
        .unwrap();
    switch(
        &sim,
        json!({"federation": true, "namespaces": ["kube-federation-system"]}),
    );
    let claim = |user: &str| {
        code(delete_as(
            &sim,
            user,
            &resources::PERSISTENT_VOLUME_CLAIMS,
            "ord-1",
            "data",
        ))
    };
    assert_eq!(claim(DELETER), 403);
    assert_eq!(
        claim("system:serviceaccount:old-federation:produce-trt-kubesphere"),
        200
    );
    switch(
        &sim,
        json!({"federation": true, "namespaces": ["kube-federation-system", "old-federation"]}),
    );
    assert_eq!(
        claim("system:serviceaccount:old-federation:produce-trt-kubesphere"),
        403
    );
}

#[tokio::test(start_paused = true)]
async fn the_fast_layer_opens_with_the_object_and_after_a_restart_and_the_durable_one_does_not() {
    let sim = guarded();
    switch(&sim, json!({"collection": true}));
    let collect = || {
        code(delete_as(
            &sim,
            COLLECTOR,
            &resources::NAMESPACES,
            "",
            "ord-1",
        ))
    };
    sim.restart_api_server();
    assert_eq!(collect(), 200, "the parameter is not known yet");
    durable(&sim, "collection", true);
    assert_eq!(collect(), 403);
    durable(&sim, "collection", false);
    assert_eq!(collect(), 200);
    pass(31).await;
    assert_eq!(collect(), 403, "the parameter is known again");
    durable(&sim, "collection", true);
    switch(&sim, json!({"collection": false}));
    sim.admin()
        .delete(&resources::FEDERATION_HOLDS, "", "default", Value::Null)
        .unwrap();
    assert_eq!(collect(), 403, "the durable layer needs no object");
}

#[tokio::test(start_paused = true)]
async fn without_policies_the_same_status_holds_nothing() {
    let sim = federation();
    sim.apply(manifest::FEDERATION_HOLD).unwrap();
    switch(
        &sim,
        json!({"collection": true, "federation": true, "namespaces": ["kube-federation-system"]}),
    );
    assert_eq!(
        code(delete_as(
            &sim,
            COLLECTOR,
            &resources::NAMESPACES,
            "",
            "ord-1"
        )),
        200
    );
    assert_eq!(
        code(delete_as(
            &sim,
            DELETER,
            &resources::WORKSPACES,
            "",
            "orders"
        )),
        200
    );
}
