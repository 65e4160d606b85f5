//! The verdict on a second registration, as the audit log has it.

use std::time::Duration;

use federation_health_testbed::{
    audit::AuditEvent,
    error::{Error, Result},
    federation::HOST,
    kinds::KUBEFED_NAMESPACE,
    wait::{self, Look},
};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{
    bed::{ALIAS, Bed, How, Record},
    figures::milliseconds,
};
use crate::guarded::USER;

/// The bar is a second on a quiet machine in release; a test machine that also compiles gets more.
const LIMIT: Duration = Duration::from_secs(10);

/// What was measured about a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// When the KubeFedCluster's creation came in.
    pub created: Timestamp,
    /// Milliseconds from the arrival of the KubeFedCluster's creation at the API server to the answer to the status write
    /// that names everything.
    pub named_after: f64,
    /// Milliseconds from the same moment to the answer to the write that holds; None without a hold.
    pub held_after: Option<f64>,
}

/// What a status write must say to count as the verdict.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The condition that is False.
    pub condition: &'static str,
    /// Registrations in its message or in the groups of clusters, by namespace and name.
    pub registrations: [(&'static str, &'static str); 2],
    /// Other federated objects in the blast radius.
    pub objects: Vec<String>,
}

impl Expected {
    /// One cluster under two names of one control plane.
    pub fn doubled() -> Self {
        Self {
            condition: "ClustersUnique",
            registrations: [(KUBEFED_NAMESPACE, HOST), (KUBEFED_NAMESPACE, ALIAS)],
            objects: Vec::new(),
        }
    }

    fn met_by(&self, bed: &Bed, write: &AuditEvent) -> bool {
        let Some(status) = write.request.as_ref().map(|r| &r["status"]) else {
            return false;
        };
        let radius = &status["blastRadius"];
        let mut workspaces = bed.federation.workspaces().iter().map(|spec| &spec.name);
        is_false(status, self.condition)
            && self.registrations.iter().all(|key| in_group(status, *key))
            && workspaces.all(|name| lists(&radius["workspaceNames"], name))
            && bed
                .federation
                .projects()
                .iter()
                .all(|name| lists(&radius["namespaceNames"], name))
            && self
                .objects
                .iter()
                .all(|name| lists(&radius["objectNames"], name))
    }
}

/// Registers the host a second time and waits until the status names both registrations, every Workspace and every project.
pub async fn register_and_wait(bed: &Bed, record: &Record<'_>, how: How) -> Result<Verdict> {
    bed.register(how).await?;
    wait_for(bed, record, &Expected::doubled()).await
}

/// Waits for the verdict on the registration that was made last.
pub async fn wait_for(bed: &Bed, record: &Record<'_>, expected: &Expected) -> Result<Verdict> {
    let created = registration(record).await?;
    let named = wait::until("a status write that names everything", LIMIT, || async {
        let writes =
            record.matching(|e| is_write(e, "federationhealths") && expected.met_by(bed, e))?;
        Ok(match writes.into_iter().next() {
            Some(write) => Look::Done(write),
            None => Look::Pending(format!("{:?}", bed.guard.health().await?.status)),
        })
    })
    .await?;
    let early = record.deletions("workspaces")?;
    if let Some(deletion) = early.iter().find(|d| d.received <= named.reached) {
        return Err(Error::refused(format!(
            "the verdict came after a deletion: {deletion:?}"
        )));
    }
    let held = record.matching(|e| is_write(e, "federationholds") && holds(e))?;
    Ok(Verdict {
        created: created.received,
        named_after: milliseconds(created.received, named.reached),
        held_after: held
            .first()
            .map(|held| milliseconds(created.received, held.reached)),
    })
}

/// The creation of the KubeFedCluster; the log has it a moment after its client has the answer.
pub(super) async fn registration(record: &Record<'_>) -> Result<AuditEvent> {
    wait::until("the registration in the audit log", LIMIT, || async {
        let created = record.matching(|e| {
            e.verb == "create" && e.object.resource == "kubefedclusters" && e.took_effect()
        })?;
        Ok(match created.into_iter().next() {
            Some(created) => Look::Done(created),
            None => Look::Pending("none".to_owned()),
        })
    })
    .await
}

fn is_write(event: &AuditEvent, resource: &str) -> bool {
    event.user == USER
        && event.object.resource == resource
        && event.object.subresource == "status"
        && event.verb == "patch"
        && event.took_effect()
}

fn holds(event: &AuditEvent) -> bool {
    let hold = event.request.as_ref().map(|r| &r["status"]["hold"]);
    hold.is_some_and(|h| h["collection"] == true || h["federation"] == true)
}

fn in_group(status: &Value, (namespace, name): (&str, &str)) -> bool {
    let groups = status["clusterGroups"].as_array().into_iter().flatten();
    groups
        .filter(|group| group["certain"] == true)
        .filter_map(|group| group["members"].as_array())
        .flatten()
        .any(|member| member["namespace"] == namespace && member["name"] == name)
}

fn lists(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|names| names.iter().any(|found| found == name))
}

fn is_false(status: &Value, type_: &str) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|c| c["type"] == type_ && c["status"] == "False")
}
