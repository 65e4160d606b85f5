//! Nothing happens, and nothing is written.

use std::time::Duration;

use federation_health_tests::scenarios::quiet::{Disturbance, Quiet};

/// The soak listens for ten minutes.
const LISTEN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_federation_is_left_alone_and_no_restart_makes_a_condition_flicker() {
    let quiet = Quiet::start().await.unwrap();
    let writes = quiet.writes_in(LISTEN).await.unwrap();
    assert!(writes.is_empty(), "{writes:#?}");
    let mut flickers = Vec::new();
    for how in Disturbance::ALL {
        for flicker in quiet.disturb(how).await.unwrap() {
            flickers.push((how, flicker));
        }
    }
    assert!(flickers.is_empty(), "{flickers:#?}");
    quiet.bed.stop().await.unwrap();
}
