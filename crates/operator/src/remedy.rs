//! The conversation of remediation: asks the decisions what is next, does that one thing, brings the answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use federation_health_cluster::{
    lease::Leases,
    remedy::{Hands, Places},
};
use federation_health_core::{
    assess::Proof,
    effect::Rule,
    id::Text,
    remedy::{
        Around, Ask, Mode, Outcome,
        brake::Brake,
        plan::Order,
        plan::Plan,
        rung::{Rung, Target},
    },
    time::Time,
    words::Reason,
};

use tokio::{sync::watch, time::Instant};

use crate::{engine::Engine, metrics::Metrics};

/// Changes that come together are judged together; KubeFed's first deletion is ten seconds away at least.
const GATHER: Duration = Duration::from_millis(10);
/// What must remain of the lease beyond a write's deadline: the way to the server.
const SLACK: Duration = Duration::from_secs(2);
/// Judged at least this often, in case a wake-up is missing somewhere.
const SWEEP: Duration = Duration::from_secs(30);

/// Carries remediation out.
pub struct Remediator {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// Reads and writes.
    pub hands: Hands,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The objects of the journal, as they were last seen.
    pub places: Places,
    /// Until when this process may write.
    pub until: watch::Receiver<Option<Time>>,
    /// The Lease, read again before each write.
    pub leases: Leases,
    /// Name of this instance.
    pub instance: String,
}

/// What status shows of remediation.
#[derive(Default, PartialEq)]
struct Shown {
    plan: Option<Plan>,
    refusal: Option<Brake>,
    refuses: BTreeSet<Reason>,
}

impl Remediator {
    /// Runs until the process ends.
    pub async fn run(mut self) {
        let mut shown = Shown::default();
        loop {
            let now = self.engine.clock.now();
            let around = self.around();
            let ask = self.engine.federation().remedy_next(around, now);
            self.tell(&mut shown);
            match ask {
                Ask::Rest(at) => {
                    let pause = at.map_or(SWEEP, |at| self.engine.clock.until(at).min(SWEEP));
                    tokio::select! {
                        () = self.engine.remedy.notified() => tokio::time::sleep(GATHER).await,
                        () = tokio::time::sleep(pause) => {}
                    }
                    continue;
                }
                Ask::Load => self.load().await,
                Ask::Record(records) => self.record(&records).await,
                Ask::Survey(targets) => self.survey(targets).await,
                Ask::List(namespaces) => self.list(namespaces).await,
                Ask::Perform(order) => self.perform(&order).await,
            }
            self.engine.dirty.notify_one();
        }
    }

    fn around(&self) -> Around {
        let proven = matches!(self.engine.proof(), Proof::Proven { on, of } if on == of);
        let federation = self.engine.federation();
        let hold = federation.hold();
        let written = hold.written();
        let in_force = |rule| written.holds(rule) && hold.durable(rule) == Some(true);
        let leads = self
            .until
            .borrow()
            .is_some_and(|until| self.engine.clock.now() < until);
        Around {
            leads,
            held: proven && Rule::ALL.into_iter().all(in_force),
        }
    }

    /// Wakes the reconcile loop if status would show something else, and counts each brake that begins to stand.
    fn tell(&self, shown: &mut Shown) {
        let next = {
            let federation = self.engine.federation();
            let remedy = federation.remedy();
            Shown {
                plan: remedy.plan().cloned(),
                refusal: remedy.refusal().cloned(),
                refuses: remedy.refuses(),
            }
        };
        if next == *shown {
            return;
        }
        for brake in next.refuses.difference(&shown.refuses) {
            self.metrics.refused(brake.as_str());
            tracing::info!(brake = brake.as_str(), "remediation is refused");
        }
        *shown = next;
        self.engine.dirty.notify_one();
    }

    async fn load(&mut self) {
        let looks = self.engine.federation().remedy().mode() == Mode::Observe;
        let found = self.hands.load(looks).await;
        let now = self.engine.clock.now();
        let mut federation = self.engine.federation();
        let here = federation.registry().host_uid();
        match found {
            Ok((loaded, places)) => {
                for line in &loaded.unread {
                    tracing::warn!(%line, "a line of the journal of remediation is not understood and kept");
                }
                self.places = places;
                federation.remedy_mut().loaded(Ok(loaded), here, now);
            }
            Err(why) => {
                tracing::warn!(why, "the journal of remediation cannot be read");
                federation.remedy_mut().loaded(Err(why), here, now);
            }
        }
    }

    async fn record(&mut self, records: &[federation_health_core::remedy::journal::Record]) {
        let cluster = self.engine.federation().registry().host_uid();
        let written = self.hands.record(records, cluster, &mut self.places).await;
        let now = self.engine.clock.now();
        let mut federation = self.engine.federation();
        match written {
            Ok(()) => {
                federation.remedy_mut().recorded(Ok(()), false, now);
            }
            Err(failed) => {
                tracing::warn!(failed.why, "the journal of remediation cannot be written");
                federation
                    .remedy_mut()
                    .recorded(Err(failed.why), failed.overtaken, now);
            }
        }
    }

    async fn survey(&self, targets: Vec<(Rung, Target)>) {
        let mut found = BTreeMap::new();
        for (rung, target) in targets {
            let seen = self.hands.look(rung, &target).await;
            let seen = seen.map_err(|error| {
                self.metrics.write_failed("survey", error.class());
                tracing::warn!(target = %target, class = error.class(), %error, "a target of remediation cannot be read");
                error.to_string()
            });
            found.insert((rung, target), seen);
        }
        let now = self.engine.clock.now();
        self.engine.federation().remedy_mut().surveyed(found, now);
    }

    async fn list(&self, namespaces: BTreeSet<Text>) {
        let found = self.hands.volumes(&namespaces).await;
        let found = found.map_err(|error| {
            self.metrics.write_failed("volumes", error.class());
            tracing::warn!(class = error.class(), %error, "the volumes of namespaces at risk cannot be listed");
            format!("list PersistentVolumes: {error}")
        });
        let now = self.engine.clock.now();
        self.engine
            .federation()
            .remedy_mut()
            .listed(namespaces, found, now);
    }

    /// The lease, read live, is ours and lasts: gives until when a write may be on its way.
    async fn fence(&self) -> Result<Instant, Outcome> {
        let view = match self.leases.read().await {
            Ok(view) => view,
            Err(error) => return Err(Outcome::Failed(format!("read the lease: {error}"))),
        };
        let left = self
            .until
            .borrow()
            .map_or(Duration::ZERO, |until| self.engine.clock.until(until));
        let ours = view.is_some_and(|view| *view.holder == *self.instance);
        match left.checked_sub(SLACK) {
            Some(left) if ours && !left.is_zero() => Ok(Instant::now() + left),
            _ => Err(Outcome::Refused(Brake::NotLeading(None))),
        }
    }

    async fn perform(&self, order: &Order) {
        let outcome = match self.fence().await {
            Ok(until) => self.hands.perform(order, until).await,
            Err(outcome) => outcome,
        };
        let word = match &outcome {
            Outcome::Wrote if order.dry_run => "Tried",
            Outcome::Wrote => "Wrote",
            Outcome::Refused(_) => "Refused",
            Outcome::Failed(_) => "Failed",
            Outcome::Unknown(_) => "Unknown",
        };
        let action = order.rung.as_str();
        self.metrics.remedied(action, word);
        tracing::info!(action, target = %order.target, to = %order.to, outcome = word, answer = ?outcome, "remediation");
        let now = self.engine.clock.now();
        self.engine
            .federation()
            .remedy_mut()
            .performed(order, outcome, now);
    }
}
