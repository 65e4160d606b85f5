//! A deletion that nothing foresaw: held before the garbage collector comes.

use federation_health_tests::scenarios::tripwire::{Padding, Tripwire};

#[tokio::test(flavor = "multi_thread")]
async fn an_unforeseen_deletion_is_held_before_the_collector_comes() {
    let mut tripwire = Tripwire::start().await.unwrap();
    let size = tripwire.pad(Padding::LARGEST).await.unwrap();
    assert!(size > 100 << 10, "{size}");
    for _ in 0..2 {
        let run = tripwire.run().await.unwrap();
        println!("{run:?}");
        assert_eq!(run.lost, Vec::<String>::new(), "{run:?}");
        // How soon is the soak's question: this machine also runs other tests.
        assert!(
            run.held_after.is_some() && run.collector_after.is_some(),
            "{run:?}"
        );
    }
    tripwire.bed.stop().await.unwrap();
}
