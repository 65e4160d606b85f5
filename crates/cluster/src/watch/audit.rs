//! A consistent list beside the watch, for events that the API server lost.
//!
//! A DELETED can be lost for good below us, and no watch and no resume ever brings it back (kubernetes/kubernetes#123072,
//! #76624). The watch is not interrupted for the list, because a hold waits for its next line. The list is laid aside until
//! the watch comes to its version, which bookmarks bring within a minute; at that point both must say the same, since a
//! watch tells its events in the order of their versions. What differs was lost.

use std::{future::pending, time::Duration};

use futures::future::BoxFuture;
use kube::Client;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until, timeout};

use super::{PAGE_DEADLINE, Resource, Sink, Unreadable, WatchError, decode, wire};

/// From one list to the next. A lost event is found within this, a list, and the bookmark after it, which comes within a
/// minute: well inside ten minutes.
const PERIOD: Duration = Duration::from_mins(5);
/// After a list that failed.
const AGAIN: Duration = Duration::from_mins(1);
/// Objects in a list that is laid aside: beyond this its memory (some hundred bytes each) costs more than it is worth. Then
/// only the list that follows a broken watch finds what was lost; the age of the last list is a metric with an alert.
const MAX_OBJECTS: usize = 100_000;
/// One object of a list, or why it cannot be read.
type Read<T> = Result<T, Unreadable>;

struct Listed<T> {
    version: u64,
    objects: Vec<(String, Read<T>)>,
}

enum State<T> {
    Resting(Instant),
    Listing(BoxFuture<'static, Result<Listed<T>, WatchError>>),
    Aside(Listed<T>),
}

/// The list beside one watch.
pub(super) struct Audit<T> {
    client: Client,
    resource: Resource,
    page_limit: u32,
    state: State<T>,
}

impl<T: DeserializeOwned + Send + 'static> Audit<T> {
    /// Begins the next list when the last one is old enough.
    pub(super) fn after(
        listed_at: Option<Instant>,
        client: &Client,
        resource: &Resource,
        page_limit: u32,
    ) -> Self {
        Self {
            client: client.clone(),
            resource: resource.clone(),
            page_limit,
            state: State::Resting(listed_at.unwrap_or_else(Instant::now) + PERIOD),
        }
    }

    /// Goes one step on. Cancel safe: what was read stays here.
    pub(super) async fn step(&mut self) {
        match &mut self.state {
            State::Resting(until) => {
                sleep_until(*until).await;
                let list = list(self.client.clone(), self.resource.clone(), self.page_limit);
                self.state = State::Listing(Box::pin(list));
            }
            State::Listing(list) => match list.await {
                Ok(listed) => self.state = State::Aside(listed),
                Err(error) => {
                    let (path, why) = (&self.resource.path, error.class());
                    tracing::warn!(%path, why, "the list beside the watch failed: a deletion that the API server loses is not noticed until one succeeds");
                    // So many objects are not fewer in a minute, and reading them is no small thing.
                    let too_many = matches!(error, WatchError::TooManyObjects { .. });
                    let pause = if too_many { PERIOD } else { AGAIN };
                    self.state = State::Resting(Instant::now() + pause);
                }
            },
            State::Aside(_) => pending().await,
        }
    }

    /// Hands the list to the sink if this line, which comes next, is not older; true if it did.
    pub(super) fn compare(&mut self, line: &[u8], sink: &mut impl Sink<T>) -> bool {
        let State::Aside(listed) = &mut self.state else {
            return false;
        };
        if decode::version(line).is_none_or(|next| next < listed.version) {
            return false;
        }
        let objects = std::mem::take(&mut listed.objects);
        self.state = State::Resting(Instant::now() + PERIOD);
        sink.audit();
        sink.begin();
        for (name, object) in objects {
            give(sink, &name, object);
        }
        sink.end();
        true
    }
}

fn give<T>(sink: &mut impl Sink<T>, name: &str, object: Read<T>) {
    match object {
        Ok(object) => sink.upsert(object),
        Err(why) => sink.malformed(name, &why),
    }
}

fn read<T: DeserializeOwned>(object: &RawValue) -> Read<T> {
    serde_json::from_str(object.get()).map_err(|error| Unreadable::from(&error))
}

async fn list<T: DeserializeOwned>(
    client: Client,
    resource: Resource,
    page_limit: u32,
) -> Result<Listed<T>, WatchError> {
    let mut objects = Vec::new();
    let mut token = None::<String>;
    loop {
        let body = timeout(
            PAGE_DEADLINE,
            wire::page(&client, &resource, page_limit, token.as_deref()),
        )
        .await
        .unwrap_or(Err(WatchError::Deadline))?;
        let page = decode::page(&body)?;
        let read = page
            .items
            .iter()
            .map(|item| (decode::name(item), read(item)));
        objects.extend(read);
        if objects.len() > MAX_OBJECTS {
            return Err(WatchError::TooManyObjects { limit: MAX_OBJECTS });
        }
        let Some(next) = page.next else {
            let version = page.resource_version.parse();
            return Ok(Listed {
                version: version.map_err(|_| WatchError::NoVersion)?,
                objects,
            });
        };
        token = Some(next);
    }
}
