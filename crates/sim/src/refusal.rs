//! Refusals as kube-apiserver words them: a `Status` object with code, reason and message.

use serde_json::{Value, json};

/// A refused request. The message is what a client shows to its user.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, as in `metav1.StatusReason`.
    pub reason: &'static str,
    /// What was attempted and why it is refused.
    pub message: String,
    details: Value,
}

impl Refusal {
    /// A refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
        }
    }

    fn about(mut self, group: &str, plural: &str, name: &str) -> Self {
        self.details = json!({"kind": plural});
        if !name.is_empty() {
            self.details["name"] = json!(name);
        }
        if !group.is_empty() {
            self.details["group"] = json!(group);
        }
        self
    }

    /// Details that are there and say nothing, as some answers have them.
    fn bare(mut self) -> Self {
        self.details = json!({});
        self
    }

    pub(crate) fn page_not_found() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
    }

    pub(crate) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(group, plural));
        Self::new(404, "NotFound", message).about(group, plural, name)
    }

    pub(crate) fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(group, plural));
        Self::new(409, "AlreadyExists", message).about(group, plural, name)
    }

    pub(crate) fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            qualified(group, plural)
        );
        Self::new(409, "Conflict", message).about(group, plural, name)
    }

    pub(crate) fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", qualified(group, plural));
        Self::new(403, "Forbidden", message).about(group, plural, name)
    }

    /// `why` begins with the field's path and a colon, as field errors do.
    pub(crate) fn invalid(kind: &str, name: &str, why: &str) -> Self {
        let (field, text) = why.split_once(": ").unwrap_or(("", why));
        let reason = match text.split(':').next().unwrap_or_default() {
            "Required value" => "FieldValueRequired",
            "Forbidden" => "FieldValueForbidden",
            "Unsupported value" => "FieldValueNotSupported",
            _ => "FieldValueInvalid",
        };
        let cause = json!({"reason": reason, "message": text, "field": field});
        let (bare, group) = kind.split_once('.').unwrap_or((kind, ""));
        Self::new(422, "Invalid", format!("{kind} {name:?} is invalid: {why}"))
            .about(group, bare, name)
            .with_causes(vec![cause])
    }

    /// A JSON patch that cannot be applied; kube-apiserver says no more than this.
    pub(crate) fn patch_does_not_apply() -> Self {
        Self::new(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        )
        .bare()
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
        .bare()
    }

    pub(crate) fn media_type(supported: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {supported}"
            ),
        )
    }

    pub(crate) fn expired(requested: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {requested} ({oldest})"),
        )
    }

    /// The causes of an apply conflict, one for each field another manager owns.
    pub(crate) fn with_causes(mut self, causes: Vec<Value>) -> Self {
        if !self.details.is_object() {
            self.details = json!({});
        }
        self.details["causes"] = Value::from(causes);
        self
    }

    /// The `Status` object that goes over the wire.
    pub(crate) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}
