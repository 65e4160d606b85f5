//! The API server's audit log: who wrote what, when, with which answer. No client can fool it.
//!
//! Deletions, patches and writes of `scale` carry their bodies (preconditions and dry runs are in
//! there), other writes their metadata; reads only of ServiceAccounts in the namespaces named in
//! [`crate::control_plane::ControlPlaneOptions::audited_readers`].

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Attempt, Error, Result};

/// Where in its life a request was when the event was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Stage {
    /// Before any work; not logged here.
    RequestReceived,
    /// A watch or another long answer began.
    ResponseStarted,
    /// The answer is complete.
    ResponseComplete,
    /// The server panicked.
    Panic,
}

/// What a request was about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditObject {
    /// Plural, for example `workspaces`.
    pub resource: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name, empty for lists and for creations.
    pub name: String,
    /// API group, empty for the core group.
    pub api_group: String,
    /// For example `status`, `scale`, `token`.
    pub subresource: String,
}

/// One line of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Equal in all stages of one request.
    pub id: String,
    /// Stage.
    pub stage: Stage,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// User name, for example `system:serviceaccount:kube-federation-system:host-kubesphere`.
    pub user: String,
    /// User agent as the client gave it.
    pub user_agent: String,
    /// Path and query.
    pub uri: String,
    /// Object, absent for requests that are not about resources.
    pub object: AuditObject,
    /// When the request came in (microseconds).
    pub received: Timestamp,
    /// When this stage was reached (microseconds).
    pub reached: Timestamp,
    /// HTTP status of the answer.
    pub code: Option<u16>,
    /// The answer's message when it was refused or failed.
    pub message: Option<String>,
    /// The body, where the policy keeps it.
    pub request: Option<Value>,
    /// Whether nothing was to be stored (`dryRun` in the query or in a DELETE's body).
    pub dry_run: bool,
}

impl AuditEvent {
    /// Whether the server did what was asked (2xx) and stored it.
    pub fn took_effect(&self) -> bool {
        !self.dry_run && self.code.is_some_and(|code| (200..300).contains(&code))
    }

    /// Whether admission or authorization refused it. Both answer 403; [`AuditEvent::message`]
    /// tells them apart. A policy with `reason: Invalid` would answer 422: none of ours does.
    pub fn refused(&self) -> bool {
        self.code == Some(403)
    }

    fn parse(line: &str) -> Result<Self> {
        let raw: RawEvent = serde_json::from_str(line)
            .attempt(|| format!("read a line of the audit log: {line:.200}"))?;
        let in_query = raw
            .request_uri
            .split_once('?')
            .is_some_and(|(_, query)| query.split('&').any(|part| part.starts_with("dryRun=")));
        let in_body = raw
            .request_object
            .as_ref()
            .and_then(|body| body.get("dryRun"))
            .and_then(Value::as_array)
            .is_some_and(|values| !values.is_empty());
        Ok(Self {
            id: raw.audit_id,
            stage: raw.stage,
            dry_run: in_query || (in_body && raw.verb.starts_with("delete")),
            verb: raw.verb,
            user: raw.user.username,
            user_agent: raw.user_agent,
            object: raw.object_ref,
            received: raw.request_received_timestamp.0,
            reached: raw.stage_timestamp.0,
            code: raw.response_status.as_ref().map(|status| status.code),
            message: raw.response_status.and_then(|status| status.message),
            uri: raw.request_uri,
            request: raw.request_object,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: Stage,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: RawUser,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: AuditObject,
    request_received_timestamp: MicroTime,
    stage_timestamp: MicroTime,
    response_status: Option<RawStatus>,
    request_object: Option<Value>,
}

#[derive(Deserialize)]
struct RawUser {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct RawStatus {
    #[serde(default)]
    code: u16,
    message: Option<String>,
}

/// A finished audit log or a growing one.
#[derive(Clone, Debug)]
pub struct Audit {
    path: PathBuf,
}

impl Audit {
    /// The log at this path; it need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader that starts with the log's first line.
    pub fn reader(&self) -> AuditReader {
        AuditReader {
            path: self.path.clone(),
            offset: 0,
            within_line: false,
        }
    }

    /// A reader that gives only what is written from now on.
    pub fn reader_from_now(&self) -> AuditReader {
        let offset = std::fs::metadata(&self.path).map_or(0, |data| data.len());
        AuditReader {
            path: self.path.clone(),
            offset,
            within_line: offset > 0 && !ends_line(&self.path, offset),
        }
    }

    /// Everything so far, in the order in which the server finished it.
    pub fn events(&self) -> Result<Vec<AuditEvent>> {
        self.reader().read_new()
    }

    /// Everything so far that the test keeps.
    pub fn matching(&self, keep: impl Fn(&AuditEvent) -> bool) -> Result<Vec<AuditEvent>> {
        let mut events = self.events()?;
        events.retain(keep);
        Ok(events)
    }

    /// Deletions of a resource (plural) that were stored, dry runs and refusals left out.
    pub fn deletions(&self, resource: &str) -> Result<Vec<AuditEvent>> {
        self.matching(|event| {
            event.verb.starts_with("delete") && event.is_about(resource) && event.took_effect()
        })
    }

    /// Deletions of a resource (plural) that were refused, dry runs left out.
    pub fn refused_deletions(&self, resource: &str) -> Result<Vec<AuditEvent>> {
        self.matching(|event| {
            event.verb.starts_with("delete")
                && event.is_about(resource)
                && event.refused()
                && !event.dry_run
        })
    }

    /// Creations of a resource (plural) that were stored.
    pub fn creations(&self, resource: &str) -> Result<Vec<AuditEvent>> {
        self.matching(|event| {
            event.verb == "create" && event.is_about(resource) && event.took_effect()
        })
    }

    /// Patches by a user, whatever their answer.
    pub fn patches_by(&self, user: &str) -> Result<Vec<AuditEvent>> {
        self.matching(|event| event.verb == "patch" && event.user == user)
    }

    /// Every write by a user, whatever its answer.
    pub fn writes_by(&self, user: &str) -> Result<Vec<AuditEvent>> {
        self.matching(|event| {
            event.user == user && !matches!(event.verb.as_str(), "get" | "list" | "watch")
        })
    }
}

impl AuditEvent {
    fn is_about(&self, resource: &str) -> bool {
        self.object.resource == resource && self.object.subresource.is_empty()
    }
}

/// Reads a growing log piece by piece.
#[derive(Debug)]
pub struct AuditReader {
    path: PathBuf,
    offset: u64,
    /// The server was writing a line when this reader began; its rest is no line.
    within_line: bool,
}

/// Whether the byte before this offset ends a line.
fn ends_line(path: &Path, offset: u64) -> bool {
    let mut byte = [0];
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset - 1))?;
        file.read_exact(&mut byte)
    });
    read.is_ok() && byte == *b"\n"
}

impl AuditReader {
    /// What was written since the last call. A line that is still being written waits for the
    /// next call.
    pub fn read_new(&mut self) -> Result<Vec<AuditEvent>> {
        let attempt = || format!("read the audit log {}", self.path.display());
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(Error::Failed {
                    attempt: attempt(),
                    source: error.into(),
                });
            }
        };
        file.seek(SeekFrom::Start(self.offset)).attempt(attempt)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).attempt(attempt)?;
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        self.offset += end as u64 + 1;
        let skipped = usize::from(std::mem::take(&mut self.within_line));
        String::from_utf8_lossy(&bytes[..end])
            .lines()
            .skip(skipped)
            .map(AuditEvent::parse)
            .collect()
    }
}

/// The policy that the API servers of the test bed run with.
pub(crate) fn policy(audited_readers: &[String]) -> Value {
    let groups: Vec<_> = audited_readers
        .iter()
        .map(|namespace| format!("system:serviceaccounts:{namespace}"))
        .collect();
    let mut rules = vec![
        json!({ "level": "Request", "verbs": ["delete", "deletecollection", "patch"] }),
        json!({ "level": "Request", "verbs": ["update"],
                "resources": [{ "group": "apps", "resources": ["deployments/scale"] }] }),
        json!({ "level": "Metadata", "verbs": ["create", "update"] }),
    ];
    if !groups.is_empty() {
        rules.push(json!({ "level": "Metadata", "userGroups": groups }));
    }
    rules.push(json!({ "level": "None" }));
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELETE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"a","stage":"ResponseComplete","requestURI":"/apis/tenant.kubesphere.io/v1alpha1/workspaces/orders","verb":"delete","user":{"username":"system:serviceaccount:kube-federation-system:produce-trt-kubesphere"},"userAgent":"controller-manager","objectRef":{"resource":"workspaces","name":"orders","apiGroup":"tenant.kubesphere.io","apiVersion":"v1alpha1"},"responseStatus":{"metadata":{},"code":200},"requestObject":{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]},"requestReceivedTimestamp":"2026-11-23T06:24:35.117770Z","stageTimestamp":"2026-11-23T06:24:35.119932Z"}"#;

    #[test]
    fn a_dry_run_in_the_body_is_no_deletion() {
        let event = AuditEvent::parse(DELETE).unwrap();
        assert!(event.dry_run && !event.took_effect());
        let real = AuditEvent::parse(&DELETE.replace(r#","dryRun":["All"]"#, "")).unwrap();
        assert!(!real.dry_run && real.took_effect());
        assert_eq!(real.object.name, "orders");
        assert_eq!(real.reached.duration_since(real.received).as_micros(), 2162);
    }

    #[test]
    fn a_half_written_line_waits_for_its_rest() {
        let path = std::env::temp_dir().join(format!("audit-test-{}.log", std::process::id()));
        let (head, rest) = DELETE.split_at(200);
        std::fs::write(&path, format!("{DELETE}\n{head}")).unwrap();
        let mut reader = Audit::new(&path).reader();
        let mut later = Audit::new(&path).reader_from_now();
        assert_eq!(reader.read_new().unwrap().len(), 1);
        assert!(reader.read_new().unwrap().is_empty());
        std::fs::write(&path, format!("{DELETE}\n{head}{rest}\n")).unwrap();
        assert_eq!(reader.read_new().unwrap().len(), 1);
        let more = format!("{DELETE}\n{head}{rest}\n{DELETE}\n");
        std::fs::write(&path, more).unwrap();
        assert_eq!(later.read_new().unwrap().len(), 1, "half a line was read");
        std::fs::remove_file(&path).unwrap();
    }
}
