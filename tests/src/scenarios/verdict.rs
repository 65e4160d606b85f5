//! The verdict on a second registration, as the audit log has it.

use std::time::Duration;

use federation_health_testbed::{
    audit::AuditEvent,
    error::{Error, Result},
    federation::HOST,
    kinds::KUBEFED_NAMESPACE,
    wait::{self, Look},
};
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
    /// Milliseconds from the arrival of the KubeFedCluster's creation at the API server to the answer to the status write
    /// that names everything.
    pub named_after: f64,
    /// Milliseconds from the same moment to the answer to the write that holds; None without a hold.
    pub held_after: Option<f64>,
}

/// Registers the host a second time and waits until the status names both registrations, every Workspace and every project.
pub async fn register_and_wait(bed: &Bed, record: &Record<'_>, how: How) -> Result<Verdict> {
    bed.register(how).await?;
    let created = registration(record).await?;
    let named = wait::until("a status write that names everything", LIMIT, || async {
        let writes = record.matching(|e| is_status_write(e) && names_all(bed, e))?;
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
    let held = record.matching(|e| is_status_write(e) && holds(e))?;
    Ok(Verdict {
        named_after: milliseconds(created.received, named.reached),
        held_after: held
            .first()
            .map(|held| milliseconds(created.received, held.reached)),
    })
}

/// The creation of the KubeFedCluster; the log has it a moment after its client has the answer.
async fn registration(record: &Record<'_>) -> Result<AuditEvent> {
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

fn is_status_write(event: &AuditEvent) -> bool {
    event.user == USER
        && event.object.resource == "federationhealths"
        && event.object.subresource == "status"
        && event.verb == "patch"
        && event.took_effect()
}

fn holds(event: &AuditEvent) -> bool {
    let hold = event.request.as_ref().map(|r| &r["status"]["hold"]);
    hold.is_some_and(|h| h["collection"] == true || h["federation"] == true)
}

fn names_all(bed: &Bed, event: &AuditEvent) -> bool {
    let Some(status) = event.request.as_ref().map(|r| &r["status"]) else {
        return false;
    };
    let doubled = condition(status, "ClustersUnique", "False").is_some_and(|message| {
        [HOST, ALIAS]
            .iter()
            .all(|name| message.contains(&format!("{KUBEFED_NAMESPACE}/{name}")))
    });
    let mut workspaces = bed.federation.workspaces().iter().map(|spec| &spec.name);
    let radius = &status["blastRadius"];
    doubled
        && workspaces.all(|name| lists(&radius["workspaceNames"], name))
        && bed
            .projects()
            .iter()
            .all(|name| lists(&radius["namespaceNames"], name))
}

fn lists(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|names| names.iter().any(|found| found == name))
}

/// Message of a condition that has this status.
fn condition<'a>(status: &'a Value, type_: &str, wanted: &str) -> Option<&'a str> {
    let conditions = status["conditions"].as_array()?;
    conditions
        .iter()
        .find(|c| c["type"] == type_ && c["status"] == wanted)
        .and_then(|c| c["message"].as_str())
}
