//! The damped counter of recreations: route flap damping (RFC 2439) on two time scales.
//!
//! One event is one *completed recreation*: the same name, a new UID. Each adds its weight to two penalties that halve
//! in their own time; crossing the on-threshold latches the scale, and only falling below the off-threshold frees it.
//! Nothing runs between events: decay is computed when somebody looks.

use std::collections::BTreeMap;

use crate::{id::Text, time::Time};

/// Ceiling of a penalty, in recreations. It bounds how long guilt outlives its cause: 16 takes 4.4 half-lives to fall
/// to the default off-threshold, however long the fight was.
pub const CEILING: f32 = 16.0;
/// Fast penalty from which a name is worth a note, in recreations.
pub const SUSPECTED: f32 = 1.5;
/// Penalty below which nothing is worth remembering: half of the default off-threshold, as RFC 2439 frees its records.
pub const SPENT: f32 = 0.375;

/// When a name counts as churning. Penalties are in recreations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Time in which the fast penalty halves, in milliseconds.
    pub fast_half_life_ms: i64,
    /// Fast penalty that latches.
    pub fast_on: f32,
    /// Time in which the slow penalty halves, in milliseconds.
    pub slow_half_life_ms: i64,
    /// Slow penalty that latches.
    pub slow_on: f32,
    /// Penalty below which either scale is freed.
    pub off: f32,
}

impl Default for Thresholds {
    /// The fast scale sees every fight with a period under 7.4 minutes (on its third recreation when it is quick), the
    /// slow one every fight under 56 minutes: an endless train of period P stays below the threshold θ if
    /// P > H·log2(θ/(θ−1)). Helm reinstalls, nightly recreations and hourly CI with changed templates stay below both.
    fn default() -> Self {
        Self {
            fast_half_life_ms: 600_000,
            fast_on: 2.5,
            slow_half_life_ms: 7_200_000,
            slow_on: 3.6,
            off: 0.75,
        }
    }
}

/// What a recreation is worth as evidence of a fight: the actual state moved, did the desired state?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weight {
    /// The desired objects stood still throughout: 1.
    DesiredStable,
    /// A person, CI or GitOps deleted, recreated or edited a desired object in between: 0.25.
    DesiredChanged,
    /// It cannot be told: 0.5.
    Unknown,
    /// Its owner asked us to look away: 0.
    Ignored,
}

impl Weight {
    /// The weight, in recreations.
    pub fn value(self) -> f32 {
        match self {
            Self::DesiredStable => 1.0,
            Self::DesiredChanged => 0.25,
            Self::Unknown => 0.5,
            Self::Ignored => 0.0,
        }
    }
}

/// What a counter says at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// Nothing of note.
    #[default]
    Quiet,
    /// The fast penalty reached [`SUSPECTED`] and no scale is latched: information only.
    Suspected,
    /// At least one scale is latched.
    Churning {
        /// It is recreated now, in quick succession.
        fast: bool,
        /// It keeps being recreated, over hours.
        slow: bool,
    },
}

/// Both penalties at one instant, in recreations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalties {
    /// On the fast scale.
    pub fast: f32,
    /// On the slow scale.
    pub slow: f32,
}

/// The counter of one name. Penalties are as of `at`; a look in the past of `at` sees them undecayed, so a clock that
/// steps back neither frees nor feeds anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Damped {
    fast: f32,
    slow: f32,
    at: Time,
    fast_latched: bool,
    slow_latched: bool,
}

// One is kept for every name that was ever recreated lately, and copied on every read.
const _: () = assert!(size_of::<Damped>() <= 24);

impl Damped {
    /// A counter as it was saved at `at`, after a restart.
    ///
    /// No scale is latched: what an earlier process counted makes the next recreation weigh more, and is no reason for
    /// anything before that is seen. Numbers that cannot be penalties become the nearest that can. `at` must not lie in the
    /// future: nothing would decay until then.
    pub fn restore(saved: Penalties, at: Time) -> Self {
        Self {
            fast: penalty(saved.fast),
            slow: penalty(saved.slow),
            at,
            fast_latched: false,
            slow_latched: false,
        }
    }

    /// Counts one completed recreation.
    pub fn record(&mut self, now: Time, weight: Weight, thresholds: &Thresholds) {
        if weight == Weight::Ignored {
            return;
        }
        let (fast, slow) = self.decayed(now, thresholds);
        let (fast_on, slow_on) = self.latched(now, thresholds);
        let weight = f64::from(weight.value());
        self.fast = penalty((fast + weight) as f32);
        self.slow = penalty((slow + weight) as f32);
        self.at = self.at.max(now);
        self.fast_latched = fast_on || self.fast >= thresholds.fast_on;
        self.slow_latched = slow_on || self.slow >= thresholds.slow_on;
    }

    /// The level at `now`.
    pub fn level(&self, now: Time, thresholds: &Thresholds) -> Level {
        match self.latched(now, thresholds) {
            (false, false) if self.decayed(now, thresholds).0 >= f64::from(SUSPECTED) => {
                Level::Suspected
            }
            (false, false) => Level::Quiet,
            (fast, slow) => Level::Churning { fast, slow },
        }
    }

    /// The first instant after `now` at which [`Self::level`] answers differently if nothing more happens; none if it
    /// never will.
    pub fn changes_at(&self, now: Time, thresholds: &Thresholds) -> Option<Time> {
        let fast_below = |bound| self.falls_below(self.fast, thresholds.fast_half_life_ms, bound);
        let slow_below = |bound| self.falls_below(self.slow, thresholds.slow_half_life_ms, bound);
        match self.level(now, thresholds) {
            Level::Quiet => None,
            Level::Suspected => fast_below(SUSPECTED),
            Level::Churning { fast, slow } => {
                let fast = fast.then(|| fast_below(thresholds.off)).flatten();
                let slow = slow.then(|| slow_below(thresholds.off)).flatten();
                fast.into_iter().chain(slow).min()
            }
        }
    }

    /// Both penalties at `now`.
    pub fn penalties(&self, now: Time, thresholds: &Thresholds) -> Penalties {
        let (fast, slow) = self.decayed(now, thresholds);
        Penalties {
            fast: fast as f32,
            slow: slow as f32,
        }
    }

    /// Whether the counter can be forgotten: both penalties are below [`SPENT`] and no scale is latched.
    pub fn is_spent(&self, now: Time, thresholds: &Thresholds) -> bool {
        let (fast, slow) = self.decayed(now, thresholds);
        fast.max(slow) < f64::from(SPENT) && self.latched(now, thresholds) == (false, false)
    }

    /// The last recreation that was counted.
    pub fn last(&self) -> Time {
        self.at
    }

    fn decayed(&self, now: Time, thresholds: &Thresholds) -> (f64, f64) {
        let age = now.since_ms(self.at);
        (
            decay(self.fast, age, thresholds.fast_half_life_ms),
            decay(self.slow, age, thresholds.slow_half_life_ms),
        )
    }

    fn latched(&self, now: Time, thresholds: &Thresholds) -> (bool, bool) {
        let (fast, slow) = self.decayed(now, thresholds);
        let off = f64::from(thresholds.off);
        (
            self.fast_latched && fast >= off,
            self.slow_latched && slow >= off,
        )
    }

    fn falls_below(&self, penalty: f32, half_life_ms: i64, bound: f32) -> Option<Time> {
        if bound <= 0.0 {
            return None;
        }
        let bound64 = f64::from(bound);
        let exact = (f64::from(penalty) / bound64).log2() * half_life_ms.max(1) as f64;
        let mut age = exact.floor() as i64;
        // The logarithm can miss by one where it meets a whole millisecond; `level` must agree to the millisecond,
        // or a timer set for this instant would fire into an unchanged answer.
        age = age.saturating_sub(1).max(0);
        for _ in 0..3 {
            if decay(penalty, age, half_life_ms) < bound64 {
                break;
            }
            age = age.saturating_add(1);
        }
        Some(self.at.plus_ms(age))
    }
}

fn decay(penalty: f32, age_ms: i64, half_life_ms: i64) -> f64 {
    f64::from(penalty) * (-(age_ms as f64) / half_life_ms.max(1) as f64).exp2()
}

fn penalty(value: f32) -> f32 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, CEILING)
    }
}

/// Counters of names whose objects are gone, bounded however many names there were.
///
/// Ordered, so that equal histories evict equal names.
#[derive(Clone, Debug)]
pub struct Table<K> {
    counters: BTreeMap<K, Damped>,
    capacity: usize,
    evicted: u64,
}

/// [`Table`] by name.
pub type ChurnTable = Table<Text>;

/// Default bound of a [`Table`]: about 5 MiB with names of ordinary length, and six times the names that the status is
/// sized for to flap at once.
pub const CAPACITY: usize = 65_536;

/// Share of a full table that is evicted in one pass over it, so that the pass costs each newcomer little.
const EVICTED_SHARE: usize = 16;

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl<K> Table<K> {
    /// A table of at most `capacity` names, and at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            counters: BTreeMap::new(),
            capacity: capacity.max(1),
            evicted: 0,
        }
    }

    /// Names held.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether no name is held.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Names dropped for want of room since the start; spent ones do not count, nothing was lost with them.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// All counters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Damped)> {
        self.counters.iter()
    }
}

impl<K: Ord + Clone> Table<K> {
    /// The counter of a name; a name that is not held has an empty one.
    pub fn get(&self, key: &K) -> Damped {
        self.counters.get(key).copied().unwrap_or_default()
    }

    /// Counts one completed recreation of a name and returns its counter.
    pub fn record(
        &mut self,
        key: &K,
        now: Time,
        weight: Weight,
        thresholds: &Thresholds,
    ) -> Damped {
        if let Some(counter) = self.counters.get_mut(key) {
            counter.record(now, weight, thresholds);
            return *counter;
        }
        let mut counter = Damped::default();
        counter.record(now, weight, thresholds);
        // Kept although a quarter is as little as what is forgotten: the next quarter must find it.
        if weight != Weight::Ignored {
            self.insert(key.clone(), counter, now, thresholds);
        }
        counter
    }

    /// Takes up a counter that an earlier process saved, while there is room.
    pub fn restore(&mut self, key: K, counter: Damped) {
        if self.counters.len() < self.capacity {
            self.counters.insert(key, counter);
        }
    }

    /// Keeps a counter for a name, replacing what was held; a spent one is not kept.
    pub fn put(&mut self, key: K, counter: Damped, now: Time, thresholds: &Thresholds) {
        if counter.is_spent(now, thresholds) {
            self.counters.remove(&key);
        } else {
            self.insert(key, counter, now, thresholds);
        }
    }

    fn insert(&mut self, key: K, counter: Damped, now: Time, thresholds: &Thresholds) {
        self.counters.insert(key, counter);
        if self.counters.len() > self.capacity {
            self.make_room(now, thresholds);
        }
    }

    /// Hands a counter back to its owner, as when an object of that name lives again.
    pub fn take(&mut self, key: &K) -> Option<Damped> {
        self.counters.remove(key)
    }

    /// Forgets the spent counters; returns how many.
    pub fn sweep(&mut self, now: Time, thresholds: &Thresholds) -> usize {
        let before = self.counters.len();
        self.counters
            .retain(|_, counter| !counter.is_spent(now, thresholds));
        before - self.counters.len()
    }

    /// Drops the spent, then those with the least slow penalty (the longer memory), the oldest of equals first.
    fn make_room(&mut self, now: Time, thresholds: &Thresholds) {
        self.sweep(now, thresholds);
        let target = self.capacity - self.capacity / EVICTED_SHARE;
        if self.counters.len() <= self.capacity {
            return;
        }
        let excess = self.counters.len() - target;
        let mut ranked: Vec<(f32, Time, &K)> = self
            .counters
            .iter()
            .map(|(key, counter)| (counter.penalties(now, thresholds).slow, counter.at, key))
            .collect();
        // The order within the lightest does not matter, so a selection does what a sort would.
        ranked.select_nth_unstable_by(excess - 1, |a, b| {
            a.0.total_cmp(&b.0)
                .then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
        });
        let lightest: Vec<K> = ranked[..excess]
            .iter()
            .map(|(_, _, key)| (*key).clone())
            .collect();
        for key in lightest {
            self.counters.remove(&key);
            self.evicted = self.evicted.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
