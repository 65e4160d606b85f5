//! The incident with the real KubeFed 0.8.1: one server under two names loses its namespaces.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use federation_health_testbed::audit::AuditEvent;
use federation_health_testbed::federation::{Federation, FederationOptions};
use federation_health_testbed::join::{JoinOptions, member_user};
use federation_health_testbed::kinds::KUBEFED_NAMESPACE;
use federation_health_testbed::kubefed::KubefedVersion;
use k8s_openapi::jiff::Timestamp;

fn millis(from: Timestamp, to: Timestamp) -> i128 {
    to.duration_since(from).as_millis()
}

fn by<'a>(events: &'a [AuditEvent], user: &str) -> Vec<&'a AuditEvent> {
    events.iter().filter(|event| event.user == user).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_name_for_one_server_deletes_every_namespace() {
    let options = FederationOptions::with_kubefed(KubefedVersion::V0_8_1);
    let bed = Federation::start(options).await.unwrap();
    println!("start: {:?}", bed.timings());
    let before = bed.wait_bound(Duration::from_secs(1)).await.unwrap();
    assert!(bed.audit().deletions("workspaces").unwrap().is_empty());

    let registered = Timestamp::now();
    bed.join_alias("produce-trt", JoinOptions::default())
        .await
        .unwrap();
    bed.wait_registration_ready("produce-trt").await.unwrap();
    let ready = Timestamp::now();
    let lost = bed
        .wait_lost(&before, 6, Duration::from_mins(1))
        .await
        .unwrap();
    for spec in bed.workspaces() {
        for namespace in &spec.namespaces {
            assert!(lost.contains(namespace), "{namespace} survived: {lost:?}");
        }
    }

    let host = member_user(KUBEFED_NAMESPACE, "host");
    let alias = member_user(KUBEFED_NAMESPACE, "produce-trt");
    let deletions = bed.audit().deletions("workspaces").unwrap();
    let creations = bed.audit().creations("workspaces").unwrap();
    assert!(creations.len() > 2, "nothing was created again");
    assert_eq!(by(&deletions, &alias).len(), deletions.len());
    assert_eq!(by(&creations, &host).len(), creations.len());

    let first = deletions.iter().min_by_key(|event| event.received).unwrap();
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    let collected = bed.audit().deletions("namespaces").unwrap();
    // A namespace that the collector meets twice stays at its first deletion.
    let mut of_first = BTreeMap::new();
    for event in by(&collected, collector) {
        if event.object.name.starts_with(&first.object.name) {
            of_first
                .entry(&event.object.name)
                .or_insert_with(|| millis(first.reached, event.reached));
        }
    }
    assert_eq!(of_first.len(), 3, "{collected:?}");
    println!(
        "registration to Ready {} ms, to the first deletion {} ms; \
         first deletion to its namespaces' {of_first:?} ms; \
         {} deletions, {} creations so far",
        millis(registered, ready),
        millis(registered, first.received),
        deletions.len(),
        creations.len()
    );

    let processes = bed.process_ids().await;
    assert_eq!(processes.len(), 4, "{processes:?}");
    bed.stop().await.unwrap();
    for id in processes {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "process {id}");
    }
}
