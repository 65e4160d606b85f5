//! An honest day raises no alarm.

use federation_health_tests::scenarios::changes::Changes;

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_on_an_honest_day_raises_no_alarm() {
    let mut changes = Changes::start().await.unwrap();
    changes.all().await.unwrap();
    changes.stop().await.unwrap();
}
