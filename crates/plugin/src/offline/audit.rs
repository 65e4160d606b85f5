//! Audit events: the only record that names who did what.

use std::collections::BTreeSet;

use federation_health_api::names::MANAGED_LABEL;
use federation_health_core::id::Uid;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// One answered request that changed something, or was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When it was answered.
    pub at: Timestamp,
    /// The user, or whom it impersonated.
    pub user: String,
    /// `create`, `delete` and so on.
    pub verb: String,
    /// Plural.
    pub resource: String,
    /// Name.
    pub name: String,
    /// UID, where the log has the answer.
    pub uid: Option<Uid>,
    /// It was refused.
    pub refused: bool,
    /// What the program calls itself; empty where the log does not say.
    pub program: String,
    /// Where the request came from; empty where the log does not say.
    pub source: String,
    /// Whether the object carries KubeFed's label afterwards; None where the log has no bodies.
    pub labelled: Option<bool>,
}

/// KubeFed's label in a JSON patch.
const MANAGED_POINTER: &str = "/metadata/labels/kubefed.io~1managed";

/// Resources that the incident is about.
const RESOURCES: [&str; 5] = [
    "workspaces",
    "namespaces",
    "kubefedclusters",
    "workspacetemplates",
    "federatedworkspaces",
];

/// Reads an audit event; None if it changed nothing that matters here.
pub fn deed(event: &Value) -> Option<Deed> {
    if event["stage"] != "ResponseComplete" {
        return None;
    }
    let verb = event["verb"].as_str()?;
    let reference = &event["objectRef"];
    let resource = reference["resource"].as_str()?;
    let dry = event["requestURI"]
        .as_str()
        .is_some_and(|uri| uri.contains("dryRun="));
    let writes = matches!(
        verb,
        "create" | "delete" | "patch" | "update" | "deletecollection"
    );
    if !writes || dry || !RESOURCES.contains(&resource) || reference.get("subresource").is_some() {
        return None;
    }
    let code = event["responseStatus"]["code"].as_i64().unwrap_or_default();
    if !(200..300).contains(&code) && code != 403 {
        return None;
    }
    let answer = &event["responseObject"]["metadata"];
    let name = reference["name"]
        .as_str()
        .or_else(|| answer["name"].as_str())
        .unwrap_or_default();
    let time = event["stageTimestamp"]
        .as_str()
        .or_else(|| event["requestReceivedTimestamp"].as_str())?;
    let user = event["impersonatedUser"]["username"]
        .as_str()
        .or_else(|| event["user"]["username"].as_str())?;
    let uid = answer["uid"]
        .as_str()
        .or_else(|| event["responseStatus"]["details"]["uid"].as_str());
    Some(Deed {
        at: time.parse().ok()?,
        user: user.to_owned(),
        verb: verb.to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        uid: uid.and_then(Uid::parse),
        refused: code == 403,
        program: text(&event["userAgent"]),
        source: text(&event["sourceIPs"][0]),
        labelled: labelled(event, verb),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether KubeFed's label is on the object after a write: by the answer (level RequestResponse), else by what was sent.
fn labelled(event: &Value, verb: &str) -> Option<bool> {
    let (answer, sent) = (&event["responseObject"], &event["requestObject"]);
    let has = |object: &Value| !object["metadata"]["labels"][MANAGED_LABEL].is_null();
    if answer["metadata"].is_object() && answer["kind"] != "Status" {
        return Some(has(answer));
    }
    match sent {
        Value::Object(_) if verb != "patch" => Some(has(sent)),
        // A patch tells only of what it names.
        Value::Object(_) => {
            let label = sent["metadata"]["labels"].get(MANAGED_LABEL);
            label.map(|value| !value.is_null())
        }
        Value::Array(steps) => {
            let removes = |step: &Value| step["op"] == "remove" && step["path"] == MANAGED_POINTER;
            steps.iter().any(removes).then_some(false)
        }
        _ => None,
    }
}

/// Who this user is, in a reader's words.
pub fn who(user: &str, known: &BTreeSet<&str>) -> String {
    if let Some(alias) = alias(user, known) {
        return format!("KubeFed, as {alias}");
    }
    match user {
        "system:serviceaccount:kube-system:generic-garbage-collector"
        | "system:kube-controller-manager" => "garbage collector".to_owned(),
        "system:serviceaccount:kube-system:namespace-controller" => {
            "namespace controller".to_owned()
        }
        _ => user.strip_prefix("system:serviceaccount:").map_or_else(
            || user.to_owned(),
            |account| format!("ServiceAccount {}", account.replacen(':', "/", 1)),
        ),
    }
}

/// The registration through which KubeFed acts: it uses the ServiceAccount `<registration>-<host cluster>` of its namespace.
/// Either half may have hyphens: a name that is known is looked for first.
pub fn alias<'a>(user: &'a str, known: &BTreeSet<&str>) -> Option<&'a str> {
    let (namespace, account) = user
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    // KubeSphere joins with the host's name `kubesphere`; kubefedctl with that of the kubeconfig's cluster.
    if !namespace.contains("federation") && !namespace.contains("kubefed") {
        return None;
    }
    let registered = known
        .iter()
        .filter(|name| {
            account
                .strip_prefix(**name)
                .is_some_and(|host| host.starts_with('-'))
        })
        .map(|name| name.len())
        .max();
    registered
        .and_then(|length| account.get(..length))
        .or_else(|| account.rsplit_once('-').map(|(alias, _)| alias))
        .filter(|a| !a.is_empty() && *a != "kubefed-controller")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registration_is_read_from_the_service_account() {
        let alias = |user, known: &[&'static str]| alias(user, &known.iter().copied().collect());
        let user = "system:serviceaccount:kube-federation-system:produce-trt-kubesphere";
        assert_eq!(alias(user, &[]), Some("produce-trt"));
        let user = "system:serviceaccount:kube-federation-system:produce-trt-my-host";
        assert_eq!(
            alias(user, &["produce", "produce-trt", "host"]),
            Some("produce-trt")
        );
        assert_eq!(
            alias(
                "system:serviceaccount:kube-system:generic-garbage-collector",
                &[]
            ),
            None
        );
        assert_eq!(alias("kubernetes-admin", &[]), None);
    }
}
