//! Admission: hooks that see every write before it is committed and may deny it.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    call::{Call, Verb},
    json,
    kinds::Kind,
    refusal::Refusal,
    state::{Key, State},
};

/// A write under review.
pub struct Review<'a> {
    /// User name of the caller.
    pub user: &'a str,
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub operation: &'static str,
    /// API group, empty for the core group.
    pub group: &'a str,
    /// Plural name of the resource.
    pub resource: &'a str,
    /// `status`, `scale` and so on; empty for the object itself.
    pub subresource: &'a str,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// Object name.
    pub name: &'a str,
    /// The object as it would be; absent for deletions.
    pub object: Option<&'a Value>,
    /// The object as it is; absent for creations.
    pub old: Option<&'a Value>,
    /// Whether the write is only tried.
    pub dry_run: bool,
    /// The UID that the request states as precondition; empty if it states none.
    pub uid: &'a str,
    /// The resourceVersion that it states as precondition; empty if it states none.
    pub resource_version: &'a str,
    pub(crate) state: &'a State,
}

impl Review<'_> {
    /// Another object at this moment, as a policy's parameter or binding is read.
    pub fn read(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.state
            .find(group, plural, namespace, name)
            .map(AsRef::as_ref)
    }

    /// Whether the server does not know parameters of custom kinds yet, as for half a minute after its start.
    pub fn parameters_unknown(&self) -> bool {
        self.state.clock.now() < self.state.parameters_known_at
    }
}

/// Why a write is denied, and by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// Name of the policy.
    pub policy: String,
    /// Name of the binding that put it in force.
    pub binding: String,
    /// The policy's own message.
    pub message: String,
}

/// A rule of admission: `None` lets the write through.
pub type Hook = Arc<dyn Fn(&Review<'_>) -> Option<Denial> + Send + Sync>;

/// A precondition: of a deletion in its options, of any other write in the metadata that is sent.
fn stated<'a>(call: &'a Call, field: &str) -> &'a str {
    let home = match call.verb {
        Verb::Delete | Verb::DeleteCollection => "preconditions",
        _ => "metadata",
    };
    json::text(&call.body, &[home, field])
}

/// Asks every hook; the first denial stands.
pub(crate) fn admit(
    state: &mut State,
    call: &Call,
    kind: &Kind,
    key: &Key,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Result<(), Refusal> {
    let denial = {
        let review = Review {
            user: &call.caller.user,
            operation: match (object, old) {
                (Some(_), None) => "CREATE",
                (None, _) => "DELETE",
                _ => "UPDATE",
            },
            group: &kind.group,
            resource: &kind.plural,
            subresource: &call.target.subresource,
            namespace: &key.namespace,
            name: &key.name,
            object,
            old,
            dry_run: call.dry_run(),
            uid: stated(call, "uid"),
            resource_version: stated(call, "resourceVersion"),
            state,
        };
        state.hooks.iter().find_map(|hook| hook(&review))
    };
    let Some(Denial {
        policy,
        binding,
        message,
    }) = denial
    else {
        return Ok(());
    };
    let why = format!(
        "ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {message}"
    );
    *state.denials.entry((policy, binding)).or_default() += 1;
    Err(Refusal::forbidden(
        &kind.group,
        &kind.plural,
        &key.name,
        &why,
    ))
}
