//! Keeps the operator's Lease while remediation is asked for, and tells until when this process may write.

use std::{sync::Arc, time::Duration};

use federation_health_cluster::{call::CallError, lease::Leases};
use federation_health_core::{
    id::Text,
    lease::{Election, Move},
    time::Time,
};
use tokio::sync::watch;

use crate::{engine::Engine, metrics::Metrics};

/// Looked at least this often: another process' renewals are noticed before they could be missed twice.
const LOOK: Duration = Duration::from_secs(5);

/// And at most this often, whatever goes wrong.
const SHORTEST: Duration = Duration::from_millis(100);

/// Keeps the Lease.
pub struct Keeper {
    /// Decisions and time.
    pub engine: Arc<Engine>,
    /// The Lease.
    pub leases: Leases,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Until when this process may write.
    pub until: watch::Sender<Option<Time>>,
    /// Name of this instance.
    pub instance: String,
}

impl Keeper {
    /// Runs until the process ends. Where nothing is ever written, no Lease is kept.
    pub async fn run(self) {
        let mut election = Election::new(Text::from(self.instance.as_str()));
        loop {
            if !self.engine.federation().remedy_may_write() {
                tokio::select! {
                    () = self.engine.asked.notified() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
                continue;
            }
            let pause = self.round(&mut election).await;
            let now = self.engine.clock.now();
            let until = election.leads_until(now);
            if self.until.send_replace(until) != until {
                self.engine.remedy.notify_one();
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn round(&self, election: &mut Election) -> Duration {
        let begun = self.engine.clock.now();
        match self.leases.read().await {
            Ok(view) => {
                let another = view.as_ref().is_some_and(|v| *v.holder != *self.instance);
                election.observe(view, self.engine.clock.now());
                if another {
                    self.answered(None);
                }
            }
            Err(error) => self.failed("read", &error, election),
        }
        let version = match election.next(begun) {
            Move::Wait(at) => {
                return self.pause(at);
            }
            Move::Create => None,
            Move::Write(version) => Some(version),
        };
        match self
            .leases
            .write(election.me(), version.as_deref(), begun)
            .await
        {
            Ok(view) => {
                election.wrote(view, begun);
                self.answered(None);
            }
            Err(error) => self.failed("write", &error, election),
        }
        match election.next(self.engine.clock.now()) {
            Move::Wait(at) => self.pause(at),
            _ => SHORTEST,
        }
    }

    fn failed(&self, what: &str, error: &CallError, election: &mut Election) {
        self.metrics.write_failed("lease", error.class());
        tracing::warn!(class = error.class(), %error, "{what} the lease");
        election.failed(self.engine.clock.now());
        self.answered(Some(format!("{what} the lease: {error}")));
    }

    fn answered(&self, trouble: Option<String>) {
        self.engine
            .federation()
            .remedy_mut()
            .lease_answered(trouble);
    }

    fn pause(&self, until: Time) -> Duration {
        self.engine.clock.until(until).clamp(SHORTEST, LOOK)
    }
}
