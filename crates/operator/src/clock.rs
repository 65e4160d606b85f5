//! Where time comes from: read once at the edge, handed to every decision.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use federation_health_core::time::Time;
use tokio::time::Instant;

/// The operator's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch_ms: i64,
    start: Instant,
}

impl Clock {
    /// Wall time at the start, and tokio's steady clock from there on: a step of the wall clock moves nothing.
    pub fn wall() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self::at(Time(now.as_millis() as i64))
    }

    /// Starts at this instant; under tokio's paused clock the whole operator runs in virtual time.
    pub fn at(epoch: Time) -> Self {
        Self {
            epoch_ms: epoch.0,
            start: Instant::now(),
        }
    }

    /// Now.
    pub fn now(&self) -> Time {
        Time(self.epoch_ms).plus_ms(self.start.elapsed().as_millis() as i64)
    }

    /// How long to sleep until then.
    pub fn until(&self, then: Time) -> Duration {
        Duration::from_millis(then.since_ms(self.now()) as u64)
    }
}
