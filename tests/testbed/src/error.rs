//! One error for the whole test bed: what was attempted, with the cause kept apart.

use std::fmt;
use std::time::Duration;

/// A boxed cause. Causes come from kube, I/O, rcgen and YAML alike; no caller decides by type.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a part of the test bed could not do its work.
#[derive(thiserror::Error)]
pub enum Error {
    /// An operation failed for the reason given as source.
    #[error("{attempt}")]
    Failed {
        /// What was attempted, and where that helps what to do.
        attempt: String,
        /// Why it failed.
        source: Cause,
    },
    /// Something was wrong that has no deeper cause.
    #[error("{0}")]
    Refused(String),
    /// A condition was not met before its deadline.
    #[error("waited {after:?} for {what}; last seen: {last_seen}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// The state at the deadline, in words.
        last_seen: String,
    },
    /// A process ended although it had to run.
    #[error("{name} ended ({status}); the end of its log {log}:\n{tail}")]
    ProcessEnded {
        /// The process's name in this test bed.
        name: String,
        /// Exit status in words.
        status: String,
        /// Where the whole log is.
        log: String,
        /// Its last lines.
        tail: String,
    },
}

impl Error {
    /// An error that has no cause but itself.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }

    /// Whether a deadline passed, as opposed to something going wrong.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}

/// `unwrap()` in a test prints Debug, so Debug is the whole chain in words.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\n  because: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Adds what was attempted to a foreign error.
pub trait Attempt<T> {
    /// Turns the error into [`Error::Failed`] with this description.
    fn attempt<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Cause>> Attempt<T> for std::result::Result<T, E> {
    fn attempt<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|cause| Error::Failed {
            attempt: what().into(),
            source: cause.into(),
        })
    }
}
