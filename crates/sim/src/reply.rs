//! Answers, and the forms in which clients want objects: whole, metadata only, or as a table.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    events, json,
    kinds::Kind,
    state::Served,
    table::{self, Detail},
};

/// An answer before it is written out.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// One object of a kind.
    Object {
        code: u16,
        kind: Arc<Kind>,
        version: String,
        object: Arc<Value>,
    },
    /// A page of objects.
    List {
        kind: Arc<Kind>,
        version: String,
        items: Vec<Arc<Value>>,
        resource_version: u64,
        next: String,
        remaining: usize,
    },
    /// Any other document.
    Raw { code: u16, body: Value },
}

/// The form a client asks for in `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Metadata,
    Table(Detail),
}

impl Form {
    /// Reads `Accept`; the first form that is known decides.
    pub(crate) fn parse(accept: &str, include_object: &str) -> Self {
        for part in accept.split(',') {
            if part.contains("as=Table") {
                return Self::Table(match include_object {
                    "None" => Detail::None,
                    "Object" => Detail::Object,
                    _ => Detail::Metadata,
                });
            }
            if part.contains("as=PartialObjectMetadata") {
                return Self::Metadata;
            }
            if part.trim().starts_with("application/json") || part.contains("*/*") {
                return Self::Whole;
            }
        }
        Self::Whole
    }
}

impl Reply {
    pub(crate) fn object(code: u16, served: &Served, version: &str, object: Arc<Value>) -> Self {
        Self::Object {
            code,
            kind: served.kind.clone(),
            version: version.to_owned(),
            object,
        }
    }

    pub(crate) fn raw(code: u16, body: Value) -> Self {
        Self::Raw { code, body }
    }

    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Object { code, .. } | Self::Raw { code, .. } => *code,
            Self::List { .. } => 200,
        }
    }

    /// UID of the object that the answer is about.
    pub(crate) fn uid(&self) -> &str {
        match self {
            Self::Object { object, .. } => json::meta(object, "uid"),
            Self::Raw { body, .. } => match json::meta(body, "uid") {
                "" => json::text(body, &["details", "uid"]),
                uid => uid,
            },
            Self::List { .. } => "",
        }
    }

    /// The body that goes over the wire.
    pub(crate) fn encode(&self, form: Form, now: k8s_openapi::jiff::Timestamp) -> Vec<u8> {
        match self {
            Self::Raw { body, .. } => json::bytes(body),
            Self::Object {
                kind,
                version,
                object,
                ..
            } => json::bytes(&shaped(kind, version, object, form, now)),
            Self::List {
                kind,
                version,
                items,
                resource_version,
                next,
                remaining,
            } => {
                let mut metadata = json!({"resourceVersion": resource_version.to_string()});
                if !next.is_empty() {
                    metadata["continue"] = json!(next);
                    if *remaining > 0 {
                        metadata["remainingItemCount"] = json!(remaining);
                    }
                }
                match form {
                    Form::Table(detail) => {
                        let rows: Vec<Arc<Value>> =
                            items.iter().map(|i| outward(kind, version, i)).collect();
                        let mut table = table::of(kind, version, &rows, detail, now);
                        table["metadata"] = metadata;
                        json::bytes(&table)
                    }
                    form => list(kind, version, items, &metadata, form, now),
                }
            }
        }
    }
}

/// One object in the form asked for.
pub(crate) fn shaped(
    kind: &Kind,
    version: &str,
    object: &Arc<Value>,
    form: Form,
    now: k8s_openapi::jiff::Timestamp,
) -> Arc<Value> {
    let object = outward(kind, version, object);
    match form {
        Form::Whole => object,
        Form::Metadata => Arc::new(json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
        })),
        Form::Table(detail) => Arc::new(table::of(kind, version, &[object], detail, now)),
    }
}

/// Written item by item: a list of ten thousand objects is never built as one document.
fn list(
    kind: &Kind,
    version: &str,
    items: &[Arc<Value>],
    metadata: &Value,
    form: Form,
    now: k8s_openapi::jiff::Timestamp,
) -> Vec<u8> {
    let (list_kind, api_version) = match form {
        Form::Metadata => ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned()),
        _ => (kind.list_kind.as_str(), kind.api_version(version)),
    };
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
        json!(list_kind),
        json!(api_version)
    );
    let mut body = head.into_bytes();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        let mut item = shaped(kind, version, item, form, now);
        // Items of built-in kinds do not say what they are: a trap for whoever reads them untyped.
        if form == Form::Whole && !kind.custom {
            let bare = Arc::make_mut(&mut item);
            json::remove(bare, &["kind"]);
            json::remove(bare, &["apiVersion"]);
        }
        body.extend(json::bytes(&item));
    }
    body.extend_from_slice(b"]}");
    body
}

/// A stored object as the requested version shows it; shared when nothing differs.
pub(crate) fn outward(kind: &Kind, version: &str, object: &Arc<Value>) -> Arc<Value> {
    if kind.group == events::GROUP {
        return Arc::new(events::outward(Value::clone(object)));
    }
    let wanted = kind.api_version(version);
    if json::text(object, &["apiVersion"]) == wanted {
        return object.clone();
    }
    let mut other = Value::clone(object);
    other["apiVersion"] = json!(wanted);
    Arc::new(other)
}
