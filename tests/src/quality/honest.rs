//! Months of honest work before the decisions: how often do they cry wolf?
//!
//! The whole decision code is asked, not the counter alone: desired objects and Workspaces come by watches of their own, in
//! any order between kinds; watches break and are listed anew; the operator is restarted; backups are restored.

mod world;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use federation_health_core::{federation::Federation, id::Text, time::Time};

use self::world::Truth;
use crate::random::Random;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MONTH: i64 = 30 * DAY;
/// Names of one simulated federation: enough that they meet each other's trouble, few enough to be listed often.
pub const NAMES: u64 = 32;
/// Watches break this often, and the server's history is gone each time (410).
const GAP_EVERY: f64 = 2.0 * DAY as f64;
/// Longest time without any watch.
const LONGEST_GAP: f64 = 10.0 * MINUTE as f64;
/// The operator is started anew this often.
const RESTART_EVERY: f64 = 4.0 * DAY as f64;

/// What is honestly done to one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// A pipeline with a fresh name for each run, hourly.
    FreshNames,
    /// A pipeline that deletes and makes the same name, every so many hours at random.
    SameName(i64),
    /// Installed anew once or twice within ten minutes, now and then.
    Reinstalled,
    /// Deleted and made anew each night.
    Nightly,
    /// A person tries things out, once a day: a burst of recreations, minutes apart.
    Sessions,
    /// Its template is edited, nothing more.
    Edited,
}

const WORKS: [Work; 8] = [
    Work::FreshNames,
    Work::SameName(4),
    Work::SameName(1),
    Work::Reinstalled,
    Work::Nightly,
    Work::Sessions,
    Work::Edited,
    Work::SameName(24),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Delete(u64),
    Create(u64),
    Edit(u64),
    /// The next round of a name's work.
    Next(u64),
    /// The watches break.
    Break,
    /// They come back, with a full list.
    Relist,
    Restart,
    /// A backup of everything is restored: each template is deleted and made anew.
    Restore,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Names times months.
    pub name_months: u64,
    /// Recreations that the operator counted.
    pub recreations: u64,
    /// Names of which an incident was told.
    pub alarms: u64,
    /// Federations that were still held at the month's end.
    pub held: u64,
    /// The first false alarm, in words.
    pub first: Option<String>,
}

/// Simulates at least so many name-months.
pub fn simulate(name_months: u64, seed: u64) -> Outcome {
    let mut outcome = Outcome::default();
    let seeds = Random::new(seed);
    while outcome.name_months < name_months {
        Month::new(seeds.draw()).play(&mut outcome);
    }
    outcome
}

struct Month {
    random: Random,
    federation: Federation,
    truth: BTreeMap<Text, Truth>,
    agenda: BinaryHeap<Reverse<(i64, u64, Deed)>>,
    /// Runs of each name so far, for fresh names.
    runs: BTreeMap<u64, u64>,
    now: Time,
    next_uid: u128,
    version: u64,
    blind: bool,
    recreations: u64,
    alarmed: BTreeSet<Text>,
}

impl Month {
    fn new(seed: u64) -> Self {
        let mut month = Self {
            random: Random::new(seed),
            federation: Federation::default(),
            truth: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            runs: BTreeMap::new(),
            now: Time(0),
            next_uid: 1000,
            version: 1,
            blind: false,
            recreations: 0,
            alarmed: BTreeSet::new(),
        };
        month.start();
        for n in 0..NAMES {
            month.plan(0, Deed::Create(n));
            let first = month.random.below(DAY as u64) as i64;
            month.plan(first, Deed::Next(n));
        }
        let wait = |mean| month.random.wait(mean) as i64;
        let (gap, restart) = (wait(GAP_EVERY), wait(RESTART_EVERY));
        let restore = month.random.below(MONTH as u64) as i64;
        for (at, deed) in [
            (gap, Deed::Break),
            (restart, Deed::Restart),
            (restore, Deed::Restore),
        ] {
            month.plan(at, deed);
        }
        month
    }

    fn plan(&mut self, after: i64, deed: Deed) {
        self.agenda
            .push(Reverse((self.now.0 + after, self.random.draw(), deed)));
    }

    fn play(mut self, outcome: &mut Outcome) {
        while let Some(Reverse((at, _, deed))) = self.agenda.pop() {
            if at > MONTH {
                break;
            }
            self.now = Time(at);
            self.carry_out_deed(deed);
            let effects = self.federation.tick(self.now);
            self.carry_out(effects);
            self.look(outcome);
        }
        let (_, now) = self.federation.ledger().since_start();
        outcome.recreations += self.recreations + now;
        outcome.name_months += NAMES;
        outcome.alarms += self.alarmed.len() as u64;
        let image = self.federation.hold().written();
        outcome.held += u64::from(image.collection || image.federation);
    }

    /// An incident that outlives its live reads is told to people.
    fn look(&mut self, outcome: &mut Outcome) {
        for (name, incident) in self.federation.ledger().incidents() {
            if self.alarmed.insert(name.clone()) && outcome.first.is_none() {
                outcome.first = Some(format!(
                    "{name} at {} min: {incident:?}",
                    self.now.0 / MINUTE
                ));
            }
        }
    }

    fn carry_out_deed(&mut self, deed: Deed) {
        match deed {
            Deed::Create(n) => self.create(n),
            Deed::Delete(n) => self.delete(n),
            Deed::Edit(n) => self.edit(n),
            Deed::Next(n) => self.work(n),
            Deed::Restore => {
                // A restore deletes what is there and makes it again, some names a second.
                for n in 0..NAMES {
                    let at = self.random.below(20 * SECOND as u64) as i64;
                    self.plan(at, Deed::Delete(n));
                    self.plan(at + SECOND, Deed::Create(n));
                }
            }
            Deed::Break => {
                self.blind = true;
                let gap = self.random.unit() * LONGEST_GAP;
                self.plan(gap as i64, Deed::Relist);
            }
            Deed::Relist => {
                self.blind = false;
                self.relist();
                let wait = self.random.wait(GAP_EVERY) as i64;
                self.plan(wait, Deed::Break);
            }
            Deed::Restart => {
                self.recreations += self.federation.ledger().since_start().1;
                self.start();
                let wait = self.random.wait(RESTART_EVERY) as i64;
                self.plan(wait, Deed::Restart);
            }
        }
    }

    /// Plans the next round of a name's work, and the round after it.
    fn work(&mut self, n: u64) {
        let pause = SECOND + self.random.below(30 * SECOND as u64) as i64;
        let (rounds, apart, next) = match WORKS[(n % WORKS.len() as u64) as usize] {
            Work::FreshNames => (1, 0.0, self.random.wait(HOUR as f64)),
            Work::SameName(hours) => (1, 0.0, self.random.wait((hours * HOUR) as f64)),
            Work::Reinstalled => {
                let times = 1 + self.random.below(2);
                (
                    times,
                    5.0 * MINUTE as f64,
                    self.random.wait(5.0 * DAY as f64),
                )
            }
            Work::Nightly => (
                1,
                0.0,
                DAY as f64 + (self.random.unit() - 0.5) * HOUR as f64,
            ),
            Work::Sessions => {
                let times = 5 + self.random.below(6);
                (
                    times,
                    12.0 * MINUTE as f64,
                    DAY as f64 - 4.0 * HOUR as f64 * self.random.unit(),
                )
            }
            Work::Edited => {
                self.plan(0, Deed::Edit(n));
                (0, 0.0, self.random.wait(2.0 * HOUR as f64))
            }
        };
        let mut at = 0;
        for _ in 0..rounds {
            self.plan(at, Deed::Delete(n));
            self.plan(at + pause, Deed::Create(n));
            at += pause + SECOND + self.random.wait(apart) as i64;
        }
        self.plan(at + pause + next as i64, Deed::Next(n));
    }
}
