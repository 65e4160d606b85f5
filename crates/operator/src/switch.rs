//! The FederationHold object: the switch that the fast policies read.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use federation_health_api::FederationHold;
use federation_health_cluster::{
    host::Host,
    watch::{Sink, Unreadable},
};
use federation_health_core::facts::FeedState;
use federation_health_index::hold;
use kube::core::ObjectMeta;
use tokio::sync::{Notify, watch};

use crate::{
    engine::Engine,
    known::{self, Known, Switch},
    metrics::Metrics,
};

/// Pause after a switch could not be created.
const RETRY: Duration = Duration::from_secs(1);

/// An object's resourceVersion; 0 if it is no number.
fn version_of(metadata: &ObjectMeta) -> u64 {
    let version = metadata.resource_version.as_deref();
    version.and_then(|v| v.parse().ok()).unwrap_or_default()
}

/// The switch's sink.
pub struct SwitchSink {
    engine: Arc<Engine>,
    name: String,
    known: Arc<Mutex<Known>>,
    /// Its resourceVersion, for the hold's writer.
    pub version: watch::Sender<u64>,
    rehearse: Arc<Notify>,
    metrics: Arc<Metrics>,
    listed: bool,
}

impl SwitchSink {
    /// A sink for the FederationHold of this name; `rehearse` is told when there is something new to prove.
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
            version: watch::Sender::new(0),
            rehearse,
            metrics,
            listed: false,
        }
    }

    fn turn(&self, to: Switch) -> Switch {
        let mut known = known::lock(&self.known);
        let from = std::mem::replace(&mut known.switch, to);
        if from != to {
            self.rehearse.notify_one();
            known.unmatched.notify_one();
        }
        from
    }

    fn gone(&self) {
        if self.turn(Switch::Missing) == Switch::Present {
            tracing::warn!(
                object = self.name,
                "the FederationHold is gone: what is held durably stays held"
            );
        }
        self.engine.step(|federation| {
            federation.switch_vanished();
            Vec::new()
        });
    }
}

impl Sink<FederationHold> for SwitchSink {
    fn begin(&mut self) {
        self.listed = false;
    }

    fn upsert(&mut self, switch: FederationHold) {
        if switch.metadata.name.as_deref() != Some(&*self.name) {
            return;
        }
        self.listed = true;
        let version = version_of(&switch.metadata);
        let image = hold::image(switch.status.as_ref().and_then(|s| s.hold.as_ref()));
        self.version
            .send_if_modified(|known| version > std::mem::replace(known, version.max(*known)));
        let first = self.turn(Switch::Present) != Switch::Present;
        let now = self.engine.clock.now();
        self.engine.step(|federation| {
            federation.observe_hold(image, hold::released(&switch), version, first, now)
        });
    }

    fn remove(&mut self, switch: FederationHold) {
        if switch.metadata.name.as_deref() == Some(&*self.name) {
            self.gone();
        }
    }

    fn end(&mut self) {
        if !self.listed {
            self.gone();
        }
    }

    fn malformed(&mut self, name: &str, why: &Unreadable) {
        tracing::warn!(object = name, %why, "a FederationHold cannot be read; what it said before stays in force");
        self.listed |= name == self.name;
    }

    fn state(&mut self, state: FeedState) {
        tracing::debug!(state = state.as_str(), "feed of FederationHolds");
        self.metrics.served("FederationHolds", state);
        if matches!(state, FeedState::NotInstalled | FeedState::Forbidden) {
            self.turn(Switch::Unreadable);
        }
    }

    fn alive(&mut self) {}
}

/// Creates the switch whenever there is none for the object that is served.
pub async fn keep(host: Host, known: Arc<Mutex<Known>>, rehearse: Arc<Notify>) {
    let lock = || known::lock(&known);
    let unmatched = lock().unmatched.clone();
    loop {
        let needed = {
            let known = lock();
            matches!(known.switch, Switch::Missing | Switch::Refused) && known.object.is_some()
        };
        if needed && let Err(error) = host.create_switch().await {
            tracing::warn!(class = error.class(), %error, "the FederationHold could not be created");
            if std::mem::replace(&mut lock().switch, Switch::Refused) == Switch::Missing {
                rehearse.notify_one();
            }
            tokio::time::sleep(RETRY).await;
        } else {
            unmatched.notified().await;
        }
    }
}
