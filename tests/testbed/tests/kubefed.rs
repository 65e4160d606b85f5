//! Other shapes of the incident, each with the real KubeFed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use federation_health_testbed::federation::{Federation, FederationOptions};
use federation_health_testbed::forward::Forward;
use federation_health_testbed::join::{CaBundle, JoinOptions, member_user};
use federation_health_testbed::kinds::{self, KUBEFED_NAMESPACE};
use federation_health_testbed::kubefed::{FederatedType, KubefedOptions, KubefedVersion};
use federation_health_testbed::wait::{self, Look};
use federation_health_testbed::workspace::{self, Placement, WorkspaceSpec};
use federation_health_testbed::{ControlPlane, ControlPlaneOptions, apply, error};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use kube::{Api, ResourceExt};
use serde_json::json;

const SOON: Duration = Duration::from_mins(1);
const LATE: Duration = Duration::from_mins(2);

/// Every Workspace that was deleted was deleted by this user.
fn assert_only_deleter(bed: &Federation, user: &str) {
    let deletions = bed.audit().deletions("workspaces").unwrap();
    assert!(!deletions.is_empty());
    for event in deletions {
        assert_eq!(event.user, user, "{event:?}");
    }
}

/// A server behind another address, with another spelling of its authority: neither endpoint nor
/// bundle gives the double away.
#[tokio::test(flavor = "multi_thread")]
async fn kubefed_0_10_0_destroys_through_another_address_until_it_is_scaled_to_zero() {
    let options = FederationOptions::with_kubefed(KubefedVersion::V0_10_0);
    let bed = Federation::start(options).await.unwrap();
    println!("0.10.0 start: {:?}", bed.timings());
    let before = bed.wait_bound(SOON).await.unwrap();
    let server = &bed.host().access().server;
    let port = server.rsplit(':').next().unwrap().parse().unwrap();
    let forward = Forward::start(port).await.unwrap();
    let registered = Timestamp::now();
    let options = JoinOptions {
        endpoint: Some(forward.url()),
        ca_bundle: CaBundle::Reencoded,
        ..JoinOptions::default()
    };
    bed.join_alias("produce-trt", options).await.unwrap();
    bed.wait_registration_ready("produce-trt").await.unwrap();
    bed.wait_lost(&before, 6, SOON).await.unwrap();
    assert_only_deleter(&bed, &member_user(KUBEFED_NAMESPACE, "produce-trt"));
    let first = &bed.audit().deletions("workspaces").unwrap()[0];
    let took = first.received.duration_since(registered);
    println!("0.10.0: registration to first deletion {took:#}");

    bed.scale_kubefed(KUBEFED_NAMESPACE, 0).await.unwrap();
    bed.kubefed()[0]
        .runner()
        .wait_running(0, SOON)
        .await
        .unwrap();
    let count = bed.audit().deletions("workspaces").unwrap().len();
    // Three times the longest pause of the loop would be 30 s; the process is gone, so a moment
    // long enough for requests under way is.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        bed.audit().deletions("workspaces").unwrap().len(),
        count,
        "somebody goes on deleting"
    );
    bed.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_control_plane_deletes_what_the_first_creates() {
    let mut bed = Federation::start(FederationOptions::default())
        .await
        .unwrap();
    let before = bed.wait_bound(SOON).await.unwrap();
    let old = KubefedOptions {
        namespace: "old-federation".to_owned(),
        types: vec![FederatedType::Workspaces],
        ..KubefedOptions::default()
    };
    let begun = Timestamp::now();
    let ready = bed.add_kubefed(old).await.unwrap();
    bed.join_alias("produce-trt", JoinOptions::in_namespace("old-federation"))
        .await
        .unwrap();
    bed.wait_lost(&before, 6, LATE).await.unwrap();
    assert_only_deleter(&bed, &member_user("old-federation", "produce-trt"));
    let first = &bed.audit().deletions("workspaces").unwrap()[0];
    println!(
        "second plane ready in {ready:?}, first deletion after {:#}",
        first.received.duration_since(begun)
    );
    bed.stop().await.unwrap();
}

/// A claim is deleted through the second name like a Workspace, though its namespace is kept.
#[tokio::test(flavor = "multi_thread")]
async fn federated_claims_fall_through_the_second_name() {
    let options = FederationOptions {
        kubefed: Some(KubefedOptions {
            types: vec![
                FederatedType::Namespaces,
                FederatedType::PersistentVolumeClaims,
            ],
            ..KubefedOptions::default()
        }),
        workspaces: Vec::new(),
        ..FederationOptions::default()
    };
    let bed = Federation::start(options).await.unwrap();
    let client = bed.client();
    let placement = json!({ "clusters": [{ "name": "host" }] });
    for manifest in [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } }),
        json!({ "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedNamespace",
            "metadata": { "name": "shop", "namespace": "shop" },
            "spec": { "placement": placement, "template": {} } }),
        json!({ "apiVersion": "types.kubefed.io/v1beta1",
            "kind": "FederatedPersistentVolumeClaim",
            "metadata": { "name": "data", "namespace": "shop" },
            "spec": { "placement": placement, "template": { "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "manual",
                "resources": { "requests": { "storage": "1Gi" } } } } } }),
    ] {
        apply::object(&client, &manifest).await.unwrap();
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, "shop");
    let exists = |claim: Option<&PersistentVolumeClaim>| claim.is_some();
    let claim = wait::for_object(claims.clone(), "data", "the claim", SOON, exists)
        .await
        .unwrap()
        .unwrap();
    let before = bed.snapshot().await.unwrap();
    bed.join_alias("produce-trt", JoinOptions::default())
        .await
        .unwrap();
    let uid = claim.uid();
    let replaced =
        move |found: Option<&PersistentVolumeClaim>| found.is_none_or(|found| found.uid() != uid);
    wait::for_object(claims, "data", "the claim to be deleted", SOON, replaced)
        .await
        .unwrap();
    let deletions = bed.audit().deletions("persistentvolumeclaims").unwrap();
    let alias = member_user(KUBEFED_NAMESPACE, "produce-trt");
    assert_eq!(deletions[0].user, alias);
    assert!(bed.snapshot().await.unwrap().lost_since(&before).is_empty());
    bed.stop().await.unwrap();
}

/// A true second cluster is no incident: nothing is lost, and its Workspace comes and goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_its_own_gets_what_is_placed_there_and_harms_nothing() {
    let bed = Federation::start(FederationOptions {
        workspaces: vec![WorkspaceSpec::on_host("payments", 1)],
        ..FederationOptions::default()
    })
    .await
    .unwrap();
    let before = bed.wait_bound(SOON).await.unwrap();
    let member = ControlPlane::start(ControlPlaneOptions::named("member"))
        .await
        .unwrap();
    federation_health_testbed::kubesphere::Kubesphere::install_definitions(&member.client())
        .await
        .unwrap();
    bed.join_member(&member, "member", JoinOptions::default())
        .await
        .unwrap();
    bed.wait_registration_ready("member").await.unwrap();
    let remote = kinds::all(&member.client(), &kinds::workspace());
    assert!(remote.get_opt("payments").await.unwrap().is_none());

    let both = Placement::clusters(["host", "member"]);
    workspace::set_placement(&bed.client(), "payments", &both)
        .await
        .unwrap();
    let exists = |found: Option<&DynamicObject>| found.is_some();
    wait::for_object(remote.clone(), "payments", "a remote copy", LATE, exists)
        .await
        .unwrap();
    workspace::set_placement(&bed.client(), "payments", &Placement::clusters(["host"]))
        .await
        .unwrap();
    wait::until("no remote copy", LATE, || async {
        Ok::<_, error::Error>(match remote.get_opt("payments").await {
            Ok(None) => Look::Done(()),
            other => Look::Pending(format!("{other:?}")),
        })
    })
    .await
    .unwrap();
    let after = bed.snapshot().await.unwrap();
    assert!(after.lost_since(&before).is_empty());
    let same = |snapshot: &workspace::Snapshot| snapshot.workspaces["payments"].uid.clone();
    assert_eq!(same(&after), same(&before));
    member.stop().await.unwrap();
    bed.stop().await.unwrap();
}
