//! Faults that tests inject: requests that are late, refused or never answered.

use std::{fmt, sync::Arc, time::Duration};

use crate::refusal::Refusal;

/// What is known of a request before it is carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestFacts {
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
    /// Namespace, empty for cluster-scoped objects and lists over all namespaces.
    pub namespace: String,
    /// Object name, empty for lists.
    pub name: String,
}

/// What a fault does to a request.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The answer comes this much later; the request is carried out after the delay.
    Delay(Duration),
    /// The request is carried out, and its answer comes this much later.
    DelayAnswer(Duration),
    /// The request is refused and changes nothing.
    Refuse(Refusal),
    /// The connection breaks before the request is carried out.
    Break,
    /// The request is carried out, and the connection breaks before its answer.
    BreakAnswer,
}

/// What an API server's watches tell wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garble {
    /// Every event twice.
    Twice,
    /// No deletion: lost for good, no resume brings it back (kubernetes/kubernetes#123072).
    NoDeletions,
}

type Rule = dyn Fn(&RequestFacts) -> Option<Effect> + Send + Sync;

/// One rule; the first that answers decides.
#[derive(Clone)]
pub(crate) struct Fault(pub(crate) Arc<Rule>);

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fault")
    }
}
