//! When the hold chain is proven anew.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use federation_health_cluster::proof::{Prover, Wanted};
use federation_health_core::{
    assess::Proof,
    hold::{CollectionPolicy, HoldPolicy},
};
use tokio::sync::Notify;

use crate::{engine::Engine, object::Known};

/// Changes of policies that come together are proven together.
const GATHER: Duration = Duration::from_secs(1);
/// A proof that failed is tried again after this: a server needs up to half a minute after its start to find the
/// parameter's kind.
const RETRY: Duration = Duration::from_secs(15);
/// How often it is checked whether there is anything new to prove: addresses of API servers have no watch of ours.
const LOOK: Duration = Duration::from_secs(60);

/// How the chain is proven.
pub enum Proving {
    /// On the real server.
    Real(Arc<Prover>),
    /// Taken for granted: the simulation's policies are part of its server.
    Assumed,
}

/// Proves the chain at the start, and whenever what it rests on changes.
pub struct Rehearsal {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// The object.
    pub known: Arc<Mutex<Known>>,
    /// How.
    pub proving: Proving,
    /// Policies or bindings changed.
    pub changed: Arc<Notify>,
}

impl Rehearsal {
    /// Runs until the process ends.
    pub async fn run(self) {
        let prover = match &self.proving {
            Proving::Real(prover) => prover.clone(),
            Proving::Assumed => {
                self.engine.set_proof(Proof::Proven { on: 1, of: 1 });
                return std::future::pending().await;
            }
        };
        let mut proven = None;
        let mut collector_seen = false;
        loop {
            let mut pause = LOOK;
            if let Some(policy) = self.policy() {
                let found = prover.fingerprint().await.ok();
                if found.is_none() || proven.as_ref() != Some(&(found, policy.clone())) {
                    let wanted = wanted(&policy, !collector_seen);
                    let proof = prover.prove(wanted).await;
                    let good = matches!(proof, Proof::Proven { .. });
                    tracing::info!(?proof, "tried the hold");
                    self.engine.set_proof(proof);
                    collector_seen |= good;
                    proven = good.then(|| (found, policy));
                    if !good {
                        pause = RETRY;
                    }
                }
            }
            tokio::select! {
                () = self.changed.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The holds asked for, if any are.
    fn policy(&self) -> Option<HoldPolicy> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.object.as_ref()?;
        let hold = known.settings.as_ref()?.policy.hold.clone();
        let asked = hold.collection != CollectionPolicy::Never || hold.federation;
        asked.then_some(HoldPolicy {
            requests: Vec::new(),
            ..hold
        })
    }
}

fn wanted(policy: &HoldPolicy, real: bool) -> Wanted {
    Wanted {
        collection: policy.collection != CollectionPolicy::Never,
        federation: policy.federation,
        real,
    }
}
