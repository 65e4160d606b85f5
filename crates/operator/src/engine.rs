//! The one place where facts meet decisions: every watch calls in, every effect goes out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use federation_health_cluster::proof::Wanted;
use federation_health_core::{
    assess::Proof,
    effect::{Effect, HoldImage, Rule},
    facts::{Change, Feed},
    federation::{Federation, LiveWish},
    id::Text,
    placement::Selector,
};
use tokio::sync::{Notify, mpsc, watch};

use crate::clock::Clock;

/// Effects other than holds that may wait for the executor: a storm makes one for each Workspace at most, and the executor
/// drops none, so this is a bound on memory (64 bytes each), not on work.
pub const MAX_EFFECTS: usize = 131_072;

/// What the hold's writer is to write, and in which turn.
#[derive(Clone, Debug, Default)]
pub struct HoldOrder {
    /// Counts orders, so that a waiter knows when its own has been carried out.
    pub turn: u64,
    /// The image; None until the first.
    pub image: Option<HoldImage>,
    /// It only lowers: needs the resourceVersion.
    pub lowers: bool,
}

/// What is known of the hold that is wanted now.
#[derive(Default)]
struct Shown {
    wanted: Option<Wanted>,
    proof: Proof,
}

/// State shared by the watches, the reconcile loop and the executor.
pub struct Engine {
    federation: Mutex<Federation>,
    /// Where time comes from.
    pub clock: Clock,
    /// Something changed that status may show.
    pub dirty: Notify,
    /// The owner's wishes were read anew: whoever keeps the lease looks.
    pub asked: Notify,
    /// The same for remediation.
    pub remedy: Notify,
    /// Registrations changed: the prober looks.
    pub registrations: Notify,
    /// The latest order for the hold's writer; a newer one replaces an older one that has not been carried out.
    pub hold: watch::Sender<HoldOrder>,
    /// Turn of the last order that was written or given up.
    pub written: watch::Sender<u64>,
    effects: mpsc::Sender<Effect>,
    ignore: Mutex<Option<Selector>>,
    proof: Mutex<Shown>,
}

impl Engine {
    /// An engine and the receiving end of its effects.
    pub fn new(clock: Clock) -> (Arc<Self>, mpsc::Receiver<Effect>) {
        let (effects, receiver) = mpsc::channel(MAX_EFFECTS);
        let engine = Self {
            federation: Mutex::default(),
            clock,
            dirty: Notify::new(),
            asked: Notify::new(),
            remedy: Notify::new(),
            registrations: Notify::new(),
            hold: watch::Sender::new(HoldOrder::default()),
            written: watch::Sender::new(0),
            effects,
            ignore: Mutex::default(),
            proof: Mutex::default(),
        };
        (Arc::new(engine), receiver)
    }

    /// The federation, for a short look. A thread that panicked inside left no half-made facts worth dying for twice: each
    /// change is applied by one call, and the process ends anyway when a task does.
    pub fn federation(&self) -> MutexGuard<'_, Federation> {
        self.federation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one step of decisions and sends its effects on their way before anything else happens.
    pub fn step(&self, decide: impl FnOnce(&mut Federation) -> Vec<Effect>) {
        self.step_quietly(decide);
        self.dirty.notify_one();
        self.remedy.notify_one();
    }

    /// The same without waking the reconcile loop, which calls it.
    pub fn step_quietly(&self, decide: impl FnOnce(&mut Federation) -> Vec<Effect>) {
        let mut federation = self.federation();
        // Sent under the lock: orders of the hold must leave in the order in which they were decided.
        for effect in decide(&mut federation) {
            self.send(effect);
        }
    }

    fn send(&self, effect: Effect) {
        let (image, lowers) = match effect {
            Effect::Raise(image) => (image, false),
            Effect::Lower(image) => (image, true),
            other => {
                if self.effects.try_send(other).is_err() {
                    tracing::error!(
                        "the queue of effects is full or closed: one effect is dropped and will be planned again"
                    );
                }
                return;
            }
        };
        let settled = *self.written.borrow();
        self.hold.send_modify(|order| {
            // What still waits to be raised is not held up by the precondition of a later lowering: the image says it all.
            let waiting = settled < order.turn && !order.lowers;
            *order = HoldOrder {
                turn: order.turn + 1,
                image: Some(image),
                lowers: lowers && !waiting,
            };
        });
    }

    /// Applies one change.
    pub fn apply(&self, change: Change) {
        let now = self.clock.now();
        self.step(|federation| federation.apply(change, now));
    }

    /// The full list of this feed that begins next is compared with its watch.
    pub fn audit(&self, feed: &Feed) {
        self.federation().audit(feed);
    }

    /// A full list of this feed begins.
    pub fn begin(&self, feed: &Feed) {
        self.federation().begin(feed);
    }

    /// A full list of this feed is complete.
    pub fn end(&self, feed: &Feed) {
        let now = self.clock.now();
        self.step(|federation| federation.end(feed, now));
    }

    /// A feed spoke.
    pub fn heard(&self, feed: &Feed) {
        let now = self.clock.now();
        self.federation().heard(feed, now);
    }

    /// Live reads of a Workspace's desired objects came back.
    pub fn verified(&self, workspace: &Text, wish: Option<LiveWish>) {
        let now = self.clock.now();
        self.step(|federation| federation.verified(workspace, wish, now));
    }

    /// A durable binding was seen.
    pub fn binding(&self, rule: Rule, active: Option<bool>) {
        let now = self.clock.now();
        self.step(|federation| federation.observe_binding(rule, active, now));
    }

    /// Waits until the order of this turn, or a later one, has been written or given up.
    pub async fn hold_settled(&self, turn: u64) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self
            .written
            .subscribe()
            .wait_for(|written| *written >= turn)
            .await;
    }

    /// Workspaces that are not judged.
    pub fn ignore(&self) -> Option<Selector> {
        self.ignore
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sets which Workspaces are not judged.
    pub fn set_ignore(&self, selector: Option<Selector>) {
        *self.ignore.lock().unwrap_or_else(PoisonError::into_inner) = selector;
    }

    /// What is known of the hold chain that is wanted now.
    pub fn proof(&self) -> Proof {
        self.shown().proof.clone()
    }

    /// Another hold is wanted: a proof of the former one says nothing about it.
    pub fn want(&self, wanted: Wanted) {
        let mut shown = self.shown();
        if shown.wanted.as_ref() != Some(&wanted) {
            *shown = Shown {
                wanted: Some(wanted),
                proof: Proof::Pending,
            };
        }
    }

    /// This hold was proven, or was not; of no account if another is wanted by now.
    pub fn set_proof(&self, wanted: &Wanted, proof: Proof) {
        let mut shown = self.shown();
        if shown.wanted.as_ref() == Some(wanted) {
            shown.proof = proof;
            self.dirty.notify_one();
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use federation_health_core::{federation::Policy, hold::HoldPolicy};

    use super::*;

    fn wanted(federation: bool) -> Wanted {
        Wanted::of(&Policy {
            hold: HoldPolicy {
                federation,
                ..HoldPolicy::default()
            },
            ..Policy::default()
        })
    }

    #[test]
    fn a_proof_speaks_of_the_hold_that_was_tried_and_of_no_other() {
        let (engine, _effects) = Engine::new(Clock::wall());
        let (former, current) = (wanted(false), wanted(true));
        let good = Proof::Proven { on: 1, of: 1 };
        engine.want(former.clone());
        engine.set_proof(&former, good.clone());
        engine.want(former.clone());
        assert_eq!(engine.proof(), good, "the same wish again");
        engine.want(current.clone());
        assert_eq!(engine.proof(), Proof::Pending, "another wish");
        engine.set_proof(&former, good.clone());
        assert_eq!(
            engine.proof(),
            Proof::Pending,
            "a proof that came late speaks of the former wish"
        );
        engine.set_proof(&current, good.clone());
        assert_eq!(engine.proof(), good);
    }
}
