//! One sink for each watched kind: decodes into facts, and calls the engine.

use std::{marker::PhantomData, sync::Arc};

use federation_health_api::foreign;
use federation_health_cluster::watch::{Sink, Unreadable};
use federation_health_core::{
    facts::{Change, Feed, FeedState},
    id::Text,
};
use federation_health_index::facts;

use crate::engine::Engine;

/// Turns one kind's objects into changes.
pub trait Reader<T>: Send {
    /// The changes that an object which exists amounts to, or why it cannot be used.
    fn upsert(&mut self, object: T, engine: &Engine) -> Result<Vec<Change>, Unusable>;
    /// The changes that its deletion amounts to.
    fn remove(&mut self, object: T) -> Vec<Change>;
    /// A list is complete, and decisions have forgotten what it left out: so does whoever keeps more than they do. A deletion
    /// is not always told of (a watch that lost its place, kubernetes/kubernetes#123072).
    fn end(&mut self, _: &Engine) {}
}

/// Hands KubeFed's events about federated Workspaces on. Nothing is judged by their absence: they are best effort, so that
/// they are no feed whose silence anybody waits for.
pub struct EventSink {
    engine: Arc<Engine>,
    listing: bool,
}

impl EventSink {
    /// A sink.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            listing: false,
        }
    }
}

impl Sink<foreign::EventView> for EventSink {
    fn begin(&mut self) {
        self.listing = true;
    }

    fn upsert(&mut self, event: foreign::EventView) {
        if let Some(told) = facts::told(&event, !self.listing) {
            self.engine.apply(Change::Told(told));
        }
    }

    fn remove(&mut self, _: foreign::EventView) {}

    fn end(&mut self) {
        self.listing = false;
    }

    fn malformed(&mut self, name: &str, why: &Unreadable) {
        tracing::debug!(object = name, %why, "an event cannot be read");
    }

    fn state(&mut self, state: FeedState) {
        tracing::debug!(state = state.as_str(), "watch of KubeFed's events");
    }

    fn alive(&mut self) {}
}

/// An object that decodes but makes no sense.
#[derive(Debug)]
pub struct Unusable {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub why: String,
}

/// Feeds the engine from one watch.
pub struct FeedSink<T, R> {
    engine: Arc<Engine>,
    feed: Feed,
    reader: R,
    object: PhantomData<fn() -> T>,
}

impl<T, R: Reader<T>> FeedSink<T, R> {
    /// A sink for this feed.
    pub fn new(engine: Arc<Engine>, feed: Feed, reader: R) -> Self {
        engine.apply(Change::Feed(feed.clone(), FeedState::Pending));
        Self {
            engine,
            feed,
            reader,
            object: PhantomData,
        }
    }

    fn report(&self, name: &str, why: &dyn std::fmt::Display) {
        tracing::warn!(feed = self.feed.as_str(), object = name, why = %why, "an object cannot be read and is skipped");
        // Decisions know such an object by its name alone, in whichever namespace it is.
        let name = name.rsplit('/').next().unwrap_or(name);
        self.engine
            .apply(Change::Malformed(self.feed.clone(), Text::from(name)));
    }
}

impl<T, R: Reader<T>> Sink<T> for FeedSink<T, R> {
    fn audit(&mut self) {
        self.engine.audit(&self.feed);
    }

    fn begin(&mut self) {
        self.engine.begin(&self.feed);
    }

    fn upsert(&mut self, object: T) {
        match self.reader.upsert(object, &self.engine) {
            Ok(changes) => changes
                .into_iter()
                .for_each(|change| self.engine.apply(change)),
            Err(unusable) => self.report(&unusable.name, &unusable.why),
        }
    }

    fn remove(&mut self, object: T) {
        self.reader
            .remove(object)
            .into_iter()
            .for_each(|change| self.engine.apply(change));
    }

    fn end(&mut self) {
        self.engine.end(&self.feed);
        self.reader.end(&self.engine);
    }

    fn malformed(&mut self, name: &str, why: &Unreadable) {
        self.report(name, why);
    }

    fn state(&mut self, state: FeedState) {
        self.engine.apply(Change::Feed(self.feed.clone(), state));
    }

    fn alive(&mut self) {
        self.engine.heard(&self.feed);
    }
}
