//! Requests for a collection, and bounded reading of their answers.

use std::{fmt::Write as _, time::Duration};

use http::{
    Request, Response, StatusCode,
    header::{ACCEPT, RETRY_AFTER},
};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use tokio_util::bytes::{Buf as _, Bytes};

use super::WatchError;

/// The server ends a watch after this; below the five minutes after which common load balancers cut idle streams.
const WATCH_SECONDS: u32 = 290;
/// API servers hold objects up to 1.5 MiB, 3 MiB with their event's envelope; 16 MiB leaves room for raised limits
/// and is still harmless to hold once a feed.
const LINE_LIMIT: usize = 16 << 20;
/// Thirty times a usual page; a larger one is asked for again in smaller pieces.
const PAGE_BYTES: usize = 32 << 20;

/// A collection of the API server, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Path of the collection, such as `/apis/tenant.kubesphere.io/v1alpha1/workspaces`.
    pub path: String,
    /// Label selector in the API's syntax.
    pub label_selector: Option<String>,
    /// Field selector in the API's syntax.
    pub field_selector: Option<String>,
}

impl Resource {
    /// Everything under `path`.
    pub fn all(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            label_selector: None,
            field_selector: None,
        }
    }

    fn list(&self, limit: u32, token: Option<&str>) -> Result<Request<Body>, WatchError> {
        let limit = limit.to_string();
        self.request(&[("limit", Some(&limit)), ("continue", token)])
    }

    pub(super) fn watch(&self, version: &str) -> Result<Request<Body>, WatchError> {
        let seconds = WATCH_SECONDS.to_string();
        self.request(&[
            ("watch", Some("true")),
            ("allowWatchBookmarks", Some("true")),
            ("timeoutSeconds", Some(&seconds)),
            ("resourceVersion", Some(version)),
        ])
    }

    fn request(&self, parameters: &[(&str, Option<&str>)]) -> Result<Request<Body>, WatchError> {
        let selectors = [
            ("labelSelector", self.label_selector.as_deref()),
            ("fieldSelector", self.field_selector.as_deref()),
        ];
        let mut uri = self.path.clone();
        let mut separator = '?';
        for (key, value) in parameters.iter().chain(&selectors) {
            if let Some(value) = value {
                uri.push(separator);
                uri.push_str(key);
                uri.push('=');
                percent_encode(value, &mut uri);
                separator = '&';
            }
        }
        Request::get(uri)
            .header(ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(WatchError::BadRequest)
    }
}

fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Sends a request and returns the body of a successful answer.
pub(super) async fn send(client: &Client, request: Request<Body>) -> Result<Body, WatchError> {
    let answer = client
        .send(request)
        .await
        .map_err(WatchError::Unreachable)?;
    match answer.status() {
        status if status.is_success() => Ok(answer.into_body()),
        StatusCode::GONE => Err(WatchError::Expired),
        status => Err(WatchError::Status {
            code: status.as_u16(),
            retry_after: retry_after(&answer),
        }),
    }
}

/// Seconds only: API servers never send the date form.
fn retry_after(answer: &Response<Body>) -> Option<Duration> {
    let seconds = answer
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// One page of a list.
pub(super) async fn page(
    client: &Client,
    resource: &Resource,
    limit: u32,
    token: Option<&str>,
) -> Result<Vec<u8>, WatchError> {
    let request = resource.list(limit, token)?;
    read_page(send(client, request).await?).await
}

/// Reads one page to its end.
async fn read_page(mut body: Body) -> Result<Vec<u8>, WatchError> {
    let mut page = Vec::new();
    while let Some(data) = next_data(&mut body).await? {
        if page.len() + data.len() > PAGE_BYTES {
            return Err(WatchError::PageTooLarge { limit: PAGE_BYTES });
        }
        page.extend_from_slice(&data);
    }
    Ok(page)
}

async fn next_data(body: &mut Body) -> Result<Option<Bytes>, WatchError> {
    loop {
        let Some(frame) = body.frame().await else {
            return Ok(None);
        };
        let frame = frame.map_err(|source| WatchError::ConnectionLost(Some(source.into())))?;
        // Trailers carry nothing of a watch.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Splits a body into lines, without copying those that came in one piece.
pub(super) struct LineReader {
    body: Body,
    chunk: Bytes,
    partial: Vec<u8>,
}

impl LineReader {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            partial: Vec::new(),
        }
    }

    /// The next line that is not empty; none at the end. Text after the last newline is a line that broke off.
    ///
    /// Cancel safe: what was read stays here.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, WatchError> {
        loop {
            if let Some(line) = self.take_line()? {
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    return Ok(Some(line));
                }
                continue;
            }
            match next_data(&mut self.body).await? {
                Some(data) => self.chunk = data,
                None if self.partial.is_empty() => return Ok(None),
                None => return Err(WatchError::ConnectionLost(None)),
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<Bytes>, WatchError> {
        let end = memchr::memchr(b'\n', &self.chunk);
        let taken = end.unwrap_or(self.chunk.len());
        if self.partial.len() + taken > LINE_LIMIT {
            return Err(WatchError::LineTooLong { limit: LINE_LIMIT });
        }
        let piece = self.chunk.split_to(taken);
        if end.is_none() {
            self.partial.extend_from_slice(&piece);
            return Ok(None);
        }
        self.chunk.advance(1);
        if self.partial.is_empty() {
            return Ok(Some(piece));
        }
        self.partial.extend_from_slice(&piece);
        Ok(Some(std::mem::take(&mut self.partial).into()))
    }
}
