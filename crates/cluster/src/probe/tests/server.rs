//! A TLS server that answers with whatever bytes a test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// What a server says, byte by byte.
#[derive(Clone)]
pub(super) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    NextRequest,
    Close,
    Hang,
    /// The same bytes again and again, this far apart, until the client hangs up.
    Repeat(&'static str, Duration),
}

impl Reply {
    pub(super) fn closing(text: impl Into<String>) -> Self {
        Self {
            bytes: text.into().into_bytes(),
            then: Then::Close,
        }
    }
    pub(super) fn hanging(text: impl Into<String>) -> Self {
        Self {
            bytes: text.into().into_bytes(),
            then: Then::Hang,
        }
    }
    pub(super) fn endless(head: &str, piece: &'static str, apart: Duration) -> Self {
        Self {
            bytes: head.as_bytes().to_vec(),
            then: Then::Repeat(piece, apart),
        }
    }
    pub(super) fn silence() -> Self {
        Self::hanging("")
    }
}

pub(super) fn json(status: u16, body: &str) -> Reply {
    let text = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Reply {
        bytes: text.into_bytes(),
        then: Then::NextRequest,
    }
}

/// Each byte of the body in a chunk of its own.
pub(super) fn crumbs(body: &str) -> Reply {
    let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for byte in body.bytes() {
        bytes.extend([b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    }
    bytes.extend(b"0\r\n\r\n");
    Reply {
        bytes,
        then: Then::NextRequest,
    }
}

pub(super) fn namespace() -> Reply {
    json(
        200,
        r#"{"kind":"Namespace","metadata":{"name":"kube-system","uid":"0b8f2f2e-7f6d-4f9e-9b1a-1c2d3e4f5a6b"},"items":[]}"#,
    )
}

/// A certificate authority.
#[derive(Clone)]
pub(super) struct Authority {
    issuer: Arc<Issuer<'static, KeyPair>>,
    /// What its bundle holds, as PEM.
    pub(super) certificates: Vec<String>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Arc::new(Issuer::new(params, key)),
            certificates: vec![certificate.pem()],
        }
    }

    pub(super) fn bundle(&self) -> String {
        STANDARD.encode(self.certificates.concat())
    }

    pub(super) fn server(&self, name: &str) -> ServerConfig {
        self.identity(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    pub(super) fn expired(&self, name: &str) -> ServerConfig {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.identity(&params)
    }

    fn identity(&self, params: &CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap()
    }
}

/// A running server; stops when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(
        config: &ServerConfig,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(TlsAcceptor::from(Arc::new(config.clone()))), reply).await
    }

    /// Without TLS.
    pub(super) async fn plain(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, reply).await
    }

    async fn listen(
        tls: Option<TlsAcceptor>,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let sent = Arc::new(AtomicUsize::new(0));
        let (heard, counted, reply) = (requests.clone(), connections.clone(), Arc::new(reply));
        let written = sent.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (tls, heard, reply) = (tls.clone(), heard.clone(), reply.clone());
                let written = written.clone();
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, (&heard, &written), &*reply).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, (&heard, &written), &*reply).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            requests,
            connections,
            sent,
            task,
        }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The heads of the requests that came.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Bytes of bodies that found room on their way to the client.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    (log, written): (&Mutex<Vec<String>>, &AtomicUsize),
    reply: &(impl Fn(&str) -> Reply + Sync),
) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let answer = reply(head.split(' ').nth(1).unwrap_or_default());
        log.lock().unwrap().push(head);
        // The client may hang up in the middle: that is what some tests are about.
        let sent = stream.write_all(&answer.bytes).await;
        if sent.is_err() || stream.flush().await.is_err() {
            return;
        }
        match answer.then {
            Then::NextRequest => {}
            Then::Close => {
                let _ = stream.shutdown().await;
                return;
            }
            Then::Repeat(piece, apart) => {
                while stream.write_all(piece.as_bytes()).await.is_ok()
                    && stream.flush().await.is_ok()
                {
                    written.fetch_add(piece.len(), Ordering::SeqCst);
                    tokio::time::sleep(apart).await;
                }
                return;
            }
            Then::Hang => return std::future::pending().await,
        }
    }
}
