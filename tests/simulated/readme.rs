//! README's picture is what the demo prints.

use federation_health_tests::{
    guarded::{holding, observing, root},
    story::{self, SimulatedStage},
};

#[tokio::test(start_paused = true)]
async fn the_story_goes_as_told_and_readme_shows_its_second_part() {
    let stage = SimulatedStage::build(observing()).await.unwrap();
    let first = story::without_hold(&stage).await.unwrap();
    assert_eq!(first.problems, Vec::<String>::new(), "{}", first.text);
    let stage = SimulatedStage::build(holding()).await.unwrap();
    let second = story::with_hold(&stage).await.unwrap();
    assert_eq!(second.problems, Vec::<String>::new(), "{}", second.text);
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        readme.contains(&second.text),
        "README.md does not show what `make demo` prints; it should show:\n{}",
        second.text
    );
}
