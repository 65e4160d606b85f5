//! A deletion that nothing foresaw: held before the garbage collector comes.

use federation_health_tests::scenarios::tripwire::Tripwire;

/// From the answer to the DELETE until our PATCH is with the API server: the watch, the whole judgement and the wire. Two
/// milliseconds on an idle machine; this one also runs other tests.
const OWN_LIMIT_MS: f64 = 100.0;
/// How long the API server needs to see what it has just stored: policies read the object through a watch of their own.
const IN_FORCE_MS: f64 = 20.0;

#[tokio::test(flavor = "multi_thread")]
async fn an_unforeseen_deletion_is_held_before_the_collector_comes() {
    let mut tripwire = Tripwire::start().await.unwrap();
    for _ in 0..3 {
        let run = tripwire.run().await.unwrap();
        println!("{run:?}");
        let (held, patch) = (run.held_after.unwrap(), run.patch_took.unwrap());
        assert!(held - patch < OWN_LIMIT_MS, "{run:?}");
        // How often the server's own PATCH beats its collector is the soak's question, on a machine that does nothing else.
        if held + IN_FORCE_MS < run.collector_after.unwrap() {
            assert_eq!(run.lost, Vec::<String>::new(), "{run:?}");
        }
    }
    tripwire.bed.stop().await.unwrap();
}
