use proptest::{prelude::*, sample::select};

use super::*;
use crate::cases::cases;

/// All events so far and exact exponentials.
#[derive(Default)]
struct Naive {
    fast: f64,
    slow: f64,
    at: i64,
    fast_on: bool,
    slow_on: bool,
    /// A comparison came so near to a threshold that rounding may have decided it otherwise.
    close: bool,
}

impl Naive {
    fn advance(&mut self, at: i64, t: &Thresholds) {
        let age = (at - self.at) as f64;
        self.fast *= 0.5_f64.powf(age / t.fast_half_life_ms as f64);
        self.slow *= 0.5_f64.powf(age / t.slow_half_life_ms as f64);
        self.at = at;
        self.compare(t);
        self.fast_on &= self.fast >= f64::from(t.off);
        self.slow_on &= self.slow >= f64::from(t.off);
    }

    fn record(&mut self, at: i64, weight: Weight, t: &Thresholds) {
        self.advance(at, t);
        self.fast = (self.fast + f64::from(weight.value())).min(16.0);
        self.slow = (self.slow + f64::from(weight.value())).min(16.0);
        self.compare(t);
        self.fast_on |= self.fast >= f64::from(t.fast_on);
        self.slow_on |= self.slow >= f64::from(t.slow_on);
    }

    fn compare(&mut self, t: &Thresholds) {
        let near = |value: f64, bound: f32| (value - f64::from(bound)).abs() < 1e-4;
        self.close |= [t.fast_on, t.off, SUSPECTED]
            .iter()
            .any(|bound| near(self.fast, *bound))
            || [t.slow_on, t.off]
                .iter()
                .any(|bound| near(self.slow, *bound));
    }

    fn level(&self) -> Level {
        match (self.fast_on, self.slow_on) {
            (false, false) if self.fast >= 1.5 => Level::Suspected,
            (false, false) => Level::Quiet,
            (fast, slow) => Level::Churning { fast, slow },
        }
    }
}

fn some_weight() -> impl Strategy<Value = Weight> {
    use Weight::{DesiredChanged, DesiredStable, Ignored, Unknown};
    select(vec![
        DesiredStable,
        DesiredStable,
        DesiredChanged,
        Unknown,
        Ignored,
    ])
}

/// Gaps from milliseconds to days, evenly over their magnitudes.
fn some_gap() -> impl Strategy<Value = i64> {
    (0.0..9.0_f64).prop_map(|magnitude| 10_f64.powf(magnitude) as i64)
}

fn some_events() -> impl Strategy<Value = Vec<(i64, Weight)>> {
    prop::collection::vec((some_gap(), some_weight()), 0..60)
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn it_is_the_exact_sum_of_exponentials(events in some_events(), look in some_gap()) {
        let thresholds = Thresholds::default();
        let (mut counter, mut naive, mut now) = (Damped::default(), Naive::default(), 0);
        for (gap, weight) in events {
            now += gap;
            counter.record(Time(now), weight, &thresholds);
            naive.record(now, weight, &thresholds);
        }
        now += look;
        naive.advance(now, &thresholds);
        let got = counter.penalties(Time(now), &thresholds);
        prop_assert!((f64::from(got.fast) - naive.fast).abs() < 1e-4, "{got:?} {}", naive.fast);
        prop_assert!((f64::from(got.slow) - naive.slow).abs() < 1e-4, "{got:?} {}", naive.slow);
        if !naive.close {
            prop_assert_eq!(counter.level(Time(now), &thresholds), naive.level());
        }
    }

    #[test]
    fn the_announced_instant_is_the_first_with_another_answer(events in some_events(), look in some_gap()) {
        let thresholds = Thresholds::default();
        let (mut counter, mut now) = (Damped::default(), 0);
        for (gap, weight) in events {
            now += gap;
            counter.record(Time(now), weight, &thresholds);
        }
        now += look;
        let level = |at| counter.level(at, &thresholds);
        let mut at = Time(now);
        let mut changes = 0;
        while let Some(next) = counter.changes_at(at, &thresholds) {
            prop_assert!(next > at);
            prop_assert_eq!(level(next.plus_ms(-1)), level(at));
            prop_assert_eq!(level(at.plus_ms(next.since_ms(at) / 2)), level(at));
            prop_assert_ne!(level(next), level(at));
            at = next;
            changes += 1;
        }
        prop_assert!(changes <= 3, "by decay alone it can only calm down");
        prop_assert_eq!(level(at), Level::Quiet);
    }

    #[test]
    fn churn_ends_only_below_the_off_threshold(events in some_events()) {
        let thresholds = Thresholds::default();
        let (mut counter, mut now) = (Damped::default(), 0);
        for (gap, weight) in events {
            let before = counter.level(Time(now), &thresholds);
            now += gap;
            let after = counter.level(Time(now), &thresholds);
            let left = counter.penalties(Time(now), &thresholds);
            if let (Level::Churning { fast: true, .. }, Level::Quiet | Level::Suspected) = (before, after) {
                prop_assert!(left.fast < thresholds.off);
            }
            if let (Level::Churning { slow: true, .. }, Level::Quiet | Level::Suspected) = (before, after) {
                prop_assert!(left.slow < thresholds.off);
            }
            counter.record(Time(now), weight, &thresholds);
            if let Level::Churning { fast, slow } = after {
                let Level::Churning { fast: still_fast, slow: still_slow } = counter.level(Time(now), &thresholds) else {
                    panic!("a recreation ended the churn");
                };
                prop_assert!(still_fast >= fast && still_slow >= slow);
            }
        }
    }

    #[test]
    fn any_period_inside_the_limits_settles_on_churning(period in 1..55 * MINUTE) {
        let first = detected_at(period, Weight::DesiredStable);
        prop_assert!(first.is_some());
        let mut counter = Damped::default();
        for nth in 0..200 {
            let at = nth * period;
            if Some(nth) > first {
                prop_assert!(churns(&counter, at), "it flickered before recreation {}", nth);
            }
            counter.record(Time(at), Weight::DesiredStable, &Thresholds::default());
        }
    }

    #[test]
    fn a_table_is_bounded_and_forgets_only_what_it_counts(
        capacity in 1_usize..20,
        names in prop::collection::vec((0_u32..40, 0_i64..MINUTE), 1..200),
    ) {
        let thresholds = Thresholds::default();
        let mut table = Table::with_capacity(capacity);
        let mut seen = std::collections::BTreeSet::new();
        let mut now = 0;
        for (name, gap) in names {
            now += gap;
            table.record(&name, Time(now), Weight::DesiredStable, &thresholds);
            seen.insert(name);
            prop_assert!(table.len() <= capacity);
        }
        // Nothing is spent within the 200 minutes that a run can last: what is missing was counted.
        if table.evicted() == 0 {
            prop_assert!(table.len() == seen.len() || now > HOUR);
        }
        prop_assert!(seen.len() <= capacity || table.evicted() > 0 || now > HOUR);
    }
}
