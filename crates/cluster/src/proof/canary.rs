//! Canaries: ConfigMaps of ours that nobody needs, and what happens to a deletion of one.

use std::time::Duration;

use federation_health_api::names;
use federation_health_core::{assess::Proof, effect::Rule};
use http::Method;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Layer, Part, Prover, Wanted, by_admission, fault};
use crate::call::{Call, CallError};

/// One request; the usual answer takes milliseconds.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// Field manager of the canaries.
const MANAGER: &str = "federation-health-proof";

/// What a deletion of a canary came to.
#[derive(Debug)]
pub(super) enum Answer {
    /// It would be deleted.
    Allowed,
    /// The policy of this part refused it.
    Refused,
    /// Neither.
    Other(Proof),
}

/// The labels by which policies know a canary.
pub(super) fn labels(part: Part) -> Value {
    let mut labels = json!({names::CANARY_LABEL: part.canary()});
    if part.rule == Rule::Federation {
        labels[names::MANAGED_LABEL] = json!("canary");
    }
    labels
}

/// ConfigMap of a part's canary.
pub(super) fn name(part: Part) -> String {
    format!("canary-{}", part.canary())
}

#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: Value,
}

impl Prover {
    pub(super) fn config_maps(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.install.namespace)
    }

    /// Creates the canaries that are missing. For each wanted rule both: the fast one is also the control that the durable
    /// layer must let through.
    pub(super) async fn ensure_canaries(&self, wanted: &Wanted) -> Result<(), Proof> {
        for part in canaries(wanted) {
            self.ensure_canary(part).await?;
        }
        Ok(())
    }

    async fn ensure_canary(&self, part: Part) -> Result<(), Proof> {
        let (name, labels) = (name(part), labels(part));
        let uri = format!("{}/{name}", self.config_maps());
        match Call::get(&self.client, uri, DEADLINE)
            .read::<Labelled>()
            .await
        {
            Ok(found) => {
                let mut wanted = labels.as_object().into_iter().flatten();
                if wanted.all(|(key, value)| found.metadata.labels.get(key) == Some(value)) {
                    Ok(())
                } else {
                    Err(Proof::Altered(vec![format!(
                        "the labels of ConfigMap {name}"
                    )]))
                }
            }
            Err(error) if error.code() == Some(404) => {
                let metadata = json!({"name": name, "labels": labels});
                self.create_config_map(&metadata).await
            }
            Err(error) => Err(fault(&format!("get ConfigMap {name}"), &error)),
        }
    }

    /// Creates a ConfigMap without data; one that exists is as good.
    pub(super) async fn create_config_map(&self, metadata: &Value) -> Result<(), Proof> {
        let what = format!("create {}", metadata["name"]);
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        let body = serde_json::to_vec(&body).map_err(|e| fault(&what, &CallError::Json(e)))?;
        let uri = format!("{}?fieldManager={MANAGER}", self.config_maps());
        let call = Call::post(&self.client, uri, body, DEADLINE);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(409) => Ok(()),
            Err(error) => Err(fault(&what, &error)),
        }
    }

    /// Deletes a part's canary by dry run.
    pub(super) async fn ask(&self, client: &Client, part: Part) -> Answer {
        let uri = format!("{}/{}?dryRun=All", self.config_maps(), name(part));
        let call = Call {
            method: Method::DELETE,
            ..Call::get(client, uri, DEADLINE)
        };
        match call.send().await {
            Ok(_) => Answer::Allowed,
            Err(CallError::Refused { message, .. }) if is_ours(&message, part) => Answer::Refused,
            Err(CallError::Refused { message, .. }) if by_admission(&message) => Answer::Other(
                Proof::Failed(format!("Somebody else refused the dry run: {message}")),
            ),
            Err(error) => Answer::Other(fault(
                &format!("delete ConfigMap {} by dry run", name(part)),
                &error,
            )),
        }
    }
}

/// Canaries of both layers for each wanted rule.
pub(super) fn canaries(wanted: &Wanted) -> Vec<Part> {
    let rules: Vec<Rule> = durable(wanted).map(|part| part.rule).collect();
    let of_rules = |part: &Part| rules.contains(&part.rule);
    Part::ALL.into_iter().filter(of_rules).collect()
}

/// The durable parts; every wanted rule has one.
pub(super) fn durable(wanted: &Wanted) -> impl Iterator<Item = Part> + use<> {
    let parts = wanted.parts().into_iter();
    parts.filter(|part| part.layer == Layer::Durable)
}

/// A refusal by exactly this policy, in our words. A policy that errs refuses under the same name with the server's words,
/// and the authorizer's refusal names our ServiceAccount: neither proves anything.
fn is_ours(message: &str, part: Part) -> bool {
    let policy = format!("ValidatingAdmissionPolicy '{}'", part.name());
    message.contains(&policy) && message.contains("denied request: federation-health")
}
