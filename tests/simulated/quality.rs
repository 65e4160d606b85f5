//! A small share of what `make quality` simulates.

use federation_health_tests::quality::{
    honest,
    table::{self, Detector, Story},
};

const SEED: u64 = 20_261_123;
const RUNS: u32 = 100;

#[test]
fn months_of_honest_work_raise_no_alarm() {
    let outcome = honest::simulate(64, SEED);
    assert!(outcome.recreations > 5_000, "{outcome:?}");
    assert_eq!(
        (outcome.alarms, outcome.held),
        (0, 0),
        "seed {SEED}: {outcome:?}"
    );
}

/// The bars of the two scales: where they detect, how soon, and what they leave alone.
#[test]
fn fights_are_seen_soon_and_honest_work_never() {
    let built = |story| table::cell(Detector::Weighted, story, RUNS, SEED);
    for (story, minutes) in [
        (Story::BackOff, 0.5),
        (Story::Fight(1.0, 1.0), 3.0),
        // The fifth recreation at most.
        (Story::Fight(10.0, 1.0), 44.0),
        (Story::Fight(10.0, 0.7), 120.0),
        (Story::Fight(30.0, 1.0), 180.0),
    ] {
        let cell = built(story);
        assert!(cell.share > 0.99, "{story:?}: {cell:?}");
        assert!(
            cell.median.is_some_and(|at| at <= minutes),
            "{story:?}: {cell:?}"
        );
    }
    for story in table::STORIES.into_iter().filter(|s| s.honest()) {
        assert!(built(story).share <= 0.0, "{story:?}");
    }
    // Half as much time again as the best that the counts alone allow; medians of the runs lie within a hundredth.
    for minutes in [1.0, 5.0, 10.0, 20.0, 30.0] {
        let median =
            |detector| table::cell(detector, Story::Fight(minutes, 1.0), RUNS, SEED).median;
        let (ours, best) = (median(Detector::Weighted), median(Detector::Oracle));
        let near = ours
            .zip(best)
            .is_some_and(|(ours, best)| ours <= 1.5 * best * 1.01);
        assert!(near, "{minutes} min: {ours:?} against {best:?}");
    }
    // Why the weights are there: without them a pipeline is a fight.
    let unweighted = table::cell(Detector::Unweighted, Story::Pipeline(1.0), RUNS, SEED);
    assert!(unweighted.share > 0.9, "{unweighted:?}");
}
