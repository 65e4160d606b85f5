//! The proof behind `HoldReady`: the policies are as shipped, and this server, now, refuses what they say.
//!
//! Comparing objects shows what should happen, not what does: an API server that has just started does not know the
//! parameter's kind yet, a webhook may answer before us, the collector may run under a name we do not know. So canaries
//! of ours are deleted, by dry run through every address of the API server, and once for real by the real collector.

mod addresses;
mod canary;
mod collector;
mod dial;
mod fingerprint;
pub mod guards;
mod inspect;
mod installed;
mod layers;
mod shipped;

use std::net::SocketAddr;

use federation_health_api::names;
use federation_health_core::{
    assess::Proof, effect::Rule, federation::Policy, hold::CollectionPolicy, id::Text,
};
use kube::Client;

pub use dial::dial_with;
pub(crate) use fingerprint::version;
pub use fingerprint::{Server, fingerprint};
pub(crate) use inspect::faults;
pub use inspect::inspect;
pub use installed::Installed;
pub(crate) use installed::supported;
pub use shipped::{Shipped, ShippedError};

use crate::{call::CallError, host::Host};

/// Builds a client for one address of the API server; None if that address cannot be dialled at all.
///
/// [`dial_with`] makes one from the configuration of the program's other clients.
pub type Clients = Box<dyn Fn(SocketAddr) -> Option<Client> + Send + Sync>;

/// What the owner asked for, and so what has to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Collection rule. `Always` is the durable layer alone, so that the fast one is neither required nor tried.
    pub collection: CollectionPolicy,
    /// Federation rule, on diagnosis: both layers.
    pub federation: bool,
    /// Namespace of the guarded control plane: the durable federation policy must name it.
    pub plane: Text,
    /// Let the real collector try as well: once per process, and again after policies or servers changed.
    pub real: bool,
}

impl Wanted {
    /// What this policy needs.
    pub fn of(policy: &Policy) -> Self {
        Self {
            collection: policy.hold.collection,
            federation: policy.hold.federation,
            plane: policy.namespace.clone(),
            real: true,
        }
    }

    /// The policies that have to work, fast ones first.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let wanted = |part: &Part| match (part.rule, part.layer) {
            (Rule::Collection, Layer::Fast) => self.collection == CollectionPolicy::OnDiagnosis,
            (Rule::Collection, Layer::Durable) => self.collection != CollectionPolicy::Never,
            (Rule::Federation, _) => self.federation,
        };
        Part::ALL.into_iter().filter(wanted).collect()
    }
}

/// Layer of the hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Layer {
    /// Switched by `status.hold` of the FederationHold.
    Fast,
    /// Switched by its binding.
    Durable,
}

/// One policy with its binding, which has the same name, and its canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Part {
    pub(crate) rule: Rule,
    pub(crate) layer: Layer,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [
        Self::new(Rule::Collection, Layer::Fast),
        Self::new(Rule::Federation, Layer::Fast),
        Self::new(Rule::Collection, Layer::Durable),
        Self::new(Rule::Federation, Layer::Durable),
    ];

    pub(crate) const fn new(rule: Rule, layer: Layer) -> Self {
        Self { rule, layer }
    }

    /// Name of policy and binding.
    pub(crate) fn name(self) -> &'static str {
        match (self.rule, self.layer) {
            (Rule::Collection, Layer::Fast) => names::COLLECTION_FAST,
            (Rule::Collection, Layer::Durable) => names::COLLECTION_DURABLE,
            (Rule::Federation, Layer::Fast) => names::FEDERATION_FAST,
            (Rule::Federation, Layer::Durable) => names::FEDERATION_DURABLE,
        }
    }

    /// Value of the canary's label.
    pub(crate) fn canary(self) -> &'static str {
        match (self.rule, self.layer) {
            (Rule::Collection, Layer::Fast) => "fast-collection",
            (Rule::Collection, Layer::Durable) => "durable-collection",
            (Rule::Federation, Layer::Fast) => "fast-federation",
            (Rule::Federation, Layer::Durable) => "durable-federation",
        }
    }
}

/// Names of policies and bindings.
pub(crate) fn names(parts: &[Part]) -> Vec<&'static str> {
    parts.iter().map(|part| part.name()).collect()
}

/// The values by which an installation may differ from the files of this repository.
#[derive(Clone, Debug)]
pub struct Install {
    /// Namespace of the operator and its canaries.
    pub namespace: String,
    /// FederationHold that the fast policies read as their parameter.
    pub object: String,
}

/// Runs the proof.
pub struct Prover {
    client: Client,
    clients: Clients,
    host: Host,
    install: Install,
    shipped: Shipped,
}

impl Prover {
    /// A prover that asks through `client`, and through those that `clients` builds for the other addresses.
    ///
    /// # Errors
    /// The policies built into this program do not parse: a fault of the build.
    pub fn new(client: Client, install: Install, clients: Clients) -> Result<Self, ShippedError> {
        Ok(Self {
            host: Host::new(client.clone(), install.object.clone()),
            shipped: Shipped::for_install(&install)?,
            client,
            clients,
            install,
        })
    }

    /// Tries everything that is wanted; Pending if nothing is.
    ///
    /// Takes a second or two; every step is bounded, all together below three minutes when every answer is slow. Nothing of
    /// it stays, and the proof flag is put back also when a step fails; if the future is dropped in the middle, the next
    /// proof begins by doing so (until then dry-run deletions of the fast canaries are refused, and nothing else).
    pub async fn prove(&self, wanted: &Wanted) -> Proof {
        match self.attempt(wanted).await {
            Ok(proof) | Err(proof) => proof,
        }
    }

    /// What the last proof rests on: repeat it when this changes. None if it cannot be read, which is a reason to repeat
    /// as well.
    pub async fn fingerprint(&self, wanted: &Wanted) -> Option<u64> {
        let installed = Installed::read(&self.client, &names(&wanted.parts()))
            .await
            .ok()?;
        let server = Server::read(&self.client).await?;
        Some(fingerprint(&installed, &server))
    }

    /// `Err` is where a step ended the proof.
    async fn attempt(&self, wanted: &Wanted) -> Result<Proof, Proof> {
        let parts = wanted.parts();
        if parts.is_empty() {
            return Err(Proof::Pending);
        }
        let installed = Installed::read(&self.client, &names(&parts)).await?;
        if let Some(wrong) = inspect(&self.shipped, &installed, wanted) {
            return Err(wrong);
        }
        self.ensure_canaries(wanted).await?;
        let mut trials = self.trials().await;
        self.try_layers(wanted, &mut trials).await?;
        if wanted.real {
            self.try_collector(wanted).await?;
        }
        let of = trials.len();
        let mut faults = trials.into_iter().filter_map(|trial| trial.fault);
        match faults.next() {
            None => Ok(Proof::Proven { on: of, of }),
            Some(first) => {
                let failed = 1 + faults.count();
                if failed == of {
                    return Err(first);
                }
                Ok(Proof::Proven {
                    on: of - failed,
                    of,
                })
            }
        }
    }
}

/// A step that did not work: a right is lacking, or it failed with these words.
fn fault(what: &str, error: &CallError) -> Proof {
    match error {
        CallError::Refused { code: 403, message } if !by_admission(message) => {
            Proof::Forbidden(what.to_owned())
        }
        _ => Proof::Failed(format!("Could not {what}: {error}.")),
    }
}

/// Whether a policy or webhook refused, rather than the authorizer: both answer 403.
fn by_admission(message: &str) -> bool {
    message.contains("denied request") || message.contains("denied the request")
}

#[cfg(test)]
mod tests;
