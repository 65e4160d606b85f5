//! Lists and watches one collection and hands every event on at once.
//!
//! A driver of our own beside `kube::runtime::watcher`, because a detector needs what that one hides: each DELETED as
//! it comes, bookmarks as a sign of life, the exact boundaries of a full list, and single items that cannot be read.
//! It starts no task, keeps no object and uses only tokio's timers, so that it runs in virtual time as in real time.

mod audit;
mod decode;
mod error;
mod retry;
mod wire;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, future::Future, marker::PhantomData, time::Duration};

use federation_health_core::facts::FeedState;
use kube::Client;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::{
    audit::Audit,
    decode::{Cursor, EventKind},
    retry::Retry,
    wire::LineReader,
};
pub use self::{
    error::{Unreadable, WatchError},
    wire::Resource,
};

/// Objects a page: the size client-go asks for, which API servers' fairness limits are tuned to; about 1 MB of
/// Workspaces in memory at a time, 200 requests for 100,000 of them.
const PAGE_LIMIT: u32 = 500;
/// Objects in one list: twenty times the largest federation we promise, so that a server that never ends its list
/// cannot fill the memory behind the sink.
const MAX_OBJECTS: usize = 2_000_000;
/// API servers cut an ordinary request after 60 s by default; an answer later than that does not come.
const PAGE_DEADLINE: Duration = Duration::from_mins(1);
/// The head of a watch's answer is sent before any event; half the time of a page allows for queueing.
const OPEN_DEADLINE: Duration = Duration::from_secs(30);
/// API servers send a bookmark about every 60 s: one and a half of that without a byte is a dead connection.
const SILENCE: Duration = Duration::from_secs(90);
/// A watch that lasted this long did work, whatever ended it; one that is shorter and brought nothing counts as
/// a failure (client-go draws the same line).
const SHORT_WATCH: Duration = Duration::from_secs(1);
/// Least time between two complete lists: in a storm every watch may expire at once, and lists without a pause would
/// add to the load that makes them expire.
const LIST_SPACING: Duration = Duration::from_secs(1);

/// Receives one collection. Calls come one after the other from one task and must return quickly.
pub trait Sink<T> {
    /// The list that begins next is compared with a watch that is in order: what it finds gone, the watch was never told.
    fn audit(&mut self) {}
    /// A full list begins. A list that breaks off is begun again: a `begin` without an `end` before it starts over.
    fn begin(&mut self);
    /// An object was listed, added or modified.
    fn upsert(&mut self, object: T);
    /// An object was deleted; its last known state.
    fn remove(&mut self, object: T);
    /// The list is complete: what was neither upserted nor malformed since [`Sink::begin`] does not exist any more.
    fn end(&mut self);
    /// An object that exists cannot be read. `name` is `namespace/name`, or the name alone for cluster-scoped objects,
    /// or empty when even that cannot be read; what is known of the object must not be treated as gone.
    fn malformed(&mut self, name: &str, why: &Unreadable);
    /// The state of the feed changed; it starts as [`FeedState::Pending`] without a call.
    fn state(&mut self, state: FeedState);
    /// The server gave a sign of life: a page, an accepted watch, or any line of it, bookmarks included.
    fn alive(&mut self);
}

/// Feeds `sink` with the collection of `resource` until `stop` resolves.
///
/// Never fails: every error leads to another attempt and, if it lasts, to a [`FeedState`]. `client` should be built
/// with `default_retry = false` and without a read timeout, because both would act below the ones of this driver.
pub async fn run<T, S>(client: Client, resource: Resource, sink: &mut S, stop: impl Future)
where
    T: DeserializeOwned + Send + 'static,
    S: Sink<T>,
{
    let feed = Feed {
        client,
        resource,
        sink,
        state: FeedState::Pending,
        retry: Retry::default(),
        page_limit: PAGE_LIMIT,
        listed_at: None,
        object: PhantomData::<fn() -> T>,
    };
    tokio::select! {
        biased;
        _ = stop => {}
        never = feed.drive() => match never {},
    }
}

struct Feed<'a, T, S> {
    client: Client,
    resource: Resource,
    sink: &'a mut S,
    state: FeedState,
    retry: Retry,
    page_limit: u32,
    listed_at: Option<Instant>,
    object: PhantomData<fn() -> T>,
}

impl<T, S> Feed<'_, T, S>
where
    T: DeserializeOwned + Send + 'static,
    S: Sink<T>,
{
    async fn drive(mut self) -> Infallible {
        let mut cursor = None;
        loop {
            let outcome = match &mut cursor {
                None => self.list().await.map(|listed| cursor = Some(listed)),
                Some(cursor) => self.watch(cursor).await,
            };
            let Err(error) = outcome else { continue };
            if !error.resumes() {
                cursor = None;
            }
            let pause = self.retry.after(&error);
            if let Some(state) = pause.state {
                self.enter(state, error.class());
            }
            if !pause.delay.is_zero() {
                sleep(pause.delay).await;
            }
        }
    }

    fn enter(&mut self, state: FeedState, cause: &str) {
        if self.state != state {
            tracing::info!(path = %self.resource.path, state = state.as_str(), cause, "feed changed");
            self.state = state;
            self.sink.state(state);
        }
    }

    /// Reads the whole collection. The resource version is left unset: only that is a consistent read.
    async fn list(&mut self) -> Result<Cursor, WatchError> {
        if let Some(at) = self.listed_at {
            sleep_until(at + LIST_SPACING).await;
        }
        let mut token = None::<String>;
        let mut count = 0;
        loop {
            let body = self.page(token.as_deref()).await?;
            let page = decode::page(&body)?;
            if token.is_none() {
                self.sink.begin();
            }
            self.sink.alive();
            count += page.items.len();
            if count > MAX_OBJECTS {
                return Err(WatchError::TooManyObjects { limit: MAX_OBJECTS });
            }
            for item in &page.items {
                match serde_json::from_str(item.get()) {
                    Ok(object) => self.sink.upsert(object),
                    Err(error) => self
                        .sink
                        .malformed(&decode::name(item), &Unreadable::from(&error)),
                }
            }
            if let Some(next) = page.next {
                token = Some(next);
                continue;
            }
            let cursor = Cursor::at(page.resource_version)?;
            self.sink.end();
            self.listed_at = Some(Instant::now());
            return Ok(cursor);
        }
    }

    async fn page(&mut self, token: Option<&str>) -> Result<Vec<u8>, WatchError> {
        let page = wire::page(&self.client, &self.resource, self.page_limit, token);
        let outcome = timeout(PAGE_DEADLINE, page)
            .await
            .unwrap_or(Err(WatchError::Deadline));
        if let Err(WatchError::PageTooLarge { .. }) = outcome {
            // Objects of some kinds are a thousand times larger than others; the next list asks for fewer at a time.
            self.page_limit = (self.page_limit / 8).max(1);
        }
        outcome
    }

    /// Follows the collection from `cursor` on; `Ok` means that the server ended the watch in order.
    async fn watch(&mut self, cursor: &mut Cursor) -> Result<(), WatchError> {
        let request = self.resource.watch(cursor.version()?)?;
        let answer = timeout(OPEN_DEADLINE, wire::send(&self.client, request))
            .await
            .unwrap_or(Err(WatchError::Deadline))?;
        let opened = Instant::now();
        self.enter(FeedState::Synced, "Watching");
        self.sink.alive();
        let outcome = self.follow(LineReader::new(answer), cursor).await;
        if opened.elapsed() >= SHORT_WATCH {
            self.retry.reset();
            return outcome.map(drop);
        }
        match outcome {
            Ok(0) => Err(WatchError::ShortWatch),
            other => other.map(drop),
        }
    }

    /// Reads lines to the end and returns how many there were.
    async fn follow(
        &mut self,
        mut lines: LineReader,
        cursor: &mut Cursor,
    ) -> Result<u64, WatchError> {
        let mut count = 0;
        let mut audit = Audit::after(
            self.listed_at,
            &self.client,
            &self.resource,
            self.page_limit,
        );
        loop {
            let next = loop {
                tokio::select! {
                    biased;
                    next = timeout(SILENCE, lines.next()) => break next,
                    () = audit.step() => {}
                }
            };
            let Some(line) = next.unwrap_or(Err(WatchError::Silent))? else {
                return Ok(count);
            };
            if audit.compare(&line, self.sink) {
                self.listed_at = Some(Instant::now());
            }
            match decode::cut_upsert(&line).map(serde_json::from_slice) {
                Some(Ok(object)) => self.sink.upsert(object),
                _ => self.deliver(&line)?,
            }
            cursor.advance(line);
            self.sink.alive();
            self.retry.reset();
            count += 1;
        }
    }

    /// Hands on one line of any kind.
    fn deliver(&mut self, line: &[u8]) -> Result<(), WatchError> {
        let event = decode::event(line)?;
        match event.kind {
            EventKind::Upsert => match serde_json::from_str(event.object.get()) {
                Ok(object) => self.sink.upsert(object),
                Err(error) => self
                    .sink
                    .malformed(&decode::name(event.object), &Unreadable::from(&error)),
            },
            EventKind::Deleted => {
                // An object that is gone and cannot be read: only a list can tell the sink which one it was.
                let object = serde_json::from_str(event.object.get())
                    .map_err(WatchError::UnreadableDeletion)?;
                self.sink.remove(object);
            }
            EventKind::Bookmark => {}
            EventKind::Error => return Err(decode::failure(event.object)),
        }
        Ok(())
    }
}
