//! Recreations as the operator counts them through watches that break, lose deletions and repeat themselves, against the
//! audit log.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use federation_health_testbed::{
    Federation, FederationOptions,
    error::Result,
    join::JoinOptions,
    proxy::{Proxy, Trouble},
    wait::{self, Look},
};

use super::bed::{ALIAS, LATE};
use crate::guarded::{self, Guarded, Options, observing};

/// Between two cuts of every connection.
const CUT_EVERY: Duration = Duration::from_secs(3);
const CUTS: usize = 10;

/// Lets the loop rage unheld and waits until the counts agree; gives the number of recreations.
///
/// # Errors
/// They never agree.
pub async fn counted() -> Result<i64> {
    let bed = Federation::start(FederationOptions::default()).await?;
    // The operator's account exists only once it is installed; until then there is nothing to pass on.
    let nothing = Options {
        operator: false,
        spec: Some(observing()),
        ..Options::default()
    };
    Guarded::install(bed.host(), nothing).await?;
    let client = guarded::operator_client(bed.host()).await?;
    let trouble = Trouble {
        garbled: true,
        ..Trouble::default()
    };
    let proxy = Proxy::start(client, &["workspaces"], trouble).await?;
    let options = Options {
        server: Some(proxy.url()),
        spec: Some(observing()),
        ..Options::default()
    };
    let guard = Guarded::install(bed.host(), options).await?;
    guard.wait_condition("Healthy", "True", LATE).await?;

    let log = RefCell::new(bed.audit().reader_from_now());
    bed.join_alias(ALIAS, JoinOptions::default()).await?;
    guard.wait_finding("FH001", LATE).await?;
    for _ in 0..CUTS {
        tokio::time::sleep(CUT_EVERY).await;
        proxy.cut();
    }
    bed.unregister(ALIAS).await?;
    let (recreated, last) = (Cell::new(0), Cell::new(None));
    wait::until("both to count alike", LATE, || async {
        let events = log.borrow_mut().read_new()?;
        let created = events
            .iter()
            .filter(|e| e.verb == "create" && e.object.resource == "workspaces" && e.took_effect());
        recreated.set(recreated.get() + created.count() as i64);
        let summary = guard.health().await?.status.and_then(|s| s.summary);
        let seen = (summary.map_or(0, |s| s.recreations), recreated.get());
        // Twice in a row: the loop may still be at work.
        let steady = last.replace(Some(seen)) == Some(seen);
        Ok(match steady && seen.0 == seen.1 {
            true => Look::Done(()),
            false => Look::Pending(format!("{} counted, {} in the log", seen.0, seen.1)),
        })
    })
    .await?;
    bed.stop().await?;
    Ok(recreated.get())
}
