//! One bounded request to the host's API server: no retry below us, a deadline, a cap on the answer.

use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::{Client, client::Body};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// Longest answer read: an API server's object is at most 3 MiB on the wire, a page of 500 a few.
const MAX_ANSWER: usize = 16 << 20;

/// Why a call failed. Finite: the class decides what happens next and is a metric's label.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request could not be put together.
    #[error("the request is malformed")]
    Request(#[source] http::Error),
    /// The request or the object could not be written or read as JSON.
    #[error("the body is not the JSON that was expected")]
    Json(#[source] serde_json::Error),
    /// No answer: the connection failed.
    #[error("the API server cannot be reached")]
    Unreachable(#[source] kube::Error),
    /// No answer in time.
    #[error("the API server did not answer in time")]
    Timeout,
    /// The answer broke off or is larger than any object.
    #[error("the answer broke off or is too large")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server refused.
    #[error("the API server refused with status {code}: {message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// The host API server's own words, cut to a line.
        message: String,
    },
}

impl CallError {
    /// Every class.
    pub const CLASSES: [&str; 7] = [
        "Invalid",
        "Unreachable",
        "Timeout",
        "Denied",
        "NotFound",
        "Conflict",
        "Refused",
    ];

    /// Class, for metrics and for what to do next.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::Json(_) => "Invalid",
            Self::Unreachable(_) | Self::Answer(_) => "Unreachable",
            Self::Timeout => "Timeout",
            Self::Refused { code, .. } => match code {
                401 | 403 => "Denied",
                404 => "NotFound",
                409 => "Conflict",
                422 | 400 => "Invalid",
                _ => "Refused",
            },
        }
    }

    /// HTTP status of a refusal.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A request in the making.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) accept: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) deadline: Duration,
    pub(crate) client: &'a Client,
}

/// Answers with the whole object.
pub(crate) const JSON: &str = "application/json";
/// Answers with metadata only, so that a large object is not encoded and sent for its resourceVersion.
pub(crate) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// A merge patch.
pub(crate) const MERGE: &str = "application/merge-patch+json";
/// A server-side apply.
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

impl<'a> Call<'a> {
    pub(crate) fn get(client: &'a Client, uri: String, deadline: Duration) -> Self {
        Self {
            method: Method::GET,
            uri,
            content_type: None,
            accept: JSON,
            body: Vec::new(),
            deadline,
            client,
        }
    }

    pub(crate) fn patch(
        client: &'a Client,
        uri: String,
        kind: &'static str,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Self {
        Self {
            method: Method::PATCH,
            uri,
            content_type: Some(kind),
            accept: METADATA,
            body,
            deadline,
            client,
        }
    }

    pub(crate) fn post(client: &'a Client, uri: String, body: Vec<u8>, deadline: Duration) -> Self {
        Self {
            method: Method::POST,
            content_type: Some(JSON),
            body,
            ..Self::get(client, uri, deadline)
        }
    }

    /// None if there is no such object.
    pub(crate) async fn find<T: DeserializeOwned>(self) -> Result<Option<T>, CallError> {
        match self.read().await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn read<T: DeserializeOwned>(self) -> Result<T, CallError> {
        let bytes = self.send().await?;
        serde_json::from_slice(&bytes).map_err(CallError::Json)
    }

    pub(crate) async fn send(self) -> Result<Vec<u8>, CallError> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.uri)
            .header(header::ACCEPT, self.accept);
        if let Some(kind) = self.content_type {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request
            .body(Body::from(self.body))
            .map_err(CallError::Request)?;
        timeout(self.deadline, exchange(self.client, request))
            .await
            .map_err(|_| CallError::Timeout)?
    }
}

/// Plurals that a group's version serves, subresources included, by discovery, which everybody may read; none where it is
/// not served. `path` is `/apis/GROUP/VERSION`.
pub(crate) async fn resources(
    client: &Client,
    path: &str,
    deadline: Duration,
) -> Result<Vec<String>, CallError> {
    #[derive(serde::Deserialize)]
    struct ResourceList {
        #[serde(default)]
        resources: Vec<ResourceName>,
    }
    #[derive(serde::Deserialize)]
    struct ResourceName {
        #[serde(default)]
        name: String,
    }
    let call = Call::get(client, path.to_owned(), deadline);
    let list: Option<ResourceList> = call.find().await?;
    let names = list.into_iter().flat_map(|list| list.resources);
    Ok(names.map(|resource| resource.name).collect())
}

async fn exchange(client: &Client, request: Request<Body>) -> Result<Vec<u8>, CallError> {
    let answer = client.send(request).await.map_err(CallError::Unreachable)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER)
        .collect()
        .await
        .map_err(CallError::Answer)?;
    let bytes = body.to_bytes();
    if status.is_success() {
        return Ok(bytes.to_vec());
    }
    Err(CallError::Refused {
        code: status.as_u16(),
        message: refusal(&bytes, status),
    })
}

fn refusal(body: &[u8], status: StatusCode) -> String {
    /// A line of a log.
    const MAX_LINE: usize = 300;
    #[derive(serde::Deserialize)]
    struct Status {
        #[serde(default)]
        message: String,
    }
    let message = serde_json::from_slice::<Status>(body)
        .map(|s| s.message)
        .unwrap_or_default();
    let message: String = message
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_LINE)
        .collect();
    if message.is_empty() {
        status.to_string()
    } else {
        message
    }
}
