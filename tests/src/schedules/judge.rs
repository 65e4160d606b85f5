//! Judges each write of the operator to other people's objects when the server takes it, by what is true in the server then.
//! What must have been refused is known from that alone; of the operator's own word it reads the journal, to see that it was
//! written before.

mod act;
mod facts;
mod memory;
mod rules;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use federation_health_api::names::JOURNAL;
use federation_health_core::remedy::rung::Rung;
use federation_health_sim::{
    AuditEntry, Clock, Denial, Effect, RequestFacts, Review, Sim, resources,
};
use serde_json::Value;

use crate::{guarded::USER, simulated::is_acted_on};
use act::Act;
use memory::Memory;

/// Reads before a write lie no further back than its deadline and those of the reads together.
const READ_WITHIN_MS: i64 = 15_000;

/// Sees every write, and remembers what was wrong.
pub(super) struct Judge {
    clock: Clock,
    memory: Mutex<Memory>,
}

impl Judge {
    /// Lets a judge see everything that this server takes.
    pub(super) fn seat(sim: &Sim) -> Arc<Self> {
        let judge = Arc::new(Self {
            clock: sim.clock().clone(),
            memory: Mutex::default(),
        });
        let seen = judge.clone();
        sim.admit(move |review| {
            seen.look(review);
            None::<Denial>
        });
        judge
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was wrong, what never reached the objects included.
    pub(super) fn verdict(&self, audit: &[AuditEntry], complete: bool) -> Vec<String> {
        let mut wrong = self.lock().wrong.clone();
        let told = |entry: &AuditEntry, why: &str| {
            let AuditEntry {
                at,
                verb,
                resource,
                name,
                ..
            } = entry;
            format!("{verb} {resource} {name} at {at}: {why}")
        };
        let fenced = audit
            .iter()
            .filter(|e| e.user == USER && e.code == 403 && e.message.contains("of the operator)"));
        wrong.extend(fenced.map(|e| told(e, "its own fence had to refuse it")));
        if complete {
            wrong.extend(unread(audit).map(|e| told(e, "lease and target were not read before")));
        }
        wrong
    }

    /// Writes up the ladder that took effect, by rung, and what other people did about them.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts()
    }

    /// The operator asks something: of a write without an answer it knows what became of it only when it has looked.
    pub(super) fn asked(&self, request: &RequestFacts, effect: Option<&Effect>) {
        if request.user == USER && is_acted_on(&request.resource) {
            let target = (request.resource.clone(), request.name.clone());
            let unanswered = &mut self.lock().unanswered;
            match effect {
                _ if request.verb == "get" => unanswered.remove(&target),
                Some(Effect::BreakAnswer) => unanswered.insert(target),
                _ => false,
            };
        }
    }

    /// A process of the operator is gone.
    pub(super) fn killed(&self, sim: &Sim) {
        let health = sim
            .admin()
            .get(&resources::FEDERATION_HEALTHS, "", "default");
        let actions = health.as_ref().map(|h| &h["status"]["actions"]);
        let actions = actions.and_then(Value::as_array).into_iter().flatten();
        let mut memory = self.lock();
        for action in actions.filter(|a| a["state"] == "Intended") {
            if let Some(rung) = action["action"].as_str().and_then(Rung::parse) {
                memory.left_open(rung, action);
            }
        }
    }

    fn look(&self, review: &Review<'_>) {
        let now = self.clock.now().as_millisecond();
        let mut memory = self.lock();
        if !concerns(review) {
            return;
        }
        memory.note(review, now);
        if review.dry_run {
            return;
        }
        if review.user != USER {
            memory.watch(review, now);
            return;
        }
        let judged = if is_acted_on(review.resource) {
            Act::of(review).and_then(|act| memory.judge(&act, review, now))
        } else {
            if review.name == JOURNAL {
                memory.journal_at = Some(now);
            }
            memory.read_plan(review);
            memory.lets_go(review, now)
        };
        if let Err(why) = judged {
            let what = [review.operation, review.resource, review.name].join(" ");
            let at = self.clock.now();
            memory.wrong.push(format!("{what} at {at}: {why}"));
        }
    }
}

/// Everything that a fact is read from.
fn concerns(review: &Review<'_>) -> bool {
    let read = [
        "federatedworkspaces",
        "federationhealths",
        "federationholds",
        "validatingadmissionpolicybindings",
        "clusters",
        "leases",
    ];
    is_acted_on(review.resource) || read.contains(&review.resource) || review.name == JOURNAL
}

/// Effective writes to other people's objects before which the lease and then the target were not read.
fn unread(audit: &[AuditEntry]) -> impl Iterator<Item = &AuditEntry> {
    let ours: Vec<&AuditEntry> = audit.iter().filter(|e| e.user == USER).collect();
    let write = |e: &AuditEntry| e.is_effective_write() && is_acted_on(&e.resource);
    let mut unread = Vec::new();
    for (at, entry) in ours.iter().enumerate().filter(|(_, e)| write(e)) {
        let since = entry.at.as_millisecond() - READ_WITHIN_MS;
        let mut before = ours[..at]
            .iter()
            .rev()
            .take_while(|e| e.at.as_millisecond() >= since)
            .filter(|e| e.verb == "get");
        let target = |e: &&&AuditEntry| (&e.resource, &e.name) == (&entry.resource, &entry.name);
        let read = before.by_ref().find(target).is_some();
        if !read || before.find(|e| e.resource == "leases").is_none() {
            unread.push(*entry);
        }
    }
    unread.into_iter()
}

/// The words of a rung's count.
fn acted(rung: Rung) -> String {
    format!("act {}", rung.as_str())
}
