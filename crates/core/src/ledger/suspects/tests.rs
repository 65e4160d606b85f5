use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    cases::cases,
    churn::{Level, Weight},
};

/// What a thousandth costs at most at each restart.
const ROUNDING: f32 = 0.0006;

/// Milliseconds to hours between two events, what the event weighs, and whether the process is restarted before it.
fn some_events() -> impl Strategy<Value = Vec<(i64, Weight, bool)>> {
    let gap = (0.0..8.0_f64).prop_map(|magnitude| 10_f64.powf(magnitude) as i64);
    let weight = select(vec![
        Weight::DesiredStable,
        Weight::DesiredChanged,
        Weight::Unknown,
    ]);
    prop::collection::vec((gap, weight, any::<bool>()), 1..40)
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_counter_that_restarts_in_between_differs_by_rounding_and_justifies_nothing_until_it_is_fed(
        events in some_events(),
    ) {
        let thresholds = Thresholds::default();
        let (mut whole, mut torn) = (Damped::default(), Damped::default());
        let (mut now, mut restarts) = (0, 0.0_f32);
        for (gap, weight, restart) in events {
            now += gap;
            if restart {
                torn = Suspect::of(&torn, &thresholds).counter();
                restarts += 1.0;
                let level = torn.level(Time(now), &thresholds);
                prop_assert!(!matches!(level, Level::Churning { .. }), "{level:?}");
            }
            whole.record(Time(now), weight, &thresholds);
            torn.record(Time(now), weight, &thresholds);
            let [a, b] = [whole, torn].map(|counter| counter.penalties(Time(now), &thresholds));
            let allowed = restarts * ROUNDING + 1e-4;
            prop_assert!((a.fast - b.fast).abs() <= allowed, "{a:?} {b:?}");
            prop_assert!((a.slow - b.slow).abs() <= allowed, "{a:?} {b:?}");
            // What is over the threshold when it is fed is found by either.
            if a.fast >= thresholds.fast_on + allowed {
                let level = torn.level(Time(now), &thresholds);
                prop_assert!(matches!(level, Level::Churning { fast: true, .. }), "{level:?}");
            }
        }
    }
}
