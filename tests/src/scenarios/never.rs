//! No hold at all: everything is lost as in the recording, and each loss has its name in the object.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    error::{Error, Result},
    workspace::{self, WorkspaceSpec},
};

use super::{
    bed::{Bed, How, LATE, Record, SOON},
    contents::Contents,
    figures::milliseconds,
    members::KeptMembers,
    table::Figures,
    verdict::{self, Expected},
};
use crate::guarded::{finding, observing};

/// Without a new Workspace for this long the loop is over: its longest pause is 10 s.
const OVER: Duration = Duration::from_secs(11);
/// Workspaces that FH028 tells as one.
const CROWD: usize = 10;
/// The loop goes on for this long when all is lost: a count worth comparing.
const RAGE: Duration = Duration::from_secs(8);

/// Both holds Never: the verdict comes first and names everything; then all is lost, and counted. What was lost stays lost.
pub async fn all_lost(bed: &Bed, contents: Option<&Contents<'_>>) -> Result<Figures> {
    bed.set_spec(&observing()).await?;
    let before = recreations(&bed.calm().await?);
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let expected = Expected {
        objects: contents.map(Contents::names).unwrap_or_default(),
        ..Expected::doubled()
    };
    let verdict = verdict::wait_for(bed, &record, &expected).await?;
    let members = KeptMembers::keep(&bed.federation);
    let projects = bed.federation.projects();
    bed.federation
        .wait_lost(&record.before, projects.len(), LATE)
        .await?;
    drop(members);
    if let Some(contents) = contents {
        contents.wait_all_lost().await?;
    }
    let first = record.wait_deletions("workspaces", 1).await?.remove(0);
    ledger(bed, &record).await?;
    tokio::time::sleep(RAGE).await;
    bed.unregister().await?;
    let counted = count(bed, &record, before).await?;
    Ok(vec![
        ("registration to verdict [ms]", verdict.named_after),
        (
            "verdict to the first deletion [s]",
            (milliseconds(verdict.created, first.received) - verdict.named_after) / 1000.0,
        ),
        ("recreations counted, as in the audit log", counted as f64),
    ])
}

/// Ten Workspaces more, without projects: all begin to be deleted at once, and that is told as one cause.
///
/// # Errors
/// It is not told, or of Workspaces that nobody deleted.
pub async fn at_once(bed: &Bed) -> Result<Figures> {
    bed.set_spec(&observing()).await?;
    let client = bed.federation.client();
    let crowd: Vec<WorkspaceSpec> = (0..CROWD)
        .map(|n| WorkspaceSpec::on_host(&format!("crowd-{n}"), 0))
        .collect();
    for spec in &crowd {
        workspace::create(&client, spec).await?;
    }
    workspace::wait_bound(&client, &crowd, LATE).await?;
    bed.calm().await?;
    let record = bed.record().await?;
    bed.register(How::AsItIs).await?;
    let one_cause = |h: &FederationHealth| finding(h, "FH028").is_some();
    let health = bed.guard.wait("one cause", LATE, one_cause).await?;
    let told = finding(&health, "FH028").map_or("", |f| &f.message);
    let count = told.split(' ').next().and_then(|n| n.parse::<usize>().ok());
    let count = count.filter(|count| *count >= CROWD);
    let count = count.ok_or_else(|| Error::refused(format!("told is {told:?}")))?;
    let deleted = || {
        let mut names = BTreeSet::new();
        let mut found = record.deletions("workspaces")?;
        found.retain(|e| names.insert(e.object.name.clone()));
        Ok(found)
    };
    let what = format!("deletions of {count} Workspaces, as told");
    record.wait_for(&what, count, deleted).await?;
    bed.unregister().await?;
    bed.calm().await?;
    Ok(vec![("Workspaces told as one cause", count as f64)])
}

/// Waits until every lost namespace is in the ledger by name and UID.
async fn ledger(bed: &Bed, record: &Record<'_>) -> Result<()> {
    let lost: BTreeSet<(String, String)> = bed
        .federation
        .projects()
        .into_iter()
        .filter_map(|name| {
            let state = record.before.namespaces.get(&name)?;
            Some((name, state.uid.clone()))
        })
        .collect();
    let named = |h: &FederationHealth| {
        let entries = h.status.iter().flat_map(|s| &s.lost_namespaces);
        let named: BTreeSet<_> = entries.map(|l| (l.name.clone(), l.uid.clone())).collect();
        lost.is_subset(&named)
    };
    bed.guard
        .wait("every lost namespace to be named", SOON, named)
        .await
        .map(drop)
}

/// Waits until the loop is over and the counts agree; a difference that stays is an error.
async fn count(bed: &Bed, record: &Record<'_>, before: i64) -> Result<usize> {
    let created = || {
        record.matching(|e| {
            e.verb == "create" && e.object.resource == "workspaces" && e.took_effect()
        })
    };
    let deadline = Instant::now() + LATE;
    let mut over = created()?.len();
    loop {
        tokio::time::sleep(OVER).await;
        let now = created()?.len();
        if now == over {
            break;
        }
        if Instant::now() >= deadline {
            return Err(Error::refused(format!("the loop goes on: {now} creations")));
        }
        over = now;
    }
    let agree = |h: &FederationHealth| recreations(h) - before == over as i64;
    let waited = bed.guard.wait("the counts to agree", SOON, agree).await;
    waited.map_err(|_| Error::refused(format!("the audit log has {over} recreations")))?;
    Ok(over)
}

fn recreations(health: &FederationHealth) -> i64 {
    let summary = health.status.as_ref().and_then(|s| s.summary.as_ref());
    summary.map_or(0, |s| s.recreations)
}
