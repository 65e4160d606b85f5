//! Watches: a stream of changes after a version, with bookmarks, time limits and 410 for versions too old.

use std::{io, sync::Arc, time::Duration};

use hyper::body::Bytes;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use crate::{
    call::Call,
    faults::Garble,
    json,
    kinds::Kind,
    read,
    refusal::Refusal,
    reply::{Form, shaped},
    selector::Selector,
    server::Server,
    state::{Change, ChangeType, Served, State},
};

/// Time between bookmarks, as kube-apiserver's watch cache keeps it.
const BOOKMARK_PERIOD: Duration = Duration::from_mins(1);
/// How long before a watch's end its last bookmark comes.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Duration of a watch that states none; kube-apiserver draws 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);
/// Changes written in one piece: a restart of ten thousand objects must not become one allocation.
const CHUNK: usize = 512;

/// One running watch.
pub(crate) struct Watch {
    server: Server,
    served: Served,
    version: String,
    namespace: String,
    selector: Selector,
    form: Form,
    position: u64,
    initial: Vec<Arc<Value>>,
    /// Whether the client waits for the bookmark that ends the initial events.
    announce_end: bool,
    bookmarks: Option<Instant>,
    deadline: Instant,
    changed: watch::Receiver<u64>,
    cut: watch::Receiver<u64>,
    expired: Option<Refusal>,
    ended: bool,
}

impl Watch {
    /// Opens a watch, or refuses it.
    pub(crate) fn open(
        api: &Server,
        now: &State,
        call: &Call,
        served: &Served,
        form: Form,
        cut: watch::Receiver<u64>,
    ) -> Result<Self, Refusal> {
        let selector = read::selector(call)?;
        let collection = &now.collections[served.collection];
        let requested = version(call)?;
        let send_initial = call.query.flag("sendInitialEvents");
        if !call.query.get("sendInitialEvents").is_empty()
            && call.query.get("resourceVersionMatch") != "NotOlderThan"
        {
            let why = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(Refusal::invalid("ListOptions.meta.k8s.io", "", why));
        }
        let mut initial = Vec::new();
        let position = if send_initial || requested == 0 {
            if call.query.get("sendInitialEvents") != "false" {
                initial = read::select(now, call, served)?;
                // Taken from the back.
                initial.reverse();
            }
            now.version
        } else {
            requested
        };
        // The request was understood, so what is wrong with it comes as an event of the stream.
        let expired = (position < collection.compacted)
            .then(|| Refusal::expired(position, collection.compacted));
        let start = Instant::now();
        let timeout = call
            .query
            .number("timeoutSeconds")?
            .map(Duration::from_secs);
        // Bounded, because an absurd number of seconds must not overflow the clock.
        let deadline = start
            + timeout
                .unwrap_or(DEFAULT_TIMEOUT)
                .min(Duration::from_hours(24));
        let mut name = Selector::default();
        if !call.target.name.is_empty() {
            name = Selector::parse("", &format!("metadata.name={}", call.target.name))?;
        }
        Ok(Self {
            server: api.clone(),
            served: served.clone(),
            version: call.target.version.clone(),
            namespace: call.target.namespace.clone(),
            selector: if selector.is_empty() { name } else { selector },
            form,
            position,
            initial,
            announce_end: send_initial,
            bookmarks: call
                .query
                .flag("allowWatchBookmarks")
                .then(|| next_bookmark(start, deadline))
                .flatten(),
            deadline,
            changed: collection.changed.subscribe(),
            cut,
            expired,
            ended: false,
        })
    }

    /// The next piece of the stream: complete lines, or an error when the connection breaks; `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(lag) = self.lag() {
                tokio::time::sleep(lag).await;
            }
            if let Some(lines) = self.ready() {
                return Some(Ok(lines));
            }
            if self.ended {
                return None;
            }
            let bookmark = self.bookmarks.unwrap_or(self.deadline).min(self.deadline);
            tokio::select! {
                biased;
                cut = self.cut.changed() => {
                    self.ended = true;
                    if cut.is_ok() {
                        return Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the watch was cut")));
                    }
                }
                changed = self.changed.changed() => self.ended = changed.is_err(),
                () = tokio::time::sleep_until(bookmark) => {
                    let now = Instant::now();
                    self.ended = now >= self.deadline;
                    if self.bookmarks.is_some_and(|due| due <= now) {
                        self.bookmarks = next_bookmark(now, self.deadline);
                        return Some(Ok(self.bookmark(false)));
                    }
                }
            }
        }
    }

    /// How long what has happened is still to be kept back.
    fn lag(&self) -> Option<Duration> {
        let state = self.server.lock();
        let lag = state.lags.get(&self.served.kind.plural).copied()?;
        let newest = state.collections[self.served.collection].history.back()?;
        (newest.version > self.position).then_some(lag)
    }

    /// The lines that can be written now.
    fn ready(&mut self) -> Option<Bytes> {
        if !self.initial.is_empty() {
            let now = self.server.clock().now();
            let at = self.initial.len().saturating_sub(CHUNK);
            let mut lines = Vec::new();
            for object in self.initial.split_off(at).into_iter().rev() {
                self.line("ADDED", &object, now, &mut lines);
            }
            return Some(lines.into());
        }
        if self.announce_end {
            self.announce_end = false;
            return Some(self.bookmark(true));
        }
        let server = self.server.clone();
        let state = server.lock();
        // What is read below is all there is: only later changes need to wake this stream.
        self.changed.borrow_and_update();
        let collection = &state.collections[self.served.collection];
        // A watch that has seen everything outlives a compaction; one that lags does not.
        let lost = (self.position < collection.dropped)
            .then(|| Refusal::expired(self.position, collection.dropped));
        if let Some(expired) = self.expired.take().or(lost) {
            self.ended = true;
            return Some(event("ERROR", &expired.to_status()));
        }
        let now = state.clock.now();
        let first = collection
            .history
            .partition_point(|c| c.version <= self.position);
        let garbled = state.garbled.get(&self.served.kind.plural);
        let mut lines = Vec::new();
        for change in collection.history.range(first..).take(CHUNK) {
            self.position = change.version;
            let Some((name, object)) = self.seen(change) else {
                continue;
            };
            let times = match garbled {
                Some(Garble::NoDeletions) if name == "DELETED" => 0,
                Some(Garble::Twice) => 2,
                _ => 1,
            };
            for _ in 0..times {
                self.line(name, &object, now, &mut lines);
            }
        }
        if lines.is_empty() {
            self.ended = collection.closed;
            // More than one piece of changes that this watch does not select may still lie ahead.
            let rest = collection
                .history
                .back()
                .is_some_and(|c| c.version > self.position);
            drop(state);
            return if rest { self.ready() } else { None };
        }
        Some(lines.into())
    }

    /// What a change looks like through the watch's selector: an object that no longer matches is deleted for it.
    /// What it was then is what the watch is told.
    fn seen(&self, change: &Change) -> Option<(&'static str, Arc<Value>)> {
        if !self.namespace.is_empty() && json::meta(&change.object, "namespace") != self.namespace {
            return None;
        }
        let matches = |o: &Value| self.selector.is_empty() || self.selector.matches(o);
        let before = change.previous.as_ref().is_some_and(|o| matches(o));
        let after = change.what != ChangeType::Deleted && matches(&change.object);
        match (before, after) {
            (false, true) => Some(("ADDED", change.object.clone())),
            (true, true) => Some(("MODIFIED", change.object.clone())),
            (true, false) => Some(("DELETED", last_seen(change))),
            (false, false) => None,
        }
    }

    fn line(&self, name: &str, object: &Arc<Value>, now: Timestamp, lines: &mut Vec<u8>) {
        let object = shaped(&self.served.kind, &self.version, object, self.form, now);
        lines.extend_from_slice(&event(name, &object));
    }

    fn bookmark(&self, initial_end: bool) -> Bytes {
        let version = self.server.lock().version;
        // A bookmark may only say what this stream has already shown.
        let version = if self.changed.has_changed().unwrap_or(false) {
            self.position
        } else {
            version
        };
        event(
            "BOOKMARK",
            &bookmark(
                &self.served.kind,
                &self.version,
                version,
                initial_end,
                self.form,
            ),
        )
    }
}

/// What a watch that no longer selects the object is shown: its form before, at the version of the change.
fn last_seen(change: &Change) -> Arc<Value> {
    match &change.previous {
        Some(previous) if change.what != ChangeType::Deleted => {
            let mut last = Value::clone(previous);
            let version = Value::from(change.version.to_string());
            json::set(&mut last, &["metadata", "resourceVersion"], version);
            Arc::new(last)
        }
        _ => change.object.clone(),
    }
}

/// The version a watch begins at; what is no number is an error of the server's, not of the request's.
fn version(call: &Call) -> Result<u64, Refusal> {
    let text = call.query.get("resourceVersion");
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let message = format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        );
        Refusal::new(500, "", message)
    })
}

/// The one after this moment: a period later, or shortly before the end, and none after that.
fn next_bookmark(now: Instant, deadline: Instant) -> Option<Instant> {
    let last = deadline.checked_sub(LAST_BOOKMARK)?;
    (now < last).then(|| last.min(now + BOOKMARK_PERIOD))
}

fn bookmark(kind: &Kind, version: &str, at: u64, initial_end: bool, form: Form) -> Value {
    let mut metadata = json!({"resourceVersion": at.to_string()});
    if initial_end {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    match form {
        Form::Metadata => json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        }),
        _ => {
            json!({"kind": kind.kind, "apiVersion": kind.api_version(version), "metadata": metadata})
        }
    }
}

fn event(name: &str, object: &Value) -> Bytes {
    let mut line = format!("{{\"type\":\"{name}\",\"object\":").into_bytes();
    line.extend(json::bytes(object));
    line.extend_from_slice(b"}\n");
    line.into()
}
