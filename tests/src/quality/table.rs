//! Detectors compared over simulated fights and simulated honest work: why the one that is built is the one that is.
//!
//! One event is one completed recreation of one name. A fight is detected so many minutes after its first; a month of
//! honest work is falsely alarmed or not.

use std::fmt::{self, Write as _};

use federation_health_core::{
    churn::{Damped, Level, Thresholds, Weight},
    time::Time,
};

use crate::random::Random;

const MINUTE: f64 = 60_000.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;
/// Fights are watched for as long; a detector that is slower than a working day is none.
const WATCHED: f64 = 8.0 * HOUR;

/// A way to tell a fight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Detector {
    /// So many within so many minutes.
    Window(usize, f64),
    /// One exponential counter: half-life in minutes, threshold.
    Single(f64, f64),
    /// Page's cumulative sum between a recreation a day and one in ten minutes, at a false alarm in a million: for these two
    /// rates nothing is sooner at as few false alarms.
    Oracle,
    /// What is built, every event at full weight.
    Unweighted,
    /// What is built: an event with a changed wish counts a quarter.
    Weighted,
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(n, minutes) => write!(f, ">={n} in {minutes} min"),
            Self::Single(half, on) => write!(f, "half-life {half} min, on {on}"),
            Self::Oracle => f.write_str("cumulative sum (oracle)"),
            Self::Unweighted => f.write_str("two scales, unweighted"),
            Self::Weighted => f.write_str("two scales, weighted"),
        }
    }
}

/// All that are compared.
pub const DETECTORS: [Detector; 7] = [
    Detector::Window(3, 30.0),
    Detector::Window(5, 10.0),
    Detector::Single(15.0, 2.0),
    Detector::Single(15.0, 6.0),
    Detector::Oracle,
    Detector::Unweighted,
    Detector::Weighted,
];

/// What happens to one name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Story {
    /// KubeFed's own pace after a failure: 5 s, doubling to 60 s.
    BackOff,
    /// A fight with this period in minutes, of whose events this share is seen.
    Fight(f64, f64),
    /// A pipeline that recreates the same name every so many hours at random, for 30 days.
    Pipeline(f64),
    /// A person trying things out: 5 to 10 recreations some minutes apart, once a day, for 30 days.
    Sessions,
    /// One reinstallation, and a second one within ten minutes.
    Reinstalled,
    /// Every night, for 30 days.
    Nightly,
}

/// The columns of the table: fights, then honest work.
pub const STORIES: [Story; 13] = [
    Story::BackOff,
    Story::Fight(1.0, 1.0),
    Story::Fight(5.0, 1.0),
    Story::Fight(10.0, 1.0),
    Story::Fight(10.0, 0.7),
    Story::Fight(20.0, 1.0),
    Story::Fight(30.0, 1.0),
    Story::Fight(60.0, 1.0),
    Story::Pipeline(4.0),
    Story::Pipeline(1.0),
    Story::Sessions,
    Story::Reinstalled,
    Story::Nightly,
];

impl Story {
    /// Nobody fights in it.
    pub fn honest(self) -> bool {
        !matches!(self, Self::BackOff | Self::Fight(..))
    }

    fn name(self) -> String {
        match self {
            Self::BackOff => "back-off".to_owned(),
            Self::Fight(minutes, 1.0) => format!("{minutes} min"),
            Self::Fight(minutes, seen) => format!("{minutes} min, {:.0} % seen", seen * 100.0),
            Self::Pipeline(hours) => format!("CI {hours} h"),
            Self::Sessions => "sessions".to_owned(),
            Self::Reinstalled => "reinstall".to_owned(),
            Self::Nightly => "nightly".to_owned(),
        }
    }

    /// When recreations are seen, in milliseconds, from the first one on.
    fn events(self, random: &Random) -> Vec<f64> {
        let every = |gap: &dyn Fn(usize) -> f64, until: f64| {
            let mut at = 0.0;
            let mut events = Vec::new();
            for n in 0.. {
                events.push(at);
                at += gap(n);
                if at > until {
                    break;
                }
            }
            events
        };
        match self {
            Self::BackOff => every(
                &|n| (5000.0 * 2_f64.powi(n.min(4) as i32)).min(MINUTE),
                WATCHED,
            ),
            Self::Fight(minutes, seen) => {
                // Work queues and health checks move each period by up to a tenth.
                let gap = |_| minutes * MINUTE * (0.9 + 0.2 * random.unit());
                let mut events = every(&gap, WATCHED);
                let mut first = true;
                events.retain(|_| std::mem::take(&mut first) || random.chance(seen));
                events
            }
            Self::Pipeline(hours) => every(&|_| random.wait(hours * HOUR), 30.0 * DAY),
            Self::Sessions => {
                let mut events = Vec::new();
                let mut start = 0.0;
                while start < 30.0 * DAY {
                    let mut at = start;
                    for _ in 0..5 + random.below(6) {
                        events.push(at);
                        at += random.wait(12.0 * MINUTE);
                    }
                    start += DAY + (random.unit() - 0.5) * 4.0 * HOUR;
                }
                events
            }
            Self::Reinstalled => vec![0.0, random.unit() * 10.0 * MINUTE],
            Self::Nightly => every(&|_| DAY + (random.unit() - 0.5) * HOUR, 30.0 * DAY),
        }
    }
}

/// When a detector speaks, in milliseconds after the first event.
fn detect(detector: Detector, honest: bool, events: &[f64]) -> Option<f64> {
    match detector {
        Detector::Window(n, minutes) => events
            .windows(n)
            .find(|w| w[n - 1] - w[0] <= minutes * MINUTE)
            .map(|w| w[n - 1]),
        Detector::Single(half, on) => {
            let (mut sum, mut before) = (0.0, 0.0);
            events.iter().copied().find(|at| {
                sum = sum * (-(at - before) / (half * MINUTE)).exp2() + 1.0;
                before = *at;
                sum >= on
            })
        }
        Detector::Oracle => {
            const PER_DAY: (f64, f64) = (1.0, 144.0);
            let alarm = 1e6_f64.ln();
            let drift = (PER_DAY.1 - PER_DAY.0) / DAY;
            let (mut sum, mut before) = (0.0_f64, 0.0);
            events.iter().copied().find(|at| {
                sum = (sum - drift * (at - before)).max(0.0) + (PER_DAY.1 / PER_DAY.0).ln();
                before = *at;
                sum >= alarm
            })
        }
        Detector::Unweighted | Detector::Weighted => {
            let weight = match honest && detector == Detector::Weighted {
                true => Weight::DesiredChanged,
                false => Weight::DesiredStable,
            };
            let thresholds = Thresholds::default();
            let mut counter = Damped::default();
            events.iter().copied().find(|at| {
                let now = Time(*at as i64);
                counter.record(now, weight, &thresholds);
                matches!(counter.level(now, &thresholds), Level::Churning { .. })
            })
        }
    }
}

/// One cell: how many of the runs were detected, and the median time in minutes of those that were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Share of runs, 0 to 1.
    pub share: f64,
    /// Minutes to detection, at the median over all runs; none if most are missed.
    pub median: Option<f64>,
    /// The same in 99 of 100 runs.
    pub p99: Option<f64>,
}

/// Plays a story so many times to a detector.
pub fn cell(detector: Detector, story: Story, runs: u32, seed: u64) -> Cell {
    let random = Random::new(seed);
    let mut times: Vec<f64> = (0..runs)
        .map(|_| detect(detector, story.honest(), &story.events(&random)))
        .map(|at| at.map_or(f64::INFINITY, |at| at / MINUTE))
        .collect();
    times.sort_by(f64::total_cmp);
    let found = times.iter().filter(|at| at.is_finite()).count();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied();
    Cell {
        share: found as f64 / times.len().max(1) as f64,
        median: at(50).filter(|at| at.is_finite()),
        p99: at(99).filter(|at| at.is_finite()),
    }
}

/// How soon the detector that is built has to speak of a fight, in minutes after its first recreation: at the median, and in
/// 99 of 100 runs.
pub const BARS: [(Story, f64, f64); 5] = [
    (Story::BackOff, 0.5, 0.5),
    (Story::Fight(1.0, 1.0), 3.0, 3.0),
    (Story::Fight(10.0, 1.0), 35.0, 35.0),
    (Story::Fight(10.0, 0.7), 120.0, 120.0),
    (Story::Fight(30.0, 1.0), 180.0, 180.0),
];

/// One line for each bar, and whether it is held.
pub fn bars(runs: u32, seed: u64) -> Vec<(String, bool)> {
    let said = |at: Option<f64>| at.map_or("missed".to_owned(), |at| format!("{at:.1} min"));
    let line = |(story, median, p99): (Story, f64, f64)| {
        let cell = cell(Detector::Weighted, story, runs, seed);
        let within = |at: Option<f64>, limit| at.is_some_and(|at| at <= limit);
        let held = within(cell.median, median) && within(cell.p99, p99);
        let name = story.name();
        let (median, p99) = (said(cell.median), said(cell.p99));
        (format!("{name}: median {median}, 99 of 100 {p99}"), held)
    };
    BARS.into_iter().map(line).collect()
}

/// The whole table in Markdown.
pub fn markdown(runs: u32, seed: u64) -> String {
    let head: Vec<String> = STORIES.iter().map(|s| s.name()).collect();
    let rule = "---|".repeat(STORIES.len() + 1);
    let mut table = format!("| detector | {} |\n|{rule}\n", head.join(" | "));
    for detector in DETECTORS {
        let row: Vec<String> = STORIES
            .iter()
            .map(|story| {
                let cell = cell(detector, *story, runs, seed);
                match (story.honest(), cell.median) {
                    (true, _) => format!("{:.1} %", cell.share * 100.0),
                    (false, Some(minutes)) => format!("{minutes:.1} min"),
                    (false, None) => "missed".to_owned(),
                }
            })
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {detector} | {} |", row.join(" | "));
    }
    table
}
