//! The audit trail: who asked for what, when, and with which answer. No client can write to it.

use std::collections::VecDeque;

use k8s_openapi::jiff::Timestamp;

/// One answered request.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When it was answered, in the simulation's time.
    pub at: Timestamp,
    /// User name of the caller.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: &'static str,
    /// API group, empty for the core group.
    pub group: String,
    /// Plural name of the resource.
    pub resource: String,
    /// `status`, `scale` and so on; empty for the object itself.
    pub subresource: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Object name, empty for lists.
    pub name: String,
    /// UID of the object that was written, where one was.
    pub uid: String,
    /// Whether it was only tried.
    pub dry_run: bool,
    /// HTTP status code of the answer.
    pub code: u16,
    /// Message of the refusal, empty on success.
    pub message: String,
}

impl AuditEntry {
    /// Whether the request was granted and changed, or could have changed, something.
    pub fn is_effective_write(&self) -> bool {
        !self.dry_run && self.code < 300 && !matches!(self.verb, "get" | "list" | "watch")
    }
}

/// Bound of the trail: a run of ten thousand Workspaces writes about ten entries for each, and a test
/// that needs more than twice that wants a filter, not memory.
const LIMIT: usize = 200_000;

#[derive(Debug, Default)]
pub(crate) struct Trail {
    entries: VecDeque<AuditEntry>,
    dropped: u64,
}

impl Trail {
    pub(crate) fn record(&mut self, entry: AuditEntry) {
        if self.entries.len() == LIMIT {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn entries(&self) -> Vec<AuditEntry> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.dropped = 0;
    }
}
