//! kubectl runs the plugin, and the plugin answers on real servers.

use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, apply,
    join::{self, JoinOptions},
    kubefed::{self, KubefedVersion},
    kubesphere::Kubesphere,
    workspace::{self, WorkspaceSpec},
};
use federation_health_tests::typed::{Demo, Terminal};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

const PLANE: &str = "kube-federation-system";
const LEFTOVER: &str = "produce-trt";

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// As people do who are tired of waiting for a namespace: its finalizers are emptied, and its contents stay in the store.
async fn force_finalize(plane: &ControlPlane, name: &str) {
    let api: Api<Namespace> = Api::all(plane.client());
    api.delete(name, &DeleteParams::default()).await.unwrap();
    let mut found = serde_json::to_value(api.get(name).await.unwrap()).unwrap();
    found["spec"]["finalizers"] = json!([]);
    let put = http::Request::put(format!("/api/v1/namespaces/{name}/finalize"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&found).unwrap())
        .unwrap();
    plane.client().request::<Value>(put).await.unwrap();
    assert!(api.get_opt(name).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_refuses_while_a_registration_of_an_earlier_installation_is_there() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    let dir = std::env::temp_dir().join(format!("fedhealth-typed-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let terminal = Terminal::new(&plane.kubeconfig()).await.unwrap();
    let ask = async |code: i32| {
        let words = "kubectl federation-health preflight -o json";
        let answer = terminal.run(words, &dir).await.unwrap();
        let answer = answer.expect_code(code).unwrap();
        serde_json::from_str::<Value>(&answer.out).unwrap()
    };
    assert_eq!(ask(0).await["safe"], true, "nothing is installed");

    kubefed::install_definitions(client.clone(), KubefedVersion::V0_8_1)
        .await
        .unwrap();
    Kubesphere::install_definitions(&client).await.unwrap();
    apply::object(&client, &namespace(PLANE)).await.unwrap();
    join::join(&client, &plane, LEFTOVER, &JoinOptions::default())
        .await
        .unwrap();
    // Nobody may empty the namespace while the test forces it out.
    plane.stop_controller_manager().await.unwrap();
    force_finalize(&plane, PLANE).await;
    // Creation times are whole seconds: the namespace must be younger by one.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    apply::object(&client, &namespace(PLANE)).await.unwrap();
    plane.start_controller_manager().await.unwrap();
    join::join(&client, &plane, "host", &JoinOptions::host())
        .await
        .unwrap();
    workspace::create(&client, &WorkspaceSpec::on_host("orders", 1))
        .await
        .unwrap();

    let answer = ask(2).await;
    assert_eq!(answer["answer"], "Unsafe");
    let codes: Vec<&str> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["code"].as_str().unwrap())
        .collect();
    for code in ["FH004", "FH006"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    join::unregister(&client, PLANE, LEFTOVER).await.unwrap();
    let answer = ask(0).await;
    assert_eq!(answer["answer"], "Safe", "{answer:#}");
    assert_eq!(answer["findings"], json!([]));
    std::fs::remove_dir_all(&dir).unwrap();
    plane.stop().await.unwrap();
}

/// On the simulated server: the planning operator is part of it, and the writes are kubectl's.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_carries_out_what_a_plan_prints_and_refuses_it_for_another_object() {
    let demo = Demo::start("misplaced --ask").await.unwrap();
    let terminal = demo.terminal().await.unwrap();
    let run = async |line: &str| terminal.run(line, &demo.folder).await.unwrap();
    let print = "kubectl federation-health plan --commands > commands.sh || test $? = 2";
    let placed =
        "kubectl get workspacetemplate orders -o jsonpath='{.spec.placement.clusters[*].name}'";

    demo.plan_of("FixPlacement").await.unwrap();
    run(print).await.expect_code(0).unwrap();
    run("kubectl annotate workspacetemplate orders changed=true").await;
    let stale = run("bash -e commands.sh").await;
    assert_ne!(stale.code, 0, "the object is another: {stale:?}");
    assert_eq!(run(placed).await.out, "produce-trt");

    run(print).await.expect_code(0).unwrap();
    run("bash -e commands.sh").await.expect_code(0).unwrap();
    assert_eq!(run(placed).await.out, "host");

    demo.plan_of("RemoveStaleCluster").await.unwrap();
    run(print).await.expect_code(0).unwrap();
    run("sed 's/\"uid\":\"[0-9a-f]/&0/' commands.sh > other.sh").await;
    assert_ne!(run("bash -e other.sh").await.code, 0, "another uid");
    run("bash -e commands.sh").await.expect_code(0).unwrap();
    let left = run("kubectl get kubefedclusters -A -o name").await;
    assert_eq!(left.out.trim(), "kubefedcluster.core.kubefed.io/host");
}
