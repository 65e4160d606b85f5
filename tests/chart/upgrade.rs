//! From the first chart there was to this one. `first.tgz` is that chart as `helm package` packs it from commit 09f9f05: before
//! the FederationHold, the fence and the join guard.

use federation_health_api::{FederationHealth, names::JOIN_DENY};
use federation_health_testbed::{ControlPlane, ControlPlaneOptions, apply};
use federation_health_tests::{
    guarded::{NAMESPACE, root},
    helm::{Helm, RELEASE, chart},
};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::lifecycle::{crd_names, is_active, switch};

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_from_the_first_chart_keeps_objects_and_a_hold_that_stands() {
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    let helm = Helm::on(&plane).await.unwrap();
    let first = root().join("tests/chart/first.tgz");
    helm.apply("install", &first, &["--create-namespace"])
        .await
        .unwrap();
    assert_eq!(
        crd_names(&client).await,
        ["federationhealths.federationhealth.io"]
    );
    let spec = json!({"hold": {"collection": "OnDiagnosis", "releaseAfterSeconds": 30}, "remediation": {"mode": "DryRun"}});
    let health = json!({"apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHealth",
        "metadata": {"name": "default", "labels": {"owner": "somebody"}}, "spec": spec});
    apply::object(&client, &health).await.unwrap();
    let objects: Api<FederationHealth> = Api::all(client.clone());
    let before = objects.get("default").await.unwrap();
    switch(&client, true).await;

    helm.apply("upgrade", &chart(), &[]).await.unwrap();
    let after = objects.get("default").await.unwrap();
    assert_eq!(
        after.metadata.uid, before.metadata.uid,
        "the object was made anew"
    );
    assert_eq!(after.metadata.labels, before.metadata.labels);
    assert_eq!(after.metadata.finalizers, None);
    let written = serde_json::to_value(&after.spec).unwrap();
    for (field, value) in [
        ("/hold/collection", json!("OnDiagnosis")),
        ("/hold/releaseAfterSeconds", json!(30)),
        ("/remediation/mode", json!("DryRun")),
    ] {
        assert_eq!(written.pointer(field), Some(&value), "{field}");
    }
    assert!(is_active(&client).await, "the upgrade ended a hold");

    // What the first chart did not have is there: a kind, a field, a policy.
    let crds = crd_names(&client).await;
    assert!(
        crds.contains(&"federationholds.federationhealth.io".to_owned()),
        "{crds:?}"
    );
    let guard = json!({"spec": {"joinGuard": "Warn"}});
    let strict = PatchParams {
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::default()
    };
    objects
        .patch("default", &strict, &Patch::Merge(guard))
        .await
        .unwrap();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    policies.get(JOIN_DENY).await.unwrap();

    switch(&client, false).await;
    helm.run(&["uninstall", RELEASE, "--namespace", NAMESPACE])
        .await
        .unwrap();
    let kept = objects.get("default").await.unwrap();
    assert_eq!(kept.metadata.uid, before.metadata.uid);
    assert_eq!(crd_names(&client).await, crds);
    plane.stop().await.unwrap();
}
