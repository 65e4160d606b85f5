//! The journal in its two places: a ConfigMap of ours, and `status.actions`.

use federation_health_api::names::{HEALTHS, JOURNAL, JOURNAL_KEY, JOURNAL_MANAGER};
use federation_health_core::{
    id::Uid,
    remedy::{Loaded, Place, journal::Record},
};
use federation_health_index::remedy::{Pages, named, read, shown};
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

/// What the next write of the journal goes by: its two objects, as they were last seen.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// resourceVersion of the ConfigMap; None while there is none.
    version: Option<String>,
    /// UID of the ConfigMap.
    kept: String,
    /// UID of the FederationHealth.
    shown: String,
    /// Lines that this version does not understand: written again as they were found.
    unread: Vec<Json>,
}

impl Hands {
    /// Reads the journal in both of its places. `lenient`: who only looks gets by with `status.actions`, if the role that reads
    /// the ConfigMap is not installed.
    ///
    /// # Errors
    /// It cannot be read, or makes no sense.
    pub async fn load(&self, lenient: bool) -> Result<(Loaded, Places), String> {
        let failed = |error: CallError| said("read the journal", &error);
        let health = self.get(&self.status_path()).await.map_err(failed)?;
        let health = health.unwrap_or_default();
        let status = &health["status"];
        let shown = status["actions"].as_array().cloned().unwrap_or_default();
        let (shown, mut unread) = read(shown);
        let object = match self.get(&format!("{}/{JOURNAL}", self.journals)).await {
            Err(error) if lenient && error.code() == Some(403) => None,
            found => found.map_err(failed)?,
        };
        let text = object
            .as_ref()
            .and_then(|o| o["data"][JOURNAL_KEY].as_str());
        let pages: Pages = serde_json::from_str(text.unwrap_or("{}")).map_err(|error| {
            format!("read the journal: ConfigMap {JOURNAL} makes no sense ({error}); delete it if nothing of it is needed")
        })?;
        let (kept, more) = read(pages.actions);
        unread.retain(|line| !more.iter().any(|known| same(known, line)));
        unread.extend(more);
        let places = Places {
            version: object.as_ref().and_then(|o| meta(o, "resourceVersion")),
            kept: object
                .as_ref()
                .and_then(|o| meta(o, "uid"))
                .unwrap_or_default(),
            shown: meta(&health, "uid").unwrap_or_default(),
            unread,
        };
        let of = status["actionsOf"].as_str().unwrap_or_default();
        let found = Loaded {
            kept: object.as_ref().map(|_| Place {
                records: kept,
                restored: differs(&pages.object, &places.kept),
            }),
            shown: Place {
                records: shown,
                restored: differs(of, &places.shown),
            },
            cluster: Uid::parse(&pages.cluster),
            unread: places.unread.iter().map(named).collect(),
        };
        Ok((found, places))
    }

    /// An object; None if it does not exist.
    async fn get(&self, path: &str) -> Result<Option<Json>, CallError> {
        Call::get(&self.client, path.to_owned(), READ_DEADLINE)
            .find()
            .await
    }

    /// Writes the journal down in both of its places, the ConfigMap first. An object that does not say whose UID it has is
    /// written once more: a copy of it is known by that.
    ///
    /// # Errors
    /// Either place could not be written.
    pub async fn record(
        &self,
        journal: &[Record],
        cluster: Option<Uid>,
        places: &mut Places,
    ) -> Result<(), NotRecorded> {
        let failed = |what: &str, error: &CallError| NotRecorded {
            overtaken: false,
            why: said(what, error),
        };
        let mut pages = Pages::new(cluster, journal, &places.unread);
        for _ in 0..2 {
            pages.object.clone_from(&places.kept);
            self.keep(&pages, places)
                .await
                .map_err(|error| NotRecorded {
                    overtaken: error.code() == Some(409),
                    ..failed("write the journal", &error)
                })?;
            if pages.object == places.kept {
                break;
            }
        }
        let actions = shown(journal, &places.unread);
        for _ in 0..2 {
            let of = places.shown.clone();
            let answer = self
                .show(&json!({"actions": actions, "actionsOf": of}))
                .await;
            let answer = answer.map_err(|error| failed("write status.actions", &error))?;
            places.shown = meta(&answer, "uid").unwrap_or_default();
            if of == places.shown {
                break;
            }
        }
        Ok(())
    }

    /// Writes the ConfigMap. One that was deleted is made anew, since it is this process that wrote it last.
    async fn keep(&self, pages: &Pages, places: &mut Places) -> Result<(), CallError> {
        let data = json!({JOURNAL_KEY: serde_json::to_string(pages).map_err(CallError::Json)?});
        let mut answer = match &places.version {
            None => self.create(&data).await,
            Some(version) => self.update(&data, version).await,
        };
        if places.version.is_some() && answer.as_ref().err().and_then(CallError::code) == Some(404)
        {
            answer = self.create(&data).await;
        }
        let answer = answer?;
        places.version = meta(&answer, "resourceVersion");
        places.kept = meta(&answer, "uid").unwrap_or_default();
        Ok(())
    }

    async fn create(&self, data: &Json) -> Result<Json, CallError> {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": JOURNAL}, "data": data});
        let uri = format!("{}?fieldManager={JOURNAL_MANAGER}", self.journals);
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        Call::post(&self.client, uri, body, WRITE_DEADLINE)
            .read()
            .await
    }

    async fn update(&self, data: &Json, version: &str) -> Result<Json, CallError> {
        let body = json!({"metadata": {"resourceVersion": version}, "data": data});
        let uri = format!("{}/{JOURNAL}?fieldManager={JOURNAL_MANAGER}", self.journals);
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        Call::patch(&self.client, uri, MERGE, body, WRITE_DEADLINE)
            .read()
            .await
    }

    async fn show(&self, status: &Json) -> Result<Json, CallError> {
        let uri = format!(
            "{}/status?fieldManager={JOURNAL_MANAGER}&force=true",
            self.status_path()
        );
        let body = json!({
            "apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHealth",
            "metadata": {"name": self.object}, "status": status,
        });
        let body = serde_json::to_vec(&body).map_err(CallError::Json)?;
        Call::patch(&self.client, uri, APPLY, body, WRITE_DEADLINE)
            .read()
            .await
    }

    fn status_path(&self) -> String {
        format!("{HEALTHS}/{}", self.object)
    }
}

fn meta(object: &Json, field: &str) -> Option<String> {
    object["metadata"][field].as_str().map(str::to_owned)
}

/// What was written says of which object it is, and that is another one.
fn differs(written: &str, found: &str) -> bool {
    !written.is_empty() && written != found
}

/// The same act, as two places have it.
fn same(a: &Json, b: &Json) -> bool {
    (&a["id"], &a["uid"]) == (&b["id"], &b["uid"])
}
