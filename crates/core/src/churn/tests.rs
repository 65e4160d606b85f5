use super::*;

mod properties;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

fn counted(times: impl IntoIterator<Item = i64>, weight: Weight) -> Damped {
    let mut counter = Damped::default();
    for at in times {
        counter.record(Time(at), weight, &Thresholds::default());
    }
    counter
}

fn churns(counter: &Damped, at: i64) -> bool {
    matches!(
        counter.level(Time(at), &Thresholds::default()),
        Level::Churning { .. }
    )
}

/// How many recreations, this far apart, it takes; none within a thousand.
fn detected_at(period: i64, weight: Weight) -> Option<i64> {
    let mut counter = Damped::default();
    (0..1000).find(|nth| {
        counter.record(Time(nth * period), weight, &Thresholds::default());
        churns(&counter, nth * period)
    })
}

#[test]
fn three_recreations_within_thirty_seconds_latch_the_fast_scale() {
    let two = counted([0, 10 * SECOND], Weight::DesiredStable);
    assert_eq!(
        two.level(Time(10 * SECOND), &Thresholds::default()),
        Level::Suspected
    );
    let three = counted([0, 10 * SECOND, 30 * SECOND], Weight::DesiredStable);
    let level = three.level(Time(30 * SECOND), &Thresholds::default());
    assert_eq!(
        level,
        Level::Churning {
            fast: true,
            slow: false
        }
    );
}

/// The exact cases of the detector's simulation (fixed periods, desired state stable): detection, counted from the
/// first recreation, after 2 min, 15 min, 30 min, 80 min and 2 h; a flap of an hour is missed.
#[test]
fn detection_times_of_the_known_periods() {
    for (period, recreations_after_the_first) in [
        (1, Some(2)),
        (5, Some(3)),
        (10, Some(3)),
        (20, Some(4)),
        (30, Some(4)),
        (60, None),
    ] {
        let detected = detected_at(period * MINUTE, Weight::DesiredStable);
        assert_eq!(detected, recreations_after_the_first, "every {period} min");
    }
}

#[test]
fn a_fight_whose_desired_state_cannot_be_seen_is_found_later() {
    for (period, minutes) in [(1, 5), (5, 35), (10, 80)] {
        let detected = detected_at(period * MINUTE, Weight::Unknown);
        assert_eq!(
            detected.map(|nth| nth * period),
            Some(minutes),
            "every {period} min"
        );
    }
    assert_eq!(detected_at(30 * MINUTE, Weight::Unknown), None);
}

#[test]
fn period_limits_are_where_the_formula_puts_them() {
    let thresholds = Thresholds::default();
    let steady = |period| counted((0..1000).map(|nth| nth * period), Weight::DesiredStable);
    let fast_on = |period: i64| {
        matches!(
            steady(period).level(Time(999 * period), &thresholds),
            Level::Churning { fast: true, .. }
        )
    };
    // H·log2(θ/(θ−1)): 442.2 s on the fast scale, 56.3 min on the slow one.
    assert!(fast_on(442 * SECOND));
    assert!(!fast_on(443 * SECOND));
    assert!(detected_at(56 * MINUTE, Weight::DesiredStable).is_some());
    assert!(detected_at(57 * MINUTE, Weight::DesiredStable).is_none());
}

#[test]
fn hourly_recreations_with_a_changed_template_never_count_as_churn() {
    assert_eq!(detected_at(HOUR, Weight::DesiredChanged), None);
    assert_eq!(detected_at(20 * MINUTE, Weight::DesiredChanged), None);
}

#[test]
fn ignored_recreations_leave_no_trace() {
    assert_eq!(counted(0..100, Weight::Ignored), Damped::default());
    let mut table = Table::<u32>::default();
    table.record(&1, Time(0), Weight::Ignored, &Thresholds::default());
    assert!(table.is_empty());
}

#[test]
fn each_scale_is_freed_in_its_own_time() {
    let thresholds = Thresholds::default();
    let ceiling = counted((0..200).map(|nth| nth * SECOND), Weight::DesiredStable);
    let last = Time(199 * SECOND);
    assert_eq!(
        ceiling.penalties(last, &thresholds),
        Penalties {
            fast: CEILING,
            slow: CEILING
        }
    );
    let fast_ends = ceiling.changes_at(last, &thresholds).unwrap();
    // 16 to 0.75 are 4.415 half-lives: 44 minutes, and 8.8 hours.
    assert_eq!(fast_ends.since_ms(last) / MINUTE, 44);
    assert_eq!(
        ceiling.level(fast_ends, &thresholds),
        Level::Churning {
            fast: false,
            slow: true
        }
    );
    let slow_ends = ceiling.changes_at(fast_ends, &thresholds).unwrap();
    assert_eq!(slow_ends.since_ms(last) / (HOUR / 10), 88);
    assert_eq!(ceiling.level(slow_ends, &thresholds), Level::Quiet);
    assert_eq!(ceiling.changes_at(slow_ends, &thresholds), None);
    assert!(!ceiling.is_spent(slow_ends, &thresholds));
    assert!(ceiling.is_spent(slow_ends.plus_ms(2 * HOUR), &thresholds));
}

#[test]
fn a_clock_that_steps_back_neither_frees_nor_decays() {
    let thresholds = Thresholds::default();
    let mut counter = counted([HOUR, HOUR], Weight::DesiredStable);
    counter.record(Time(0), Weight::DesiredStable, &thresholds);
    assert_eq!(
        counter.penalties(Time(0), &thresholds),
        Penalties {
            fast: 3.0,
            slow: 3.0
        }
    );
    assert_eq!(counter.last(), Time(HOUR));
    assert!(churns(&counter, i64::MIN));
}

#[test]
fn a_restart_keeps_what_was_counted_and_latches_at_the_next_recreation_only() {
    let thresholds = Thresholds::default();
    let restore = |fast, slow| Damped::restore(Penalties { fast, slow }, Time(0));
    let mut counter = restore(2.5, 3.6);
    assert_eq!(counter.level(Time(0), &thresholds), Level::Suspected);
    counter.record(Time(1), Weight::DesiredStable, &thresholds);
    let churning = Level::Churning {
        fast: true,
        slow: true,
    };
    assert_eq!(counter.level(Time(1), &thresholds), churning);
    let odd = restore(f32::NAN, f32::INFINITY);
    assert_eq!(
        odd.penalties(Time(0), &thresholds),
        Penalties {
            fast: 0.0,
            slow: CEILING
        }
    );
    assert!(restore(-1.0, f32::NEG_INFINITY).is_spent(Time(0), &thresholds));
}

#[test]
fn odd_thresholds_neither_loop_nor_overflow() {
    let odd = Thresholds {
        fast_half_life_ms: 0,
        slow_half_life_ms: i64::MAX,
        off: 0.0,
        ..Thresholds::default()
    };
    let mut counter = Damped::default();
    for _ in 0..5 {
        counter.record(Time(i64::MAX - 1), Weight::DesiredStable, &odd);
    }
    assert_eq!(counter.changes_at(Time(i64::MAX), &odd), None);
    let tiny = Thresholds {
        off: f32::MIN_POSITIVE,
        ..odd
    };
    assert!(counter.changes_at(Time(i64::MIN), &tiny).is_some());
}

#[test]
fn quarters_add_up_in_a_table() {
    let thresholds = Thresholds::default();
    let mut table = Table::<u32>::default();
    for _ in 0..10 {
        table.record(&1, Time(0), Weight::DesiredChanged, &thresholds);
    }
    assert!(churns(&table.get(&1), 0));
    assert_eq!(table.get(&2), Damped::default());
}

#[test]
fn a_full_table_forgets_the_lightest_then_the_oldest() {
    let thresholds = Thresholds::default();
    let mut table = Table::with_capacity(32);
    for name in 0..32_i64 {
        table.record(&name, Time(name), Weight::DesiredStable, &thresholds);
    }
    for name in [0, 1] {
        table.record(&name, Time(40), Weight::DesiredStable, &thresholds);
    }
    assert_eq!((table.len(), table.evicted()), (32, 0));
    table.record(&100, Time(50), Weight::DesiredStable, &thresholds);
    // A sixteenth of 32 makes room, and the newcomer takes one place more.
    assert_eq!((table.len(), table.evicted()), (30, 3));
    let held: Vec<i64> = table.iter().map(|(name, _)| *name).collect();
    assert!(
        held.starts_with(&[0, 1, 5]) && held.ends_with(&[31, 100]),
        "{held:?}"
    );
}

#[test]
fn spent_counters_make_room_without_loss() {
    let thresholds = Thresholds::default();
    let mut table = Table::with_capacity(2);
    for name in 0..2 {
        table.record(&name, Time(0), Weight::DesiredStable, &thresholds);
    }
    table.record(&2, Time(24 * HOUR), Weight::DesiredStable, &thresholds);
    assert_eq!((table.len(), table.evicted()), (1, 0));
    let counter = table.take(&2).unwrap();
    assert!(table.is_empty());
    table.put(2, counter, Time(24 * HOUR), &thresholds);
    assert_eq!(table.len(), 1);
    table.put(2, counter, Time(48 * HOUR), &thresholds);
    assert_eq!(
        (table.len(), table.sweep(Time(48 * HOUR), &thresholds)),
        (0, 0)
    );
}
