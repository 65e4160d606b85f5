//! Witnesses of the incident: a recorder that watches a server, and the recording of the real one.

use std::sync::{Arc, Mutex, PoisonError};

use federation_health_testbed::{
    error::{Attempt, Error, Result},
    kinds,
};
use futures::TryStreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams},
};
use serde_json::Value;
use tokio::task::JoinSet;

/// What happened to one object, as far as the order of the incident is about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sighting {
    /// Kind of the object.
    pub kind: String,
    /// ADDED, MODIFIED or DELETED.
    pub what: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Whether it has a deletionTimestamp.
    pub deleting: bool,
    /// UID of its first owner, or nothing.
    pub owner: String,
    /// Whether its condition Ready is True.
    pub ready: bool,
    /// Names and states of `FederatedWorkspace.status.clusters[]`, in alphabetical order.
    pub clusters: Vec<String>,
}

/// The recorded incident of KubeFed 0.8.1: its first cycles and the ends of its namespaces.
pub fn recording() -> Result<Vec<Sighting>> {
    const LINES: &str =
        include_str!("../../../crates/sim/tests/fixtures/incident-kubefed-0.8.1.jsonl");
    LINES.lines().map(recorded).collect()
}

fn recorded(line: &str) -> Result<Sighting> {
    let row: Value = serde_json::from_str(line).attempt(|| "read a line of the recording")?;
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    Ok(Sighting {
        kind: text("kind"),
        what: text("type"),
        name: text("name"),
        uid: text("uid"),
        deleting: row["deleting"].as_bool().unwrap_or(false),
        owner: text("owner"),
        ready: row["ready"].as_bool().unwrap_or(false),
        clusters: states(&row["clusters"]),
    })
}

fn states(clusters: &Value) -> Vec<String> {
    let state = |cluster: &Value| {
        let name = cluster["name"].as_str().unwrap_or_default();
        format!("{name} {}", cluster["status"].as_str().unwrap_or("OK"))
    };
    // KubeFed keeps them in a map: their order says nothing.
    let mut states: Vec<String> = clusters
        .as_array()
        .into_iter()
        .flatten()
        .map(state)
        .collect();
    states.sort();
    states
}

/// Sightings with the resourceVersion that dates each.
type Seen = Arc<Mutex<Vec<(u64, Sighting)>>>;

/// Watches the kinds of the incident from its start on.
pub struct Recorder {
    seen: Seen,
    watches: JoinSet<Result<()>>,
}

impl Recorder {
    /// Opens the watches; what happens after this returns is seen.
    pub async fn start(client: &Client) -> Result<Self> {
        let namespaces = ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&());
        let mut recorder = Self {
            seen: Seen::default(),
            watches: JoinSet::new(),
        };
        for resource in [
            kinds::kubefed_cluster(),
            kinds::federated_workspace(),
            kinds::workspace(),
            namespaces,
        ] {
            recorder.watch(client, &resource).await?;
        }
        Ok(recorder)
    }

    async fn watch(&mut self, client: &Client, resource: &ApiResource) -> Result<()> {
        let kind = resource.kind.clone();
        let api: Api<DynamicObject> = kinds::all(client, resource);
        let what = || format!("watch {kind}");
        let list = api.list(&ListParams::default()).await.attempt(what)?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let stream = api.watch(&WatchParams::default(), &version).await;
        let mut stream = Box::pin(stream.attempt(what)?);
        let seen = Arc::clone(&self.seen);
        self.watches.spawn(async move {
            while let Some(event) = stream
                .try_next()
                .await
                .attempt(|| format!("read the watch of {kind}"))?
            {
                let (what, object) = match event {
                    WatchEvent::Added(o) => ("ADDED", o),
                    WatchEvent::Modified(o) => ("MODIFIED", o),
                    WatchEvent::Deleted(o) => ("DELETED", o),
                    WatchEvent::Bookmark(_) => continue,
                    WatchEvent::Error(status) => {
                        return Err(Error::refused(format!("the watch of {kind}: {status:?}")));
                    }
                };
                let version = object.resource_version().unwrap_or_default();
                let version = version
                    .parse()
                    .attempt(|| format!("read version {version:?} of a {kind}"))?;
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((version, sighting(&kind, what, &object)));
            }
            Ok(())
        });
        Ok(())
    }

    /// What was seen so far, in the order in which it was stored: watches of different kinds are not ordered
    /// among each other, but their versions come from one counter.
    pub fn sightings(&self) -> Vec<Sighting> {
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        seen.sort_by_key(|(version, _)| *version);
        seen.into_iter().map(|(_, sighting)| sighting).collect()
    }

    /// An error if a watch has ended: what it has not seen would look as if it had not happened.
    pub fn check(&mut self) -> Result<()> {
        match self.watches.try_join_next() {
            None => Ok(()),
            Some(ended) => {
                ended.attempt(|| "join a watch")??;
                Err(Error::refused("a watch ended before the incident did"))
            }
        }
    }
}

fn sighting(kind: &str, what: &str, object: &DynamicObject) -> Sighting {
    let conditions = object.data["status"]["conditions"].as_array();
    let ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
    let owner = object.owner_references().first();
    Sighting {
        kind: kind.to_owned(),
        what: what.to_owned(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        deleting: object.metadata.deletion_timestamp.is_some(),
        owner: owner.map(|o| o.uid.clone()).unwrap_or_default(),
        ready: conditions.into_iter().flatten().any(ready),
        clusters: states(&object.data["status"]["clusters"]),
    }
}
