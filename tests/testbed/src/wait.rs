//! Waiting with a deadline and with words for what was seen last.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use kube::runtime::wait::{Condition, await_condition};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::error::{Attempt, Error, Result};

/// Time between two looks of [`until`]. Well under what any test measures with it, and far above
/// what a loopback API server needs for one answer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What one look found.
#[derive(Debug)]
pub enum Look<T> {
    /// What was waited for.
    Done(T),
    /// Not yet, and what there was instead.
    Pending(String),
}

/// Looks again and again until done or until `limit` has passed. An error ends the wait.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Look<T>>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let seen = match look().await? {
            Look::Done(value) => return Ok(value),
            Look::Pending(seen) => seen,
        };
        if Instant::now() >= deadline {
            return Err(Error::Timeout {
                what: what.to_owned(),
                after: limit,
                last_seen: seen,
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Watches one object until it (or its absence) meets the condition. Reacts within milliseconds,
/// unlike a poll.
pub async fn for_object<K>(
    api: Api<K>,
    name: &str,
    what: &str,
    limit: Duration,
    condition: impl Condition<K>,
) -> Result<Option<K>>
where
    K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
{
    let reread = api.clone();
    if let Ok(found) = tokio::time::timeout(limit, await_condition(api, name, condition)).await {
        found.attempt(|| format!("watch {name} for {what}"))
    } else {
        let last = reread.get_opt(name).await;
        Err(Error::Timeout {
            what: what.to_owned(),
            after: limit,
            last_seen: match last {
                Ok(Some(object)) => format!("{:?}", object.meta()),
                Ok(None) => format!("no {name}"),
                Err(error) => error.to_string(),
            },
        })
    }
}
