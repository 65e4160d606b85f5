//! Who is paged and when while the incident takes its course: no hold, the shipped rules, a real Prometheus.

use std::time::Instant;

use federation_health_testbed::{
    Federation,
    join::JoinOptions,
    wait::{self, Look},
};
use federation_health_tests::guarded::{
    condition, health, holding, observing, set_spec, wait_health,
};

use crate::{
    installed::{ALIAS, Installed, SOON},
    rights,
};

/// In the order in which they can fire: the cause is known before the first deletion, that before its consequences.
const FIRING: [&str; 4] = [
    "FederationHealthDoubledRegistration",
    "FederationHealthUnexpectedDeletion",
    "FederationHealthWorkspaceChurn",
    "FederationHealthNamespacesLost",
];
/// Seconds between two scrapes of kube-state-metrics in kube-prometheus-stack.
const KUBE_STATE_METRICS: f32 = 30.0;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hold_the_cause_pages_before_the_first_deletion_and_each_loss_after_it() {
    let installed = Installed::with(observing(), &["ClustersUnique"]).await;
    let (bed, prometheus) = (&installed.bed, &installed.prometheus);
    let quiet = prometheus
        .query("ALERTS{alertstate=\"firing\"}")
        .await
        .unwrap();
    assert_eq!(
        quiet,
        Vec::<serde_json::Value>::new(),
        "before anything happened"
    );
    let started = prometheus.now().await.unwrap();
    let joined = Instant::now();
    bed.join_alias(ALIAS, JoinOptions::default()).await.unwrap();
    let mut after = Vec::new();
    for alert in FIRING {
        prometheus.wait_alert(alert, true, SOON).await.unwrap();
        after.push(joined.elapsed().as_secs_f32());
    }
    for (alert, seconds) in FIRING.iter().zip(&after) {
        println!("{alert} fires within {seconds:.1} s after the registration");
    }
    let found = health(&bed.client()).await.unwrap();
    let conditions = found.status.unwrap().conditions;
    let doubled = conditions
        .iter()
        .find(|c| c.type_ == "ClustersUnique")
        .unwrap();
    println!(
        "kube-state-metrics with a scrape of {KUBE_STATE_METRICS:.0} s would see ClustersUnique={} {:.0} s later than the status has it at worst, {:.0} s on average, before its rule is evaluated",
        doubled.status,
        KUBE_STATE_METRICS,
        KUBE_STATE_METRICS / 2.0
    );
    assert_eq!(doubled.status, "False");
    bed.unregister(ALIAS).await.unwrap();
    prometheus.wait_alert(FIRING[0], false, SOON).await.unwrap();
    if let Some(path) = std::env::var_os("RECORD_SERIES") {
        let ended = prometheus.now().await.unwrap();
        let text = prometheus.recording(started, ended).await.unwrap();
        std::fs::write(path, text).unwrap();
    }
    a_deletion_by_hand_is_looked_into(bed).await;
    installed.bed.stop().await.unwrap();
}

/// With a hold on diagnosis, a Workspace that somebody deletes although it is wished for: before it says so, the operator
/// reads the wish live.
async fn a_deletion_by_hand_is_looked_into(bed: &Federation) {
    set_spec(&bed.client(), &holding()).await.unwrap();
    let proven = |h: &_| condition(h, "HoldReady").is_some_and(|(status, _)| status == "True");
    wait_health(&bed.client(), "HoldReady", SOON, proven)
        .await
        .unwrap();
    let delete = [
        "delete",
        "workspaces.tenant.kubesphere.io",
        "orders",
        "--wait=false",
    ];
    wait::until("the wish to be read live", SOON, || async {
        if rights::wish_was_read(bed) {
            return Ok(Look::Done(()));
        }
        // KubeFed may be about to make it anew.
        let told = bed.host().kubectl(&delete).await?;
        Ok(Look::Pending(
            String::from_utf8_lossy(&told.stderr).into_owned(),
        ))
    })
    .await
    .unwrap();
}
