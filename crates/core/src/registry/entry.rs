//! One registration and what was learned of it.

use crate::{
    facts::{Connection, Readiness, Registration},
    id::{Text, Uid},
    identity::{Probed, TokenAccount},
    registry::UNREACHABLE_AFTER,
    time::Time,
};

/// The class of a probe whose token the cluster itself refused.
pub(crate) const TOKEN_REFUSED: &str = "Unauthorized";

/// Changes of readiness within [`FLAP_WINDOW_MS`] that make a flapping member: three outages, each with its end.
pub(crate) const FLAPS: usize = 6;
/// Accounts kept of one cluster: a leftover is one too many, and a member must not fill our memory with them.
pub(crate) const MAX_ACCOUNTS: usize = 16;
/// KubeFed needs 30 s to call a cluster offline; half an hour holds more outages than a day of honest work.
pub(crate) const FLAP_WINDOW_MS: i64 = 1_800_000;

/// A registration and what was learned of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object.
    pub facts: Registration,
    /// Identity by the last probe that answered.
    pub identity: Option<Probed>,
    /// Probes that failed in a row.
    pub failures: u32,
    /// Class of the last failure.
    pub failure: Option<&'static str>,
    /// How many of the last failures in a row were of that class.
    pub alike: u32,
    /// Connection data that identity was proven with, or that were seen first.
    pub baseline: Connection,
    /// kube-system UID that was proven with the baseline.
    pub proven: Option<Uid>,
    /// Since when connection data differ from the baseline without a new proof.
    pub drifted: Option<Time>,
    /// KubeFed's accounts in the cluster, as the last probe that could read them found them.
    pub accounts: Box<[Text]>,
    /// When anything last changed that decides what KubeFed does through this name, and where.
    pub(crate) changed: Time,
    /// What became of the ServiceAccount in its token; none while that is not known.
    pub token_account: Option<TokenAccount>,
    /// The last changes between Ready and not Ready, newest last.
    flaps: Vec<Time>,
}

impl Entry {
    pub(super) fn new(facts: Registration, now: Time) -> Self {
        let baseline = facts.connection();
        Self {
            facts,
            identity: None,
            failures: 0,
            failure: None,
            alike: 0,
            baseline,
            proven: None,
            drifted: None,
            accounts: Box::default(),
            changed: now,
            token_account: None,
            flaps: Vec::new(),
        }
    }

    /// Takes new facts of the same object; connection data that moved make unknown what was read through the old ones.
    pub(super) fn update(&mut self, facts: Registration, now: Time) {
        let moved = facts.connection() != self.facts.connection();
        let ready = |facts: &Registration| facts.ready == Readiness::True;
        if moved || ready(&facts) != ready(&self.facts) || facts.labels != self.facts.labels {
            self.changed = now;
        }
        self.readiness(facts.ready, now);
        self.facts = facts;
        if moved {
            self.identity = None;
            self.accounts = Box::default();
            self.token_account = None;
            self.reached();
            let differs = self.facts.connection() != self.baseline;
            self.drifted = differs.then_some(self.drifted.unwrap_or(now));
        }
    }

    /// Counts a probe that failed.
    pub(super) fn failed(&mut self, class: &'static str) {
        self.failures = self.failures.saturating_add(1);
        self.alike = match self.failure.replace(class) == Some(class) {
            true => self.alike.saturating_add(1),
            false => 1,
        };
    }

    /// The class of the failures, once enough in a row were alike.
    pub(crate) fn lasting_failure(&self) -> Option<&'static str> {
        self.failure.filter(|_| self.alike >= UNREACHABLE_AFTER)
    }

    /// The ServiceAccount of its token lives on this server, and nothing says that it leads elsewhere: not a refused token,
    /// nor an endpoint that changed and was not proven since.
    pub(crate) fn issued_here(&self) -> bool {
        self.token_account == Some(TokenAccount::Lives)
            && self.drifted.is_none()
            && self.lasting_failure() != Some(TOKEN_REFUSED)
    }

    fn reached(&mut self) {
        self.failures = 0;
        self.failure = None;
        self.alike = 0;
    }

    pub(super) fn answered(&mut self, identity: Probed, now: Time) {
        self.reached();
        // A drift ends only if the same cluster answers behind the new data; another one under the old name is the fault
        // itself, whether the data changed or not.
        if self.proven.is_none_or(|uid| uid == identity.uid) {
            self.proven = Some(identity.uid);
            self.baseline = self.facts.connection();
            self.drifted = None;
        } else {
            self.drifted.get_or_insert(now);
        }
        self.identity = Some(identity);
    }

    /// Counts a change of readiness. The first answer after a registration is none.
    fn readiness(&mut self, to: Readiness, now: Time) {
        let ready = |r| r == Readiness::True;
        // KubeFed takes the condition off while a cluster is offline: absent is a state like any other once it was there.
        let first = self.flaps.is_empty() && self.facts.ready == Readiness::Absent;
        if first || ready(self.facts.ready) == ready(to) {
            return;
        }
        if self.flaps.len() >= FLAPS {
            self.flaps.remove(0);
        }
        self.flaps.push(now);
    }

    /// Readiness comes and goes.
    pub(crate) fn flapping(&self, now: Time) -> bool {
        self.rests_at().is_some_and(|at| at > now)
    }

    /// When it will have been at rest for long enough, if it flaps.
    pub(crate) fn rests_at(&self) -> Option<Time> {
        let (first, last) = (self.flaps.first()?, self.flaps.last()?);
        (self.flaps.len() >= FLAPS && last.since_ms(*first) < FLAP_WINDOW_MS)
            .then(|| last.plus_ms(FLAP_WINDOW_MS))
    }

    /// A probe answered or was given up at least once.
    pub fn probed(&self) -> bool {
        self.identity.is_some() || self.failures > 0
    }
}
