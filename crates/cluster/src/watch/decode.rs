//! The envelopes of lists and watch events. Objects stay raw text until their type is asked for, one by one, so that
//! one bad object does not spoil its neighbours.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_util::bytes::Bytes;

use super::WatchError;

/// A page of a list.
pub(super) struct Page<'a> {
    pub items: Vec<&'a RawValue>,
    pub resource_version: String,
    /// Token of the next page.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(default)]
    metadata: ListMeta,
    /// Go writes an empty list as null.
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

pub(super) fn page(body: &[u8]) -> Result<Page<'_>, WatchError> {
    let raw: RawPage<'_> = serde_json::from_slice(body).map_err(WatchError::Undecodable)?;
    Ok(Page {
        items: raw.items.unwrap_or_default(),
        resource_version: raw.metadata.resource_version,
        next: Some(raw.metadata.next).filter(|token| !token.is_empty()),
    })
}

/// What an event says of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Upsert,
    Deleted,
    Bookmark,
    Error,
}

/// One line of a watch.
pub(super) struct Event<'a> {
    pub kind: EventKind,
    pub object: &'a RawValue,
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

pub(super) fn event(line: &[u8]) -> Result<Event<'_>, WatchError> {
    let raw: RawEvent<'_> = serde_json::from_slice(line).map_err(WatchError::Undecodable)?;
    let kind = match raw.kind.as_ref() {
        "ADDED" | "MODIFIED" => EventKind::Upsert,
        "DELETED" => EventKind::Deleted,
        "BOOKMARK" => EventKind::Bookmark,
        "ERROR" => EventKind::Error,
        _ => {
            let unknown = serde::de::Error::custom("unknown type of a watch event");
            return Err(WatchError::Undecodable(unknown));
        }
    };
    Ok(Event {
        kind,
        object: raw.object,
    })
}

/// The object of an ADDED or MODIFIED event, cut out by its frame.
///
/// API servers write every event alike, and reading the frame by the general way costs as much again as the object. The
/// cut is not proof: text that does not decode as an object goes the general way.
pub(super) fn cut_upsert(line: &[u8]) -> Option<&[u8]> {
    let rest = line
        .strip_prefix(br#"{"type":"MODIFIED","object":"#)
        .or_else(|| line.strip_prefix(br#"{"type":"ADDED","object":"#))?;
    rest.trim_ascii_end().strip_suffix(b"}")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    reason: String,
}

/// The error that an ERROR event carries.
pub(super) fn failure(object: &RawValue) -> WatchError {
    let status: Status = serde_json::from_str(object.get()).unwrap_or_default();
    if status.code == 410 || matches!(status.reason.as_str(), "Expired" | "Gone") {
        return WatchError::Expired;
    }
    WatchError::Status {
        code: status.code,
        retry_after: None,
    }
}

#[derive(Deserialize)]
struct Named {
    metadata: NamedMeta,
}

#[derive(Deserialize)]
struct NamedMeta {
    name: String,
    #[serde(default)]
    namespace: String,
}

/// Name of an object that cannot be read otherwise; empty if even its metadata is broken.
pub(super) fn name(object: &RawValue) -> String {
    match serde_json::from_str::<Named>(object.get()) {
        Ok(Named { metadata }) if metadata.namespace.is_empty() => metadata.name,
        Ok(Named { metadata }) => format!("{}/{}", metadata.namespace, metadata.name),
        Err(_) => String::new(),
    }
}

/// Where a watch continues.
///
/// Keeps the last line instead of its version: the version is wanted once in minutes, lines come thousands a second.
pub(super) struct Cursor {
    version: String,
    line: Bytes,
}

#[derive(Deserialize)]
struct Versioned {
    object: VersionedObject,
}

#[derive(Deserialize)]
struct VersionedObject {
    metadata: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: String,
}

/// The version of an event, as a number: API servers promise no more than that versions of one kind compare so.
pub(super) fn version(line: &[u8]) -> Option<u64> {
    let line: Versioned = serde_json::from_slice(line).ok()?;
    line.object.metadata.resource_version.parse().ok()
}

impl Cursor {
    /// After a list.
    pub(super) fn at(version: String) -> Result<Self, WatchError> {
        if version.is_empty() {
            return Err(WatchError::NoVersion);
        }
        Ok(Self {
            version,
            line: Bytes::new(),
        })
    }

    /// After an event.
    pub(super) fn advance(&mut self, line: Bytes) {
        self.line = line;
    }

    /// The version to ask for.
    pub(super) fn version(&mut self) -> Result<&str, WatchError> {
        if !self.line.is_empty() {
            let last: Versioned = serde_json::from_slice(&std::mem::take(&mut self.line))
                .map_err(|_| WatchError::NoVersion)?;
            self.version = last.object.metadata.resource_version;
        }
        if self.version.is_empty() {
            return Err(WatchError::NoVersion);
        }
        Ok(&self.version)
    }
}
