//! The hold: what the admission policies refuse, and that it prevents the loss.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test's helpers fail as tests do, and take literals"
)]

mod common;

use std::time::Duration;

use common::{DELETER, federation, manifest};
use federation_health_sim::{Controllers, Refusal, Sim, resources};
use serde_json::{Value, json};

const COLLECTOR: &str = "system:serviceaccount:kube-system:generic-garbage-collector";
const OPERATOR: &str = "system:serviceaccount:federation-health-system:federation-health";

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The federation with policies and a FederationHealth that permits both holds.
fn guarded() -> Sim {
    let sim = federation();
    sim.install_policies().unwrap();
    sim.apply(manifest::FEDERATION_HEALTH).unwrap();
    sim
}

fn switch(sim: &Sim, hold: Value) {
    let operator = sim.agent_as(OPERATOR, "federation-health");
    operator
        .set_status(
            &resources::FEDERATION_HEALTHS,
            "",
            "default",
            json!({"hold": hold}),
        )
        .unwrap();
}

fn delete_as(
    sim: &Sim,
    user: &str,
    resource: &federation_health_sim::Resource,
    namespace: &str,
    name: &str,
) -> Result<(), Refusal> {
    // Tried only, so that each question leaves things as they were.
    sim.agent_as(user, "test")
        .delete(resource, namespace, name, json!({"dryRun": ["All"]}))
}

fn code(answer: Result<(), Refusal>) -> u16 {
    answer.map_or_else(|refusal| refusal.code, |()| 200)
}

/// Activates or puts to sleep a durable binding, by the patches that its manifest documents.
fn durable(sim: &Sim, rule: &str, active: bool) {
    let bindings = federation_health_sim::Resource::known(
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
    );
    let selector = if active {
        Value::Null
    } else {
        json!({"matchExpressions": null, "matchLabels": {"federationhealth.io/canary": format!("durable-{rule}")}})
    };
    let patch = json!({"spec": {"matchResources": {"objectSelector": selector}}});
    sim.admin()
        .merge(
            &bindings,
            "",
            &format!("federation-health-{rule}-durable"),
            patch,
        )
        .unwrap();
}

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
    let never = json!({"spec": {"hold": {"collection": "Never", "federation": "Never"}}});
    sim.admin()
        .merge(&resources::FEDERATION_HEALTHS, "", "default", never)
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
        .delete(&resources::FEDERATION_HEALTHS, "", "default", Value::Null)
        .unwrap();
    assert_eq!(collect(), 403, "the durable layer needs no object");
}

#[tokio::test(start_paused = true)]
async fn canaries_prove_each_policy_by_dry_run() {
    let sim = guarded();
    let canary = |name: &str| {
        code(delete_as(
            &sim,
            OPERATOR,
            &resources::CONFIG_MAPS,
            "federation-health-system",
            name,
        ))
    };
    let fast = ["canary-fast-collection", "canary-fast-federation"];
    let lasting = ["canary-durable-collection", "canary-durable-federation"];
    assert_eq!(fast.map(canary), [200, 200]);
    assert_eq!(
        lasting.map(canary),
        [403, 403],
        "dormant bindings cover their canary"
    );
    switch(&sim, json!({"proof": true}));
    assert_eq!(fast.map(canary), [403, 403]);
    durable(&sim, "collection", true);
    assert_eq!(lasting.map(canary), [403, 403], "and active ones too");
}

#[tokio::test(start_paused = true)]
async fn the_durable_canary_survives_the_real_collector_and_nobody_else() {
    let sim = guarded();
    let _running = sim.start_controllers(&Controllers::host());
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "00000000-0000-4000-8000-000000000000"}]);
    let patch = json!({"metadata": {"ownerReferences": owner}});
    let namespace = "federation-health-system";
    for name in ["canary-durable-collection", "canary-fast-collection"] {
        sim.admin()
            .merge(&resources::CONFIG_MAPS, namespace, name, patch.clone())
            .unwrap();
    }
    pass(5).await;
    assert!(
        sim.admin()
            .get(
                &resources::CONFIG_MAPS,
                namespace,
                "canary-durable-collection"
            )
            .is_some()
    );
    assert!(
        sim.admin()
            .get(&resources::CONFIG_MAPS, namespace, "canary-fast-collection")
            .is_none()
    );
    sim.admin()
        .delete(
            &resources::CONFIG_MAPS,
            namespace,
            "canary-durable-collection",
            Value::Null,
        )
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_guard_keeps_a_holding_object_and_its_status() {
    let sim = guarded();
    switch(&sim, json!({"collection": true}));
    let admin = sim.admin();
    let answer = admin.delete(&resources::FEDERATION_HEALTHS, "", "default", Value::Null);
    assert_eq!(code(answer), 403);
    let answer = admin.set_status(
        &resources::FEDERATION_HEALTHS,
        "",
        "default",
        json!({"hold": {}}),
    );
    assert_eq!(answer.unwrap_err().code, 403);
    let annotation =
        json!({"metadata": {"annotations": {"federationhealth.io/break-glass": "me"}}});
    admin
        .merge(&resources::FEDERATION_HEALTHS, "", "default", annotation)
        .unwrap();
    admin
        .delete(&resources::FEDERATION_HEALTHS, "", "default", Value::Null)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_operator_may_change_only_what_its_actions_need() {
    let sim = guarded();
    let operator = sim.agent_as(OPERATOR, "federation-health");
    let (namespaces, workspaces, templates) = (
        resources::NAMESPACES,
        resources::WORKSPACES,
        resources::WORKSPACE_TEMPLATES,
    );
    for (resource, name, patch, allowed) in [
        (
            &namespaces,
            "ord-1",
            json!({"metadata": {"ownerReferences": null}}),
            true,
        ),
        (
            &namespaces,
            "ord-1",
            json!({"metadata": {"labels": {"kubesphere.io/workspace": null}}}),
            false,
        ),
        (
            &workspaces,
            "orders",
            json!({"metadata": {"labels": {"kubefed.io/managed": "false"}}}),
            true,
        ),
        (
            &workspaces,
            "orders",
            json!({"metadata": {"finalizers": ["finalizers.tenant.kubesphere.io", "orphan"]}}),
            true,
        ),
        (
            &workspaces,
            "orders",
            json!({"metadata": {"finalizers": ["orphan"]}}),
            false,
        ),
        (
            &workspaces,
            "orders",
            json!({"metadata": {"ownerReferences": [{"kind": "X"}]}}),
            false,
        ),
        (
            &workspaces,
            "orders",
            json!({"spec": {"manager": "me"}}),
            false,
        ),
        (
            &templates,
            "orders",
            json!({"spec": {"placement": {"clusters": [{"name": "produce-trt"}]}}}),
            true,
        ),
        (
            &templates,
            "orders",
            json!({"spec": {"template": {"spec": {"manager": "me"}}}}),
            false,
        ),
        (
            &templates,
            "orders",
            json!({"metadata": {"annotations": {"a": "b"}}}),
            false,
        ),
    ] {
        let answer = operator.merge(resource, "", name, patch.clone());
        assert_eq!(answer.is_ok(), allowed, "{} {patch}", resource.plural());
    }
    assert_eq!(
        code(operator.delete(&workspaces, "", "orders", Value::Null)),
        403
    );
}

#[tokio::test(start_paused = true)]
async fn without_policies_the_same_status_holds_nothing() {
    let sim = federation();
    sim.apply(manifest::FEDERATION_HEALTH).unwrap();
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
