//! What goes wrong between a person and the cluster.

use std::fmt::Write as _;

/// Exit code 1. The message says what was attempted and, where the reader can mend it, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No kubeconfig, or no such context.
    #[error("read the kubeconfig: name another with --kubeconfig or --context")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// The kubeconfig cannot be used.
    #[error("connect as the kubeconfig says")]
    Connect(#[source] kube::Error),
    /// The server does not answer.
    #[error("ask the API server for its version")]
    Server(#[source] federation_health_cluster::call::CallError),
    /// A request failed.
    #[error("{attempt}")]
    Request {
        /// What was asked.
        attempt: String,
        /// Why it failed.
        #[source]
        source: kube::Error,
    },
    /// An answer or a file that does not have the expected form.
    #[error("{attempt}")]
    Parse {
        /// What was read.
        attempt: String,
        /// Where it does not fit.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file.
    #[error("{attempt}")]
    File {
        /// What was attempted.
        attempt: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// What was asked cannot be done; the text says what to do instead.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// An answer that cannot be read.
    pub(crate) fn parse(
        attempt: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Parse {
            attempt: attempt.into(),
            source: Box::new(source),
        }
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(attempt: impl Into<String>, source: std::io::Error) -> Self {
        Self::File {
            attempt: attempt.into(),
            source,
        }
    }

    /// The answer's HTTP status, if a server gave one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Request {
                source: kube::Error::Api(status),
                ..
            } => Some(status.code),
            _ => None,
        }
    }

    /// The message and its causes, on one line, as kubectl prints errors.
    pub fn report(&self) -> String {
        let mut text = format!("error: {self}");
        // A server's answer says it in one sentence; the client's error repeats that in three forms.
        if let Self::Request {
            source: kube::Error::Api(status),
            ..
        } = self
        {
            let _ = write!(text, ": {} ({})", status.message.trim(), status.code);
            return text;
        }
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            let said = next.to_string();
            // Wrappers repeat their source.
            if !text.ends_with(&said) {
                let _ = write!(text, ": {said}");
            }
            cause = next.source();
        }
        text
    }
}
