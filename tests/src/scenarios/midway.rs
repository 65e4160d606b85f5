//! Installed in the middle of the incident: four Workspaces loop and have lost their namespaces, four stand for now. From the
//! operator's hold on nothing more is lost.

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    Federation, FederationOptions,
    audit::AuditEvent,
    error::{Attempt as _, Error, Result},
    federation::HOST,
    join::JoinOptions,
    kubefed::KubefedVersion,
    wait::{self, Look},
    workspace::{self, Placement, Snapshot, WorkspaceSpec},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    acts::{self, automatic},
    bed::{ALIAS, Bed, LATE},
    cured::{REMOVE, propagated},
    figures::milliseconds,
    members::KeptMembers,
    table::Figures,
};
use crate::guarded::{NAMESPACE, Options, USER, holds};

/// Workspaces of each sort.
const EACH: usize = 4;
/// Namespaces of each Workspace.
const NAMESPACES: usize = 2;
/// Namespaces whose end waits for something, so that they are Terminating when the operator comes.
const HANGING: [&str; 2] = ["loops-0-1", "loops-1-1"];
/// A finalizer that nobody takes off but the test.
const WAITS: &str = "example.com/waits";

/// Eight Workspaces; of four the placement names both names of the host, which keeps them out of the loop.
pub fn options(version: KubefedVersion) -> FederationOptions {
    let numbered = |sort: &str| {
        (0..EACH)
            .map(move |n| WorkspaceSpec::on_host(&format!("{sort}-{n}"), NAMESPACES))
            .collect::<Vec<_>>()
    };
    let both = Placement::clusters([HOST, ALIAS]);
    let standing = numbered("stands")
        .into_iter()
        .map(|spec| spec.placed(both.clone()));
    let mut options = FederationOptions::with_kubefed(version);
    options.workspaces = numbered("loops").into_iter().chain(standing).collect();
    options.control_plane.audited_readers = vec![NAMESPACE.to_owned()];
    options
}

/// The loop, the installation, and the way to the cure. Ends the federation's calm: the lost namespaces are not made again.
///
/// # Errors
/// A namespace was lost after the hold, the ledger is wrong, or the cause still stands.
pub async fn installed(federation: Federation) -> Result<Figures> {
    let whole = federation.snapshot().await?;
    for namespace in HANGING {
        hang(&federation, namespace).await?;
    }
    federation.join_alias(ALIAS, JoinOptions::default()).await?;
    let members = KeptMembers::keep(&federation);
    federation
        .wait_lost(&whole, EACH * NAMESPACES, LATE)
        .await?;
    drop(members);
    gone(&federation).await?;
    let raging = federation.snapshot().await?;
    let mut log = federation.audit().reader_from_now();

    let options = Options {
        spec: Some(automatic()),
        ..Options::default()
    };
    let bed = Bed::install(federation, options).await?;
    let record = bed.record().await?;
    let mut ours: Vec<AuditEvent> = Vec::new();
    let (held, durable) = wait::until("both layers of the hold", LATE, || {
        let read = log.read_new().map(|events| {
            ours.extend(events.into_iter().filter(|e| e.user == USER));
            let first = |sort: fn(&AuditEvent) -> bool| ours.iter().find(|e| sort(e)).cloned();
            match (first(holding), first(switches)) {
                (Some(held), Some(durable)) => Look::Done((held, durable)),
                (held, durable) => Look::Pending(format!("{held:?}, {durable:?}")),
            }
        });
        std::future::ready(read)
    })
    .await?;
    // Those that stood begin to loop, and tenants of the others make new namespaces.
    let client = bed.federation.client();
    for number in 0..EACH {
        let stands = format!("stands-{number}");
        workspace::set_placement(&client, &stands, &Placement::clusters([HOST])).await?;
        let loops = format!("loops-{number}");
        workspace::create_namespace(&client, &format!("{loops}-new"), &loops).await?;
    }
    let alive = bed.federation.snapshot().await?;

    let mended = |h: &FederationHealth| {
        acts::states(h, 0, REMOVE) == [(ALIAS, "Verified")] && holds(h) == (false, false)
    };
    let health = bed
        .guard
        .wait("the removal and the release", LATE, mended)
        .await?;
    let cured = milliseconds(held.received, k8s_openapi::jiff::Timestamp::now()) / 1000.0;
    propagated(&bed).await?;
    let now = bed.federation.snapshot().await?;
    none_lost(&raging, &alive, &now)?;
    record.no_namespace_lost().await?;
    ledger(&health, &raging)?;
    let acts = acts::fenced(&record)?;
    for namespace in HANGING {
        release(&bed.federation, namespace).await?;
    }
    bed.federation.stop().await?;
    let begun = ours.first().map_or(held.received, |first| first.received);
    Ok(vec![
        (
            "first request to a durable hold [ms]",
            milliseconds(begun, durable.reached),
        ),
        (
            "first request to the fast hold [ms]",
            milliseconds(begun, held.reached),
        ),
        ("fast hold to cured and released [s]", cured),
        ("writes to other people's objects", acts.len() as f64),
    ])
}

fn switches(event: &AuditEvent) -> bool {
    event.object.resource == "validatingadmissionpolicybindings"
        && event.verb == "patch"
        && event.took_effect()
}

/// A switch of the fast hold that holds. Its object is made two seconds late here: an API server puts off the first creations
/// of a kind whose definition is younger than that.
fn holding(event: &AuditEvent) -> bool {
    let body = event.request.as_ref().map(|r| &r["status"]["hold"]);
    event.object.resource == "federationholds"
        && event.took_effect()
        && body.is_some_and(|hold| hold["collection"] == true)
}

/// Namespaces that lived when the operator came, and those made since, live on.
fn none_lost(raging: &Snapshot, alive: &Snapshot, now: &Snapshot) -> Result<()> {
    let lost: Vec<String> = [raging, alive]
        .iter()
        .flat_map(|earlier| now.lost_since(earlier))
        .collect();
    match lost.is_empty() {
        true => Ok(()),
        false => Err(Error::refused(format!("lost after the hold: {lost:?}"))),
    }
}

/// What the operator could see lost is what was Terminating when it came, by name and UID.
fn ledger(health: &FederationHealth, raging: &Snapshot) -> Result<()> {
    let mut listed: Vec<(String, String)> = health
        .status
        .iter()
        .flat_map(|status| &status.lost_namespaces)
        .map(|lost| (lost.name.clone(), lost.uid.clone()))
        .collect();
    listed.sort();
    let mut dying: Vec<(String, String)> = raging
        .namespaces
        .iter()
        .filter(|(_, state)| state.terminating)
        .map(|(name, state)| (name.clone(), state.uid.clone()))
        .collect();
    dying.sort();
    match listed == dying && dying.len() == HANGING.len() {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "lost were {dying:?}, the ledger has {listed:?}"
        ))),
    }
}

/// Waits until the namespaces that do not hang have gone from the server.
async fn gone(federation: &Federation) -> Result<()> {
    let what = "the other lost namespaces to be gone";
    wait::until(what, LATE, || async {
        let now = federation.snapshot().await?;
        let dying: Vec<&String> = now
            .namespaces
            .iter()
            .filter(|(name, state)| state.terminating && !HANGING.contains(&name.as_str()))
            .map(|(name, _)| name)
            .collect();
        Ok(match dying.is_empty() {
            true => Look::Done(()),
            false => Look::Pending(format!("{dying:?}")),
        })
    })
    .await
}

async fn hang(federation: &Federation, namespace: &str) -> Result<()> {
    let data = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "waits", "namespace": namespace, "finalizers": [WAITS]},
    });
    federation_health_testbed::apply::object(&federation.client(), &data)
        .await
        .map(drop)
}

async fn release(federation: &Federation, namespace: &str) -> Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(federation.client(), namespace);
    let patch = json!({"metadata": {"finalizers": null}});
    api.patch("waits", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .attempt(|| format!("let namespace {namespace} go"))
        .map(drop)
}
