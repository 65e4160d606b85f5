//! The journal in its two places: a ConfigMap of ours, and `status.actions`.

use federation_health_api::{
    names::{HEALTHS, JOURNAL, JOURNAL_KEY, JOURNAL_MANAGER},
    v1alpha1::ActionStatus,
};
use federation_health_core::{
    id::Uid,
    remedy::{Loaded, journal::Record},
};
use federation_health_index::remedy::{Pages, actions, records, shown};
use serde_json::{Value as Json, json};

use super::{Hands, READ_DEADLINE, WRITE_DEADLINE, said};
use crate::call::{APPLY, Call, CallError, MERGE};

/// Why the journal could not be written.
#[derive(Debug)]
pub struct NotRecorded {
    /// Somebody else wrote it meanwhile.
    pub overtaken: bool,
    /// What was attempted, and what was said.
    pub why: String,
}

impl Hands {
    /// Reads the journal in both of its places; gives its ConfigMap's resourceVersion, None while there is none.
    ///
    /// # Errors
    /// It cannot be read, or makes no sense.
    pub async fn load(&self) -> Result<(Loaded, Option<String>), String> {
        let shown = self.get(&self.status_path()).await?;
        let shown: Vec<ActionStatus> = match shown["status"].get("actions") {
            None => Vec::new(),
            Some(actions) => serde_json::from_value(actions.clone()).map_err(|error| {
                format!("read the journal: status.actions makes no sense ({error})")
            })?,
        };
        let object = self.get(&format!("{}/{JOURNAL}", self.journals)).await?;
        let text = object["data"][JOURNAL_KEY].as_str().unwrap_or("{}");
        let pages: Pages = serde_json::from_str(text).map_err(|error| {
            format!("read the journal: ConfigMap {JOURNAL} makes no sense ({error}); delete it if nothing of it is needed")
        })?;
        let found = Loaded {
            records: records(&pages.actions),
            shown: records(&shown),
            cluster: Uid::parse(&pages.cluster),
        };
        let version = object["metadata"]["resourceVersion"].as_str();
        Ok((found, version.map(str::to_owned)))
    }

    /// An object, or null if it does not exist.
    async fn get(&self, path: &str) -> Result<Json, String> {
        let call = Call::get(&self.client, path.to_owned(), READ_DEADLINE);
        let found = call.find().await;
        Ok(found
            .map_err(|error| said("read the journal", &error))?
            .unwrap_or_default())
    }

    fn status_path(&self) -> String {
        format!("{HEALTHS}/{}", self.object)
    }

    /// Writes the journal down in both of its places, the ConfigMap first; gives the ConfigMap's new resourceVersion.
    ///
    /// # Errors
    /// Either place could not be written.
    pub async fn record(
        &self,
        journal: &[Record],
        cluster: Option<Uid>,
        version: Option<&str>,
    ) -> Result<Option<String>, NotRecorded> {
        let pages = Pages {
            cluster: cluster.map(|uid| uid.to_string()).unwrap_or_default(),
            actions: actions(journal),
        };
        let failed = |error: &CallError, what: &str| NotRecorded {
            overtaken: matches!(error.code(), Some(404 | 409)),
            why: said(what, error),
        };
        let call = self
            .pages(&pages, version)
            .map_err(|error| failed(&CallError::Json(error), "write the journal"))?;
        let answer: Json = call
            .read()
            .await
            .map_err(|error| failed(&error, "write the journal"))?;
        self.show(journal).await.map_err(|error| NotRecorded {
            overtaken: false,
            why: said("write status.actions", &error),
        })?;
        Ok(answer["metadata"]["resourceVersion"]
            .as_str()
            .map(str::to_owned))
    }

    fn pages(&self, pages: &Pages, version: Option<&str>) -> Result<Call<'_>, serde_json::Error> {
        let data = json!({JOURNAL_KEY: serde_json::to_string(pages)?});
        let Some(version) = version else {
            let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": JOURNAL}, "data": data});
            let uri = format!("{}?fieldManager={JOURNAL_MANAGER}", self.journals);
            let body = serde_json::to_vec(&body)?;
            return Ok(Call::post(&self.client, uri, body, WRITE_DEADLINE));
        };
        let body = json!({"metadata": {"resourceVersion": version}, "data": data});
        let uri = format!("{}/{JOURNAL}?fieldManager={JOURNAL_MANAGER}", self.journals);
        Ok(Call::patch(
            &self.client,
            uri,
            MERGE,
            serde_json::to_vec(&body)?,
            WRITE_DEADLINE,
        ))
    }

    async fn show(&self, journal: &[Record]) -> Result<(), CallError> {
        let uri = format!(
            "{}/status?fieldManager={JOURNAL_MANAGER}&force=true",
            self.status_path()
        );
        let body = json!({
            "apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHealth",
            "metadata": {"name": self.object}, "status": {"actions": shown(journal)},
        });
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        Call::patch(&self.client, uri, APPLY, body, WRITE_DEADLINE)
            .send()
            .await
            .map(drop)
    }
}
