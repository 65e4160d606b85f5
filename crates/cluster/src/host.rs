//! What is read from and written to the host's API server beside the watches. The only writer of this program.

use std::{collections::BTreeMap, time::Duration};

use federation_health_api::{
    FederationHealthStatus, foreign,
    names::{self, FEDERATED_WORKSPACES, HEALTHS, HOLD_MANAGER, HOLDS, STATUS_MANAGER},
};
use federation_health_core::{
    effect::{HoldImage, Rule},
    facts::{Desired, Namespace, Workspace},
    federation::{LiveKind, LiveWish},
    id::Text,
};
use federation_health_index::{facts, hold};
use kube::Client;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    call::{APPLY, Call, CallError, MERGE},
    list::list,
};

mod contents;

const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
/// A hold that is not written within this is tried again over a fresh connection; the usual write takes 2 ms.
const HOLD_DEADLINE: Duration = Duration::from_secs(2);
/// The reads that decide about a deletion; they are tried again until they succeed.
const READ_DEADLINE: Duration = Duration::from_secs(2);
/// Status of up to 128 KiB, and bindings.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// Which group and version WorkspaceTemplates are served in.
const TEMPLATES: &str = "/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates";
/// FederatedWorkspaces.
const FEDERATED: &str = "/apis/types.kubefed.io/v1beta1/federatedworkspaces";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The host's API server, for one FederationHealth and the FederationHold of its name.
#[derive(Clone)]
pub struct Host {
    client: Client,
    name: String,
}

#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    metadata: foreign::Meta,
}

/// Workspaces and their namespaces, read consistently.
pub struct ReleaseList {
    /// Namespaces that belong to a Workspace.
    pub namespaces: Vec<(Text, Namespace)>,
    /// Workspaces.
    pub workspaces: BTreeMap<Text, Workspace>,
}

impl Host {
    /// Works for the object of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    /// Writes the switch; gives the new resourceVersion (0 if the server's is no number).
    ///
    /// With `version` the write fails on any write in between. It raises without precondition: idempotent, reversible, safe twice.
    ///
    /// # Errors
    /// See [`CallError`]; a raise may be repeated at once.
    pub async fn write_hold(
        &self,
        image: &HoldImage,
        version: Option<&str>,
    ) -> Result<u64, CallError> {
        // A raise is applied: for a merge patch the API server turns the object into text and back twice more, and the
        // collector does not wait.
        let (force, kind, body) = match version {
            None => ("&force=true", APPLY, hold::applied(image, &self.name)),
            Some(version) => ("", MERGE, hold::lowered(image, version)),
        };
        let uri = format!(
            "{HOLDS}/{}/status?fieldManager={HOLD_MANAGER}{force}",
            self.name
        );
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        let answer: Versioned = Call::patch(&self.client, uri, kind, body, HOLD_DEADLINE)
            .read()
            .await?;
        Ok(answer
            .metadata
            .resource_version
            .and_then(|v| v.parse().ok())
            .unwrap_or_default())
    }

    /// Reads the switch, to have the connection at hand.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn touch(&self) -> Result<(), CallError> {
        let uri = format!("{HOLDS}/{}", self.name);
        let call = Call::get(&self.client, uri, HOLD_DEADLINE);
        call.send().await.map(drop)
    }

    /// Switches `status.proof` of the FederationHold.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn write_proof(&self, on: bool) -> Result<(), CallError> {
        let uri = format!("{HOLDS}/{}/status?fieldManager={HOLD_MANAGER}", self.name);
        let body =
            serde_json::to_vec(&json!({"status": {"proof": on}})).map_err(CallError::Json)?;
        Call::patch(&self.client, uri, MERGE, body, HOLD_DEADLINE)
            .send()
            .await
            .map(drop)
    }

    /// Applies the status of a FederationHealth. Fields that this manager sent before and leaves out now go away.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn apply_status(
        &self,
        name: &str,
        status: &FederationHealthStatus,
    ) -> Result<(), CallError> {
        let uri = format!("{HEALTHS}/{name}/status?fieldManager={STATUS_MANAGER}&force=true");
        let body = json!({
            "apiVersion": "federationhealth.io/v1alpha1",
            "kind": "FederationHealth",
            "metadata": {"name": name},
            "status": status,
        });
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        Call::patch(&self.client, uri, APPLY, body, WRITE_DEADLINE)
            .send()
            .await
            .map(drop)
    }

    /// Creates the FederationHealth with defaults if there is none; gives whether it did.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_default(&self) -> Result<bool, CallError> {
        self.create("FederationHealth", HEALTHS).await
    }

    /// Creates the FederationHold if there is none; gives whether it did.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_switch(&self) -> Result<bool, CallError> {
        self.create("FederationHold", HOLDS).await
    }

    async fn create(&self, kind: &str, path: &str) -> Result<bool, CallError> {
        let body = json!({
            "apiVersion": "federationhealth.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": self.name},
        });
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        let call = Call::post(&self.client, path.to_owned(), body, WRITE_DEADLINE);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a durable binding active, or dormant: then it matches our canary alone.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn switch_binding(&self, rule: Rule, active: bool) -> Result<(), CallError> {
        let (name, canary) = durable(rule);
        let selector = if active {
            serde_json::Value::Null
        } else {
            json!({"matchLabels": {names::CANARY_LABEL: canary}})
        };
        let body = json!({"spec": {"matchResources": {"objectSelector": selector}}});
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        let uri = format!("{BINDINGS}/{name}?fieldManager={HOLD_MANAGER}");
        Call::patch(&self.client, uri, MERGE, body, WRITE_DEADLINE)
            .send()
            .await
            .map(drop)
    }

    /// Reads the desired objects of a Workspace live, side by side; then the definition of FederatedWorkspaces, if it decides:
    /// its deletion comes before theirs, so that it is known by then.
    ///
    /// # Errors
    /// See [`CallError`]; an object that does not exist is no error, one that cannot be read is.
    pub async fn wish(&self, workspace: &str) -> Result<LiveWish, CallError> {
        let (federated, template) = tokio::join!(
            self.desired(FEDERATED, workspace),
            self.desired(TEMPLATES, workspace)
        );
        let mut wish = LiveWish {
            federated: federated?,
            template: template?,
            kind: LiveKind::Unread,
        };
        if wish.is_bereft() {
            wish.kind = self.kind().await?;
        }
        Ok(wish)
    }

    async fn kind(&self) -> Result<LiveKind, CallError> {
        let uri = format!("{DEFINITIONS}/{FEDERATED_WORKSPACES}");
        let call = Call::get(&self.client, uri, READ_DEADLINE);
        let stands = |object: &foreign::Object| object.metadata.deletion_timestamp.is_none();
        match call.find::<foreign::Object>().await {
            Ok(found) if found.as_ref().is_some_and(stands) => Ok(LiveKind::Stands),
            Ok(_) => Ok(LiveKind::Goes),
            Err(error) if error.code() == Some(403) => Ok(LiveKind::Unread),
            Err(error) => Err(error),
        }
    }

    async fn desired(&self, path: &str, name: &str) -> Result<Option<Desired>, CallError> {
        let uri = format!("{path}/{name}");
        let found: Option<foreign::FederatedObject> =
            Call::get(&self.client, uri, READ_DEADLINE).find().await?;
        found
            .map(|object| facts::desired(&object).map(|(_, desired)| desired))
            .transpose()
            .map_err(|error| CallError::Answer(Box::new(error)))
    }

    /// Lists what a release could lose: consistently, without resourceVersion.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn release_list(&self) -> Result<ReleaseList, CallError> {
        let namespaces: Vec<foreign::Object> = self.list("/api/v1/namespaces").await?;
        let workspaces: Vec<foreign::Object> = self
            .list("/apis/tenant.kubesphere.io/v1alpha1/workspaces")
            .await?;
        let belongs = |object: foreign::Object| {
            Some((
                Text::from(object.metadata.name.as_str()),
                facts::namespace(&object)?,
            ))
        };
        Ok(ReleaseList {
            namespaces: namespaces.into_iter().filter_map(belongs).collect(),
            workspaces: workspaces
                .iter()
                .map(|w| facts::workspace(w, None))
                .collect(),
        })
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CallError> {
        list(&self.client, path).await
    }
}

/// Binding and canary of a durable rule.
pub fn durable(rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::Collection => (names::COLLECTION_DURABLE, "durable-collection"),
        Rule::Federation => (names::FEDERATION_DURABLE, "durable-federation"),
    }
}
