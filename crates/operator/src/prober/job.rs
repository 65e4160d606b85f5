//! One probe: reads the token, dials with it, and learns beside that where it was made.

use std::sync::{Arc, Mutex, PoisonError};

use federation_health_cluster::probe::{
    self, Bindings, Credentials, CredentialsError, Dial, DialRequest, Looked, Probed, Site, Target,
};
use federation_health_core::{
    facts::{Asked, Change, Probe},
    id::{RegistrationKey, Text, Uid},
    identity::{LEASES_MAX, LeaseSample},
};
use kube::Client;

use super::{Done, Plan, Seen};
use crate::engine::Engine;

/// Leases are renewed every 2 to 10 s; one that is this far behind the newest is nobody's any more, and a dead Lease is
/// alike in a cluster and in its clone.
const LIVE_US: i64 = 60_000_000;
/// A probe that was begun.
pub(super) struct Job {
    pub(super) engine: Arc<Engine>,
    pub(super) client: Client,
    pub(super) dialer: Arc<dyn Dial>,
    pub(super) bindings: Arc<Mutex<Bindings>>,
    pub(super) looked: Arc<Mutex<Looked>>,
    pub(super) plan: Plan,
    pub(super) key: RegistrationKey,
    pub(super) seen: Arc<Seen>,
    pub(super) accounts: bool,
}

impl Job {
    pub(super) async fn run(self) -> Done {
        let credentials = probe::credentials(
            &self.client,
            &self.key.namespace,
            &self.seen.spec.secret_ref.name,
        )
        .await;
        let (done, ()) = tokio::join!(self.probed(&credentials), self.account(&credentials));
        done
    }

    async fn probed(&self, credentials: &Result<Credentials, CredentialsError>) -> Done {
        let outcome = self.probe(credentials).await;
        let answered = match &outcome {
            Probe::Answered { uid, .. } => Some(*uid),
            Probe::Failed(_) => None,
        };
        if let Probe::Failed(class) = &outcome {
            tracing::debug!(registration = %self.key, class, "probe failed");
        }
        self.engine
            .apply(Change::Probed(self.key.clone(), self.asked(), outcome));
        Done {
            key: self.key.clone(),
            seen: self.seen.clone(),
            answered,
        }
    }

    fn asked(&self) -> Asked {
        self.seen.asked.clone()
    }

    /// Learns where the token was made, beside the probe: it may be slow, or never be answered.
    async fn account(&self, credentials: &Result<Credentials, CredentialsError>) {
        let registration = self.seen.asked.uid;
        let looked = || self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match credentials {
            Ok(found) => {
                if !looked().anew(registration, &found.secret) && !self.accounts {
                    return;
                }
                let namespace = &self.key.namespace;
                probe::token_account(&self.client, namespace, &found.token).await
            }
            Err(CredentialsError::NotFound | CredentialsError::NoToken)
                if looked().forget(registration) =>
            {
                Ok(None)
            }
            Err(_) => return,
        };
        match found {
            Ok(found) => {
                let change = Change::TokenAccount(self.key.clone(), self.asked(), found);
                self.engine.apply(change);
            }
            Err(error) => {
                looked().forget(registration);
                tracing::debug!(registration = %self.key, class = error.class(), "the account of its token could not be looked for");
            }
        }
    }

    async fn probe(&self, credentials: &Result<Credentials, CredentialsError>) -> Probe {
        let site = match Site::of(&self.seen.spec) {
            Ok(site) => site,
            Err(error) => return Probe::Failed(error.as_str()),
        };
        let credentials = match credentials {
            Ok(credentials) => credentials,
            Err(error) => return Probe::Failed(error.as_str()),
        };
        let may = {
            let bindings = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
            bindings.may_send(self.seen.asked.uid, &site, &credentials.secret)
        };
        if !may {
            return Probe::Failed("EndpointChanged");
        }
        let request = DialRequest {
            target: Target {
                site: site.clone(),
                token: credentials.token.clone(),
            },
            policy: self.plan.policy.clone(),
            timeout: self.plan.timeout,
            accounts: self.accounts,
        };
        let outcome = self.dialer.dial(request).await;
        self.bindings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(self.seen.asked.uid, &site, &credentials.secret, &outcome);
        match outcome {
            Ok(probed) => {
                if let Some(accounts) = &probed.accounts {
                    let names = accounts.iter().map(|name| Text::from(name.as_str()));
                    self.engine.apply(Change::Accounts(
                        self.key.clone(),
                        self.asked(),
                        names.collect(),
                    ));
                }
                answered(&probed)
            }
            Err(error) => Probe::Failed(error.as_str()),
        }
    }
}

fn answered(probed: &Probed) -> Probe {
    let Some(uid) = Uid::parse(&probed.kube_system_uid) else {
        return Probe::Failed("NotKubernetes");
    };
    let newest = probed
        .leases
        .iter()
        .map(|lease| lease.renew_time_us)
        .max()
        .unwrap_or_default();
    let live = probed
        .leases
        .iter()
        .filter(|lease| newest.saturating_sub(lease.renew_time_us) < LIVE_US);
    let leases = live.take(LEASES_MAX).map(|lease| LeaseSample {
        name: Text::from(lease.name.as_str()),
        holder: Text::from(lease.holder.as_str()),
        version: lease.resource_version,
        renewed_us: lease.renew_time_us,
    });
    Probe::Answered {
        uid,
        leases: leases.collect(),
    }
}
