//! The writes of remediation to other people's objects. Each reads its target live, checks the order against what it reads,
//! carries that object's uid and resourceVersion as preconditions, has a deadline, and is never repeated here.

use std::time::Duration;

use federation_health_api::names::{MANAGED_LABEL, OPT_OUT_ANNOTATION, REMEDY_MANAGER};
use federation_health_core::{
    id::{Text, Uid},
    remedy::{
        Outcome,
        brake::Brake,
        plan::{Order, Seen, Tie},
        rung::{Kind, Rung, Target, Value},
    },
};
use http::Method;
use kube::Client;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::call::{Call, CallError, JSON, MERGE};

mod canary;
mod journal;
mod keeper;
mod ties;

pub use journal::{NotRecorded, Places};

/// A read of one object.
const READ_DEADLINE: Duration = Duration::from_secs(3);
/// A write, at most; less if the lease ends sooner.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// KubeSphere's Workspaces.
const WORKSPACES: &str = "/apis/tenant.kubesphere.io/v1alpha1/workspaces";
/// The finalizer by which the collector leaves dependents alone.
const ORPHAN: &str = "orphan";

/// Reads and writes for remediation.
#[derive(Clone)]
pub struct Hands {
    client: Client,
    object: String,
    journals: String,
}

impl Hands {
    /// Works for the FederationHealth of this name, over a client without retries, with the journal in this namespace.
    pub fn new(client: Client, object: &str, namespace: &str) -> Self {
        Self {
            client,
            object: object.to_owned(),
            journals: format!("/api/v1/namespaces/{namespace}/configmaps"),
        }
    }

    /// Reads a target as the rung sees it; None if it does not exist.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn look(&self, rung: Rung, target: &Target) -> Result<Option<Seen>, CallError> {
        let object = self.read(target).await?;
        if rung == Rung::PlantCanary {
            return Ok(Some(canary::seen(object.as_ref())));
        }
        Ok(object.map(|object| seen(rung, &object)))
    }

    async fn read(&self, target: &Target) -> Result<Option<Json>, CallError> {
        Call::get(&self.client, path(target), READ_DEADLINE)
            .find()
            .await
    }

    /// Carries an order out. After `until` nothing may be on its way any more: the reads before the write take from that time.
    pub async fn perform(&self, order: &Order, until: Instant) -> Outcome {
        let object = match self.read(&order.target).await {
            Ok(object) => object,
            Err(error) => return Outcome::Failed(said("read", &error)),
        };
        if order.rung == Rung::PlantCanary {
            return self.canary(order, object, until).await;
        }
        let mut found = object.as_ref().map(|object| seen(order.rung, object));
        if let (true, Some(object), Some(found)) = (order.needs_tie(), &object, &mut found) {
            match self.tie(order.rung, object).await {
                Ok(tie) => found.tie = tie,
                Err(error) => return Outcome::Failed(said("read what it hangs on", &error)),
            }
        }
        if let Err(brake) = order.check(found.as_ref()) {
            return Outcome::Refused(brake);
        }
        let Some(object) = object else {
            return Outcome::Failed("the object is gone".to_owned());
        };
        in_time(until, |deadline| self.write(order, &object, deadline)).await
    }

    fn delete(
        &self,
        order: &Order,
        object: &Json,
        deadline: Duration,
    ) -> Result<Call<'_>, serde_json::Error> {
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": unchanged(object)});
        if order.dry_run {
            options["dryRun"] = json!(["All"]);
        }
        Ok(Call {
            method: Method::DELETE,
            content_type: Some(JSON),
            body: serde_json::to_vec(&options)?,
            ..Call::get(&self.client, path(&order.target), deadline)
        })
    }

    fn write(
        &self,
        order: &Order,
        object: &Json,
        deadline: Duration,
    ) -> Result<Call<'_>, serde_json::Error> {
        let dry = if order.dry_run { "&dryRun=All" } else { "" };
        if order.rung == Rung::RemoveStaleCluster {
            return self.delete(order, object, deadline);
        }
        let subresource = if order.rung == Rung::FreezeControllers {
            "/scale"
        } else {
            ""
        };
        let uri = format!(
            "{}{subresource}?fieldManager={REMEDY_MANAGER}{dry}",
            path(&order.target)
        );
        let body = patch(order, object)?;
        let mut call = Call::patch(
            &self.client,
            uri,
            MERGE,
            serde_json::to_vec(&body)?,
            deadline,
        );
        // A Scale has no metadata-only form.
        call.accept = JSON;
        Ok(call)
    }
}

/// Sends what `make` gives for the time that is left, if any is.
async fn in_time<'a>(
    until: Instant,
    make: impl FnOnce(Duration) -> Result<Call<'a>, serde_json::Error>,
) -> Outcome {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Outcome::Refused(Brake::NotLeading(None));
    }
    match make(left.min(WRITE_DEADLINE)) {
        Ok(call) => outcome(call.send().await),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// What came of a write. Only what the server says before it writes is certain not to have happened.
fn outcome(answer: Result<Vec<u8>, CallError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Wrote,
        Err(error) if error.code().is_some_and(|code| (400..500).contains(&code)) => {
            Outcome::Failed(said("write", &error))
        }
        Err(error) => Outcome::Unknown(said("write", &error)),
    }
}

fn said(what: &str, error: &CallError) -> String {
    format!("{what}: {error}")
}

/// What the API server compares before it stores: that it is still the object that was read.
fn unchanged(object: &Json) -> Json {
    let meta = &object["metadata"];
    json!({"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]})
}

/// The merge patch that carries out an order, with `object`'s uid and resourceVersion as preconditions: for the scale
/// subresource where the order is about replicas. `null` fields where the order is a deletion.
///
/// # Errors
/// The order's value makes no sense for its rung.
pub fn patch(order: &Order, object: &Json) -> Result<Json, serde_json::Error> {
    let mut body = change(order, object)?;
    for (field, value) in unchanged(object).as_object().into_iter().flatten() {
        body["metadata"][field] = value.clone();
    }
    Ok(body)
}

/// Where a target is served.
pub fn path(target: &Target) -> String {
    let (name, namespace) = (&target.name, &target.namespace);
    match target.kind {
        Kind::PersistentVolume => format!("/api/v1/persistentvolumes/{name}"),
        Kind::Workspace => format!("{WORKSPACES}/{name}"),
        Kind::Deployment => format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}"),
        Kind::Namespace => format!("/api/v1/namespaces/{name}"),
        Kind::WorkspaceTemplate => {
            format!("/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates/{name}")
        }
        Kind::KubeFedCluster => {
            format!("/apis/core.kubefed.io/v1beta1/namespaces/{namespace}/kubefedclusters/{name}")
        }
    }
}

fn seen(rung: Rung, object: &Json) -> Seen {
    let meta = &object["metadata"];
    let text = |value: &Json| Text::from(value.as_str().unwrap_or_default());
    Seen {
        uid: Uid::parse(&text(&meta["uid"])).unwrap_or_default(),
        version: text(&meta["resourceVersion"]),
        generation: meta["generation"].as_i64().unwrap_or_default(),
        deleting: meta["deletionTimestamp"].is_string(),
        value: field(rung, object),
        opted_out: meta["annotations"][OPT_OUT_ANNOTATION]
            .as_str()
            .is_some_and(|v| v != "false"),
        tie: Tie::Unread,
        keeper: keeper::keeper(rung, object),
    }
}

/// The rung's field in the words of [`Value`].
fn field(rung: Rung, object: &Json) -> Value {
    let text = |value: &Json| Value::new(value.as_str().unwrap_or_default());
    match rung {
        Rung::RetainVolumes => text(&object["spec"]["persistentVolumeReclaimPolicy"]),
        Rung::ArmOrphan => Value::new(if finalizers(object).iter().any(|f| f == ORPHAN) {
            "true"
        } else {
            "false"
        }),
        Rung::ShieldWorkspaces => text(&object["metadata"]["labels"][MANAGED_LABEL]),
        // Kubernetes reads an absent number as 1.
        Rung::FreezeControllers => {
            Value::new(&object["spec"]["replicas"].as_i64().unwrap_or(1).to_string())
        }
        Rung::DisarmNamespaces => match &object["metadata"]["ownerReferences"] {
            Json::Null => Value::new("[]"),
            owners => Value::new(&owners.to_string()),
        },
        Rung::FixPlacement => {
            let clusters = object["spec"]["placement"]["clusters"].as_array();
            let names: Vec<Text> = clusters
                .into_iter()
                .flatten()
                .map(|c| Text::from(c["name"].as_str().unwrap_or_default()))
                .collect();
            Value::names(&names)
        }
        Rung::RemoveStaleCluster => Value::new(&manifest(object).to_string()),
        Rung::PlantCanary => Value::none(),
    }
}

fn finalizers(object: &Json) -> Vec<String> {
    let list = object["metadata"]["finalizers"].as_array();
    list.into_iter()
        .flatten()
        .filter_map(|f| f.as_str().map(str::to_owned))
        .collect()
}

/// What is needed to register the cluster again: no secret is part of it, only the name of one.
fn manifest(object: &Json) -> Json {
    let meta = &object["metadata"];
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": meta["labels"]},
        "spec": object["spec"],
    })
}

/// The merge patch that makes the rung's field what the order says.
fn change(order: &Order, object: &Json) -> Result<Json, serde_json::Error> {
    let to = &*order.to.0;
    Ok(match order.rung {
        Rung::RetainVolumes => json!({"spec": {"persistentVolumeReclaimPolicy": to}}),
        Rung::ArmOrphan => {
            let mut list = finalizers(object);
            list.retain(|f| f != ORPHAN);
            if to == "true" {
                list.push(ORPHAN.to_owned());
            }
            json!({"metadata": {"finalizers": list}})
        }
        Rung::ShieldWorkspaces => {
            let label = if to.is_empty() { Json::Null } else { json!(to) };
            json!({"metadata": {"labels": {MANAGED_LABEL: label}}})
        }
        Rung::FreezeControllers => json!({"spec": {"replicas": serde_json::from_str::<i32>(to)?}}),
        Rung::DisarmNamespaces => {
            json!({"metadata": {"ownerReferences": serde_json::from_str::<Json>(to)?}})
        }
        Rung::FixPlacement => {
            let names: Vec<Json> = to
                .split(',')
                .filter(|n| !n.is_empty())
                .map(|n| json!({"name": n}))
                .collect();
            json!({"spec": {"placement": {"clusters": names}}})
        }
        // These two are no patches.
        Rung::RemoveStaleCluster | Rung::PlantCanary => Json::Null,
    })
}
