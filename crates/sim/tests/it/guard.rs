//! Canaries that prove the policies, and guards that keep them.

use federation_health_sim::{Controllers, resources};
use serde_json::{Value, json};

use crate::holding::{OPERATOR, code, delete_as, durable, guarded, pass, set_status, switch};

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
    set_status(&sim, json!({"proof": true}));
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
    let answer = admin.delete(&resources::FEDERATION_HOLDS, "", "default", Value::Null);
    assert_eq!(code(answer), 403);
    let answer = admin.set_status(
        &resources::FEDERATION_HOLDS,
        "",
        "default",
        json!({"hold": {}}),
    );
    assert_eq!(answer.unwrap_err().code, 403);
    let annotation =
        json!({"metadata": {"annotations": {"federationhealth.io/break-glass": "me"}}});
    admin
        .merge(&resources::FEDERATION_HOLDS, "", "default", annotation)
        .unwrap();
    admin
        .delete(&resources::FEDERATION_HOLDS, "", "default", Value::Null)
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
    let canary = |name: &str, label: &str| json!({"metadata": {"name": name, "labels": {"federationhealth.io/canary": label}}});
    for (name, label, allowed) in [
        ("federation-health-canary", "", false),
        ("another", "workspace", false),
        ("federation-health-canary", "workspace", true),
    ] {
        let made = operator.create(&workspaces, canary(name, label));
        assert_eq!(made.is_ok(), allowed, "{name} {label}");
    }
    let answer = operator.delete(&workspaces, "", "federation-health-canary", Value::Null);
    assert_eq!(code(answer), 200);
}

#[tokio::test(start_paused = true)]
async fn of_volumes_deployments_and_registrations_too() {
    let sim = guarded();
    let operator = sim.agent_as(OPERATOR, "federation-health");
    let volume = sim.add_volume("ord-1", "data", "Delete").unwrap();
    let volumes = &resources::PERSISTENT_VOLUMES;
    for (policy, allowed) in [("Recycle", false), ("Retain", true), ("Delete", true)] {
        let patch = json!({"spec": {"persistentVolumeReclaimPolicy": policy}});
        assert_eq!(
            operator.merge(volumes, "", &volume, patch).is_ok(),
            allowed,
            "{policy}"
        );
    }
    for patch in [
        json!({"spec": {"claimRef": null}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"metadata": {"finalizers": ["a"]}}),
    ] {
        assert!(operator.merge(volumes, "", &volume, patch).is_err());
    }
    let (plane, manager) = ("kube-federation-system", "kubefed-controller-manager");
    let deployments = &resources::DEPLOYMENTS;
    for (replicas, allowed) in [(3, false), (0, true), (2, true), (1, false)] {
        let answer = operator.scale(deployments, plane, manager, replicas);
        assert_eq!(answer.is_ok(), allowed, "{replicas}");
    }
    let image = json!({"spec": {"paused": true}});
    assert!(operator.merge(deployments, plane, manager, image).is_err());
    let clusters = &resources::KUBEFED_CLUSTERS;
    sim.join("produce-trt").unwrap();
    let moved = json!({"spec": {"apiEndpoint": "https://127.0.0.1:1"}});
    assert!(
        operator
            .merge(clusters, plane, "produce-trt", moved)
            .is_err()
    );
    let stated = |name: &str| {
        let found = sim.admin().get(clusters, plane, name).unwrap();
        let meta = &found["metadata"];
        json!({"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]})
    };
    let remove = |name: &str, read: Value| {
        code(operator.delete(clusters, plane, name, json!({"preconditions": read})))
    };
    assert_eq!(remove("host", stated("host")), 403);
    assert_eq!(remove("produce-trt", Value::Null), 403, "it was not read");
    let opt_out = |value: &str| {
        let patch = json!({"metadata": {"annotations": {"federationhealth.io/opt-out": value}}});
        sim.admin()
            .merge(clusters, plane, "produce-trt", patch)
            .unwrap();
    };
    opt_out("true");
    assert_eq!(remove("produce-trt", stated("produce-trt")), 403);
    opt_out("false");
    assert_eq!(remove("produce-trt", stated("produce-trt")), 200);
}
