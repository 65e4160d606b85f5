//! When the next attempt is due.

use std::time::Duration;

use super::{FeedState, WatchError};

/// An outage is over for us within 5 s of its end, and a server that is down sees one request in 5 s.
const FAILING: Steps = Steps {
    first: Duration::from_millis(50),
    last: Duration::from_secs(5),
};
/// Kinds come and go with installations. A doubled cluster destroys 11 s after a join at the earliest: its kind is found
/// before that; a kind that stays away costs 360 requests an hour.
const NOT_INSTALLED: Steps = Steps {
    first: Duration::from_secs(5),
    last: Duration::from_secs(10),
};
/// A right is granted by a person; asking more often than this only fills the audit log.
const FORBIDDEN: Steps = Steps {
    first: Duration::from_secs(1),
    last: Duration::from_secs(30),
};
/// A server may ask for patience, but not for ever: a hostile or mistaken Retry-After must not park the feed.
const MOST_PATIENCE: Duration = Duration::from_secs(30);

struct Steps {
    first: Duration,
    last: Duration,
}

impl Steps {
    /// Doubles from `first` to `last`; `step` counts from zero.
    fn at(&self, step: u32) -> Duration {
        self.first
            .saturating_mul(1_u32 << step.min(16))
            .min(self.last)
    }
}

/// What follows a failure.
pub(super) struct Pause {
    /// How long to wait.
    pub delay: Duration,
    /// The state to report; none while the failure may still be a single one.
    pub state: Option<FeedState>,
}

/// Counts failures since the last progress.
///
/// Without jitter: a process has a dozen feeds, not a thousand, which an API server does not notice in step, and a
/// schedule without randomness can be replayed.
#[derive(Default)]
pub(super) struct Retry {
    failures: u32,
}

impl Retry {
    /// A line arrived, or a watch stood for a while.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(super) fn after(&mut self, error: &WatchError) -> Pause {
        let step = self.failures;
        self.failures = step.saturating_add(1);
        match error {
            WatchError::Status { code: 404, .. } => Pause {
                delay: NOT_INSTALLED.at(step),
                state: Some(FeedState::NotInstalled),
            },
            WatchError::Status {
                code: 401 | 403, ..
            } => Pause {
                delay: FORBIDDEN.at(step),
                state: Some(FeedState::Forbidden),
            },
            WatchError::Status { retry_after, .. } => {
                let wished = retry_after.unwrap_or_default().min(MOST_PATIENCE);
                Pause {
                    delay: FAILING.at(step).max(wished),
                    state: Some(FeedState::Failing),
                }
            }
            // One lost connection or one expired version is every day's business: tried again at once, not reported.
            _ if step == 0 => Pause {
                delay: Duration::ZERO,
                state: None,
            },
            _ => Pause {
                delay: FAILING.at(step - 1),
                state: Some(FeedState::Failing),
            },
        }
    }
}
