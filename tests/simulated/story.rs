//! The story that `make demo-real` tells goes as told in the simulation as well.

use federation_health_tests::{
    guarded::{holding, observing},
    story::{self, SimulatedStage},
};

#[tokio::test(start_paused = true)]
async fn the_story_goes_as_told_without_and_with_the_hold() {
    let stage = SimulatedStage::build(observing()).await.unwrap();
    let first = story::without_hold(&stage).await.unwrap();
    assert_eq!(first.problems, Vec::<String>::new(), "{}", first.text);
    let stage = SimulatedStage::build(holding()).await.unwrap();
    let second = story::with_hold(&stage).await.unwrap();
    assert_eq!(second.problems, Vec::<String>::new(), "{}", second.text);
}
