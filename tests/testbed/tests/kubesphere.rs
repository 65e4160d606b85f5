//! The imitation of KubeSphere's controllers on a real API server, without KubeFed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

use std::time::Duration;

use federation_health_testbed::federation::{Federation, FederationOptions};
use federation_health_testbed::kubesphere::{self, KubesphereOptions};
use federation_health_testbed::wait::{self, Look};
use federation_health_testbed::workspace::{self, Placement, WorkspaceSpec};
use federation_health_testbed::{error, kinds};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::ResourceExt;
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

async fn start(names: &[&str]) -> Federation {
    let options = FederationOptions {
        kubesphere: KubesphereOptions {
            cluster_resync: Duration::from_secs(1),
        },
        workspaces: names
            .iter()
            .map(|name| WorkspaceSpec::on_host(name, 2))
            .collect(),
        ..FederationOptions::without_kubefed()
    };
    let bed = Federation::start(options).await.unwrap();
    println!("start: {:?}", bed.timings());
    bed
}

async fn add_finalizer(bed: &Federation, kind: &ApiResource, name: &str, finalizer: &str) {
    let api = kinds::all(&bed.client(), kind);
    let mut finalizers = api.get(name).await.unwrap().finalizers().to_vec();
    finalizers.push(finalizer.to_owned());
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }));
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

async fn delete(bed: &Federation, kind: &ApiResource, name: &str) {
    kinds::all(&bed.client(), kind)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
}

/// Waits until the namespaces of a Workspace have no owner. The label goes as well if KubeSphere sees them while the
/// Workspace is still deleting; where the collector is faster it stays, and the next Workspace of that name binds them.
async fn wait_orphaned(bed: &Federation, name: &str) {
    let names = WorkspaceSpec::on_host(name, 2).namespaces;
    wait::until("namespaces to be orphaned", SOON, || async {
        let now = bed.snapshot().await?;
        let free = names
            .iter()
            .all(|name| now.namespaces[name].owner.is_none());
        Ok::<_, error::Error>(if free {
            Look::Done(())
        } else {
            Look::Pending(format!("{:?}", now.namespaces))
        })
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_share_the_fate_of_their_workspace_unless_it_is_orphaned() {
    let bed = start(&["falls", "orphaned"]).await;
    let before = bed.wait_bound(SOON).await.unwrap();
    let finalizers = &before.workspaces["falls"].finalizers;
    assert_eq!(finalizers, &["finalizers.tenant.kubesphere.io"]);
    let namespaces: Api<Namespace> = Api::all(bed.client());
    let bound = namespaces.get("falls-1").await.unwrap();
    assert_eq!(bound.finalizers(), ["finalizers.kubesphere.io/namespaces"]);
    let owner = &bound.owner_references()[0];
    assert_eq!(owner.block_owner_deletion, Some(true));
    assert_eq!(owner.name, "falls");

    add_finalizer(&bed, &kinds::workspace(), "orphaned", "orphan").await;
    delete(&bed, &kinds::workspace(), "orphaned").await;
    delete(&bed, &kinds::workspace(), "falls").await;
    let lost = bed.wait_lost(&before, 2, SOON).await.unwrap();
    assert_eq!(lost, ["falls-1", "falls-2"]);
    wait_orphaned(&bed, "orphaned").await;
    assert_eq!(
        bed.snapshot().await.unwrap().lost_since(&before),
        ["falls-1", "falls-2"]
    );
    bed.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_takes_its_copy_and_its_namespaces_with_it() {
    let bed = start(&["deleted", "kept"]).await;
    let before = bed.wait_bound(SOON).await.unwrap();
    let client = bed.client();
    let copies = kinds::all(&client, &kinds::federated_workspace());

    workspace::set_placement(&client, "kept", &Placement::clusters(["elsewhere"]))
        .await
        .unwrap();
    let is_placed = |name: &'static str| {
        move |copy: Option<&kube::api::DynamicObject>| {
            copy.is_some_and(|copy| copy.data["spec"]["placement"]["clusters"][0]["name"] == name)
        }
    };
    wait::for_object(
        copies.clone(),
        "kept",
        "the copy",
        SOON,
        is_placed("elsewhere"),
    )
    .await
    .unwrap();
    let undone = json!({ "spec": { "placement": { "clusters": [{ "name": "edited" }] } } });
    copies
        .patch("kept", &PatchParams::default(), &Patch::Merge(undone))
        .await
        .unwrap();
    wait::for_object(
        copies.clone(),
        "kept",
        "the edit to be undone",
        SOON,
        is_placed("elsewhere"),
    )
    .await
    .unwrap();

    let template = kinds::workspace_template();
    add_finalizer(&bed, &template, "kept", "orphan.finalizers.kubesphere.io").await;
    delete(&bed, &template, "kept").await;
    delete(&bed, &template, "deleted").await;
    let lost = bed.wait_lost(&before, 2, SOON).await.unwrap();
    assert_eq!(lost, ["deleted-1", "deleted-2"]);
    for name in ["kept", "deleted"] {
        let gone = |copy: Option<&kube::api::DynamicObject>| copy.is_none();
        wait::for_object(copies.clone(), name, "no copy", SOON, gone)
            .await
            .unwrap();
    }
    let deletions = bed.audit().deletions("namespaces").unwrap();
    assert!(
        deletions.iter().all(|event| event.user == kubesphere::USER),
        "{deletions:?}"
    );
    bed.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_whose_cluster_wants_it_comes_back() {
    let bed = start(&[]).await;
    let registrations = kinds::within(
        &bed.client(),
        &kinds::kubefed_cluster(),
        kinds::KUBEFED_NAMESPACE,
    );
    let first = registrations.get("host").await.unwrap();
    bed.unregister("host").await.unwrap();
    let uid = first.uid();
    let again = wait::for_object(
        registrations.clone(),
        "host",
        "the registration to come back",
        SOON,
        move |found: Option<&kube::api::DynamicObject>| {
            found.is_some_and(|found| found.uid() != uid)
        },
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(again.data["spec"], first.data["spec"]);
    assert_eq!(again.labels(), first.labels());

    // Deleting the Cluster is the way to be rid of it.
    delete(&bed, &kinds::cluster(), "host").await;
    let gone = |found: Option<&kube::api::DynamicObject>| found.is_none();
    let clusters = kinds::all(&bed.client(), &kinds::cluster());
    wait::for_object(clusters, "host", "no Cluster", SOON, gone)
        .await
        .unwrap();
    assert!(registrations.get_opt("host").await.unwrap().is_none());
    bed.stop().await.unwrap();
}
