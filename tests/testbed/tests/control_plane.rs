//! One control plane by itself: boots, restarts, ends, leaves nothing.

use std::path::Path;
use std::time::Duration;

use federation_health_testbed::{ControlPlane, ControlPlaneOptions, apply};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn boots_restarts_and_leaves_nothing_behind() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    println!("ready after {:?}", plane.started_in());

    let namespaces: Api<Namespace> = Api::all(plane.client());
    let manifest =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kept" } });
    let before = apply::object(&plane.client(), &manifest).await.unwrap();
    let dry_run = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    namespaces.delete("kept", &dry_run).await.unwrap();
    assert!(plane.audit().deletions("namespaces").unwrap().is_empty());

    let away = plane.restart_api_server().await.unwrap();
    println!("API server restarted in {away:?}");
    let after = namespaces.get("kept").await.unwrap();
    assert_eq!(before.metadata.uid, after.metadata.uid);

    let reader = plane.access_as("kept", "default");
    let client = reader.await.unwrap().client().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "kept");
    let refused = maps.get("anything").await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.is_forbidden()),
        "{refused}"
    );

    let version = plane.kubectl(&["version", "-o", "json"]).await.unwrap();
    assert!(version.status.success(), "{version:?}");

    let mut second = plane.add_api_server().await.unwrap();
    let through_second: Api<Namespace> = Api::all(second.access().client().await.unwrap());
    second.process().freeze().unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(300), through_second.get("kept"));
    assert!(answer.await.is_err(), "a frozen server answered");
    second.process().thaw().unwrap();
    through_second
        .delete("kept", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(second.audit().deletions("namespaces").unwrap().len(), 1);
    assert!(plane.audit().deletions("namespaces").unwrap().is_empty());
    second.stop().await.unwrap();

    let processes = plane.process_ids().await;
    assert_eq!(processes.len(), 3);
    let dir = plane.dir().to_owned();
    let begun = std::time::Instant::now();
    plane.stop().await.unwrap();
    println!("stopped in {:?}", begun.elapsed());
    for id in processes {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "process {id}");
    }
    assert!(!dir.exists(), "{}", dir.display());
    assert!(begun.elapsed() < Duration::from_secs(15));
}
