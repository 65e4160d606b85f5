//! Failure modes: each has its condition, and everything else goes on.

use std::time::Duration;

use federation_health_testbed::Result;
use federation_health_tests::scenarios::{admin, faults::Faults};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_forbidden_is_named_and_the_rest_goes_on() {
    let faults = Faults::start(true).await.unwrap();
    definitions(&faults).await.unwrap();
    malformed(&faults).await.unwrap();
    rights(&faults).await.unwrap();
    policies(&faults).await.unwrap();
    endpoints(&faults).await.unwrap();
    let took = faults.stop().await.unwrap();
    println!("stopped in {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    faults.plane.stop().await.unwrap();
}

/// CRDs that are not there, come later, and go.
async fn definitions(faults: &Faults) -> Result<()> {
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
        .await?;
    let message = faults.message("ClustersUnique").await?;
    assert!(message.contains("install KubeFed's"), "{message}");
    faults.install_kubefed().await?;
    faults
        .expect(&[
            ("ClustersUnique", "True", ""),
            ("ControlPlaneUnique", "True", ""),
            ("WorkspacesStable", "Unknown", "CRDNotInstalled"),
        ])
        .await?;
    faults.install_kubesphere().await?;
    faults.expect(&[("Healthy", "True", "NoFindings")]).await?;
    let workspaces = "workspaces.tenant.kubesphere.io";
    faults.remove_definition(workspaces).await?;
    faults
        .expect(&[
            ("WorkspacesStable", "Unknown", "CRDNotInstalled"),
            ("NamespacesSafe", "Unknown", "CRDNotInstalled"),
            ("ClustersUnique", "True", ""),
        ])
        .await?;
    faults.install_kubesphere().await?;
    faults.expect(&[("Healthy", "True", "NoFindings")]).await?;
    Ok(())
}

async fn malformed(faults: &Faults) -> Result<()> {
    faults.select("Near").await?;
    faults
        .expect(&[
            ("WorkspacesStable", "Unknown", "MalformedObject"),
            ("ClustersUnique", "True", ""),
        ])
        .await?;
    let message = faults.message("WorkspacesStable").await?;
    assert!(message.contains("malformed"), "{message}");
    faults.select("Exists").await?;
    faults.expect(&[("WorkspacesStable", "True", "")]).await?;
    Ok(())
}

async fn rights(faults: &Faults) -> Result<()> {
    faults.make_namespace().await?;
    faults.register().await?;
    faults
        .expect(&[
            ("ClustersReachable", "False", "Unreachable"),
            ("ClustersUnique", "Unknown", "Unreachable"),
            ("WorkspacesStable", "True", ""),
        ])
        .await?;
    let message = faults.message("ClustersReachable").await?;
    assert!(message.contains("SecretForbidden"), "{message}");
    faults.grant_secrets().await?;
    faults.expect(&[("Healthy", "True", "NoFindings")]).await?;
    faults.grant_kubefed(false).await?;
    faults
        .expect(&[
            ("ClustersUnique", "Unknown", "Forbidden"),
            // Without FederatedTypeConfigs nobody knows what KubeFed works on.
            ("WorkspacesStable", "Unknown", "Forbidden"),
            ("HoldReady", "True", "Proven"),
        ])
        .await?;
    let message = faults.message("ClustersUnique").await?;
    assert!(message.contains("apply its ClusterRole again"), "{message}");
    faults.grant_kubefed(true).await?;
    faults.expect(&[("Healthy", "True", "NoFindings")]).await?;
    Ok(())
}

async fn policies(faults: &Faults) -> Result<()> {
    let rest = ("ClustersUnique", "True", "");
    faults.remove_policy().await?;
    faults
        .expect(&[("HoldReady", "False", "PolicyMissing"), rest])
        .await?;
    let message = faults.message("HoldReady").await?;
    assert!(
        message.contains("ValidatingAdmissionPolicy federation-health-federation-fast"),
        "{message}"
    );
    faults.restore_policy().await?;
    faults.expect(&[("HoldReady", "True", "Proven")]).await?;
    faults.alter_policy().await?;
    faults
        .expect(&[("HoldReady", "False", "PolicyAltered"), rest])
        .await?;
    faults.restore_policy().await?;
    faults.expect(&[("HoldReady", "True", "Proven")]).await?;
    faults.unbind_policy().await?;
    faults
        .expect(&[("HoldReady", "False", "PolicyMissing"), rest])
        .await?;
    faults.restore_policy().await?;
    faults.expect(&[("HoldReady", "True", "Proven")]).await?;
    Ok(())
}

async fn endpoints(faults: &Faults) -> Result<()> {
    let (code, text) = admin::get(&faults.address, "/livez").await?;
    assert_eq!((code, text.as_str()), (200, "ok\n"));
    let (code, text) = admin::get(&faults.address, "/readyz?verbose").await?;
    assert!(code == 200 && text.contains("[+]watch-"), "{code} {text}");
    assert_eq!(faults.missing_metrics().await?, Vec::<String>::new());
    Ok(())
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
