//! When the hold chain is proven anew.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use federation_health_cluster::proof::{Prover, Wanted};
use federation_health_core::{assess::Proof, hold::CollectionPolicy};
use tokio::{sync::Notify, time::Instant};

use crate::{
    engine::Engine,
    known::{self, Known, Switch},
};

/// Changes of policies that come together are proven together.
const GATHER: Duration = Duration::from_secs(1);
/// A proof that failed is tried again after this: a server needs up to half a minute after its start to find the
/// parameter's kind.
const RETRY: Duration = Duration::from_secs(15);
/// A hold that was proven and fails now is told only when it fails for longer than this: every API server refuses everybody
/// in its first second and opens the fast layer for half a minute after a start, which the durable layer covers and no
/// person can mend.
const STARTING: Duration = Duration::from_secs(45);
/// How often it is checked whether there is anything new to prove: addresses of API servers have no watch of ours.
const LOOK: Duration = Duration::from_secs(60);

/// How the chain is proven.
pub enum Proving {
    /// On the real server.
    Real(Box<Prover>),
    /// Taken for granted: the simulation's policies are part of its server.
    Assumed,
}

/// What earlier looks found.
#[derive(Default)]
struct Chain {
    /// What the last good proof rests on.
    proven: Option<(Option<u64>, Wanted)>,
    /// The hold that was last shown to be proven.
    shown: Option<Wanted>,
    /// Since when it fails after that.
    failing: Option<Instant>,
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
        let mut chain = Chain::default();
        loop {
            let mut pause = LOOK;
            if let Some(wanted) = self.wanted() {
                match &self.proving {
                    Proving::Assumed => {
                        (self.engine).set_proof(&wanted, Proof::Proven { on: 1, of: 1 });
                    }
                    Proving::Real(prover) => pause = self.look(prover, wanted, &mut chain).await,
                }
            }
            let gather = match self.proving {
                Proving::Real(_) => GATHER,
                Proving::Assumed => Duration::ZERO,
            };
            tokio::select! {
                () = self.changed.notified() => tokio::time::sleep(gather).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Proves the chain if there is anything new to prove. Gives how long it need not be looked at again.
    async fn look(&self, prover: &Prover, wanted: Wanted, chain: &mut Chain) -> Duration {
        let found = prover.fingerprint(&wanted).await;
        let rests = (found, wanted.clone());
        let due = found.is_none()
            || chain.proven.as_ref() != Some(&rests)
            || self.engine.proof() == Proof::Pending;
        if due {
            let proof = prover.prove(&wanted).await;
            tracing::info!(?proof, "tried the hold");
            let good = matches!(proof, Proof::Proven { on, of } if on == of);
            chain.proven = good.then_some(rests);
            let passing = matches!(proof, Proof::Failed(_) | Proof::Forbidden(_))
                && chain.shown.as_ref() == Some(&wanted)
                && (chain.failing).get_or_insert_with(Instant::now).elapsed() < STARTING;
            if !passing {
                self.engine.set_proof(&wanted, proof);
                chain.shown = good.then_some(wanted);
                chain.failing = None;
            }
        }
        if chain.proven.is_some() { LOOK } else { RETRY }
    }

    /// The holds asked for, if any are and there is something to try them with.
    fn wanted(&self) -> Option<Wanted> {
        let known = known::lock(&self.known);
        known.object.as_ref()?;
        if matches!(known.switch, Switch::Unread | Switch::Missing) {
            return None;
        }
        let policy = &known.settings.as_ref()?.policy;
        let asked = policy.hold.collection != CollectionPolicy::Never || policy.hold.federation;
        asked.then(|| Wanted::of(policy))
    }
}
