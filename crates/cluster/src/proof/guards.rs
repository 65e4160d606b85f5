//! The policies beside the hold: what guards its objects, what fences the operator's own account, what guards joins. None of
//! them is tried by a canary: each is compared with what is shipped.

use federation_health_api::names::{JOIN_DENY, JOIN_WARN};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Installed, ShippedError, inspect::differs, shipped};
use crate::{
    call::{Call, CallError},
    check::DEADLINE,
};

pub(super) const FILES: [&str; 3] = [
    include_str!("../../../../config/policies/guard.yaml"),
    include_str!("../../../../config/policies/fence.yaml"),
    include_str!("../../../../config/policies/join.yaml"),
];
/// The operator's account in those files.
const ACCOUNT: &str = "system:serviceaccount:federation-health-system:federation-health";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Guard the objects of a hold against deletion and against other writers: whoever holds needs them.
pub const OBJECTS: [&str; 2] = [
    "federation-health-guard-deletion",
    "federation-health-guard-status",
];
/// Fence the operator's account: whoever lets remediation write needs them.
pub const FENCE: [&str; 4] = [
    FENCE_OPERATOR,
    "federation-health-fence-volumes",
    "federation-health-fence-scale",
    "federation-health-fence-registrations",
];
const FENCE_OPERATOR: &str = "federation-health-guard-operator";
/// Guard joins, each for one position of `spec.joinGuard`.
pub const JOIN: [&str; 2] = [JOIN_DENY, JOIN_WARN];

/// Every one of them.
pub(crate) fn all() -> Vec<&'static str> {
    [&OBJECTS[..], &FENCE, &JOIN].concat()
}

/// The objects among them that differ from what is shipped for this account and FederationHealth, by name with the field.
pub(crate) fn altered(
    installed: &Installed,
    name: &str,
    account: &str,
    object: &str,
) -> Result<Vec<String>, ShippedError> {
    let documents = shipped::documents(&FILES)?;
    let mut altered = Vec::new();
    for (kind, served) in [
        ("ValidatingAdmissionPolicy", &installed.policies),
        ("ValidatingAdmissionPolicyBinding", &installed.bindings),
    ] {
        let mut spec = shipped::spec(&documents, kind, name)?;
        shipped::replace(&mut spec, ACCOUNT, account);
        if spec.get("paramRef").is_some() {
            spec["paramRef"]["name"] = json!(object);
        }
        let found = served.get(name).and_then(|o| differs(&spec, &o["spec"]));
        altered.extend(found.map(|field| format!("{kind} {name} ({field})")));
    }
    Ok(altered)
}

/// The account that the server's fence names: the only one that can be known without being it.
pub(crate) fn fenced(installed: &Installed) -> Option<&str> {
    let policy: &Value = installed.policies.get(FENCE_OPERATOR)?;
    let conditions = policy["spec"]["matchConditions"].as_array()?;
    let literals = conditions
        .iter()
        .filter_map(|c| c["expression"].as_str())
        .flat_map(|text| text.split('\''));
    literals
        .into_iter()
        .find(|text| text.starts_with("system:serviceaccount:"))
}

/// Who asks, as the server knows them.
///
/// # Errors
/// The question was not answered.
pub async fn myself(client: &Client) -> Result<String, CallError> {
    #[derive(Deserialize)]
    struct Review {
        status: Status,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        user_info: User,
    }
    #[derive(Deserialize)]
    struct User {
        username: String,
    }
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let body = serde_json::to_vec(&review).map_err(CallError::Json)?;
    let call = Call::post(client, REVIEWS.to_owned(), body, DEADLINE);
    Ok(call.read::<Review>().await?.status.user_info.username)
}
