//! When the next attempt is due.

use std::time::Duration;

use federation_health_core::facts::FeedState;

use super::WatchError;

/// A restarted API server lets a fast hold stand open for half a minute, so that every second without a watch counts; an
/// attempt that nobody answers costs nobody anything.
const UNREACHABLE: Steps = Steps {
    first: Duration::from_millis(50),
    last: Duration::from_secs(1),
};
/// A server that answers with failures is loaded enough: it sees one request in 5 s.
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
/// An API server that has just started refuses everybody (403) and knows no custom kind (404) until its own caches are
/// filled, for half a second on an idle machine. So many of either after an outage, two and a half seconds, are no verdict
/// yet: they would show as rights taken away and kinds uninstalled, and their patience would cost a second of sight.
const STARTING: u32 = 6;
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

impl Pause {
    const NONE: Self = Self {
        delay: Duration::ZERO,
        state: None,
    };
}

/// What kind of failure it was; each has its own steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missing,
    Forbidden,
    Answered,
    Expired,
    Lost,
    /// The server answers, but not with what can be used.
    Unusable,
}

/// Counts failures since the last progress.
///
/// Without jitter: a process has a dozen feeds, not a thousand, which an API server does not notice in step, and a
/// schedule without randomness can be replayed.
#[derive(Default)]
pub(super) struct Retry {
    failures: u32,
    /// The last kind, and how many of it came in a row: an API server that starts up refuses connections, then everything,
    /// then us, and patience learned from one must not delay the next.
    row: Option<(Kind, u32)>,
    expired: bool,
    /// Nobody answered since the last progress.
    outage: bool,
}

impl Retry {
    /// A line arrived, or a watch stood for a while.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn after(&mut self, error: &WatchError) -> Pause {
        let (kind, wished) = match error {
            WatchError::Status { code: 404, .. } => (Kind::Missing, None),
            WatchError::Status {
                code: 401 | 403, ..
            } => (Kind::Forbidden, None),
            WatchError::Status { retry_after, .. } => (Kind::Answered, *retry_after),
            WatchError::Expired => (Kind::Expired, None),
            WatchError::Unreachable(_)
            | WatchError::ConnectionLost(_)
            | WatchError::Silent
            | WatchError::Deadline
            | WatchError::ShortWatch => (Kind::Lost, None),
            _ => (Kind::Unusable, None),
        };
        let step = self.count(kind);
        let total = self.failures;
        self.failures = total.saturating_add(1);
        self.outage |= kind == Kind::Lost;
        let (delay, state) = match kind {
            Kind::Missing | Kind::Forbidden if self.outage && step < STARTING => {
                (UNREACHABLE.at(step), FeedState::Failing)
            }
            Kind::Missing => (NOT_INSTALLED.at(step), FeedState::NotInstalled),
            Kind::Forbidden => (FORBIDDEN.at(step), FeedState::Forbidden),
            Kind::Answered => {
                let wished = wished.unwrap_or_default().min(MOST_PATIENCE);
                (FAILING.at(step).max(wished), FeedState::Failing)
            }
            // Every day's business, and after an outage a sign that it is over: a list is due at once.
            Kind::Expired if !self.expired => {
                self.expired = true;
                return Pause::NONE;
            }
            // One lost connection is every day's business too, and what is unusable as a watch may do as a list.
            Kind::Lost | Kind::Unusable if total == 0 => return Pause::NONE,
            Kind::Expired | Kind::Unusable => (FAILING.at(step), FeedState::Failing),
            Kind::Lost => (UNREACHABLE.at(total - 1), FeedState::Failing),
        };
        Pause {
            delay,
            state: Some(state),
        }
    }

    /// How many of this kind came in a row before.
    fn count(&mut self, kind: Kind) -> u32 {
        let before = match self.row {
            Some((last, count)) if last == kind => count,
            _ => 0,
        };
        self.row = Some((kind, before.saturating_add(1)));
        before
    }
}
