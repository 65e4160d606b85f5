//! Who is paged and when while the incident takes its course: no hold, the shipped rules, a real Prometheus.

use federation_health_testbed::{
    Federation,
    join::JoinOptions,
    wait::{self, Look},
};
use federation_health_tests::guarded::{
    condition, health, holding, observing, set_spec, wait_health,
};

use k8s_openapi::jiff::Timestamp;

use crate::{
    installed::{ALIAS, Installed, SOON, after},
    rights,
};

/// In the order in which they can fire: the cause, the first deletion, its consequences.
const FIRING: [&str; 4] = [
    "FederationHealthDoubledRegistration",
    "FederationHealthUnexpectedDeletion",
    "FederationHealthWorkspaceChurn",
    "FederationHealthNamespacesLost",
];
/// Seconds between two scrapes of kube-state-metrics in kube-prometheus-stack.
const KUBE_STATE_METRICS: f64 = 30.0;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hold_the_cause_and_each_loss_pages_and_the_run_can_be_replayed() {
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
    // With the scrapes before it.
    let started = prometheus.now().await.unwrap() - 15.0;
    let joined = Timestamp::now();
    bed.join_alias(ALIAS, JoinOptions::default()).await.unwrap();
    for alert in FIRING {
        let fired = prometheus.wait_fired(alert, SOON).await.unwrap();
        let seconds = after(joined, fired);
        println!("{alert} fires {seconds:.1} s after the registration");
    }
    let first = &bed.audit().deletions("workspaces").unwrap()[0];
    let seconds = after(joined, first.received);
    println!("KubeFed deletes the first Workspace {seconds:.1} s after the registration");
    let status = health(&bed.client()).await.unwrap().status.unwrap();
    let doubled = status
        .conditions
        .iter()
        .find(|c| c.type_ == "ClustersUnique");
    let doubled = doubled.unwrap();
    assert_eq!(doubled.status, "False");
    // The time is of whole seconds, and was cut: of a status that stands within the second it says less than nothing.
    let known = (after(joined, doubled.last_transition_time.0) + 0.5).max(0.0);
    println!(
        "ClustersUnique=False stands in status after {known:.1} s; kube-state-metrics with a scrape of {KUBE_STATE_METRICS:.0} s \
         would have it after {known:.1} to {:.1} s, {:.1} on average, before any rule is evaluated",
        known + KUBE_STATE_METRICS,
        known + KUBE_STATE_METRICS / 2.0
    );
    bed.unregister(ALIAS).await.unwrap();
    prometheus.wait_alert(FIRING[0], false, SOON).await.unwrap();
    let over = "min_over_time(federationhealth_status_condition{condition=\"ClustersUnique\", status=\"true\"}[20s]) == 1";
    prometheus.wait_for(over, SOON).await.unwrap();
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
