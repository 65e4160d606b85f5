//! An HTTP proxy before an API server that delays or garbles the watches of some kinds, stops at one request if told so, and
//! writes down what is asked.
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
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::error::{Attempt, Result};
use crate::ports::free_port;

/// Pieces of one watch that may be under way: a test's watch has some ten a second.
const PIECES_UNDER_WAY: usize = 1024;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// What happens to the watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// How much later each piece comes.
    pub delay: Duration,
    /// Deletions are lost for good, and everything else is told twice.
    pub garbled: bool,
}

/// Where a request stops on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Before the server has it; it is never answered.
    Before,
    /// The server has carried it out; it is never answered.
    Unanswered,
    /// It does not: it is answered as any other.
    Answered,
}

/// Whether it is this request that is to stop, and where.
type Choose = Box<dyn FnMut(&Asked) -> Option<Stop> + Send>;

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
    cut: Arc<Notify>,
    asked: Arc<Mutex<Vec<Asked>>>,
    stops: Arc<Stops>,
    task: JoinHandle<()>,
}

struct Troubled {
    client: Client,
    kinds: Vec<String>,
    trouble: Trouble,
    asked: Arc<Mutex<Vec<Asked>>>,
    stops: Arc<Stops>,
}

#[derive(Default)]
struct Stops {
    choose: Mutex<Option<Choose>>,
    reached: Notify,
}

impl std::fmt::Debug for Stops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stops").finish_non_exhaustive()
    }
}

impl Stops {
    fn of(&self, asked: &Asked) -> Option<Stop> {
        let mut choose = self.choose.lock().unwrap_or_else(PoisonError::into_inner);
        choose.as_mut()?(asked)
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1, asks through `client`, and troubles the watches of these kinds (plurals).
    pub async fn start(client: Client, kinds: &[&str], trouble: Trouble) -> Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .attempt(|| format!("listen on 127.0.0.1:{port} for a proxy"))?;
        let (asked, stops) = (Arc::default(), Arc::<Stops>::default());
        let troubled = Arc::new(Troubled {
            asked: Arc::clone(&asked),
            stops: Arc::clone(&stops),
            client,
            kinds: kinds.iter().map(|kind| format!("/{kind}?")).collect(),
            trouble,
        });
        let cut = Arc::new(Notify::new());
        let cutter = Arc::clone(&cut);
        let task = tokio::spawn(async move {
            // Owned by the task, so that aborting the task ends the connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let served = serve(stream, Arc::clone(&troubled));
                let cutter = Arc::clone(&cutter);
                connections.spawn(async move {
                    tokio::select! {
                        () = cutter.notified() => {}
                        () = served => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            port,
            cut,
            asked,
            stops,
            task,
        })
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.len()
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

    /// From now on requests stop where `choose` says so, which is asked of each, instead of what was said before.
    pub fn stop_at(&self, choose: impl FnMut(&Asked) -> Option<Stop> + Send + 'static) {
        let chosen = self.stops.choose.lock();
        *chosen.unwrap_or_else(PoisonError::into_inner) = Some(Box::new(choose));
    }

    /// Waits until a request has come where it was to stop.
    pub async fn stopped(&self) {
        self.stops.reached.notified().await;
    }

    /// Cuts every connection that stands; new ones are taken as before.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, troubled: Arc<Troubled>) {
    // Small writes would wait for acknowledgements otherwise.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let troubled = Arc::clone(&troubled);
        async move { Ok::<_, Infallible>(troubled.answer(request).await) }
    });
    // A connection that breaks is the client's to notice.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Troubled {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let uri = request.uri().to_string();
        let watched =
            uri.contains("watch=true") && self.kinds.iter().any(|kind| uri.contains(kind));
        let trouble = if watched {
            self.trouble
        } else {
            Trouble::default()
        };
        if let Ok(answer) = self.ask(request).await {
            return answer.map(|body| passed_on(body, trouble));
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
        let stop = self.stops.of(&asked);
        let log = self.asked.lock();
        log.unwrap_or_else(PoisonError::into_inner).push(asked);
        if stop == Some(Stop::Before) {
            return self.never().await;
        }
        // The client of ours says who it is and where the server is.
        head.headers.remove(header::AUTHORIZATION);
        head.headers.remove(header::HOST);
        let request = Request::from_parts(head, Body::from(body.to_vec()));
        let answer = self.client.send(request).await;
        match stop {
            Some(Stop::Unanswered) => return self.never().await,
            Some(Stop::Before | Stop::Answered) => self.stops.reached.notify_one(),
            None => {}
        }
        answer.attempt(|| "pass a request on")
    }

    /// Says that a request has come where it stops.
    async fn never<T>(&self) -> T {
        self.stops.reached.notify_one();
        std::future::pending().await
    }
}

/// The body with its trouble, if it has any.
fn passed_on(mut body: Body, trouble: Trouble) -> UnsyncBoxBody<Bytes, Infallible> {
    let (queue, pieces) = mpsc::channel::<(Instant, Frame<Bytes>)>(PIECES_UNDER_WAY);
    tokio::spawn(async move {
        let mut unfinished = Vec::new();
        // A broken answer ends here; the client sees an early end.
        while let Some(Ok(mut frame)) = body.frame().await {
            if let Some(data) = frame.data_ref().filter(|_| trouble.garbled) {
                unfinished.extend_from_slice(data);
                frame = Frame::data(garbled(&mut unfinished));
            }
            let due = Instant::now() + trouble.delay;
            if queue.send((due, frame)).await.is_err() {
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

/// Takes the complete lines: deletions left out, all others twice.
fn garbled(unfinished: &mut Vec<u8>) -> Bytes {
    let complete = unfinished.iter().rposition(|byte| *byte == b'\n');
    let rest = unfinished.split_off(complete.map_or(0, |at| at + 1));
    let lines = std::mem::replace(unfinished, rest);
    let told = lines
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(br#"{"type":"DELETED""#));
    told.flat_map(|line| [line, line])
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_garbled_whole_wherever_they_are_cut() {
        let text = b"{\"type\":\"ADDED\"}\n{\"type\":\"DELETED\"}\n{\"type\":\"MODIFIED\"}\n";
        let expected = [&text[..17], &text[..17], &text[36..], &text[36..]].concat();
        for size in [1, 5, text.len()] {
            let (mut unfinished, mut told) = (Vec::new(), Vec::new());
            for piece in text.chunks(size) {
                unfinished.extend_from_slice(piece);
                told.extend_from_slice(&garbled(&mut unfinished));
            }
            assert_eq!(told, expected, "{}", String::from_utf8_lossy(&told));
        }
    }
}
