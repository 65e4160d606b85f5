//! The dialer for real networks.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use federation_health_index::endpoint::Host;
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        client::Resumption,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use super::{Dial, DialRequest, ProbeError, Probed, Site, Target, read};
use crate::endpoint::{EndpointPolicy, Refusal};

/// Configurations kept: one for each CA bundle, about the number of clusters we promise to watch.
const MAX_CONFIGS: usize = 1024;
/// Certificates of the bundles kept, in bytes: a thousand clusters with a CA of 1.2 KB each seven times over. A bundle may
/// have a megabyte, and who rotates such bundles must not fill our memory with the former ones.
const MAX_BYTES: usize = 8 << 20;
/// What a certificate takes beside its bytes: its place in the set, and the allocation of its own. Counted because a bundle
/// may be made of thousands that hold next to nothing.
const BESIDE: usize = 64;
/// A configuration is for one bundle, and few endpoints share one.
const SESSIONS: usize = 8;
/// `spec.probe.timeoutSeconds` ends here; also keeps a deadline from overflowing.
const MAX_TIMEOUT: Duration = Duration::from_mins(1);
/// Headers of an API server are far below this.
const HEADER_BYTES: usize = 64 << 10;

/// Dials over TCP and TLS: the resolved address and no other, no proxy, no redirect, no retry, one connection for one
/// probe. TLS verification cannot be switched off.
#[derive(Default)]
pub struct TlsDialer {
    /// Reading a bundle costs more than a handshake, so that configurations are kept.
    configs: Mutex<Configs>,
}

/// Configurations by the certificates in them.
#[derive(Default)]
struct Configs {
    by_ca: HashMap<BTreeSet<Vec<u8>>, Arc<ClientConfig>>,
    /// What all these certificates take.
    bytes: usize,
}

impl Configs {
    /// Keeps one more. Where there is no room, all others go: those in use are back after their next probe.
    fn keep(&mut self, ca: &BTreeSet<Vec<u8>>, config: Arc<ClientConfig>) {
        let bytes = taken(ca);
        if self.by_ca.len() >= MAX_CONFIGS || self.bytes + bytes > MAX_BYTES {
            *self = Self::default();
        }
        if self.by_ca.insert(ca.clone(), config).is_none() {
            self.bytes += bytes;
        }
    }
}

fn taken(ca: &BTreeSet<Vec<u8>>) -> usize {
    ca.iter().map(|der| der.len() + BESIDE).sum()
}

impl Dial for TlsDialer {
    fn dial(&self, request: DialRequest) -> BoxFuture<'_, Result<Probed, ProbeError>> {
        Box::pin(async move {
            let accounts = request.accounts;
            self.read(&request.target, &request.policy, request.timeout, accounts)
                .await
        })
    }
}

impl TlsDialer {
    /// Probes `target` within `timeout` for everything together, accounts left out.
    pub async fn probe(
        &self,
        target: &Target,
        policy: &EndpointPolicy,
        timeout: Duration,
    ) -> Result<Probed, ProbeError> {
        self.read(target, policy, timeout, false).await
    }

    async fn read(
        &self,
        target: &Target,
        policy: &EndpointPolicy,
        timeout: Duration,
        accounts: bool,
    ) -> Result<Probed, ProbeError> {
        let deadline = Instant::now() + timeout.min(MAX_TIMEOUT);
        let stream = timeout_at(deadline, self.connect(&target.site, policy))
            .await
            .unwrap_or(Err(ProbeError::Unreachable))?;
        // The driver of the connection ends with this set, whatever way the probe ends.
        let mut drivers = JoinSet::new();
        let mut handshake = hyper::client::conn::http1::Builder::new();
        handshake.max_buf_size(HEADER_BYTES);
        let (mut sender, connection) = handshake
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| ProbeError::Unreachable)?;
        drivers.spawn(async move {
            // How the connection ended shows in the answers.
            let _ = connection.await;
        });
        read::cluster(&mut sender, target, accounts, deadline).await
    }

    async fn connect(
        &self,
        site: &Site,
        policy: &EndpointPolicy,
    ) -> Result<TlsStream<TcpStream>, ProbeError> {
        let address = policy.resolve(&site.endpoint).await?;
        let name = match site.endpoint.host() {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| ProbeError::EndpointRefused(Refusal::Malformed))?,
        };
        let config = self.config(&site.ca)?;
        let stream = TcpStream::connect(address)
            .await
            .map_err(|_| ProbeError::Unreachable)?;
        // Without it a request may wait 40 ms for an acknowledgement; a probe without it is slower, and no worse.
        let _ = stream.set_nodelay(true);
        TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|error| classify(&error))
    }

    fn config(&self, ca: &BTreeSet<Vec<u8>>) -> Result<Arc<ClientConfig>, ProbeError> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.by_ca.get(ca) {
            return Ok(config.clone());
        }
        let config = Arc::new(build(ca)?);
        configs.keep(ca, config.clone());
        Ok(config)
    }
}

fn build(ca: &BTreeSet<Vec<u8>>) -> Result<ClientConfig, ProbeError> {
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let untrusted = |_| ProbeError::TlsUntrusted;
    // Named here, so that it does not depend on what else in the process chose a provider.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(untrusted)?;
    let builder = if ca.is_empty() {
        builder.with_platform_verifier().map_err(untrusted)?
    } else {
        let mut roots = RootCertStore::empty();
        // A bundle may hold a certificate that is no use as a root beside one that is.
        let (usable, _) = roots
            .add_parsable_certificates(ca.iter().map(|der| CertificateDer::from(der.as_slice())));
        if usable == 0 {
            return Err(ProbeError::TlsUntrusted);
        }
        builder.with_root_certificates(roots)
    };
    let mut config = builder.with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn classify(error: &std::io::Error) -> ProbeError {
    use rustls::Error;

    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    {
        // The latter is plain http on the port, or something else that is not TLS.
        None | Some(Error::InvalidMessage(_) | Error::PeerMisbehaved(_)) => ProbeError::Unreachable,
        Some(_) => ProbeError::TlsUntrusted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_bounded_by_number_and_by_the_bytes_of_their_bundles() {
        let config = Arc::new(build(&BTreeSet::new()).unwrap());
        let mut configs = Configs::default();
        let mut keep = |n: u64, size: usize| {
            let mut certificate = n.to_be_bytes().to_vec();
            certificate.resize(size, 0);
            configs.keep(&BTreeSet::from([certificate]), config.clone());
            let kept: usize = configs.by_ca.keys().map(taken).sum();
            assert_eq!(kept, configs.bytes);
            assert!(kept <= MAX_BYTES, "{kept} bytes are kept");
            configs.by_ca.len()
        };
        for n in 0..7 {
            assert_eq!(keep(n, 1 << 20), n as usize + 1);
        }
        assert_eq!(keep(7, 1 << 20), 1, "no room beside the others");
        for n in 0..3000 {
            assert!(keep(n, 1200) <= MAX_CONFIGS);
        }
    }
}
