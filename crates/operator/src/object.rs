//! The FederationHealth object: its spec becomes policy, its status what an earlier process knew.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use federation_health_api::FederationHealth;
use federation_health_cluster::{
    endpoint::EndpointPolicy,
    proof::Wanted,
    watch::{Sink, Unreadable},
};
use federation_health_core::facts::FeedState;
use federation_health_index::{
    policy::{self, Settings},
    status,
};
use tokio::sync::{Notify, watch};

use crate::{
    engine::Engine,
    known::{self, Known},
    metrics::Metrics,
    prober::Plan,
};

/// FederationHealth objects remembered beside our own: more than a handful is a mistake that one line tells as well.
const MAX_OTHERS: usize = 32;

/// The object's sink.
pub struct ObjectSink {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// Name of the object to serve.
    pub name: String,
    /// What is known.
    pub known: Arc<Mutex<Known>>,
    /// How to probe, for the prober.
    pub probing: watch::Sender<Option<Plan>>,
    /// Every federated kind is watched.
    pub all_kinds: watch::Sender<bool>,
    /// What is to be proven may have changed.
    pub rehearse: Arc<Notify>,
    /// Where it is shown whether the kind is served.
    pub metrics: Arc<Metrics>,
    listed: Vec<String>,
}

impl ObjectSink {
    /// A sink for the object of this name, and the receiving ends of what it tells.
    pub fn new(
        engine: Arc<Engine>,
        name: String,
        known: Arc<Mutex<Known>>,
        rehearse: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            engine,
            name,
            known,
            probing: watch::Sender::new(None),
            all_kinds: watch::Sender::new(false),
            rehearse,
            metrics,
            listed: Vec::new(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        known::lock(&self.known)
    }

    /// Whoever finds the object in what is known finds its wishes in the decisions: status tells of both together.
    fn own(&self, object: &FederationHealth) {
        let outcome = usable(object);
        let invalid = outcome.as_ref().err().map(ToString::to_string);
        let (first, former) = {
            let known = self.known();
            (!known.restored, known.settings.clone())
        };
        let wished = match outcome {
            Ok(wished) => Some(wished),
            // What was asked for last stays in force.
            Err(_) if former.is_some() => None,
            Err(_) => in_doubt(object),
        };
        let (plan, settings) = wished.unzip();
        self.decide(object, first, settings.as_ref(), invalid.is_none());
        let changed = settings.is_some() && former != settings;
        {
            let mut known = self.known();
            known.restored = true;
            known.invalid = invalid;
            known.settings = settings.or(former);
            known.object = Some(Arc::new(object.clone()));
            if first {
                known.unmatched.notify_one();
            }
        }
        self.engine.asked.notify_one();
        self.engine.dirty.notify_one();
        if changed {
            self.rehearse.notify_one();
        }
        if let Some(plan) = plan {
            self.probing.send_if_modified(|known| {
                let changed = known.is_none() != plan.is_none()
                    || known
                        .as_ref()
                        .zip(plan.as_ref())
                        .is_some_and(|(a, b)| !a.same(b));
                *known = plan;
                changed
            });
        }
    }

    /// What the owner wishes, to those who decide; nothing where what was asked for before stays in force. Nobody acts on a
    /// spec that is not `valid`.
    fn decide(
        &self,
        object: &FederationHealth,
        first: bool,
        settings: Option<&Settings>,
        valid: bool,
    ) {
        if let Some(settings) = settings {
            self.engine.want(Wanted::of(&settings.policy));
        }
        let now = self.engine.clock.now();
        self.engine.step(|federation| {
            if first && let Some(before) = &object.status {
                let (ledger, since) = status::restored(before, now);
                federation.restore(ledger, since);
            }
            let effects = settings.map(|s| federation.set_policy(s.policy.clone(), now));
            if !valid {
                federation.remedy_mut().spec_is_invalid();
            }
            effects.unwrap_or_default()
        });
        if let Some(settings) = settings {
            self.engine.set_ignore(settings.ignore.clone());
            self.all_kinds.send_if_modified(|all| {
                std::mem::replace(all, settings.all_kinds) != settings.all_kinds
            });
        }
    }

    fn gone(&self, name: &str) {
        let mut known = self.known();
        if name == self.name {
            known.object = None;
            known.restored = false;
            drop(known);
            tracing::warn!(
                object = name,
                "the FederationHealth object is gone: what is held stays held, and nothing is held anew"
            );
            self.engine.step(|federation| {
                federation.object_vanished();
                Vec::new()
            });
        } else {
            known.others.remove(name);
        }
    }
}

/// What a spec that breaks a rule asks for where nothing is known of what was asked for before.
fn in_doubt(object: &FederationHealth) -> Option<(Option<Plan>, Settings)> {
    let mended = policy::mended(object, |object| usable(object).is_ok());
    let (plan, mut settings) = usable(&mended).ok()?;
    settings.policy.hold.in_doubt = true;
    Some((plan, settings))
}

/// What the spec asks for, and how to probe for it.
fn usable(object: &FederationHealth) -> Result<(Option<Plan>, Settings), policy::InvalidSpec> {
    let settings = policy::settings(object)?;
    Ok((plan(&settings)?, settings))
}

fn plan(settings: &Settings) -> Result<Option<Plan>, policy::InvalidSpec> {
    let policy = EndpointPolicy::parse(&settings.allowed_endpoints).map_err(|error| {
        policy::InvalidSpec {
            field: "spec.probe.allowedEndpoints",
            fix: error.to_string(),
        }
    })?;
    Ok(settings.policy.probing.then(|| Plan {
        period: Duration::from_secs(settings.probe_period_seconds),
        timeout: Duration::from_secs(settings.probe_timeout_seconds),
        policy: Arc::new(policy),
        allowed: settings.allowed_endpoints.clone(),
    }))
}

impl Sink<FederationHealth> for ObjectSink {
    fn begin(&mut self) {
        self.listed.clear();
    }

    fn upsert(&mut self, object: FederationHealth) {
        let name = object.metadata.name.clone().unwrap_or_default();
        self.listed.push(name.clone());
        if name == self.name {
            self.own(&object);
        } else {
            let mut known = self.known();
            if known.others.len() < MAX_OTHERS || known.others.contains_key(&name) {
                known.others.insert(name, Arc::new(object));
            }
            drop(known);
            self.engine.dirty.notify_one();
        }
    }

    fn remove(&mut self, object: FederationHealth) {
        self.gone(&object.metadata.name.unwrap_or_default());
        self.engine.dirty.notify_one();
    }

    fn end(&mut self) {
        let (present, others): (bool, Vec<String>) = {
            let mut known = self.known();
            known.synced = true;
            (
                known.object.is_some(),
                known.others.keys().cloned().collect(),
            )
        };
        if present && !self.listed.contains(&self.name) {
            self.gone(&self.name);
        }
        for other in others.iter().filter(|other| !self.listed.contains(other)) {
            self.gone(other);
        }
        self.engine.dirty.notify_one();
    }

    fn malformed(&mut self, name: &str, why: &Unreadable) {
        tracing::warn!(object = name, %why, "a FederationHealth object cannot be read; what it said before stays in force");
        self.listed.push(name.to_owned());
        if name == self.name {
            self.known().invalid = Some(format!("the object cannot be read: {why}"));
        }
    }

    fn state(&mut self, state: FeedState) {
        tracing::debug!(state = state.as_str(), "feed of FederationHealth objects");
        self.metrics.served("FederationHealths", state);
    }

    fn alive(&mut self) {}
}
