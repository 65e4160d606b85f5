//! Dry-run deletions of the canaries through every address: each step must have the same end everywhere.

use std::time::Duration;

use federation_health_core::assess::Proof;
use futures::future::join_all;
use kube::Client;
use tokio::time::{Instant, sleep};

use super::{
    Layer, Part, Prover, Wanted,
    addresses::Trial,
    canary::{Answer, canaries, durable, name},
    fault,
};

/// A switch takes 2 ms, a new policy or binding is read within a second. Longer than this is not a hold that comes in time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries: short at first, then no burden for the server.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Tries to put the proof flag back.
const OFF_TRIES: u32 = 3;

/// What a step expects of each canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Allowed,
    Refused,
}

impl Prover {
    /// Fills in the fault of each address that failed; `Err` only if the proof flag could not be written.
    pub(super) async fn try_layers(
        &self,
        wanted: &Wanted,
        trials: &mut [Trial],
    ) -> Result<(), Proof> {
        let of_layer = |layer: Layer, parts: Vec<Part>| -> Vec<Part> {
            parts.into_iter().filter(|p| p.layer == layer).collect()
        };
        // Of a rule without fast layer too: here they are the control, covered by no rule.
        let controls = of_layer(Layer::Fast, canaries(wanted));
        let fast = of_layer(Layer::Fast, wanted.parts());
        let durable: Vec<Part> = durable(wanted).collect();
        if !fast.is_empty() {
            // A proof that was cut off left it on.
            self.write_flag(false).await?;
        }
        self.step(trials, &controls, Expected::Allowed).await;
        if !fast.is_empty() && alive(trials) {
            let switched = self.write_flag(true).await;
            if switched.is_ok() {
                self.step(trials, &fast, Expected::Refused).await;
            }
            // Also after a failed write: an answer that got lost does not say that nothing was written.
            let off = self.flag_off().await;
            switched.and(off)?;
            self.step(trials, &controls, Expected::Allowed).await;
        }
        self.step(trials, &durable, Expected::Refused).await;
        for trial in trials.iter() {
            if let Some(fault) = &trial.fault {
                tracing::warn!(address = trial.label, ?fault, "the hold is not proven");
            }
        }
        Ok(())
    }

    async fn write_flag(&self, on: bool) -> Result<(), Proof> {
        self.host.write_proof(on).await.map_err(|error| {
            let what = if on { "on" } else { "off" };
            fault(
                &format!(
                    "switch status.proof of FederationHold {} {what}",
                    self.install.object
                ),
                &error,
            )
        })
    }

    async fn flag_off(&self) -> Result<(), Proof> {
        let mut result = self.write_flag(false).await;
        for _ in 1..OFF_TRIES {
            if result.is_ok() {
                break;
            }
            sleep(LONGEST_PAUSE).await;
            result = self.write_flag(false).await;
        }
        result
    }

    /// One step on all addresses that passed the ones before, side by side.
    async fn step(&self, trials: &mut [Trial], parts: &[Part], expected: Expected) {
        let healthy = trials.iter_mut().filter(|trial| trial.fault.is_none());
        join_all(healthy.map(async |trial| {
            for part in parts {
                if let Err(fault) = self.expect(trial, *part, expected).await {
                    trial.fault = Some(fault);
                    return;
                }
            }
        }))
        .await;
    }

    async fn expect(&self, trial: &Trial, part: Part, expected: Expected) -> Result<(), Proof> {
        let client: &Client = &trial.client;
        let deadline = Instant::now() + PATIENCE;
        let mut pause = PAUSE;
        loop {
            let seen = match (self.ask(client, part).await, expected) {
                (Answer::Allowed, Expected::Allowed) | (Answer::Refused, Expected::Refused) => {
                    return Ok(());
                }
                (Answer::Other(fault @ Proof::Forbidden(_)), _) => return Err(fault),
                (Answer::Other(Proof::Failed(why)), _) => why,
                (answer, _) => sentence(part, &answer),
            };
            if Instant::now() + pause >= deadline {
                return Err(Proof::Failed(format!("{seen} (Through {}.)", trial.label)));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn alive(trials: &[Trial]) -> bool {
    trials.iter().any(|trial| trial.fault.is_none())
}

/// What was seen for [`PATIENCE`] where the opposite was expected.
fn sentence(part: Part, answer: &Answer) -> String {
    let (canary, rule) = (name(part), part.rule.as_str());
    let seconds = PATIENCE.as_secs();
    match (answer, part.layer) {
        (Answer::Allowed, Layer::Fast) => format!(
            "The fast layer of rule {rule} is not in force: the dry-run deletion of {canary} was still allowed \
             {seconds} s after status.proof was switched on. An API server that has just started needs about 30 s \
             before it knows the parameter's kind; the proof is repeated."
        ),
        (Answer::Allowed, Layer::Durable) => format!(
            "The durable layer of rule {rule} is not in force: the dry-run deletion of {canary} was still allowed after {seconds} s."
        ),
        _ => format!(
            "The dry-run deletion of {canary} was still refused after {seconds} s with status.proof off."
        ),
    }
}
