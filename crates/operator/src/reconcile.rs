//! The slow path: judges, writes status where it really differs, sends events, shows metrics.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use federation_health_api::{FederationHealth, FederationHealthStatus};
use federation_health_cluster::host::Host;
use federation_health_core::{
    assess::{Assessment, ConditionState, Proof, Truth},
    findings::Severity,
    words::{ConditionType, Reason},
};
use federation_health_index::status;

use crate::{
    engine::Engine,
    events::Events,
    kinds::SharedKinds,
    known::{self, Known, Switch},
    metrics::Metrics,
};

/// Changes that come together are judged together; a person sees no difference, a storm does.
const GATHER: Duration = Duration::from_millis(20);
/// Writes of status that change counts alone, not a verdict: at most one in this time.
const COUNTS_EVERY: Duration = Duration::from_secs(10);
/// While a deletion is this young the API server is left to the hold alone: writing a long status takes it 20 ms of both
/// cores, in which the switch reached the policies too late in 3 of 50 runs.
const UNFOLDS: Duration = Duration::from_millis(100);
/// Pause after a failed write, doubled by each further one up to [`RETRY_MAX`]: an API server that restarts is back within
/// seconds, a right that is missing within hours.
const RETRY: Duration = Duration::from_secs(1);
/// A verdict comes no later than this after writes succeed again.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Judged at least this often, in case a wake-up is missing somewhere.
const SWEEP: Duration = Duration::from_secs(30);
/// After a start, or once there is an object, feeds, first probes and the proof of the hold get this long before a verdict is
/// written that they could still change.
const SETTLE: Duration = Duration::from_secs(10);

/// The reconcile loop.
pub struct Reconciler {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// The API server.
    pub host: Host,
    /// The object.
    pub known: Arc<Mutex<Known>>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Federated kinds.
    pub kinds: SharedKinds,
    /// Events.
    pub events: Events,
    /// Name of the served object.
    pub name: String,
}

/// The object, and what else stands in its watch.
struct Served {
    object: Arc<FederationHealth>,
    /// Why its spec cannot be used.
    invalid: Option<String>,
    /// Objects of other names.
    others: Vec<Arc<FederationHealth>>,
    /// Incidents in status.
    incidents: usize,
}

/// What was written last, and when.
#[derive(Default)]
struct Written {
    status: Option<FederationHealthStatus>,
    at: Option<tokio::time::Instant>,
    /// Writes in a row that failed, and before when there is no other.
    failed: Option<(u32, tokio::time::Instant)>,
}

impl Written {
    /// After one more write that failed: what is on the server is not known.
    fn fail(&mut self) -> Duration {
        let before = self.failed.map_or(0, |(failures, _)| failures);
        let pause = RETRY.saturating_mul(1 << before.min(10)).min(RETRY_MAX);
        let until = tokio::time::Instant::now() + pause;
        *self = Self {
            failed: Some((before + 1, until)),
            ..Self::default()
        };
        pause
    }

    /// How long no write is tried.
    fn pause(&self) -> Option<Duration> {
        let (_, until) = self.failed?;
        Some(until.duration_since(tokio::time::Instant::now())).filter(|left| !left.is_zero())
    }
}

impl Reconciler {
    /// Runs until the process ends.
    pub async fn run(mut self) {
        let mut asked: Option<tokio::time::Instant> = None;
        let mut written = Written::default();
        loop {
            // The object first: what it asks for is decided upon by the time it is known, and status tells of both.
            let served = self.served();
            asked = served
                .is_some()
                .then(|| asked.unwrap_or_else(tokio::time::Instant::now));
            let now = self.engine.clock.now();
            self.engine.step_quietly(|federation| federation.tick(now));
            let proof = self.engine.proof();
            let (assessment, sure) = {
                let mut federation = self.engine.federation();
                let assessment = federation.assess(now, &proof);
                self.metrics.assessed(&self.name, &assessment, &federation);
                let asked_for = federation.hold().asked_for();
                self.metrics.proven(&proof, asked_for);
                let proven = !asked_for || proof != Proof::Pending;
                (assessment, federation.settled(now) && proven)
            };
            let mut pause = assessment
                .next
                .map_or(SWEEP, |at| self.engine.clock.until(at).min(SWEEP));
            let begun = written.status.is_some();
            if begun
                || asked.is_some_and(|at| at.elapsed() >= SETTLE)
                || (self.switch_read() && (sure && self.kinds.is_followed() || urgent(&assessment)))
            {
                pause = pause.min(self.publish(served, assessment, &mut written).await);
            } else {
                pause = pause.min(SETTLE);
            }
            tokio::select! {
                () = self.engine.dirty.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whether it is known what is held.
    fn switch_read(&self) -> bool {
        let known = known::lock(&self.known);
        known.switch != Switch::Unread
    }

    /// The object, if there is one.
    fn served(&self) -> Option<Served> {
        let known = known::lock(&self.known);
        Some(Served {
            object: known.object.clone()?,
            invalid: known.invalid.clone(),
            others: known.others.values().cloned().collect(),
            incidents: known
                .settings
                .as_ref()
                .map_or(10, |s| s.policy.max_incidents),
        })
    }

    /// Writes what differs; gives how long to wait at most until the next look.
    async fn publish(
        &mut self,
        served: Option<Served>,
        mut assessment: Assessment,
        written: &mut Written,
    ) -> Duration {
        let Some(served) = served.filter(|_| self.engine.speaks()) else {
            *written = Written::default();
            return SWEEP;
        };
        let Served {
            object,
            invalid,
            others,
            incidents,
        } = served;
        self.refuse_duplicates(&object, &others).await;
        if let Some(invalid) = invalid {
            not_ready(
                &mut assessment,
                Reason::InvalidSpec,
                format!(
                    "{invalid}. Until then what was asked for before stays in force; after a start of the operator, what else the spec asks for."
                ),
            );
        }
        let generation = object.metadata.generation.unwrap_or_default();
        let before = written.status.as_ref().or(object.status.as_ref());
        let next = {
            let federation = self.engine.federation();
            status::status(
                &assessment,
                &federation,
                generation,
                incidents,
                before,
                self.engine.clock.now(),
            )
        };
        if before == Some(&next) {
            return SWEEP;
        }
        if self.unfolds() {
            return UNFOLDS;
        }
        if let Some(left) = written.pause() {
            return left;
        }
        let counts_only = before.is_some_and(|before| same_verdict(before, &next));
        if let Some(at) = written.at.filter(|_| counts_only)
            && at.elapsed() < COUNTS_EVERY
        {
            return COUNTS_EVERY.saturating_sub(at.elapsed());
        }
        match self.host.apply_status(&self.name, &next).await {
            Ok(()) => {
                self.metrics.status_written();
                self.events.changes(&object, before, &next);
                self.events.found(before, &assessment);
                *written = Written {
                    status: Some(next),
                    at: Some(tokio::time::Instant::now()),
                    failed: None,
                };
                SWEEP
            }
            Err(error) => {
                self.metrics.write_failed("status", error.class());
                tracing::warn!(class = error.class(), %error, "status could not be written");
                written.fail()
            }
        }
    }

    fn unfolds(&self) -> bool {
        let now = self.engine.clock.now();
        let within = UNFOLDS.as_millis() as i64;
        self.engine.federation().hold().deletion_within(within, now)
    }

    /// Two objects on one federation: the one that is not served says so and does nothing else.
    async fn refuse_duplicates(&self, own: &FederationHealth, others: &[Arc<FederationHealth>]) {
        let same_federation = |o: &&Arc<FederationHealth>| {
            o.spec.federation.namespace == own.spec.federation.namespace
        };
        for other in others.iter().filter(same_federation) {
            let Some(name) = other.metadata.name.as_deref() else {
                continue;
            };
            let told = other.status.as_ref().is_some_and(|s| {
                s.conditions
                    .iter()
                    .any(|c| c.reason == Reason::DuplicateFederationHealth.as_str())
            });
            if told {
                continue;
            }
            let message = format!(
                "FederationHealth {} guards this federation already: delete one of them.",
                self.name
            );
            let condition = ConditionState {
                type_: ConditionType::Ready,
                status: Truth::False,
                reason: Reason::DuplicateFederationHealth,
                message,
            };
            let generation = other.metadata.generation.unwrap_or_default();
            let status = status::single(&condition, generation, self.engine.clock.now());
            if let Err(error) = self.host.apply_status(name, &status).await {
                self.metrics.write_failed("status", error.class());
                tracing::warn!(object = name, class = error.class(), %error, "status of a second object could not be written");
            }
        }
    }
}

fn not_ready(assessment: &mut Assessment, reason: Reason, message: String) {
    if let Some(ready) = assessment
        .conditions
        .iter_mut()
        .find(|c| c.type_ == ConditionType::Ready)
    {
        *ready = ConditionState {
            type_: ConditionType::Ready,
            status: Truth::False,
            reason,
            message,
        };
    }
}

/// A verdict that waiting cannot make better.
fn urgent(assessment: &Assessment) -> bool {
    assessment
        .findings
        .iter()
        .any(|(finding, _)| !finding.suspicion && finding.severity != Severity::Low)
}

/// Equal in everything that somebody could act on; counts and dates aside.
fn same_verdict(a: &FederationHealthStatus, b: &FederationHealthStatus) -> bool {
    let conditions = |s: &FederationHealthStatus| -> Vec<(String, String, String)> {
        s.conditions
            .iter()
            .map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone()))
            .collect()
    };
    let findings = |s: &FederationHealthStatus| -> Vec<(String, String)> {
        s.findings
            .iter()
            .map(|f| (f.code.clone(), f.subject.clone()))
            .collect()
    };
    a.observed_generation == b.observed_generation
        && conditions(a) == conditions(b)
        && findings(a) == findings(b)
        && a.hold == b.hold
        && a.join_guard == b.join_guard
        && a.blast_radius == b.blast_radius
        && a.plan == b.plan
        && a.lost_namespaces == b.lost_namespaces
}
