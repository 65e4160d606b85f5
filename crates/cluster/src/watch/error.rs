//! What can go wrong between us and a collection, by class.

use std::{fmt, time::Duration};

/// Why an object cannot be read, without any of its values: serde quotes what it did not expect, and what stands in
/// the wrong place may be a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl From<&serde_json::Error> for Unreadable {
    fn from(error: &serde_json::Error) -> Self {
        const EXPECTED: &str = ", expected ";
        let text = error.to_string();
        // The last one is serde's own, whatever a value before it says; names of fields are ours.
        let safe = match text.rfind(EXPECTED) {
            Some(at) => text[at + 2..].to_owned(),
            None if text.starts_with("missing field `") => text,
            None => format!(
                "{:?} error at line {} column {}",
                error.classify(),
                error.line(),
                error.column()
            ),
        };
        Self(safe)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a list or a watch ended. The message says what was attempted; upstream text stays in the source.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The path or a selector cannot be part of a request.
    #[error("build a request from the resource's path and selectors")]
    BadRequest(#[source] http::Error),
    /// No answer came: no connection, or it broke before the head of the answer.
    #[error("send a request to the API server")]
    Unreachable(#[source] kube::Error),
    /// The server answered with a status that is neither success nor 410.
    #[error("the API server answered with status {code}")]
    Status {
        /// HTTP status, or the code inside a watch's ERROR event.
        code: u16,
        /// The server's wish for the next attempt.
        retry_after: Option<Duration>,
    },
    /// The version or the continue token is older than the server's history (410).
    #[error("continue from a version that the API server has forgotten")]
    Expired,
    /// The answer broke off.
    #[error("read the API server's answer to its end")]
    ConnectionLost(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// Nothing came through an open watch, not even a bookmark.
    #[error("hear from an open watch: silent for longer than a bookmark's interval")]
    Silent,
    /// The answer did not come in time.
    #[error("get an answer from the API server in time")]
    Deadline,
    /// A page is larger than we are ready to hold.
    #[error("read a page of a list: larger than {limit} bytes")]
    PageTooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// A line of a watch is larger than we are ready to hold.
    #[error("read a line of a watch: longer than {limit} bytes")]
    LineTooLong {
        /// The bound in bytes.
        limit: usize,
    },
    /// A list has more objects than any federation.
    #[error("read a list: more than {limit} objects")]
    TooManyObjects {
        /// The bound in objects.
        limit: usize,
    },
    /// The answer is not what the Kubernetes API sends.
    #[error("decode a list or a watch event")]
    Undecodable(#[source] serde_json::Error),
    /// A DELETED event whose object cannot be read.
    #[error("decode the object of a DELETED event")]
    UnreadableDeletion(#[source] serde_json::Error),
    /// A list or an event without the version that a watch needs to continue.
    #[error("find the resourceVersion to watch from")]
    NoVersion,
    /// The server ended a watch within a second and without a line.
    #[error("keep a watch open: ended at once and without an event")]
    ShortWatch,
}

impl WatchError {
    /// The class for logs and metrics.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BadRequest",
            Self::Unreachable(_) => "Unreachable",
            Self::Status { .. } => "Status",
            Self::Expired => "Expired",
            Self::ConnectionLost(_) => "ConnectionLost",
            Self::Silent => "Silent",
            Self::Deadline => "Deadline",
            Self::PageTooLarge { .. } => "PageTooLarge",
            Self::LineTooLong { .. } => "LineTooLong",
            Self::TooManyObjects { .. } => "TooManyObjects",
            Self::Undecodable(_) => "Undecodable",
            Self::UnreadableDeletion(_) => "UnreadableDeletion",
            Self::NoVersion => "NoVersion",
            Self::ShortWatch => "ShortWatch",
        }
    }

    /// Whether the last version is still good to watch from.
    ///
    /// A refusal or a broken connection says nothing about it. Any other answer does not: a server that was restored
    /// from a backup, for one, rejects versions of its former future with a 504, for ever.
    pub(super) const fn resumes(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::ConnectionLost(_)
            | Self::Silent
            | Self::Deadline
            | Self::ShortWatch => true,
            Self::Status { code, .. } => matches!(code, 401 | 403 | 429),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors are looked at")]
    struct Connection {
        endpoint: BTreeMap<String, String>,
    }

    #[test]
    fn why_an_object_is_unreadable_quotes_none_of_its_values() {
        for (text, why) in [
            (
                r#"{"endpoint": "canary, expected \"canary"}"#,
                "expected a map",
            ),
            (r#"{"endpoint": {"canary": 5}}"#, "expected a string"),
            (r"{}", "missing field `endpoint`"),
            (r#"{"endpoint": canary"#, "Syntax error"),
            (r#"{"endpoint": {"canary"#, "Eof error"),
        ] {
            let error = serde_json::from_str::<Connection>(text).unwrap_err();
            let told = Unreadable::from(&error).to_string();
            assert!(!told.contains("canary"), "{told}");
            assert!(told.starts_with(why), "{told}");
        }
    }
}
