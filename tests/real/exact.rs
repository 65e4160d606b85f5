//! Counts against the audit log.

use federation_health_tests::scenarios::exact;

#[tokio::test(flavor = "multi_thread")]
async fn a_recreation_is_counted_once_through_watches_that_break_and_lie() {
    let recreated = exact::counted().await.unwrap();
    println!("{recreated} recreations, each counted once");
    // KubeFed backs off, the more the busier the machine is: a few must have fallen between the ten cuts.
    assert!(recreated > 5, "{recreated}");
}
