//! When the hold chain is proven anew.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use federation_health_cluster::proof::{Prover, ShippedError, Wanted};
use federation_health_core::{
    assess::Proof,
    hold::{CollectionPolicy, HoldPolicy},
    id::Text,
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

/// Makes the prover of one federation.
pub type ProverFor = Box<dyn Fn(&str) -> Result<Prover, ShippedError> + Send + Sync>;

/// How the chain is proven.
pub enum Proving {
    /// On the real server, for the federation whose control plane is in this namespace.
    Real(ProverFor),
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
        let Proving::Real(prover_for) = &self.proving else {
            self.engine.set_proof(Proof::Proven { on: 1, of: 1 });
            return std::future::pending().await;
        };
        let mut proven = None;
        loop {
            let mut pause = LOOK;
            if let Some((namespace, policy)) = self.policy() {
                match prover_for(&namespace) {
                    Ok(prover) => {
                        let wanted = Wanted::of(&policy, true);
                        let found = prover.fingerprint(wanted).await;
                        if found.is_none() || proven.as_ref() != Some(&(found, policy.clone())) {
                            let proof = prover.prove(wanted).await;
                            let good = matches!(proof, Proof::Proven { .. });
                            tracing::info!(?proof, "tried the hold");
                            self.engine.set_proof(proof);
                            proven = good.then(|| (found, policy));
                        }
                    }
                    Err(error) => self.engine.set_proof(Proof::Failed(error.to_string())),
                }
                if proven.is_none() {
                    pause = RETRY;
                }
            }
            tokio::select! {
                () = self.changed.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The holds asked for, if any are.
    fn policy(&self) -> Option<(Text, HoldPolicy)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.object.as_ref()?;
        let policy = &known.settings.as_ref()?.policy;
        let asked = policy.hold.collection != CollectionPolicy::Never || policy.hold.federation;
        let hold = HoldPolicy {
            requests: Vec::new(),
            ..policy.hold.clone()
        };
        asked.then(|| (policy.namespace.clone(), hold))
    }
}
