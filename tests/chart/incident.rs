//! The incident, with the operator as the chart installs it, held and paged.

use std::{collections::BTreeSet, time::Duration};

use federation_health_testbed::{join::JoinOptions, workspace::Snapshot};
use federation_health_tests::{
    guarded::{holding, holds, wait_health},
    observed::{self, Prometheus},
};

use k8s_openapi::jiff::Timestamp;

use crate::{
    check,
    installed::{ALIAS, Installed, SOON, after},
    rights,
};

/// Longer than KubeFed needs for its first deletion (10 to 21 s after the join).
const RAGE: Duration = Duration::from_secs(30);
/// Series of one replica, and more for each registration, whatever the number of Workspaces.
const SERIES: usize = 200;
const SERIES_EACH: usize = 20;
const DOUBLED: &str = "FederationHealthDoubledRegistration";

fn uids(snapshot: &Snapshot) -> Vec<(String, String)> {
    let workspaces = snapshot.workspaces.iter();
    workspaces
        .map(|(name, w)| (name.clone(), w.uid.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incident_is_held_and_paged_by_what_the_chart_installs() {
    let installed = Installed::with(holding(), &["ClustersUnique", "HoldReady"]).await;
    let (bed, prometheus) = (&installed.bed, &installed.prometheus);
    let client = bed.client();
    check::helm_test_passes(&installed).await;
    let before = bed.snapshot().await.unwrap();
    let joined = Timestamp::now();
    bed.join_alias(ALIAS, JoinOptions::default()).await.unwrap();
    let fired = prometheus.wait_fired(DOUBLED, SOON).await.unwrap();
    let seconds = after(joined, fired);
    println!("{DOUBLED} fires {seconds:.1} s after the registration");

    // An installer that waits for Ready is not held up by the verdict.
    let ready = [
        "wait",
        "--for=condition=Ready",
        "federationhealth/default",
        "--timeout=10s",
    ];
    let waited = bed.host().kubectl(&ready).await.unwrap();
    assert!(
        waited.status.success(),
        "{}",
        String::from_utf8_lossy(&waited.stderr)
    );

    tokio::time::sleep(RAGE).await;
    assert!(
        !bed.audit()
            .refused_deletions("workspaces")
            .unwrap()
            .is_empty(),
        "KubeFed never tried"
    );
    held_is_counted(prometheus).await;
    // The writes that hold went through the priority level of their own.
    let own =
        "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"federation-health\"} > 0";
    assert!(
        !prometheus.query(own).await.unwrap().is_empty(),
        "the FlowSchema matches nothing"
    );
    let series = observed::lint(&installed.operator).await.unwrap();
    println!("{series} series with two registrations");
    assert!(series <= SERIES + 2 * SERIES_EACH, "{series}");
    bed.unregister(ALIAS).await.unwrap();
    wait_health(&client, "the hold to end", SOON, |h| {
        holds(h) == (false, false)
    })
    .await
    .unwrap();
    prometheus.wait_alert(DOUBLED, false, SOON).await.unwrap();
    let after = bed.snapshot().await.unwrap();
    assert_eq!(after.lost_since(&before), Vec::<String>::new());
    assert_eq!(uids(&before), uids(&after), "a Workspace has another UID");
    rights::none_is_lacking_and_none_is_unused(bed);
    check::says_what_is_gone(&installed).await;
    installed.bed.stop().await.unwrap();
}

/// What the alert on a hold without operator rests on: the API server counts each refusal by policy.
async fn held_is_counted(prometheus: &Prometheus) {
    let refused = "sum by (policy) (apiserver_validating_admission_policy_check_total{\
        policy=~\"federation-health-(collection|federation)-(fast|durable)\", enforcement_action=\"deny\"})";
    let found = prometheus.query(refused).await.unwrap();
    let policies: BTreeSet<_> = found
        .iter()
        .filter_map(|s| s["metric"]["policy"].as_str())
        .collect();
    assert!(
        policies.contains("federation-health-federation-fast"),
        "{found:?}"
    );
}
