//! Failure modes: each has its condition, and everything else goes on.

use std::time::Duration;

use federation_health_tests::scenarios::{admin, faults::Faults};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_forbidden_is_named_and_the_rest_goes_on() {
    let faults = Faults::start(true).await.unwrap();
    definitions(&faults).await;
    malformed(&faults).await;
    rights(&faults).await;
    policies(&faults).await;
    endpoints(&faults).await;
    let took = faults.stop().await.unwrap();
    println!("stopped in {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    faults.plane.stop().await.unwrap();
}

/// CRDs that are not there, come later, and go.
async fn definitions(faults: &Faults) {
    faults
        .expect(&[
            ("Ready", "True", ""),
            ("Healthy", "Unknown", "UnknownReported"),
            ("ClustersUnique", "Unknown", "CRDNotInstalled"),
            ("ControlPlaneUnique", "Unknown", "CRDNotInstalled"),
            ("WorkspacesStable", "Unknown", "CRDNotInstalled"),
            ("NamespacesSafe", "Unknown", "CRDNotInstalled"),
            ("HoldReady", "True", "Proven"),
        ])
        .await
        .unwrap();
    let message = faults.message("ClustersUnique").await.unwrap();
    assert!(message.contains("install KubeFed's"), "{message}");
    faults.install_kubefed().await.unwrap();
    faults
        .expect(&[
            ("ClustersUnique", "True", ""),
            ("ControlPlaneUnique", "True", ""),
            ("WorkspacesStable", "Unknown", "CRDNotInstalled"),
        ])
        .await
        .unwrap();
    faults.install_kubesphere().await.unwrap();
    faults
        .expect(&[("Healthy", "True", "NoFindings")])
        .await
        .unwrap();
    let workspaces = "workspaces.tenant.kubesphere.io";
    faults.remove_definition(workspaces).await.unwrap();
    faults
        .expect(&[
            ("WorkspacesStable", "Unknown", "CRDNotInstalled"),
            ("NamespacesSafe", "Unknown", "CRDNotInstalled"),
            ("ClustersUnique", "True", ""),
        ])
        .await
        .unwrap();
    faults.install_kubesphere().await.unwrap();
    faults
        .expect(&[("Healthy", "True", "NoFindings")])
        .await
        .unwrap();
}

async fn malformed(faults: &Faults) {
    faults.select("Near").await.unwrap();
    faults
        .expect(&[
            ("WorkspacesStable", "Unknown", "MalformedObject"),
            ("ClustersUnique", "True", ""),
        ])
        .await
        .unwrap();
    let message = faults.message("WorkspacesStable").await.unwrap();
    assert!(message.contains("malformed"), "{message}");
    faults.select("Exists").await.unwrap();
    faults
        .expect(&[("WorkspacesStable", "True", "")])
        .await
        .unwrap();
}

async fn rights(faults: &Faults) {
    faults.make_namespace().await.unwrap();
    faults.register().await.unwrap();
    faults
        .expect(&[
            ("ClustersReachable", "False", "Unreachable"),
            ("ClustersUnique", "Unknown", "Unreachable"),
            ("WorkspacesStable", "True", ""),
        ])
        .await
        .unwrap();
    println!(
        "without the Secret: {}",
        faults.message("ClustersReachable").await.unwrap()
    );
    faults.grant_secrets().await.unwrap();
    faults
        .expect(&[("Healthy", "True", "NoFindings")])
        .await
        .unwrap();
    faults.grant_kubefed(false).await.unwrap();
    faults
        .expect(&[
            ("ClustersUnique", "Unknown", "Forbidden"),
            ("WorkspacesStable", "True", ""),
            ("HoldReady", "True", "Proven"),
        ])
        .await
        .unwrap();
    let message = faults.message("ClustersUnique").await.unwrap();
    assert!(message.contains("apply its ClusterRole again"), "{message}");
    faults.grant_kubefed(true).await.unwrap();
    faults
        .expect(&[("Healthy", "True", "NoFindings")])
        .await
        .unwrap();
}

async fn policies(faults: &Faults) {
    let rest = ("ClustersUnique", "True", "");
    faults.remove_policy().await.unwrap();
    faults
        .expect(&[("HoldReady", "False", "PolicyMissing"), rest])
        .await
        .unwrap();
    let message = faults.message("HoldReady").await.unwrap();
    assert!(
        message.contains("ValidatingAdmissionPolicy federation-health-federation-fast"),
        "{message}"
    );
    faults.restore_policy().await.unwrap();
    faults
        .expect(&[("HoldReady", "True", "Proven")])
        .await
        .unwrap();
    faults.alter_policy().await.unwrap();
    faults
        .expect(&[("HoldReady", "False", "PolicyAltered"), rest])
        .await
        .unwrap();
    faults.restore_policy().await.unwrap();
    faults
        .expect(&[("HoldReady", "True", "Proven")])
        .await
        .unwrap();
    faults.unbind_policy().await.unwrap();
    faults
        .expect(&[("HoldReady", "False", "PolicyMissing"), rest])
        .await
        .unwrap();
    faults.restore_policy().await.unwrap();
    faults
        .expect(&[("HoldReady", "True", "Proven")])
        .await
        .unwrap();
}

async fn endpoints(faults: &Faults) {
    let (code, text) = admin::get(&faults.address, "/livez").await.unwrap();
    assert_eq!((code, text.as_str()), (200, "ok\n"));
    let (code, text) = admin::get(&faults.address, "/readyz?verbose")
        .await
        .unwrap();
    assert!(code == 200 && text.contains("[+]watch-"), "{code} {text}");
    assert_eq!(
        faults.missing_metrics().await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_hold_nothing_is_told_so() {
    let faults = Faults::start(false).await.unwrap();
    faults
        .expect(&[
            ("HoldReady", "False", "PolicyUnsupported"),
            ("Ready", "True", ""),
            ("ClustersUnique", "Unknown", "CRDNotInstalled"),
        ])
        .await
        .unwrap();
    faults.plane.stop().await.unwrap();
}
