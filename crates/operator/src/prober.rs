//! Dials registered clusters, each with its own credentials, to learn which cluster is behind each name.

mod job;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use federation_health_api::foreign::KubeFedClusterSpec;
use federation_health_cluster::{
    endpoint::EndpointPolicy,
    probe::{Bindings, Dial, Looked},
};
use federation_health_core::{
    facts::Asked,
    id::{RegistrationKey, Uid},
    time::Time,
};
use kube::Client;
use tokio::{sync::Semaphore, task::JoinSet};

use self::job::Job;
use crate::engine::Engine;

/// Probes at one time. A black-holed member occupies one for its whole timeout (5 s by default), so with a tenth of 1,000
/// members silent the healthy ones are still reached once a minute.
const CONCURRENT: usize = 64;
/// KubeFed's accounts in a cluster are read this seldom: rights change with joins, and their list is some hundred times as
/// large as the rest of a probe.
const ACCOUNTS_EVERY_MS: i64 = 600_000;
/// A probe that failed is tried again this soon, so that a cluster that was only slow is identified in time.
const RETRY: Duration = Duration::from_secs(2);

/// A registration as it was when a probe of it began.
#[derive(PartialEq, Eq)]
struct Seen {
    /// What of it identity hangs on.
    asked: Asked,
    spec: KubeFedClusterSpec,
}

/// Connection data of registrations, kept for the prober alone: no decision sees a CA or a Secret's name.
#[derive(Default)]
pub struct Sites(Mutex<BTreeMap<RegistrationKey, Arc<Seen>>>);

impl Sites {
    /// Takes a registration's connection data.
    pub fn put(&self, key: RegistrationKey, asked: Asked, spec: KubeFedClusterSpec) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::new(Seen { asked, spec }));
    }

    /// Forgets one.
    pub fn remove(&self, key: &RegistrationKey) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }

    /// Forgets those that do not exist.
    pub fn retain(&self, exists: impl Fn(&RegistrationKey) -> bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|key, _| exists(key));
    }

    fn all(&self) -> BTreeMap<RegistrationKey, Arc<Seen>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How probing is done, as the spec says. None: nothing is dialled.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Between two probes of one registration.
    pub period: Duration,
    /// After which a probe is given up.
    pub timeout: Duration,
    /// What may be dialled.
    pub policy: Arc<EndpointPolicy>,
    /// The same, as the spec writes it.
    pub allowed: Vec<String>,
}

impl Plan {
    /// Equal as far as the spec says.
    pub fn same(&self, other: &Self) -> bool {
        self.period == other.period
            && self.timeout == other.timeout
            && self.allowed == other.allowed
    }
}

/// The prober.
pub struct Prober {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// For Secrets.
    pub client: Client,
    /// Dials.
    pub dialer: Arc<dyn Dial>,
    /// Connection data.
    pub sites: Arc<Sites>,
    /// Tokens and where they went.
    pub bindings: Arc<Mutex<Bindings>>,
    /// Tokens whose ServiceAccount was looked for.
    pub looked: Arc<Mutex<Looked>>,
}

struct Due {
    seen: Arc<Seen>,
    at: Time,
    /// When KubeFed's accounts there are read again.
    accounts_at: Time,
}

/// A probe that ended.
struct Done {
    key: RegistrationKey,
    seen: Arc<Seen>,
    /// kube-system's UID, if it answered.
    answered: Option<Uid>,
}

impl Prober {
    /// Runs until the process ends.
    pub async fn run(self, mut plan: tokio::sync::watch::Receiver<Option<Plan>>) {
        let slots = Arc::new(Semaphore::new(CONCURRENT));
        let mut due: BTreeMap<RegistrationKey, Due> = BTreeMap::new();
        let mut running: JoinSet<Done> = JoinSet::new();
        let mut busy = BTreeSet::new();
        loop {
            let current = plan.borrow_and_update().clone();
            let mut next = None;
            if let Some(plan) = &current {
                self.schedule(&mut due);
                next = self.start(plan, &mut due, &mut busy, &mut running, &slots);
            }
            let sleep = next.map_or(Duration::from_secs(3600), |at| self.engine.clock.until(at));
            tokio::select! {
                changed = plan.changed() => if changed.is_err() { return },
                () = self.engine.registrations.notified() => {}
                Some(done) = running.join_next() => {
                    if let Ok(done) = done {
                        busy.remove(&done.key);
                        let now = self.engine.clock.now();
                        let next = match (&current, done.answered) {
                            (Some(plan), Some(cluster)) => turn(cluster, plan.period, now),
                            _ => now.plus_ms(RETRY.as_millis() as i64),
                        };
                        // One that changed meanwhile stays due: what was asked is not what it is.
                        let known = due.get_mut(&done.key);
                        if let Some(entry) = known.filter(|entry| entry.seen == done.seen) {
                            entry.at = entry.at.max(next);
                        }
                    }
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// New and changed registrations are due at once.
    fn schedule(&self, due: &mut BTreeMap<RegistrationKey, Due>) {
        let sites = self.sites.all();
        due.retain(|key, _| sites.contains_key(key));
        for (key, seen) in sites {
            if due.get(&key).is_none_or(|known| known.seen != seen) {
                due.insert(
                    key,
                    Due {
                        seen,
                        at: Time(0),
                        accounts_at: Time(0),
                    },
                );
            }
        }
        let uids: BTreeSet<Uid> = due.values().map(|d| d.seen.asked.uid).collect();
        self.bindings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|uid| uids.contains(&uid));
        self.looked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|uid| uids.contains(&uid));
    }

    fn start(
        &self,
        plan: &Plan,
        due: &mut BTreeMap<RegistrationKey, Due>,
        busy: &mut BTreeSet<RegistrationKey>,
        running: &mut JoinSet<Done>,
        slots: &Arc<Semaphore>,
    ) -> Option<Time> {
        let now = self.engine.clock.now();
        let mut next = None;
        for (key, entry) in due.iter_mut() {
            if entry.at > now {
                next = Some(next.map_or(entry.at, |n: Time| n.min(entry.at)));
                continue;
            }
            if !busy.insert(key.clone()) {
                continue;
            }
            let job = Job {
                engine: self.engine.clone(),
                client: self.client.clone(),
                dialer: self.dialer.clone(),
                bindings: self.bindings.clone(),
                looked: self.looked.clone(),
                plan: plan.clone(),
                key: key.clone(),
                seen: entry.seen.clone(),
                accounts: entry.accounts_at <= now,
            };
            if job.accounts {
                entry.accounts_at = now.plus_ms(ACCOUNTS_EVERY_MS);
            }
            let slots = slots.clone();
            entry.at = now;
            running.spawn(async move {
                let _slot = slots.acquire_owned().await;
                job.run().await
            });
        }
        next
    }
}

/// The same in every process, so that a restart moves no cluster's turn.
type Hashing = BuildHasherDefault<DefaultHasher>;

/// When a cluster is probed next: at the same point of each period through all of its names, so that they read one state
/// of its Leases, and at another point than other clusters.
fn turn(cluster: Uid, period: Duration, now: Time) -> Time {
    let period = period.as_millis().max(1);
    let phase = (u128::from(Hashing::default().hash_one(cluster)) % period) as i64;
    let period = period as i64;
    now.plus_ms(period - (now.0 - phase).rem_euclid(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_of_a_cluster_have_their_turn_together_and_once_a_period() {
        let (cluster, period) = (Uid::from(7), Duration::from_secs(60));
        let first = turn(cluster, period, Time(1_795_415_040_123));
        assert!((1..=60_000).contains(&(first.0 - 1_795_415_040_123)));
        assert_eq!(turn(cluster, period, Time(first.0 - 1)), first);
        assert_eq!(turn(cluster, period, first), first.plus_ms(60_000));
        let other = turn(Uid::from(8), period, Time(0));
        assert_ne!(other, turn(cluster, period, Time(0)), "all at once");
    }
}
