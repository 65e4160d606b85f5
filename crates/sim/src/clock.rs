//! The one source of time of a simulation.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Where every creation time, deletion time and audit entry takes its time from.
///
/// In process it follows tokio's clock, so that pausing tokio pauses the whole simulation; behind a
/// socket, where real clients wait in real time, it is the wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Virtual { epoch: Timestamp, start: Instant },
    Wall,
}

/// 2026-11-23T06:24:00Z, seconds since the Unix epoch: the minute in which the recorded incident begins.
const EPOCH_SECONDS: i64 = 1_795_415_040;

impl Clock {
    /// Virtual time that begins at a fixed moment and advances with tokio's clock.
    pub fn simulated() -> Self {
        Self::starting_at(Timestamp::from_second(EPOCH_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Virtual time that begins at `epoch` and advances with tokio's clock.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self {
            source: Source::Virtual {
                epoch,
                start: Instant::now(),
            },
        }
    }

    /// The machine's own time, for a simulation that real clients reach through a socket.
    pub fn wall() -> Self {
        Self {
            source: Source::Wall,
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::Virtual { epoch, start } => {
                let elapsed =
                    SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
                epoch.checked_add(elapsed).unwrap_or(Timestamp::MAX)
            }
            Source::Wall => Timestamp::now(),
        }
    }

    /// The present moment as Kubernetes writes times in metadata: whole seconds, UTC.
    pub(crate) fn stamp(&self) -> String {
        seconds(self.now())
    }

    /// The present moment as Leases and events write it: microseconds, UTC.
    pub(crate) fn micro_stamp(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }
}

/// `at` in whole seconds, as Kubernetes writes times in metadata.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How long ago `at` was, never negative: clocks of objects written by people may run ahead.
pub(crate) fn age(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_advances_exactly_as_far_as_tokio_sleeps() {
        let clock = Clock::simulated();
        assert_eq!(clock.stamp(), "2026-11-23T06:24:00Z");
        tokio::time::sleep(Duration::from_millis(61_500)).await;
        assert_eq!(clock.micro_stamp(), "2026-11-23T06:25:01.500000Z");
    }
}
