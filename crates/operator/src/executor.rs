//! Effects to writes. Every write of this program passes here or through the reconcile loop's status apply.

use std::{sync::Arc, time::Duration};

use federation_health_cluster::{call::CallError, host::Host};
use federation_health_core::{
    effect::{Effect, HoldImage, Rule},
    id::Text,
};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::{engine::Engine, metrics::Metrics};

/// Pause before a hold that could not be written is written again. Short: while it lasts nothing is held.
const HOLD_RETRY: Duration = Duration::from_millis(20);
/// Longest pause: an API server that restarts comes back within seconds.
const HOLD_RETRY_MAX: Duration = Duration::from_secs(1);
/// Period of the read that keeps the hold's connection: 120 an hour.
const WARM: Duration = Duration::from_secs(30);
/// Pause before live reads are tried again.
const READ_RETRY: Duration = Duration::from_millis(200);
/// Verifications at one time: two reads each; a mass deletion must not become a storm of our own.
const CONCURRENT_READS: usize = 16;
/// A deletion that cannot be verified in so many tries stays held; a person decides.
const READ_TRIES: u32 = 150;

/// Carries effects out.
pub struct Executor {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// The API server.
    pub host: Host,
    /// The API server over a connection that serves holds alone, kept warm.
    pub hold_host: Host,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// resourceVersion of the switch as the watch last saw it.
    pub version: watch::Receiver<u64>,
}

impl Executor {
    /// Writes the switch whenever its order changes: one writer, the latest order, nothing in between.
    pub async fn hold(self: Arc<Self>) {
        let mut orders = self.engine.hold.subscribe();
        let mut pause = HOLD_RETRY;
        while orders.changed().await.is_ok() {
            let (turn, given_up) = loop {
                let order = orders.borrow_and_update().clone();
                let Some(image) = &order.image else {
                    break (order.turn, false);
                };
                let Err(error) = self.write_hold(image, order.lowers).await else {
                    pause = HOLD_RETRY;
                    break (order.turn, false);
                };
                tracing::warn!(class = error.class(), %error, "the hold could not be written");
                self.metrics.write_failed("hold", error.class());
                // Another may have written, or the switch is gone: what to write is decided anew.
                let given_up = order.lowers || error.code() == Some(404);
                if given_up {
                    self.answered(image, None);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(HOLD_RETRY_MAX);
                if given_up {
                    break (order.turn, true);
                }
            };
            self.engine.written.send_replace(turn);
            if given_up {
                let now = self.engine.clock.now();
                self.engine.step(|federation| federation.tick(now));
            }
        }
    }

    fn answered(&self, image: &HoldImage, outcome: Option<u64>) {
        let now = self.engine.clock.now();
        self.engine
            .step(|federation| federation.hold_written(image, outcome, now));
    }

    /// Reads the switch now and then over the hold's own connection: a hold must not begin with a TLS handshake, and an
    /// idle connection is closed by the client's pool after 90 s.
    pub async fn keep_warm(self: Arc<Self>) {
        loop {
            if let Err(error) = self.hold_host.touch().await {
                tracing::debug!(class = error.class(), "the hold's connection is not warm");
            }
            tokio::time::sleep(WARM).await;
        }
    }

    async fn write_hold(&self, image: &HoldImage, lowers: bool) -> Result<(), CallError> {
        let version = lowers.then(|| self.known_version().to_string());
        let written = self.hold_host.write_hold(image, version.as_deref()).await?;
        self.metrics.hold_written(lowers);
        tracing::info!(
            collection = image.collection,
            federation = image.federation,
            why = image.message,
            "wrote the hold"
        );
        self.answered(image, Some(written));
        Ok(())
    }

    fn known_version(&self) -> u64 {
        let watched = *self.version.borrow();
        watched.max(self.engine.federation().hold_version())
    }

    /// Carries everything else out, each effect in a task of its own.
    pub async fn effects(self: Arc<Self>, mut effects: mpsc::Receiver<Effect>) {
        let reads = Arc::new(Semaphore::new(CONCURRENT_READS));
        while let Some(effect) = effects.recv().await {
            match effect {
                Effect::Verify(workspace, _) => {
                    let turn = self.engine.hold.borrow().turn;
                    tokio::spawn(self.clone().verify(workspace, turn, reads.clone()));
                }
                Effect::Durable(rule, active) => {
                    tokio::spawn(self.clone().durable(rule, active));
                }
                Effect::ConfirmRelease => {
                    tokio::spawn(self.clone().confirm());
                }
                Effect::Raise(_) | Effect::Lower(_) => {}
            }
        }
    }

    /// Live reads decide whether a deletion was wished; they come after the hold.
    async fn verify(self: Arc<Self>, workspace: Text, turn: u64, reads: Arc<Semaphore>) {
        let Ok(_slot) = reads.acquire().await else {
            return;
        };
        self.engine.hold_settled(turn).await;
        for _ in 0..READ_TRIES {
            match self.host.wish(&workspace).await {
                Ok(wish) => {
                    self.engine.verified(&workspace, Some(wish));
                    return;
                }
                Err(error) => {
                    self.metrics.write_failed("verify", error.class());
                    tracing::warn!(workspace = &*workspace, class = error.class(), %error, "a deletion could not be verified");
                    self.engine.verified(&workspace, None);
                    tokio::time::sleep(READ_RETRY).await;
                }
            }
        }
    }

    async fn durable(self: Arc<Self>, rule: Rule, active: bool) {
        match self.host.switch_binding(rule, active).await {
            Ok(()) => {
                tracing::info!(rule = rule.as_str(), active, "switched the durable binding");
                self.engine.binding(rule, Some(active));
            }
            // Its watch and the next tick try again.
            Err(error) => {
                self.metrics.write_failed("durable", error.class());
                tracing::warn!(rule = rule.as_str(), active, class = error.class(), %error, "the durable binding could not be switched");
            }
        }
    }

    async fn confirm(self: Arc<Self>) {
        let list = self.host.release_list().await;
        if let Err(error) = &list {
            self.metrics.write_failed("confirm", error.class());
            tracing::warn!(class = error.class(), %error, "a release could not be confirmed");
        }
        let now = self.engine.clock.now();
        self.engine.step(|federation| match &list {
            Ok(list) => federation.confirm_release(Some((&list.namespaces, &list.workspaces)), now),
            Err(_) => federation.confirm_release(None, now),
        });
    }
}
