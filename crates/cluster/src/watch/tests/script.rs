//! A server that answers by a script, and a sink that writes down what it is told.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::stream;
use http::{Request, Response};
use http_body_util::StreamBody;
use kube::{Client, client::Body};
use serde::Deserialize;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::bytes::Bytes;

use federation_health_core::facts::FeedState;

use super::super::{Resource, Sink, Unreadable, run};

/// One answer of the script.
pub(super) enum Answer {
    /// Status, headers, body.
    Text(u16, &'static [(&'static str, &'static str)], String),
    /// A stream of pieces.
    Pieces(Vec<Piece>),
    /// No connection.
    Refused,
    /// No answer at all.
    Never,
}

#[derive(Clone)]
pub(super) enum Piece {
    Data(Bytes),
    Wait(Duration),
    Break,
    Hang,
}

pub(super) fn ok(text: impl Into<String>) -> Answer {
    Answer::Text(200, &[], text.into())
}

pub(super) fn status(code: u16) -> Answer {
    Answer::Text(code, &[], format!(r#"{{"kind":"Status","code":{code}}}"#))
}

pub(super) fn list(version: &str, next: &str, items: &[&str]) -> Answer {
    ok(page(version, next, items))
}

fn page(version: &str, next: &str, items: &[&str]) -> String {
    format!(
        r#"{{"metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{}]}}"#,
        items.join(",")
    )
}

pub(super) fn item(name: &str, version: u32) -> String {
    format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"{version}"}},"size":1}}"#)
}

pub(super) fn line(kind: &str, object: &str) -> Piece {
    Piece::Data(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into())
}

pub(super) fn bookmark(version: u32) -> Piece {
    line(
        "BOOKMARK",
        &format!(r#"{{"metadata":{{"resourceVersion":"{version}"}}}}"#),
    )
}

#[derive(Deserialize)]
pub(super) struct Item {
    metadata: ItemMeta,
    #[serde(rename = "size")]
    _size: u32,
}

#[derive(Deserialize)]
pub(super) struct ItemMeta {
    name: String,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) calls: Vec<String>,
    pub(super) alive: u32,
}

impl Sink<Item> for Log {
    fn begin(&mut self) {
        self.calls.push("begin".into());
    }
    fn upsert(&mut self, object: Item) {
        self.calls.push(format!("+{}", object.metadata.name));
    }
    fn remove(&mut self, object: Item) {
        self.calls.push(format!("-{}", object.metadata.name));
    }
    fn end(&mut self) {
        self.calls.push("end".into());
    }
    fn malformed(&mut self, name: &str, _: &Unreadable) {
        self.calls.push(format!("?{name}"));
    }
    fn state(&mut self, state: FeedState) {
        self.calls.push(state.as_str().into());
    }
    fn alive(&mut self) {
        self.alive += 1;
    }
}

/// What a run of a script left behind.
pub(super) struct Run {
    pub(super) log: Log,
    /// Milliseconds since the start, and path with query.
    pub(super) requests: Vec<(u64, String)>,
}

impl Run {
    pub(super) fn calls(&self) -> String {
        self.log.calls.join(" ")
    }
    pub(super) fn times(&self) -> Vec<u64> {
        self.requests.iter().map(|(at, _)| *at).collect()
    }
    /// The versions that watches asked for, `list` for lists, `next=` for further pages.
    pub(super) fn asked(&self) -> Vec<String> {
        let one = |uri: &str| {
            let value = |key: &str| {
                uri.split(key)
                    .nth(1)
                    .map(|rest| rest.split('&').next().unwrap().to_owned())
            };
            match (value("resourceVersion="), value("continue=")) {
                (Some(version), _) => version,
                (None, Some(token)) => format!("next={token}"),
                (None, None) => "list".into(),
            }
        };
        self.requests.iter().map(|(_, uri)| one(uri)).collect()
    }
}

/// Runs the driver until it asks for more than the script has.
pub(super) async fn play(script: Vec<Answer>) -> Run {
    play_on(Resource::all("/apis/g/v1/things"), script).await
}

pub(super) async fn play_on(resource: Resource, script: Vec<Answer>) -> Run {
    let start = Instant::now();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    let over = Arc::new(Notify::new());
    let service = {
        let (requests, over) = (requests.clone(), over.clone());
        tower::service_fn(move |request: Request<Body>| {
            let at = start.elapsed().as_millis() as u64;
            requests
                .lock()
                .unwrap()
                .push((at, request.uri().to_string()));
            let answer = script.lock().unwrap().pop_front();
            if answer.is_none() {
                over.notify_one();
            }
            async move {
                match answer {
                    None | Some(Answer::Never) => std::future::pending().await,
                    Some(Answer::Refused) => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                    Some(Answer::Text(status, headers, text)) => {
                        Ok(respond(status, headers, vec![Piece::Data(text.into())]))
                    }
                    Some(Answer::Pieces(pieces)) => Ok(respond(200, &[], pieces)),
                }
            }
        })
    };
    let mut log = Log::default();
    let client = Client::new(service, "default");
    let whole = run(client, resource, &mut log, over.notified());
    // Virtual time: an hour passes at once if the script is never used up.
    timeout(Duration::from_hours(1), whole)
        .await
        .expect("the script was not used up");
    let requests = requests.lock().unwrap().clone();
    Run { log, requests }
}

fn respond(
    status: u16,
    headers: &[(&str, &str)],
    pieces: Vec<Piece>,
) -> Response<
    StreamBody<impl futures::Stream<Item = io::Result<http_body::Frame<Bytes>>> + Send + 'static>,
> {
    let frames = stream::unfold(VecDeque::from(pieces), |mut pieces| async move {
        loop {
            return match pieces.pop_front()? {
                Piece::Data(data) => Some((Ok(http_body::Frame::data(data)), pieces)),
                Piece::Break => Some((
                    Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                    VecDeque::new(),
                )),
                Piece::Hang => std::future::pending().await,
                Piece::Wait(duration) => {
                    sleep(duration).await;
                    continue;
                }
            };
        }
    });
    let mut answer = Response::builder().status(status);
    for (key, value) in headers {
        answer = answer.header(*key, *value);
    }
    answer.body(StreamBody::new(frames)).unwrap()
}
