//! An HTTP proxy before an API server that delays the watches of some kinds and nothing else, and writes down what is asked.
//!
//! Plain HTTP on loopback towards the client, TLS towards the server: so it reads paths without a
//! certificate of its own. It speaks as one user, whatever token the client sends.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::error::{Attempt, Result};
use crate::ports::free_port;

/// Pieces of one watch that may be under way: a test's watch has some ten a second.
const PIECES_UNDER_WAY: usize = 1024;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Asked {
    /// HTTP method.
    pub method: String,
    /// Path without its query.
    pub path: String,
    /// Query, empty without one.
    pub query: String,
    /// Body; null if there is none or it is no JSON.
    pub body: Value,
}

/// A listening proxy. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

struct Slow {
    client: Client,
    kinds: Vec<String>,
    delay: Duration,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1, asks through `client`, and delays what the watches of
    /// these kinds (plurals) say.
    pub async fn start(client: Client, kinds: &[&str], delay: Duration) -> Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .attempt(|| format!("listen on 127.0.0.1:{port} for a proxy"))?;
        let asked = Arc::default();
        let slow = Arc::new(Slow {
            asked: Arc::clone(&asked),
            client,
            kinds: kinds.iter().map(|kind| format!("/{kind}?")).collect(),
            delay,
        });
        let task = tokio::spawn(async move {
            // Owned by the task, so that aborting the task ends the connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&slow)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, asked, task })
    }

    /// Every request so far, in the order in which they came in.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, slow: Arc<Slow>) {
    // Small writes would wait for acknowledgements otherwise.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let slow = Arc::clone(&slow);
        async move { Ok::<_, Infallible>(slow.answer(request).await) }
    });
    // A connection that breaks is the client's to notice.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Slow {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let uri = request.uri().to_string();
        let watched =
            uri.contains("watch=true") && self.kinds.iter().any(|kind| uri.contains(kind));
        let delay = if watched { self.delay } else { Duration::ZERO };
        if let Ok(answer) = self.ask(request).await {
            return answer.map(|body| slowed(body, delay));
        }
        let mut answer = Response::new(Empty::new().boxed_unsync());
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    }

    async fn ask(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let (mut head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .attempt(|| "read a request")?
            .to_bytes();
        let uri = &head.uri;
        let asked = Asked {
            method: head.method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let log = self.asked.lock();
        log.unwrap_or_else(PoisonError::into_inner).push(asked);
        // The client of ours says who it is and where the server is.
        head.headers.remove(header::AUTHORIZATION);
        head.headers.remove(header::HOST);
        let request = Request::from_parts(head, Body::from(body.to_vec()));
        self.client
            .send(request)
            .await
            .attempt(|| "pass a request on")
    }
}

/// The same body, each piece as much later.
fn slowed(mut body: Body, delay: Duration) -> UnsyncBoxBody<Bytes, Infallible> {
    let (queue, pieces) = mpsc::channel::<(Instant, Frame<Bytes>)>(PIECES_UNDER_WAY);
    tokio::spawn(async move {
        // A broken answer ends here; the client sees an early end.
        while let Some(Ok(frame)) = body.frame().await {
            if queue.send((Instant::now() + delay, frame)).await.is_err() {
                return;
            }
        }
    });
    let stream = futures::stream::unfold(pieces, |mut pieces| async move {
        let (due, frame) = pieces.recv().await?;
        tokio::time::sleep_until(due).await;
        Some((Ok(frame), pieces))
    });
    StreamBody::new(stream).boxed_unsync()
}
