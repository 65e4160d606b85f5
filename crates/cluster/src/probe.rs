//! Reads, through a registration and with its own token, the few facts that tell which cluster is behind it.
//!
//! The other end is anybody: whoever may write a KubeFedCluster chooses the endpoint, the CA and the Secret. Nothing of
//! what it sends leaves this module but checked identifiers and numbers; every failure is one of a finite set.

mod account;
mod bindings;
mod credentials;
mod read;
mod tls;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use federation_health_api::foreign::KubeFedClusterSpec;
use federation_health_index::{
    ca::{self, CaError},
    endpoint::{self, Endpoint},
};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};

pub use self::{
    account::{Looked, token_account},
    bindings::Bindings,
    credentials::{Credentials, CredentialsError, SecretVersion, credentials},
    tls::TlsDialer,
};
use crate::endpoint::{EndpointPolicy, Refusal, ResolveError};

/// A ServiceAccount token has about 1 KB; API servers refuse headers far below this.
const MAX_TOKEN: usize = 16 << 10;

/// A bearer token. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// Takes a token as it stands in a Secret; white space around it is dropped.
    pub fn new(text: &str) -> Result<Self, ProbeError> {
        let text = text.trim_ascii();
        if text.is_empty()
            || text.len() > MAX_TOKEN
            || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ProbeError::BadCredentials);
        }
        Ok(Self(SecretString::from(text)))
    }

    fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Where a registration leads, and whom to trust there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Certificates of the CA bundle in DER. Without any the operating system's store decides, as it does for KubeFed.
    pub ca: BTreeSet<Vec<u8>>,
    /// [`ca::ca_fingerprint`] of the bundle; none without a bundle.
    pub ca_fingerprint: Option<u128>,
}

impl Site {
    /// Reads a registration.
    ///
    /// One that disables TLS validations or asks for a proxy is refused: the token would go to whoever answers, or
    /// through a machine that another person chose.
    pub fn of(spec: &KubeFedClusterSpec) -> Result<Self, ProbeError> {
        if !spec.disabled_tls_validations.is_empty() {
            return Err(ProbeError::EndpointRefused(Refusal::TlsValidationDisabled));
        }
        if !spec.proxy_url.is_empty() {
            return Err(ProbeError::EndpointRefused(Refusal::Proxy));
        }
        let endpoint = endpoint::normalize(&spec.api_endpoint)
            .map_err(|_| ProbeError::EndpointRefused(Refusal::Malformed))?;
        let (ca, ca_fingerprint) = match ca::ca_certificates(&spec.ca_bundle) {
            Ok(ca) => (ca, ca::ca_fingerprint(&spec.ca_bundle).ok()),
            Err(CaError::Empty) => (BTreeSet::new(), None),
            Err(_) => return Err(ProbeError::TlsUntrusted),
        };
        Ok(Self {
            endpoint,
            ca,
            ca_fingerprint,
        })
    }
}

/// What is dialled: a site and the token for it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to, and whom to trust.
    pub site: Site,
    /// Who we are there.
    pub token: Token,
}

/// What a probe learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// UID of the namespace kube-system: letters, digits and dashes, at most 64.
    pub kube_system_uid: String,
    /// Some Leases of kube-system: the controller manager's and the scheduler's first, the others by name.
    pub leases: Vec<LeaseRead>,
    /// Why there are no Leases, if reading them failed; the UID counts all the same.
    pub leases_error: Option<ProbeError>,
    /// KubeFed's accounts there, from the names of their ClusterRoles; none if they were not asked for or not readable.
    pub accounts: Option<Vec<String>>,
}

/// A Lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRead {
    /// Its name, in the API's alphabet.
    pub name: String,
    /// `spec.holderIdentity`: printable ASCII, empty when released.
    pub holder: String,
    /// Its version.
    pub resource_version: u64,
    /// `spec.renewTime` in microseconds since 1970 by the member's clock; 0 if it was never renewed.
    pub renew_time_us: i64,
}

/// Why a probe learned nothing. Finite and free of anybody else's text, so that it can stand in status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProbeError {
    /// The policy forbids the endpoint, or the registration asks for a transport that we do not use.
    #[error("dial the API endpoint: refused, {0}")]
    EndpointRefused(Refusal),
    /// The host has no address.
    #[error("resolve the host of the API endpoint")]
    Unresolvable,
    /// No TLS connection came about, by refusal or in time. The token was not sent.
    #[error("connect to the API endpoint")]
    Unreachable,
    /// The server's certificate is not what the CA bundle and the endpoint's host ask for, or the bundle cannot be
    /// read. The token was not sent.
    #[error("trust the certificate of the API endpoint")]
    TlsUntrusted,
    /// 401.
    #[error("authenticate at the API endpoint: the token is not valid there")]
    Unauthorized,
    /// 403.
    #[error("read the namespace kube-system or its leases: the token has no right to")]
    Forbidden,
    /// 429 or 5xx.
    #[error("get an answer from the API endpoint: it is overloaded or failing")]
    Unavailable,
    /// Whatever answered is no Kubernetes API server; redirects are not followed.
    #[error("read the namespace kube-system: the API endpoint does not speak the Kubernetes API")]
    NotKubernetes,
    /// TLS stands, but the answer did not come in time.
    #[error("get an answer from the API endpoint in time")]
    Timeout,
    /// The answer is larger than such an answer can be.
    #[error("read the answer of the API endpoint: it is too large")]
    BodyTooLarge,
    /// The Secret holds no token that could be sent.
    #[error("read the registration's token")]
    BadCredentials,
}

impl ProbeError {
    /// The class for reasons and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndpointRefused(_) => "EndpointRefused",
            Self::Unresolvable => "Unresolvable",
            Self::Unreachable => "Unreachable",
            Self::TlsUntrusted => "TlsUntrusted",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::Unavailable => "Unavailable",
            Self::NotKubernetes => "NotKubernetes",
            Self::Timeout => "Timeout",
            Self::BodyTooLarge => "BodyTooLarge",
            Self::BadCredentials => "BadCredentials",
        }
    }

    /// Whether the token may have left this process before the failure.
    pub const fn token_was_sent(self) -> bool {
        !matches!(
            self,
            Self::EndpointRefused(_)
                | Self::Unresolvable
                | Self::Unreachable
                | Self::TlsUntrusted
                | Self::BadCredentials
        )
    }
}

impl From<ResolveError> for ProbeError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Unresolvable => Self::Unresolvable,
            ResolveError::Refused(refusal) => Self::EndpointRefused(refusal),
        }
    }
}

/// One probe, ready to go.
#[derive(Clone, Debug)]
pub struct DialRequest {
    /// What to dial.
    pub target: Target,
    /// What may be dialled.
    pub policy: Arc<EndpointPolicy>,
    /// For all of it together: resolving, connecting, reading.
    pub timeout: Duration,
    /// Read KubeFed's accounts as well, which costs a list of all ClusterRoles.
    pub accounts: bool,
}

/// Carries probes out. Replaced in simulations, where there are no sockets.
pub trait Dial: Send + Sync {
    /// Probes one registration.
    fn dial(&self, request: DialRequest) -> BoxFuture<'_, Result<Probed, ProbeError>>;
}
